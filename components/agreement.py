"""``Agreement``: stop drawing samples once a vote on them is settled."""

from __future__ import annotations

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
        # Ties go to the group that came first, as the voter decides them; groups stand in that order.
        order = list(groups)
        leader = max(order, key=lambda answer: (groups[answer], -order.index(answer)), default=None)
        lead = groups[leader] if leader is not None else 0
        for more in range(remaining + 1):
            # If all of these went to the leader, could another group, or a new one, still overtake it?
            rest = remaining - more
            rivals = [
                groups[answer] + rest + (1 if order.index(answer) < order.index(leader) else 0)
                for answer in order
                if leader is not None and answer != leader
            ]
            if lead + more > 0 and all(rival <= lead + more for rival in [*rivals, rest]):
                return more
        return remaining


def agreement(answers: Extraction = "auto") -> Agreement:
    """Stop as soon as the vote on final answers is settled: ``Generator(m, samples=8, stop_when=agreement())``.

    Args:
        answers: Where the final answer of a sample is looked for.
    """
    return Agreement(answers=answers)
