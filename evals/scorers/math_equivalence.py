"""``MathEquivalence``: an answer is right if it means the same mathematics as the target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from archon_graph.answers import boxed_answer
from archon_graph.evals.scorers.base import Score, Scorer, right, wrong
from archon_graph.evals.scorers.math_process import compare, require_math_verify

if TYPE_CHECKING:
    from archon_graph.evals.benchmarks.item import Item

_TAIL = 2_000  # characters; where there is no box, the answer stands at the end
_REASONS = {
    "different": "not equal to the target",
    "nothing-found": "no expression found in the answer",
    "limit": "could not be compared within the limit of processor time",
    "crash": "comparing it ended its process, twice",
}
_LONGEST = 1_000  # characters; the longest gold answer of MATH has 159


@dataclass(frozen=True, kw_only=True)
class MathEquivalence(Scorer):
    r"""Right if the expression in the answer's last ``\boxed{}`` is equal to a target: ``\frac12`` is ``0.5``.

    An answer without a box is searched for an expression near its end. What counts as equal is what math-verify
    takes for equal (sets in any order, degrees, units, rounding to six decimals, ``10\%`` is both 10 and 0.1).
    An answer that cannot be compared within the limit is wrong: it is not the target in any form a person would
    give. Unscored is an answer only if the target itself cannot be read, or the machine gave us no time.

    Needs the extra ``math``.

    Source: MATH (arXiv 2103.03874) takes the last box; equivalence is math-verify's, which agrees with the labels
    published with Qwen2.5-Math's outputs but for targets such as ``10{,}000``, where the label is wrong.
    """

    name: ClassVar[str] = "math"

    seconds: float = 5.0
    """Most processor time for reading an expression, and again for comparing it."""

    def __post_init__(self) -> None:
        if not self.seconds > 0:
            raise ValueError(f"the limit is a positive number of seconds, got {self.seconds!r}")

    async def score(self, item: Item, answer: str) -> Score:
        """Compare with each target."""
        require_math_verify()
        if not item.targets:
            return Score.unscored("the item has no target to compare with")
        boxed = boxed_answer(answer)
        if not answer.strip() or boxed == "":
            return wrong("the answer is empty" if boxed is None else "the box is empty", boxed)
        if boxed is not None and len(boxed) > _LONGEST:
            return wrong(f"the box holds {len(boxed)} characters, more than {_LONGEST}", f"{boxed[:50]}...")
        text = answer[-_TAIL:] if boxed is None else rf"\boxed{{{boxed}}}"
        scores = []
        for target in item.targets:
            if boxed is not None and boxed == target.strip():
                return right("the same as the target", boxed)
            scores.append(await self._compare(target, text, boxed))
            if scores[-1].value == 1.0:
                return scores[-1]
        return next((score for score in scores if not score.scored), scores[0])

    async def _compare(self, target: str, text: str, boxed: str | None) -> Score:
        verdict = await compare(rf"\boxed{{{target}}}", text, seconds=self.seconds)
        if verdict == "equal":
            return right("equal to the target", boxed)
        if verdict == "unreadable-gold":
            return Score.unscored(f"the target cannot be read as mathematics: {target[:100]!r}")
        if verdict == "clock":
            return Score.unscored(f"the machine gave the comparison no {self.seconds:g} s of processor time")
        return wrong(_REASONS[verdict], boxed)
