"""``Shortest``: keeps the shortest answers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import KW_ONLY
from typing import ClassVar

from pydantic.dataclasses import dataclass

from archon_graph.core import COMPONENT_CONFIG, Candidate, Component, Count, NodeContext, Problem, Style


@dataclass(frozen=True, config=COMPONENT_CONFIG)
class Shortest(Component):
    """Passes on the ``keep`` shortest candidates, the shortest first.

    Candidates of the same length keep the order in which they came.

    Model calls: none.
    """

    technique: ClassVar[str] = "shortest"
    style: ClassVar[Style] = Style("rhombus", "#e3e3c8")

    _: KW_ONLY
    keep: Count = 1
    """How many candidates to pass on."""

    async def run(self, context: NodeContext) -> Sequence[Candidate]:
        """Sort them by length."""
        return sorted(context.candidates, key=lambda candidate: len(candidate.content))[: self.keep]

    def candidates_out(self, incoming: int) -> int:
        """At most ``keep``."""
        return min(self.keep, incoming)

    def check(self, node: str, incoming: int) -> Iterable[Problem]:
        """``keep`` must not be larger than what comes in."""
        if self.keep > incoming:
            yield Problem(
                rule="top-k",
                where=node,
                message=f"keep is {self.keep}, and only {incoming} candidates come in",
                way_out=f"Set keep to {incoming} or less",
            )

    def summary(self) -> str:
        """How many it keeps."""
        return f"keep {self.keep}"
