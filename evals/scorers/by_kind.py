"""``ByKind``: scores each item with the scorer that its kind asks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from archon_graph.evals.scorers.base import Score, Scorer
from archon_graph.evals.scorers.choice import Choice
from archon_graph.evals.scorers.code import Code
from archon_graph.evals.scorers.exact import Exact
from archon_graph.evals.scorers.math_equivalence import MathEquivalence
from archon_graph.evals.scorers.numeric import Numeric

if TYPE_CHECKING:
    from archon_graph.evals.benchmarks.item import Item
    from archon_graph.models import Client
    from archon_graph.models.request import ModelLike


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

    async def score_turns(self, item: Item, answers: Sequence[str], client: Client) -> Score:
        """Ask the scorer of the item's kind, which may be a judge."""
        scorer = self._scorer(item.kind)
        if scorer is None:
            return await self.score(item, answers[-1])
        return await scorer.score_turns(item, answers, client)

    @property
    def models(self) -> tuple[ModelLike, ...]:
        """The models of all judges among its scorers."""
        return tuple(model for scorer in self.scorers.values() for model in scorer.models)

    def problems(self, items: Sequence[Item]) -> list[str]:
        """What items lack to be scored by the scorer of their kind."""
        told = [
            problem
            for kind, scorer in self.scorers.items()
            for problem in scorer.problems([item for item in items if item.kind == kind])
        ]
        if items and all(self._scorer(item.kind) is None for item in items):
            kinds = ", ".join(sorted({repr(item.kind) for item in items}))
            told.append(
                f"no rule scores items of the kind {kinds}, and every answer would be unscored; let a model judge "
                f"them: --judge openai:gpt-4o"
            )
        return told

    def figures(self, scored: Sequence[tuple[Item, Score]]) -> dict[str, Any]:
        """The figures of every scorer, for the items of its kind."""
        told: dict[str, Any] = {}
        for kind, scorer in self.scorers.items():
            own = [(item, score) for item, score in scored if item.kind == kind]
            told |= {f"{kind}: {name}": value for name, value in scorer.figures(own).items()} if own else {}
        return told

    def _scorer(self, kind: str) -> Scorer | None:
        if kind in self.scorers:
            return self.scorers[kind]
        return SCORERS[kind]() if kind in SCORERS else None

    def settings(self) -> dict[str, str]:
        """The identity of every scorer it may ask."""
        kinds = sorted({*SCORERS, *self.scorers})
        return {kind: scorer.identity for kind in kinds if (scorer := self._scorer(kind)) is not None}
