"""What techniques that judge candidates have in common."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import TypeVar

from archon_graph.core import Candidate, ModelError, NodeContext

Outcome = TypeVar("Outcome")


async def judge_until(
    context: NodeContext,
    judge: Callable[[NodeContext, Candidate], Awaitable[Outcome]],
    *,
    good: Callable[[Outcome], bool],
    enough: int | None,
) -> list[Outcome | ModelError]:
    """Judge the candidates side by side, in incoming order, until ``enough`` of them are good.

    Judges as many at once as are still missing. All of these have to be judged in any case, so nothing is paid
    that judging one after the other would save, and what is judged does not depend on what finishes first.

    Args:
        context: Of the node.
        judge: The work for one candidate.
        good: Whether an outcome counts.
        enough: How many have to count; ``None`` to judge all candidates.

    Returns:
        For each candidate up to the last one judged its outcome, or the `ModelError` that ended the work on it.

    Raises:
        ModelError: All of it failed.
    """

    async def attempt(own: NodeContext, candidate: Candidate) -> list[Outcome | ModelError]:
        try:
            return [await judge(own, candidate)]
        except ModelError as error:
            # In a list it is kept from for_each, to which a failed batch would be "all of it failed".
            return [error]

    candidates = context.candidates
    missing = len(candidates) if enough is None else enough
    outcomes: list[Outcome | ModelError] = []
    while missing > 0 and len(outcomes) < len(candidates):
        batch = candidates[len(outcomes) :][:missing]
        for ended in await context.for_each(batch, attempt):
            assert not isinstance(ended, ModelError)  # noqa: S101 - it is in a list
            outcomes += ended
            missing -= sum(not isinstance(outcome, ModelError) and good(outcome) for outcome in ended)
    failures = [outcome for outcome in outcomes if isinstance(outcome, ModelError)]
    if failures and len(failures) == len(outcomes):
        raise failures[0]
    return outcomes


def rounds_until(incoming: int, enough: int | None) -> int:
    """How many rounds `judge_until` takes at most: one, or one more for each candidate that turns out bad."""
    if not incoming:
        return 0
    return 1 if enough is None else max(incoming - enough, 0) + 1


def as_number(item: object) -> int | None:
    """A number from a JSON reply, given as a number or as a text of digits; ``None`` for anything else."""
    if isinstance(item, bool):
        return None
    if isinstance(item, int):
        return item
    # Longer strings of digits than any index are not numbers to us (and int() refuses very long ones).
    return int(item) if isinstance(item, str) and re.fullmatch(r"\d{1,6}", item, re.ASCII) else None


def without_nul(text: str) -> str:
    """A text for the graph's state: JSON can write a NUL character, which databases refuse and prompts need."""
    return text.replace("\0", "").strip()
