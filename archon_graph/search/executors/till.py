"""``Till``: sets parts of a purse aside for tasks that spend elsewhere, and takes back what they left."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass

from archon_graph.core import Architecture
from archon_graph.evals.asking import Purse
from archon_graph.evals.benchmarks import Item
from archon_graph.models import Budget, BudgetError, Prices, Usage
from archon_graph.models.budget import Reservation

# A guess at what an answer takes where nothing bounds it, and at the bytes of a token: ledgers count bytes.
_ANSWER_TOKENS = 1024
_BYTES_A_TOKEN = 4
# Money is counted in floats here: what is left must not come out a rounding error too high.
_LEAST_MONEY = 1e-9


@dataclass(frozen=True, kw_only=True)
class Part:
    """What is set aside for a task."""

    held: Reservation
    is_all: bool
    """Whether that was all that was left."""


class Till:
    """Gives parts of a purse to tasks, and takes back what they left.

    Args:
        purse: The purse; ``None`` if nothing limits what may be paid.
    """

    def __init__(self, purse: Purse | None) -> None:
        self.purse = purse
        """The purse."""
        self._given: list[Reservation] = []
        # Who comes first waits until there is room; the others wait behind: a small one that went ahead could keep
        # a large one waiting for ever.
        self._line = asyncio.Lock()
        self._came_back = asyncio.Event()

    @property
    def is_over(self) -> bool:
        """Whether nothing more may be spent."""
        return self.purse is not None and self.purse.is_empty

    def seconds_left(self) -> float | None:
        """How long the purse lasts; ``None`` if it has no time limit."""
        if self.purse is None or self.purse.deadline is None:
            return None
        return max(0.0, self.purse.deadline - time.monotonic())

    def first_guess(self, architecture: Architecture, item: Item, prices: Prices) -> Reservation:
        """What a question takes at worst if no call has to be repeated; the tokens and the money are a guess.

        It need not be right: a worker holds itself to what it gets, and asks again if that is too little.
        """
        if self.purse is None or not self.purse.budget.caps_volume:
            return Reservation(calls=max(1, architecture.max_calls))
        forecast = architecture.preflight(item.question, answer_tokens=_ANSWER_TOKENS, prices=prices)
        # Of a model without a known price the rule about hard caps has told the user before.
        money = self.purse.budget.money if forecast.money is None else forecast.money * _BYTES_A_TOKEN
        return Reservation(
            calls=max(1, forecast.calls),
            tokens=max(1, _BYTES_A_TOKEN * forecast.prompt_tokens + forecast.completion_tokens),
            money=max(_LEAST_MONEY, money or 0.0),
        )

    async def take(self, wanted: Reservation) -> Part | None:
        """Set aside what is wanted, or all that is left if nobody else has any; waits for others to give back.

        Returns:
            The part; ``None`` if nothing more may be spent.
        """
        if self.purse is None:
            return Part(held=Reservation(calls=0), is_all=False)
        wanted = self._capped(wanted)
        async with self._line:
            while not self.is_over:
                left = self._left(self.purse)
                fits = all(getattr(wanted, unit) <= getattr(left, unit) for unit in ("calls", "tokens", "money"))
                if fits or not self._given:
                    part = Part(held=wanted if fits else left, is_all=not fits)
                    with contextlib.suppress(BudgetError):  # the time was up in this very moment
                        self.purse.reserve(part.held, model="a worker")
                        self._given.append(part.held)
                        return part
                self._came_back.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._came_back.wait(), self.seconds_left())
        return None

    def as_budget(self, held: Reservation) -> Budget | None:
        """What a worker may spend that gets this part."""
        if self.purse is None:
            return None
        caps = self.purse.budget
        return Budget(
            calls=None if caps.calls is None else held.calls,
            tokens=None if caps.tokens is None else held.tokens,
            money=None if caps.money is None else held.money,
            seconds=self.seconds_left(),
        )

    def settle(self, part: Part, spent: Reservation) -> None:
        """Book what was spent of a part, and give back the rest."""
        if self.purse is None:
            return
        held = part.held
        calls = min(spent.calls, held.calls)
        self.purse.release(Reservation(calls=held.calls - calls))
        self.purse.settle(
            Reservation(calls=calls, tokens=held.tokens, money=held.money),
            Usage(calls=calls, prompt_tokens=spent.tokens, money=spent.money),
        )
        self._take_back(held)

    def book(self, part: Part) -> None:
        """Book a part as spent as a whole."""
        if self.purse is not None:
            self.purse.settle(part.held, Usage(calls=part.held.calls, unmetered_calls=1))
            self._take_back(part.held)

    def refuse(self) -> None:
        """Make it known that a question needed more than there is."""
        if self.purse is None:
            return
        caps = self.purse.budget
        more = Reservation(
            calls=0 if caps.calls is None else caps.calls + 1,
            tokens=0 if caps.tokens is None else caps.tokens + 1,
            money=0.0 if caps.money is None else caps.money + 1.0,
        )
        with contextlib.suppress(BudgetError):
            self.purse.reserve(more, model="a worker")

    def at_worst(self, held: Reservation) -> Usage:
        """What may have been paid by a worker that had this part and died."""
        if self.purse is None:
            return Usage()
        caps = self.purse.budget
        return Usage(
            calls=held.calls,
            prompt_tokens=held.tokens,
            money=held.money,
            unmetered_calls=held.calls if caps.tokens is None else 0,
            unpriced_calls=held.calls if caps.money is None else 0,
        )

    def _take_back(self, held: Reservation) -> None:
        self._given.remove(held)
        self._came_back.set()

    def _capped(self, wanted: Reservation) -> Reservation:
        """Nothing is set aside of what is not limited."""
        caps = self.purse.budget if self.purse is not None else Budget()
        return Reservation(
            calls=0 if caps.calls is None else wanted.calls,
            tokens=0 if caps.tokens is None else wanted.tokens,
            money=0.0 if caps.money is None else wanted.money,
        )

    def _left(self, purse: Purse) -> Reservation:
        caps, spent = purse.budget, purse.spent
        money = (caps.money or 0.0) - spent.money - sum(each.money for each in self._given) - _LEAST_MONEY
        return Reservation(
            calls=max(0, (caps.calls or 0) - spent.calls - sum(each.calls for each in self._given)),
            tokens=max(0, (caps.tokens or 0) - spent.tokens - sum(each.tokens for each in self._given)),
            money=max(0.0, money),
        )
