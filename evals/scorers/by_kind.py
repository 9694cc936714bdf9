"""``ByKind``: scores each item with the scorer that its kind asks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

from archon_graph.evals.scorers.base import Score, Scorer
from archon_graph.evals.scorers.choice import Choice
from archon_graph.evals.scorers.code import Code
from archon_graph.evals.scorers.exact import Exact
from archon_graph.evals.scorers.math_equivalence import MathEquivalence
from archon_graph.evals.scorers.numeric import Numeric

if TYPE_CHECKING:
    from archon_graph.evals.benchmarks.item import Item


def _format() -> Scorer:
    # Its rules are the starter benchmark's own, which is made of items that are scored by kind.
    from archon_graph.evals.benchmarks.starter import Format

    return Format()


SCORERS: Mapping[str, Callable[[], Scorer]] = MappingProxyType(
    {
        "exact": Exact,
        "numeric": Numeric,
        "math": MathEquivalence,
        "choice": Choice,
        "code": Code,
        "format": _format,
    }
)
"""The scorer of each kind, with its default settings."""


@dataclass(frozen=True)
class ByKind(Scorer):
    """Scores each item with the scorer of its kind.

    An item of a kind without a scorer is unscored; ``open`` ones are, until there is a judge for them:
    ``ByKind({"open": my_judge})``.
    """

    name: ClassVar[str] = "by-kind"

    scorers: Mapping[str, Scorer] = field(default_factory=dict)
    """Scorers that stand in for the ones of `SCORERS`, or join them, by kind."""

    async def score(self, item: Item, answer: str) -> Score:
        """Ask the scorer of the item's kind."""
        scorer = self._scorer(item.kind)
        if scorer is None:
            return Score.unscored(f"no scorer for items of the kind {item.kind!r}; give ByKind one")
        return await scorer.score(item, answer)

    def _scorer(self, kind: str) -> Scorer | None:
        if kind in self.scorers:
            return self.scorers[kind]
        return SCORERS[kind]() if kind in SCORERS else None

    def settings(self) -> dict[str, str]:
        """The identity of every scorer it may ask."""
        kinds = sorted({*SCORERS, *self.scorers})
        return {kind: scorer.identity for kind in kinds if (scorer := self._scorer(kind)) is not None}
