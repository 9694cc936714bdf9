"""``Numeric``: an answer is right if its final number equals the target."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar

from archon_graph.answers import extract_answer, parse_number
from archon_graph.evals.scorers.base import Score, Scorer, right, wrong

if TYPE_CHECKING:
    from archon_graph.evals.benchmarks.item import Item


@dataclass(frozen=True, kw_only=True)
class Numeric(Scorer):
    """Right if the answer's final number equals a target as a number: ``18``, ``18.00`` and ``$18`` are equal.

    The final number is the one the answer states (boxed, after ``####``, after "answer is"), else its last one.
    Units and a percent sign are not read: ``50%`` is 50. A benchmark that also takes 0.5 needs both targets.

    Source: GSM8K (arXiv 2110.14168) compares what follows ``####`` as text, without commas; this agrees with
    its published labels on all of their 2638 solutions by a 6B model.
    """

    name: ClassVar[str] = "numeric"

    tolerance: float = 0.0
    """Largest difference that counts as equal. An item's own, ``metadata["tolerance"]``, comes first."""

    async def score(self, item: Item, answer: str) -> Score:
        """Compare with each target."""
        targets = [parse_number(target) for target in item.targets]
        if not targets or None in targets:
            return Score.unscored(f"the target is no number: {item.target!r}")
        found = extract_answer(answer, "number")
        value = None if found is None else parse_number(found)
        if value is None:
            return wrong("the answer holds no number" if answer.strip() else "the answer is empty")
        tolerance = Fraction(item.metadata.get("tolerance", self.tolerance))
        if any(abs(value - target) <= tolerance for target in targets if target is not None):
            return right("equal to the target as a number", found)
        return wrong("another number than the target", found)
