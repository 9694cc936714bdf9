"""``Ranker``: puts candidates in order and keeps the best; and the grammar of a ranking."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import KW_ONLY
from dataclasses import dataclass as plain_dataclass
from typing import Any, ClassVar

from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage
from pydantic.dataclasses import dataclass

from archon_graph.components.judging import as_number
from archon_graph.core import (
    COMPONENT_CONFIG,
    CONVERSATION,
    Candidate,
    Count,
    ModelComponent,
    ModelError,
    NodeContext,
    Problem,
    Prompt,
    Style,
    as_material,
    conversation_text,
    load_prompt,
    show_candidates,
    warn_of_many,
)


@dataclass(frozen=True, config=COMPONENT_CONFIG)
class Ranker(ModelComponent):
    """Orders the candidates best first and passes on the ``top_k`` best of them.

    The model sees the conversation and all candidates in one call, with their critiques, and names an order. A
    partial order is kept and the candidates it leaves out follow in the order in which they came; a reply that
    cannot be read leaves the incoming order. Both are recorded. Candidates themselves are passed on as they are.

    Model calls: 1; none when a single candidate comes in.

    Source: the ranker of Archon (arXiv 2409.15254), section 3; the prompt is our own.

    Args:
        model: Spec of the model, or a chat model.
        top_k: How many candidates to pass on; all of them by default.
        use_critiques: Whether the model sees what critics said of the candidates.
    """

    technique: ClassVar[str] = "ranker"
    reads_critiques: ClassVar[bool] = True
    style: ClassVar[Style] = Style("hexagon", "#ffe3b3")
    default_prompt: ClassVar[Prompt | None] = load_prompt("archon_graph.components", "ranker")

    _: KW_ONLY
    top_k: Count | None = None
    """How many candidates to pass on; ``None`` for all."""
    use_critiques: bool = True
    """Whether the model sees what critics said of the candidates."""

    async def run(self, context: NodeContext) -> Sequence[Candidate]:
        """Ask for an order and apply it."""
        candidates = context.candidates
        if len(candidates) == 1:
            return candidates
        as_json = await context.wants_json(self)
        schema = ranking_schema(len(candidates)) if as_json else None
        [draw] = await context.draw(self, self._messages(context, as_json=as_json), schema=schema)
        text = str(draw.message.text) if draw.message is not None else ""
        ranking = read_ranking_json(draw.data, len(candidates)) if draw.data is not None else None
        if ranking is None:
            ranking = read_ranking_text(text, len(candidates))
        if ranking.problem:
            context.lose("unreadable", ranking.problem)
        return [candidates[place] for place in ranking.order][: self.top_k]

    def degrade(self, context: NodeContext, error: ModelError) -> Sequence[Candidate]:  # noqa: ARG002
        """The first ``top_k`` of what came in, in incoming order."""
        return context.candidates[: self.top_k]

    def calls(self, incoming: int) -> int:
        """One, if there is anything to order."""
        return 1 if incoming > 1 else 0

    def candidates_out(self, incoming: int) -> int:
        """At most ``top_k``."""
        return incoming if self.top_k is None else min(self.top_k, incoming)

    def check(self, node: str, incoming: int) -> Iterable[Problem]:
        """``top_k`` must not be larger than what comes in, and what comes in should fit into a prompt."""
        yield from warn_of_many(node, incoming)
        if self.top_k is not None and self.top_k > incoming:
            yield Problem(
                rule="top-k",
                where=node,
                message=f"top_k is {self.top_k}, and only {incoming} candidates come in",
                way_out=f"Set top_k to {incoming} or less, or draw more samples before it",
            )

    def summary(self) -> str:
        """How many it keeps."""
        return f"top {self.top_k}" if self.top_k is not None else ""

    def _messages(self, context: NodeContext, *, as_json: bool) -> list[BaseMessage]:
        count = len(context.candidates)
        shown = show_candidates(
            context.candidates, around=conversation_text(context.question), critiques=self.use_critiques
        )
        material = self.words.render(
            "material",
            # The conversation may hold images, so it is put in as content blocks after the text is made.
            conversation=CONVERSATION,
            candidates=shown,
            count=count,
            reply=self.words.render("reply_json" if as_json else "reply_text", count=count),
        )
        return [
            SystemMessage(content=self.words.render("task", count=count)),
            HumanMessage(content=as_material(material, context.question)),
        ]


@plain_dataclass(frozen=True, slots=True)
class Ranking:
    """An order of the candidates, always complete."""

    order: tuple[int, ...]
    """Positions of all candidates, from 0, the best first."""
    problem: str = ""
    """What could not be read, and what was done instead; empty if the reply was in order."""


def ranking_schema(count: int) -> dict[str, Any]:
    """The JSON schema of a ranking of ``count`` candidates: reasoning first, then the numbers from 1."""
    numbers = {"type": "array", "items": {"type": "integer", "enum": list(range(1, count + 1))}}
    return {
        "title": "ranking",
        "description": "An order of the answers.",
        "type": "object",
        "properties": {"reasoning": {"type": "string"}, "ranking": numbers},
        "required": ["reasoning", "ranking"],
        "additionalProperties": False,
    }


def read_ranking_json(data: Mapping[str, Any], count: int) -> Ranking | None:
    """The ranking in a JSON reply; ``None`` if it holds no list of numbers."""
    numbers = data.get("ranking")
    if not isinstance(numbers, list):
        return None
    named = [number for item in numbers if (number := as_number(item)) is not None]
    return _complete(named, count) if named else None


# A ranking in text, as we ask for it and as models vary it:
#
#   ranking   = item { join item } ;            on one line, at least one join
#   join      = ">" | ">=" | "," | "=" | "≥" | "→" ;
#   item      = [ word ] "[" number "]"         preferred; a preamble on the line is skipped
#             | number                          only if the line holds nothing else
#   number    = digit { digit } ;               from 1
#
# The last line that holds a ranking counts: models weigh first and decide at the end, and an echo of our
# example or of the answers comes before. Emphasis marks around the line are ignored.
# Every repeat is bounded, so that a hostile line costs linear time.
_JOIN = r"\s{0,4}(?:>=?|,|=|≥|→)\s{0,4}"
_ITEM = r"(?:[A-Za-z]{1,12}\s{0,4})?\[\s{0,4}\d{1,6}\s{0,4}\]"
_BRACKETED = re.compile(rf"{_ITEM}(?:{_JOIN}{_ITEM})+")
_BARE = re.compile(rf"\d{{1,6}}(?:{_JOIN}\d{{1,6}})+")
_NUMBER = re.compile(r"\d{1,6}")
_EMPHASIS = re.compile(r"[*_`]")


def read_ranking_text(text: str, count: int) -> Ranking:
    """The ranking in a text reply, by the grammar above; the incoming order if there is none."""
    for line in reversed(text.splitlines()):
        plain = _EMPHASIS.sub("", line).strip()
        bracketed = _BRACKETED.findall(plain)
        chain = bracketed[-1] if bracketed else plain if _BARE.fullmatch(plain) else None
        if chain is not None:
            named = [int(number) for number in _NUMBER.findall(chain)]
            if any(1 <= number <= count for number in named):
                return _complete(named, count)
    return Ranking(tuple(range(count)), "no ranking could be read in the reply; the incoming order was kept")


def _complete(named: Sequence[int], count: int) -> Ranking:
    """The order these numbers name, followed by the candidates they leave out, in incoming order."""
    valid = dict.fromkeys(number - 1 for number in named if 1 <= number <= count)
    missing = [place for place in range(count) if place not in valid]
    problems = []
    if len(valid) < len(named):
        problems.append(f"{len(named) - len(valid)} of the numbers named were no candidates or named twice")
    if missing:
        problems.append(f"{len(missing)} of {count} candidates were not named and follow in incoming order")
    return Ranking((*valid, *missing), "; ".join(problems))
