"""``answer_item``: one question to one architecture, scored; ``Purse``: what a whole evaluation is paid from."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict

from archon_graph.core import Architecture, NoAnswerError
from archon_graph.core.result import Result
from archon_graph.evals.benchmarks import Item
from archon_graph.evals.describing import now
from archon_graph.evals.log import Row
from archon_graph.evals.scorers import Score, Scorer
from archon_graph.evals.scoring import score_answer
from archon_graph.models import Budget, BudgetError, Client, Ledger, Usage
from archon_graph.models.budget import Reservation

# Losses by which a model, or the way to it, failed, and not the architecture: such a question says nothing of it.
_NOT_ITS_FAULT = frozenset({"error"})

SPENT = "the budget of the whole evaluation was spent before this question was done"
"""The error of a row whose question was cut short by the purse; it is asked again when there is more."""


class Purse(Ledger):
    """A ledger that knows whether it had to refuse something: from then on, answers are not what they would be."""

    def __init__(self, budget: Budget) -> None:
        super().__init__(budget)
        self._refused = False

    @property
    def is_empty(self) -> bool:
        """Whether something was refused for want of calls, tokens or money, or the time is up."""
        return self._refused or (self.deadline is not None and time.monotonic() >= self.deadline)

    def _see_room_for(self, wanted: Reservation, model: str) -> None:
        try:
            super()._see_room_for(wanted, model)
        except BudgetError:
            self._refused = True
            raise


async def answer_item(
    name: str,
    architecture: Architecture,
    item: Item,
    scorer: Scorer,
    *,
    client: Client,
    seed: int = 0,
    budget: Budget | None = None,
    purse: Purse | None = None,
) -> Row:
    """Put a question to an architecture, and score what comes.

    An answer without text is wrong; the question is unscored if calls failed and no answer came, if the purse ran
    out before it was done, or if the scorer could not do its work.

    Model calls: those of the architecture, but for what is in the client's cache.

    Args:
        name: What the row calls the architecture.
        architecture: Who answers.
        item: The question.
        scorer: Says what the answer is worth.
        client: What to draw through. With a purse, one that pays from it.
        seed: Namespace of the samples.
        budget: The most that the question may take.
        purse: What the whole evaluation is paid from.

    Raises:
        ConfigurationError: A model cannot be used, or the scorer cannot work here at all.
    """
    started = time.monotonic()
    result: Result | None = None
    lost: NoAnswerError | None = None
    try:
        result = await architecture.arun(item.question, seed=seed, client=client, budget=budget)
    except NoAnswerError as error:
        lost = error
    seconds = time.monotonic() - started
    if result is not None:
        losses, usage, paid = result.losses, result.usage, result.paid
    else:
        losses, usage, paid = (lost.losses, lost.usage, lost.paid) if lost else ((), Usage(), Usage())
    answer = None if result is None else result.answer
    why = None if lost is None else str(lost)
    if purse is not None and purse.is_empty and any(loss.kind == "budget" for loss in losses):
        # What came back would have been another answer with more of a budget.
        answer, why = None, SPENT
        score = Score.unscored(SPENT)
    elif lost is not None and any(loss.kind in _NOT_ITS_FAULT for loss in losses):
        score = Score.unscored(f"no answer came: {lost}")
    else:
        # Who gives no answer though nothing failed is wrong, as an empty answer is.
        score = await score_answer(scorer, item, answer or "")
    told: Mapping[str, object] = (
        {"losses": [dict(loss.to_state()) for loss in losses]} if result is None else result.to_dict()
    )
    return Row(
        architecture=name,
        item=item.id,
        cluster=item.unit,
        score=score,
        answer=answer,
        seconds=seconds,
        usage=asdict(usage),
        paid=asdict(paid),
        at=now(),
        error=why,
        result=told,
    )
