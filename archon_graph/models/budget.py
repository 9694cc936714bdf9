"""``Budget``, the most that may be spent, and ``Ledger``, what has been spent of it.

A budget is a hard cap. What a call can cost at worst is reserved before it is sent, and what it did cost is
booked when it is done, so that calls that run side by side cannot exceed the cap together.
"""

from __future__ import annotations

import itertools
import math
import threading
import time
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, fields
from typing import NamedTuple

from archon_graph.models.errors import BudgetError
from archon_graph.models.request import Usage

_UNITS = {"calls": "calls", "tokens": "tokens", "money": "USD"}
# Money is added up in whole trillionths of a dollar: three floats of 0.1 come to more than 0.3, and what is
# added and taken away again leaves a remainder.
_PARTS_OF_A_DOLLAR = 10**12


@dataclass(frozen=True, kw_only=True, slots=True)
class Budget:
    """The most that may be spent; what is ``None`` is not limited."""

    calls: int | None = None
    """Requested draws: each sample counts, and so does each repeat of a call that failed."""
    tokens: int | None = None
    """Tokens sent and received."""
    money: float | None = None
    """US dollars."""
    seconds: float | None = None
    """Wall time; calls under way at its end are cut off."""

    def __post_init__(self) -> None:
        """See that it makes sense.

        Raises:
            ValueError: A cap is negative, or no number; all such caps are named.
        """
        problems = []
        for each in fields(self):
            value = getattr(self, each.name)
            if value is None:
                continue
            whole = each.name in {"calls", "tokens"}
            number = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
            if not number or not value >= 0:
                kind = "a whole number" if whole else "a number"
                problems.append(
                    f"a budget of {each.name} must be {kind} of at least 0, or None for no limit; got {value!r}"
                )
        if problems:
            raise ValueError("; ".join(problems))

    @property
    def caps_volume(self) -> bool:
        """Whether it limits what a call's length decides: to reserve that, a bound on the length must be known."""
        return self.tokens is not None or self.money is not None

    def __str__(self) -> str:
        units = {"calls": "{:,} calls", "tokens": "{:,} tokens", "money": "{:.4g} USD", "seconds": "{:g} seconds"}
        made = [
            unit.format(getattr(self, name)) for name, unit in units.items() if getattr(self, name) is not None
        ]
        return " and ".join(made) or "no limit"


@dataclass(frozen=True, kw_only=True, slots=True)
class Reservation:
    """What calls may take at worst; the tokens and the money are 0 where no ledger asks for them."""

    calls: int = 1
    tokens: int = 0
    money: float = 0.0


class _Sum(NamedTuple):
    """A reservation in whole numbers, whose sums are exact."""

    calls: int = 0
    tokens: int = 0
    money: int = 0

    @classmethod
    def of(cls, reservation: Reservation) -> _Sum:
        return cls(reservation.calls, reservation.tokens, round(reservation.money * _PARTS_OF_A_DOLLAR))

    def plus(self, other: _Sum, sign: int = 1) -> _Sum:
        return _Sum(*(mine + sign * theirs for mine, theirs in zip(self, other, strict=True)))

    def as_reservation(self) -> Reservation:
        return Reservation(calls=self.calls, tokens=self.tokens, money=self.money / _PARTS_OF_A_DOLLAR)


