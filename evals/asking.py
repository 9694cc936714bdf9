"""``answer_item``: one question to one architecture, scored; ``Purse``: what a whole evaluation is paid from."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from archon_graph.core import Architecture, NoAnswerError
from archon_graph.core.result import Result
from archon_graph.core.state import Loss
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

    An item with follow-ups is a conversation: each turn is a run of the architecture that sees the answers before.

    Model calls: those of the architecture for each turn, and those of a judge, but for what is in the client's
    cache.

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
    talk = await _converse(architecture, item, client=client, seed=seed, budget=budget)
    seconds = time.monotonic() - started
    result, lost = talk.last, talk.lost
    losses, usage, paid = talk.losses, talk.usage, talk.paid
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
        score = await score_answer(scorer, item, answer or "", earlier=talk.earlier_answers, client=client)
        paid += paid_for_judging(score)
        if not score.scored and purse is not None and purse.is_empty:
            # The judge could not be paid any more; the answer is there, and is judged at the next start.
            why = SPENT
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
        earlier=[turn.to_dict() for turn in talk.earlier],
    )


def paid_for_judging(score: Score) -> Usage:
    """What was paid now for the judge's calls; nothing where a rule scored."""
    return Usage() if score.judgment is None else Usage(**score.judgment["paid"])


def judge_failed(score: Score) -> bool:
    """Whether calls of a judge failed, so that it was not heard out."""
    return score.judgment is not None and score.judgment.get("failed") is not None


@dataclass(frozen=True, kw_only=True)
class _Talk:
    """The turns of an item, as far as they came."""

    turns: tuple[Result, ...]
    """One for each turn that has an answer."""
    lost: NoAnswerError | None
    """Why the turn after these has none."""

    @property
    def last(self) -> Result | None:
        """The run of the last turn; ``None`` if some turn has no answer."""
        return self.turns[-1] if self.lost is None else None

    @property
    def earlier(self) -> tuple[Result, ...]:
        return self.turns[:-1] if self.lost is None else self.turns

    @property
    def earlier_answers(self) -> list[str]:
        return [turn.answer for turn in self.earlier]

    @property
    def losses(self) -> tuple[Loss, ...]:
        own = tuple(loss for turn in self.turns for loss in turn.losses)
        return own if self.lost is None else (*own, *self.lost.losses)

    @property
    def usage(self) -> Usage:
        return Usage.total([*(turn.usage for turn in self.turns), *([self.lost.usage] if self.lost else [])])

    @property
    def paid(self) -> Usage:
        return Usage.total([*(turn.paid for turn in self.turns), *([self.lost.paid] if self.lost else [])])


async def _converse(
    architecture: Architecture, item: Item, *, client: Client, seed: int, budget: Budget | None
) -> _Talk:
    """Ask the question and its follow-ups, each with the answers before it; one budget for all turns."""
    purse = None if budget is None else Ledger(budget)
    question: str | list[BaseMessage] = item.question
    turns: list[Result] = []
    for follow_up in (*item.follow_ups, None):
        try:
            result = await architecture.arun(question, seed=seed, client=client, budget=purse)
        except NoAnswerError as error:
            return _Talk(turns=tuple(turns), lost=error)
        turns.append(result)
        if follow_up is not None:
            before = [HumanMessage(question)] if isinstance(question, str) else question
            question = [*before, AIMessage(result.answer), HumanMessage(follow_up)]
    return _Talk(turns=tuple(turns), lost=None)
