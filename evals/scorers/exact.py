"""``Exact``: an answer is right if it says the target, letter by letter or but for its dress."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from archon_graph.answers import extract_answer, stated_answer
from archon_graph.evals.scorers.base import Score, Scorer, right, wrong

if TYPE_CHECKING:
    from archon_graph.evals.benchmarks.item import Item

_SHOWN = 200


@dataclass(frozen=True, kw_only=True)
class Exact(Scorer):
    r"""Right if the answer, or what it states as its answer, equals a target.

    What an answer states is what stands in its last ``\boxed{}``, after its last ``####``, or after its last
    "answer is" or "Answer:". Case, white space, quotes, emphasis and a full stop at the end make no difference.
    """

    name: ClassVar[str] = "exact"

    strict: bool = False
    """Compare the whole answer, as it stands but for white space around it: for items about form."""

    async def score(self, item: Item, answer: str) -> Score:
        """Compare with each target."""
        if not item.targets:
            return Score.unscored("the item has no target to compare with")
        if self.strict:
            whole = answer.strip()
            if whole in {target.strip() for target in item.targets}:
                return right("equal to the target", whole[:_SHOWN])
            return wrong("not the target, as it stands", whole[:_SHOWN])
        wanted = {bare(target) for target in item.targets}
        readings = [text for text in (answer, stated_answer(answer)) if text is not None and text.strip()]
        for text in readings:
            if bare(text) in wanted:
                return right("equal to the target", text.strip()[:_SHOWN])
        if not readings:
            return wrong("the answer is empty")
        return wrong("not the target", readings[-1].strip()[:_SHOWN])


def bare(text: str) -> str:
    """A text without differences of case, white space, and the dress around it."""
    # What is nothing but dress ("...", "$") is compared as it stands.
    return (
        extract_answer(text.strip().strip("*_`\"'\u201c\u201d\u2018\u2019 ").rstrip(".!;:,"), "exact")
        or text.strip()
    )