class Ledger:
    """What has been spent of a budget, and what is reserved for calls under way. Shared between threads.

    Its time begins when it is made. Give one ledger to several runs and they share the budget.
    """

    _numbers = itertools.count()

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        """The caps."""
        self.deadline = None if budget.seconds is None else time.monotonic() + budget.seconds
        """When the time is up, on the clock of ``time.monotonic``."""
        self._lock = threading.Lock()
        # The order in which the locks of several are taken, the same in every thread.
        self._number = next(self._numbers)
        self._spent = _Sum()
        self._reserved = _Sum()

    def __repr__(self) -> str:
        spent = self.spent
        told = [f"{name}={value!r}" for name in _UNITS if (value := getattr(spent, name))]
        return f"<Ledger of {self.budget}; spent: {', '.join(told) or 'nothing'}>"

    @property
    def spent(self) -> Reservation:
        """What calls that are done took."""
        return self._spent.as_reservation()

    @property
    def calls_left(self) -> int | None:
        """How many more calls can be reserved; ``None`` if any number can."""
        if self.budget.calls is None:
            return None
        with self._lock:
            return max(0, self.budget.calls - self._spent.calls - self._reserved.calls)

    def reserve(self, wanted: Reservation, *, model: str) -> None:
        """Set aside what a call may take; `settle` gives back what it did not.

        Raises:
            BudgetError: Not that much is left; nothing was set aside.
        """
        reserve_from([self], wanted, model=model)

    def settle(self, reserved: Reservation, usage: Usage) -> None:
        """Book what a call took in place of what was reserved for it.

        Where the provider did not say what a call took, the whole reservation is booked.

        Raises:
            ValueError: That much is not reserved.
        """
        metered = usage.unmetered_calls == 0
        taken = Reservation(
            calls=reserved.calls,
            tokens=usage.tokens if metered else reserved.tokens,
            money=usage.money if metered and usage.unpriced_calls == 0 else reserved.money,
        )
        with self._lock:
            self._give_back(reserved)
            self._spent = self._spent.plus(_Sum.of(taken))

    def release(self, reserved: Reservation) -> None:
        """Give back what was reserved for a call that was never sent.

        Raises:
            ValueError: That much is not reserved.
        """
        with self._lock:
            self._give_back(reserved)

    def _give_back(self, reserved: Reservation) -> None:
        left = self._reserved.plus(_Sum.of(reserved), -1)
        if min(left) < 0:
            # Given back twice, it could be spent twice.
            raise ValueError(f"cannot give back {reserved}: only {self._reserved.as_reservation()} are reserved")
        self._reserved = left

    def _see_room_for(self, wanted: Reservation, model: str) -> None:
        """Refuse what is too much; called with the lock held."""
        total = self._spent.plus(self._reserved).plus(_Sum.of(wanted))
        for cap in _UNITS:
            most = getattr(self.budget, cap)
            if most is None or most == math.inf:
                continue
            if getattr(total, cap) > (round(most * _PARTS_OF_A_DOLLAR) if cap == "money" else most):
                raise BudgetError(self._refusal(cap, wanted, model), model=model)

    def _refusal(self, cap: str, wanted: Reservation, model: str) -> str:
        taken = getattr(self._spent.as_reservation(), cap)
        held = getattr(self._reserved.as_reservation(), cap)
        held_too = f" and {held:,.10g} are reserved for calls under way" if held else ""
        return (
            f"not sent to {model}: of {getattr(self.budget, cap):,.10g} {_UNITS[cap]}, {taken:,.10g} are spent"
            f"{held_too}; this call may take {getattr(wanted, cap):,.10g}"
        )


def reserve_from(ledgers: Iterable[Ledger], wanted: Reservation, *, model: str) -> None:
    """Set aside the same in several ledgers, or in none of them.

    One after the other, what is set aside in the first and given back when the second refuses could make the
    first refuse a third call for which it has room.

    Raises:
        BudgetError: One of them has not that much left; nothing was set aside.
    """
    several = sorted(set(ledgers), key=lambda ledger: ledger._number)  # noqa: SLF001 - of the same class
    now = time.monotonic()
    for ledger in several:
        if ledger.deadline is not None and now >= ledger.deadline:
            raise BudgetError(
                f"not sent to {model}: the {ledger.budget.seconds:g} seconds of the budget are over", model=model
            )
    with ExitStack() as locks:
        for ledger in several:
            locks.enter_context(ledger._lock)  # noqa: SLF001
        for ledger in several:
            ledger._see_room_for(wanted, model)  # noqa: SLF001
        for ledger in several:
            ledger._reserved = ledger._reserved.plus(_Sum.of(wanted))  # noqa: SLF001
