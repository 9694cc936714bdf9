"""``JudgeScorer``: scores answers by what a language model says of them, through the one door to models."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from langchain_core.messages import AIMessage, BaseMessage

from archon_graph.evals.judges.protocol import NO_VERDICT, Game, Protocol, Verdict
from archon_graph.evals.scorers.base import UNSCORED, Score, Scorer
from archon_graph.models import ConfigurationError, ModelError, Request, Usage
from archon_graph.models.cache import identify
from archon_graph.models.providers import label
from archon_graph.models.request import Draw, ModelLike

if TYPE_CHECKING:
    from archon_graph.evals.benchmarks.item import Item
    from archon_graph.models import Client


@dataclass(frozen=True, kw_only=True)
class JudgeScorer(Scorer):
    """Asks a model what an answer is worth, by a protocol.

    Its calls are calls like all others: kept in the cache, paid from the budget, repeated as the policies say. An
    evaluation that is started again asks for no verdict twice. A reply that cannot be read is asked for again as
    often as the protocol says; if none can be read, the answer is unscored, and not wrong. It is unscored, too,
    where the judge's calls fail.

    Model calls: one for each game of the protocol, and one for each further attempt.
    """

    name: ClassVar[str] = "judge"

    model: ModelLike
    """Who judges."""
    protocol: Protocol
    """What it is asked, and how its replies are read."""

    async def score(self, item: Item, answer: str) -> Score:  # noqa: ARG002
        """A judge cannot score without a client.

        Raises:
            ConfigurationError: Always.
        """
        raise ConfigurationError(
            f"the judge {label(self.model)} calls a model, and has no client here; score_turns takes one"
        )

    async def score_turns(self, item: Item, answers: Sequence[str], client: Client) -> Score:
        """Play all games of the protocol, side by side, and weigh the verdicts.

        Of a turn without an answer nobody has to be asked: it is as bad as can be. Nor of two answers that are the
        same.
        """
        whole = [*answers, *[""] * (1 + len(item.follow_ups) - len(answers))]
        played = await asyncio.gather(*(self._play(game, client) for game in self.protocol.games(item, whole)))
        verdicts = [verdict for verdict, _ in played]
        draws = [draw for _, drawn in played for draw in drawn]
        failed = next((draw.error for draw in draws if draw.error is not None), None)
        judgment = {
            "judge": label(self.model),
            "protocol": self.protocol.identity,
            "verdicts": [verdict.to_json() for verdict in verdicts],
            "lengths": self.protocol.lengths(item, whole),
            "failed": None if failed is None else _said(failed),
            "usage": asdict(Usage.total(draw.usage for draw in draws)),
            "paid": asdict(Usage.total(draw.usage for draw in draws if not draw.cached)),
        }
        if failed is not None:
            return Score(value=UNSCORED, detail=f"the judge failed: {_said(failed)}", judgment=judgment)
        try:
            value, detail = self.protocol.score(verdicts)
            if value is None:
                return Score(value=UNSCORED, detail=f"no verdict could be read: {detail}", judgment=judgment)
            return Score(value=value, detail=detail, judgment=judgment)
        except Exception as error:  # noqa: BLE001 - of a protocol of the user's own; what was paid is still told
            told = f"the protocol {self.protocol.name} failed: {type(error).__name__}: {error}"
            return Score(value=UNSCORED, detail=told, judgment=judgment)

    async def _play(self, game: Game, client: Client) -> tuple[Verdict, list[Draw]]:
        """Ask until a reply can be read."""
        messages: tuple[BaseMessage, ...] = game.messages
        draws: list[Draw] = []
        known, reply = self.protocol.unheard(game), AIMessage("")
        reading = NO_VERDICT if known is None else known
        for attempt in range(0 if known is not None else self.protocol.attempts):
            request = Request(
                model=self.model,
                messages=messages,
                sampling=self.protocol.sampling,
                prompt_version=self.protocol.prompt,
                node="judge",
                part=f"/{game.name}",
            )
            # The same words once more are another sample; other words are another call.
            index = attempt if messages == game.messages else 0
            [draw] = await client.draw(request, [index])
            draws.append(draw)
            if draw.message is None:
                break
            reply = draw.message
            reading = self.protocol.read(game, reply)
            if reading.label is not None:
                break
            messages = self.protocol.again(game, reply)
        verdict = Verdict(
            game=game.name,
            pair=game.pair,
            swapped=game.swapped,
            label=reading.label,
            value=reading.value,
            text=str(reply.text),
            attempts=len(draws),
        )
        return verdict, draws

    @property
    def models(self) -> tuple[ModelLike, ...]:
        """The judge."""
        return (self.model,)

    def figures(self, scored: Sequence[tuple[Item, Score]]) -> Mapping[str, Any]:
        """What the protocol's authors would print."""
        return self.protocol.figures(scored)

    def problems(self, items: Sequence[Item]) -> list[str]:
        """What items lack to be judged."""
        found = {item.id: problem for item in items if (problem := self.protocol.problem(item)) is not None}
        told: dict[str, list[str]] = {}
        for name, problem in found.items():
            told.setdefault(problem, []).append(name)
        return [
            f"{len(names)} of {len(items)} items, the first {names[0]!r}: {problem}"
            for problem, names in told.items()
        ]

    def settings(self) -> dict[str, Any]:
        """The judge, what it is at bottom, and the protocol's identity."""
        return {"model": label(self.model), "is": self._model_identity(), "protocol": self.protocol.identity}

    def _model_identity(self) -> str | None:
        """A digest of the model's provider, file or endpoint, and settings; ``None`` where nobody knows them."""
        try:
            found = identify(Request(model=self.model, messages=(), sampling=self.protocol.sampling))
        except ConfigurationError:
            return None  # it cannot be opened either, which is told elsewhere
        return None if found is None else found.model[:12]


def _said(error: ModelError) -> str:
    return " ".join(str(error).split())[:300]
