"""A protocol for tests: two games about which answer is longer, and judges that are fair, biased, or at a loss."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from langchain_core.messages import AIMessage, HumanMessage

from archon_graph import ScriptedModel
from archon_graph.evals import Benchmark, Item, Score
from archon_graph.evals.judges.judge import JudgeScorer
from archon_graph.evals.judges.protocol import NO_VERDICT, Game, Protocol, Reading, Verdict
from archon_graph.models import Sampling, ScriptedCall

_VALUES = {"A": 0.0, "B": 1.0, "tie": 0.5}


@dataclass(frozen=True, kw_only=True)
class Longest(Protocol):
    """Which of two texts is longer, asked in both orders."""

    name: ClassVar[str] = "longest"
    attempts: ClassVar[int] = 2

    @property
    def prompt(self) -> str:
        return "longest@1"

    @property
    def sampling(self) -> Sampling:
        return Sampling(temperature=0.0, max_tokens=20)

    def games(self, item: Item, answers: Sequence[str]) -> list[Game]:
        other = item.metadata["baseline"]
        texts = ((other, answers[-1]), (answers[-1], other))
        return [
            Game(
                name=f"game-{number}",
                messages=(HumanMessage(f"<<{one}>> or <<{two}>>?"),),
                answer=answers[-1],
                other=other,
                swapped=number == 2,
                pair="only",
            )
            for number, (one, two) in enumerate(texts, 1)
        ]

    def lost(self, game: Game) -> Reading:
        return Reading(label="B" if game.swapped else "A", value=0.0)

    def read(self, game: Game, reply: AIMessage) -> Reading:
        label = str(reply.text)
        if label not in _VALUES:
            return NO_VERDICT
        value = _VALUES[label]
        return Reading(label=label, value=1 - value if game.swapped else value)

    def score(self, verdicts: Sequence[Verdict]) -> tuple[float | None, str]:
        read = [verdict.value for verdict in verdicts if verdict.value is not None]
        return (sum(read) / len(read) if read else None), f"{len(read)} of 2 verdicts"

    def figures(self, scored: Sequence[tuple[Item, Score]]) -> dict[str, Any]:
        return {"wins": sum(score.value == 1.0 for _, score in scored)}

    def other_answer(self, item: Item) -> str | None:
        return str(item.metadata["baseline"])

    def problem(self, item: Item) -> str | None:
        return None if "baseline" in item.metadata else "has no baseline"


def fair(call: ScriptedCall) -> Any:
    """The longer one."""
    one, two = re.findall(r"<<(.*?)>>", call.prompt)
    return "tie" if len(one) == len(two) else "A" if len(one) > len(two) else "B"


def first(call: ScriptedCall) -> Any:
    """Whichever stands first."""
    return "A"


def judge(reply: Any, **settings: Any) -> JudgeScorer:
    """A judge of this character."""
    return JudgeScorer(model=ScriptedModel(reply, **{"cache_id": "the-judge", **settings}), protocol=Longest())


def benchmark(scorer: JudgeScorer, *baselines: str) -> Benchmark:
    """Questions with these answers to beat."""
    return Benchmark(
        name="longest",
        items=tuple(
            Item(
                id=f"q{number}", input=f"Say something, {number}.", metadata={"baseline": text}, kind="preference"
            )
            for number, text in enumerate(baselines, 1)
        ),
        scorer=scorer,
    )
