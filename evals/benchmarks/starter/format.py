"""``Format``: an answer is right if its form keeps the rules of the item."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from archon_graph.evals.benchmarks.starter.rules import broken_rules, misstated
from archon_graph.evals.scorers.base import Score, Scorer, right, wrong

if TYPE_CHECKING:
    from archon_graph.evals.benchmarks.item import Item

_SHOWN = 200


@dataclass(frozen=True)
class Format(Scorer):
    """Right if the answer keeps all rules of the item, which are its ``metadata["check"]``.

    An item without rules, or with one that nobody can check, is unscored.
    """

    name: ClassVar[str] = "format"

    async def score(self, item: Item, answer: str) -> Score:
        """Check the whole answer, white space around it aside."""
        check = item.metadata.get("check")
        if not isinstance(check, list) or not check:
            return Score.unscored("the item has no rules to check the answer by")
        if faults := misstated(check):
            return Score.unscored("; ".join(faults))
        if not answer.strip():
            return wrong("the answer is empty")
        shown = answer.strip()[:_SHOWN]
        broken = broken_rules(answer, check)
        return wrong("; ".join(broken), shown) if broken else right("keeps all rules", shown)
