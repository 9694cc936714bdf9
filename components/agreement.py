"""``Agreement``: stop drawing samples once a vote on them is settled."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from archon_graph.answers import Extraction, extract_answer


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class Agreement:
    """A vote is settled when the samples that are still to come cannot change its winner.

    The winner is the one that a `Voter` with the same ``answers`` would choose among all samples, so stopping
    early changes the calls and not the answer.
    """

    answers: Extraction = "auto"
    """Where the final answer of a sample is looked for; a sample without one does not vote."""

    def fewest_to_settle(self, texts: Sequence[str], remaining: int) -> int:
        """How many more samples it takes at least until the vote can be settled; 0 if it is.

        Drawing that many side by side wastes nothing: with fewer, the vote could not be settled.

        Args:
            texts: The samples drawn so far, in order.
            remaining: How many could still be drawn.
        """
        groups: dict[str, int] = {}
        for text in texts:
            answer = extract_answer(text, self.answers)
            if answer is not None:
                groups[answer] = groups.get(answer, 0) + 1
        # Groups stand in the order of their first members, and ties go to who came first, as the voter decides
        # them: max() takes the first of equals, and to overtake, a group behind the leader needs one vote more.
        lead = max(groups.values(), default=0)
        rival, ahead = 0, True
        for votes in groups.values():
            if ahead and votes == lead:
                ahead = False
                continue
            rival = max(rival, votes + 1 if ahead else votes)
        # If `more` samples went to the leader and all the rest to its rival: rival + rest <= lead + more.
        return max(0, math.ceil((rival + remaining - lead) / 2))


def agreement(answers: Extraction = "auto") -> Agreement:
    """Stop as soon as the vote on final answers is settled: ``Generator(m, samples=8, stop_when=agreement())``.

    Args:
        answers: Where the final answer of a sample is looked for.
    """
    return Agreement(answers=answers)
