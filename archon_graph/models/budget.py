"""``Budget``, the most that may be spent, and ``Ledger``, what has been spent of it.

A budget is a hard cap. What a call can cost at worst is reserved before it is sent, and what it did cost is
booked when it is done, so that calls that run side by side cannot exceed the cap together.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, fields

from archon_graph.models.errors import BudgetError
from archon_graph.models.request import Usage


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
            ValueError: A cap is negative.
        """
        for each in fields(self):
            value = getattr(self, each.name)
            if value is not None and not value >= 0:
                raise ValueError(f"a budget of {each.name} must be at least 0, got {value!r}")

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


class Ledger:
    """What has been spent of a budget, and what is reserved for calls under way. Shared between threads.

    Its time begins when it is made. Give one ledger to several runs and they share the budget.
    """

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        """The caps."""
        self.deadline = None if budget.seconds is None else time.monotonic() + budget.seconds
        """When the time is up, on the clock of ``time.monotonic``."""
        self._lock = threading.Lock()
        self._spent = Reservation(calls=0)
        self._reserved = Reservation(calls=0)

    @property
    def spent(self) -> Reservation:
        """What calls that are done took."""
        return self._spent

    @property
    def calls_left(self) -> int | None:
        """How many more calls can be reserved; ``None`` if any number can."""
        if self.budget.calls is None:
            return None
        return max(0, self.budget.calls - self._spent.calls - self._reserved.calls)

    def reserve(self, wanted: Reservation, *, model: str) -> None:
        """Set aside what a call may take; `settle` gives back what it did not.

        Raises:
            BudgetError: Not that much is left; nothing was set aside.
        """
        if self.deadline is not None and time.monotonic() >= self.deadline:
            raise BudgetError(
                f"not sent to {model}: the {self.budget.seconds:g} seconds of the budget are over", model=model
            )
        with self._lock:
            total = _plus(_plus(self._spent, self._reserved), wanted)
            for cap in ("calls", "tokens", "money"):
                most = getattr(self.budget, cap)
                if most is not None and getattr(total, cap) > most:
                    raise BudgetError(self._refusal(cap, wanted, model), model=model)
            self._reserved = _plus(self._reserved, wanted)

    def settle(self, reserved: Reservation, usage: Usage) -> None:
        """Book what a call took in place of what was reserved for it.

        Where the provider did not say what a call took, the whole reservation is booked.
        """
        metered = usage.unmetered_calls == 0
        taken = Reservation(
            calls=reserved.calls,
            tokens=usage.tokens if metered else reserved.tokens,
            money=usage.money if metered and usage.unpriced_calls == 0 else reserved.money,
        )
        with self._lock:
            self._reserved = _plus(self._reserved, reserved, -1)
            self._spent = _plus(self._spent, taken)

    def release(self, reserved: Reservation) -> None:
        """Give back what was reserved for a call that was never sent."""
        with self._lock:
            self._reserved = _plus(self._reserved, reserved, -1)

    def _refusal(self, cap: str, wanted: Reservation, model: str) -> str:
        units = {"calls": "calls", "tokens": "tokens", "money": "USD"}
        taken, held = getattr(self._spent, cap), getattr(self._reserved, cap)
        held_too = f" and {held:,.10g} are reserved for calls under way" if held else ""
        return (
            f"not sent to {model}: of {getattr(self.budget, cap):,.10g} {units[cap]}, {taken:,.10g} are spent"
            f"{held_too}; this call may take {getattr(wanted, cap):,.10g}"
        )


def _plus(left: Reservation, right: Reservation, sign: int = 1) -> Reservation:
    return Reservation(
        calls=left.calls + sign * right.calls,
        tokens=left.tokens + sign * right.tokens,
        money=left.money + sign * right.money,
    )
