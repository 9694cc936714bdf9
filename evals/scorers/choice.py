"""``Choice``: an answer is right if it chooses the target's letter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from archon_graph.answers import extract_choice
from archon_graph.evals.scorers.base import Score, Scorer, right, wrong

if TYPE_CHECKING:
    from archon_graph.evals.benchmarks.item import Item


@dataclass(frozen=True, kw_only=True)
class Choice(Scorer):
    """Right if the letter that the answer chooses is a target.

    If the item's metadata lists its ``choices``, only their letters count, and an answer that gives the words of
    one choice, and no letter, has chosen it. An answer that chooses nothing is wrong: it is not given a random
    letter, as some protocols do, because the same answer must always have the same score.

    Source: MMLU (arXiv 2009.03300) takes the letter; so does MixEval (arXiv 2406.06565).
    """

    name: ClassVar[str] = "choice"

    async def score(self, item: Item, answer: str) -> Score:
        """Compare with each target."""
        if not item.targets:
            return Score.unscored("the item has no target to compare with")
        letter = extract_choice(answer, item.metadata.get("choices", ()))
        if letter is None:
            return wrong("the answer chooses no letter" if answer.strip() else "the answer is empty")
        if letter in {target.strip().upper() for target in item.targets}:
            return right("the target's letter", letter)
        return wrong("another letter than the target", letter)
