"""``Voter``: keeps the answer that most candidates agree on."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import KW_ONLY, replace
from typing import ClassVar

from pydantic.dataclasses import dataclass

from archon_graph.answers import Extraction, extract_answer
from archon_graph.core import COMPONENT_CONFIG, Candidate, Component, Count, NodeContext, Problem, Style


@dataclass(frozen=True, config=COMPONENT_CONFIG)
class Voter(Component):
    """Groups the candidates by their final answer and passes on one of each of the largest groups.

    The largest group comes first; of groups of one size, the one whose first member came first. A group is
    represented by its first member, passed on as it is with its share of the votes as its ``score``. A candidate
    that calls tools votes for its calls. Candidates without a final answer do not vote. If none has one, the
    first candidates are passed on, and it is recorded.

    Model calls: none.

    Source: self-consistency (arXiv 2203.11171).
    """

    technique: ClassVar[str] = "voter"
    style: ClassVar[Style] = Style("flag", "#f3d6ee")

    _: KW_ONLY
    answers: Extraction = "auto"
    """Where the final answer is looked for; see `archon_graph.answers.extract_answer`."""
    top_k: Count = 1
    """How many groups to pass on a member of."""

    async def run(self, context: NodeContext) -> Sequence[Candidate]:
        """Count the votes."""
        groups: dict[str, list[Candidate]] = {}
        silent = 0
        for candidate in context.candidates:
            answer = _calls(candidate) or extract_answer(candidate.content, self.answers)
            if answer is None:
                silent += 1
            else:
                groups.setdefault(answer, []).append(candidate)
        if not groups:
            context.lose(
                "unreadable", f"no candidate holds a final answer ({self.answers}); the first were passed on"
            )
            return context.candidates[: self.top_k]
        if silent:
            context.lose("unreadable", f"{silent} of {len(context.candidates)} candidates hold no final answer")
        votes = sum(map(len, groups.values()))
        # Sorting is stable, and groups stand in the order of their first members: ties are never drawn by lot.
        ranked = sorted(groups.values(), key=len, reverse=True)
        return [replace(group[0], score=len(group) / votes) for group in ranked[: self.top_k]]

    def candidates_out(self, incoming: int) -> int:
        """At most ``top_k``: there may be fewer different answers."""
        return min(self.top_k, incoming)

    def fewest_out(self, incoming: int) -> int:
        """One, if all candidates agree."""
        return min(1, incoming)

    def check(self, node: str, incoming: int) -> Iterable[Problem]:
        """``top_k`` must not be larger than what comes in."""
        if self.top_k > incoming:
            yield Problem(
                rule="top-k",
                where=node,
                message=f"top_k is {self.top_k}, and only {incoming} candidates come in",
                way_out=f"Set top_k to {incoming} or less, or draw more samples before it",
            )

    def summary(self) -> str:
        """What is voted on, and how many are kept."""
        parts = [self.answers if self.answers != "auto" else "", f"top {self.top_k}" if self.top_k > 1 else ""]
        return ", ".join(filter(None, parts))


def _calls(candidate: Candidate) -> str:
    """The candidate's tool calls as a text that is equal for equal calls; empty if it makes none."""
    calls = [[call["name"], call["args"]] for call in candidate.message.tool_calls]
    return f"calls {json.dumps(calls, sort_keys=True, ensure_ascii=False)}" if calls else ""
