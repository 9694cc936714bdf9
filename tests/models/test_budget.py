"""Budgets are hard caps, whatever runs side by side; ledgers keep exact books."""

from __future__ import annotations

import math
import random
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from archon_graph.models.budget import Budget, Ledger, Reservation, reserve_from
from archon_graph.models.errors import BudgetError
from archon_graph.models.request import Usage

CENTS = st.integers(0, 500).map(lambda cents: cents / 100)
RESERVATIONS = st.builds(Reservation, calls=st.integers(0, 5), tokens=st.integers(0, 300), money=CENTS)
BUDGETS = st.builds(
    Budget,
    calls=st.none() | st.integers(0, 30),
    tokens=st.none() | st.integers(0, 2_000),
    money=st.none() | CENTS,
)


def cents(dollars: float) -> int:
    return round(100 * dollars)


@pytest.fixture(scope="module", autouse=True)
def restless_threads() -> Iterator[None]:
    """Threads are switched so often that a missing lock is seen."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


class TestBudget:
    @pytest.mark.parametrize(
        "wrong",
        [
            {"calls": -1},
            {"calls": 2.5},
            {"calls": True},
            {"calls": "ten"},
            {"tokens": -5},
            {"money": -0.01},
            {"money": math.nan},
            {"seconds": -1},
            {"seconds": "10"},
        ],
    )
    def test_what_is_no_cap_is_refused(self, wrong: dict[str, object]):
        """With the name, the rule, and the value."""
        (name, value), *_ = wrong.items()
        with pytest.raises(ValueError, match=f"a budget of {name} must be .* got {value!r}"):
            Budget(**wrong)  # type: ignore[arg-type]

    def test_all_that_is_wrong_is_named(self):
        with pytest.raises(ValueError, match=r"calls .* got -1; .*money .* got 'much'"):
            Budget(calls=-1, tokens=5, money="much")  # type: ignore[arg-type]

    def test_nothing_and_no_end_are_caps(self):
        assert Budget(calls=0, tokens=0, money=0, seconds=0).calls == 0
        ledger = Ledger(Budget(money=math.inf, seconds=math.inf))
        ledger.reserve(Reservation(money=1e9), model="m")

    def test_reads_as_a_sentence(self):
        assert str(Budget()) == "no limit"
        assert str(Budget(calls=10_000, money=0.5)) == "10,000 calls and 0.5 USD"
        assert str(Budget(tokens=7, seconds=1.5)) == "7 tokens and 1.5 seconds"

    def test_knows_whether_length_matters(self):
        assert not Budget(calls=1, seconds=1).caps_volume
        assert Budget(tokens=1).caps_volume
        assert Budget(money=1).caps_volume


class LedgerBooks(RuleBasedStateMachine):
    """Any order of reserving, settling and releasing: the books agree, and no cap is exceeded."""

    @initialize(budget=BUDGETS)
    def open(self, budget: Budget) -> None:
        self.budget = budget
        self.ledger = Ledger(budget)
        self.under_way: list[Reservation] = []
        self.spent = [0, 0, 0]

    def held(self) -> list[int]:
        """What is reserved, as it must be."""
        return [
            sum(each.calls for each in self.under_way),
            sum(each.tokens for each in self.under_way),
            sum(cents(each.money) for each in self.under_way),
        ]

    def fits(self, wanted: Reservation) -> bool:
        more = (wanted.calls, wanted.tokens, cents(wanted.money))
        caps = (self.budget.calls, self.budget.tokens, self.budget.money)
        most = [cap if cap is None or place < 2 else cents(cap) for place, cap in enumerate(caps)]
        totals = [sum(parts) for parts in zip(self.spent, self.held(), more, strict=True)]
        return all(cap is None or total <= cap for cap, total in zip(most, totals, strict=True))

    @rule(wanted=RESERVATIONS)
    def reserve(self, wanted: Reservation) -> None:
        """It is granted exactly if there is room: a cap that can be used up to the last cent."""
        if self.fits(wanted):
            self.ledger.reserve(wanted, model="openai:m")
            self.under_way.append(wanted)
        else:
            with pytest.raises(BudgetError, match=r"^not sent to openai:m: of ") as refused:
                self.ledger.reserve(wanted, model="openai:m")
            assert not refused.value.retryable

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), share=st.integers(0, 100))
    def settle(self, data: st.DataObject, share: int) -> None:
        """What was taken is at most what was reserved."""
        held = self.under_way.pop(data.draw(st.integers(0, len(self.under_way) - 1)))
        tokens, money = held.tokens * share // 100, (cents(held.money) * share // 100) / 100
        self.ledger.settle(held, Usage(calls=held.calls, prompt_tokens=tokens, money=money))
        self.book(held.calls, tokens, cents(money))

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), unpriced=st.booleans())
    def settle_unknown(self, data: st.DataObject, unpriced: bool) -> None:
        """Where the provider did not say, all that was reserved is booked."""
        held = self.under_way.pop(data.draw(st.integers(0, len(self.under_way) - 1)))
        if unpriced:
            self.ledger.settle(held, Usage(calls=held.calls, completion_tokens=0, unpriced_calls=1))
            self.book(held.calls, 0, cents(held.money))
        else:
            self.ledger.settle(held, Usage(calls=held.calls, unmetered_calls=1))
            self.book(held.calls, held.tokens, cents(held.money))

    @precondition(lambda self: self.under_way)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        self.ledger.release(self.under_way.pop(data.draw(st.integers(0, len(self.under_way) - 1))))

    @rule(data=st.data())
    def give_back_too_much(self, data: st.DataObject) -> None:
        """Given back twice, it could be spent twice: refused, and nothing changes."""
        calls, tokens, money = self.held()
        much = Reservation(calls=calls + 1, tokens=tokens + 1, money=(money + 1) / 100)
        give_back = self.ledger.release if data.draw(st.booleans()) else self.settle_in_full
        with pytest.raises(ValueError, match=r"cannot give back .* are reserved"):
            give_back(much)

    def settle_in_full(self, held: Reservation) -> None:
        self.ledger.settle(held, Usage(calls=held.calls, unmetered_calls=1))

    def book(self, *taken: int) -> None:
        self.spent = [sum(parts) for parts in zip(self.spent, taken, strict=True)]

    @invariant()
    def the_books_agree(self) -> None:
        if not hasattr(self, "ledger"):
            return
        spent = self.ledger.spent
        assert [spent.calls, spent.tokens, cents(spent.money)] == self.spent
        if self.budget.calls is None:
            assert self.ledger.calls_left is None
        else:
            assert self.ledger.calls_left == self.budget.calls - self.spent[0] - self.held()[0]
            assert self.spent[0] <= self.budget.calls
        assert self.budget.tokens is None or self.spent[1] <= self.budget.tokens
        assert self.budget.money is None or spent.money <= self.budget.money


LedgerBooks.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestLedgerBooks = LedgerBooks.TestCase


class TestLedger:
    def test_money_is_exact(self):
        """Ten dimes are a dollar, though ten floats of 0.1 are not; and no remainder stays reserved."""
        ledger = Ledger(Budget(money=1.0))
        dime = Reservation(money=0.1)
        for _ in range(10):
            ledger.reserve(dime, model="m")
        with pytest.raises(BudgetError):
            ledger.reserve(Reservation(money=1e-12), model="m")
        for _ in range(10):
            ledger.release(dime)
        ledger.reserve(Reservation(money=1.0), model="m")
        assert ledger.spent == Reservation(calls=0)

    def test_refusals_say_how_it_stands(self):
        ledger = Ledger(Budget(calls=1_234, tokens=5_000))
        ledger.reserve(Reservation(tokens=1_000), model="openai:a")
        ledger.settle(Reservation(tokens=1_000), Usage(calls=1, prompt_tokens=400))
        ledger.reserve(Reservation(tokens=3_000), model="openai:a")
        with pytest.raises(BudgetError) as refused:
            ledger.reserve(Reservation(tokens=2_000), model="openai:a")
        assert str(refused.value) == (
            "not sent to openai:a: of 5,000 tokens, 400 are spent and 3,000 are reserved for calls under way; "
            "this call may take 2,000"
        )
        assert refused.value.model == "openai:a"
        assert refused.value.kind == "budget"

    def test_time_runs_out(self, monkeypatch: pytest.MonkeyPatch):
        """From when the ledger was made; what was reserved before can still be settled."""
        now = [100.0]
        monkeypatch.setattr(time, "monotonic", lambda: now[0])
        ledger = Ledger(Budget(seconds=5))
        assert ledger.deadline == 105.0
        ledger.reserve(Reservation(), model="m")
        now[0] = 105.0
        with pytest.raises(BudgetError, match="not sent to m: the 5 seconds of the budget are over"):
            ledger.reserve(Reservation(), model="m")
        ledger.settle(Reservation(), Usage(calls=1))
        assert ledger.spent.calls == 1

    def test_shows_what_is_spent(self):
        ledger = Ledger(Budget(calls=5, money=1.0))
        assert repr(ledger) == "<Ledger of 5 calls and 1 USD; spent: nothing>"
        ledger.reserve(Reservation(money=0.5), model="m")
        ledger.settle(Reservation(money=0.5), Usage(calls=1, money=0.25, prompt_tokens=12))
        assert repr(ledger) == "<Ledger of 5 calls and 1 USD; spent: calls=1, tokens=12, money=0.25>"


class TestSeveralLedgers:
    def test_all_or_none(self):
        wide, narrow = Ledger(Budget(calls=10)), Ledger(Budget(calls=1))
        reserve_from([wide, narrow], Reservation(), model="m")
        with pytest.raises(BudgetError, match="of 1 calls"):
            reserve_from([wide, narrow], Reservation(), model="m")
        assert (wide.calls_left, narrow.calls_left) == (9, 0)

    def test_one_named_twice_is_one(self):
        ledger = Ledger(Budget(calls=1))
        reserve_from([ledger, ledger], Reservation(), model="m")
        assert ledger.calls_left == 0

    def test_none_is_no_limit(self):
        reserve_from([], Reservation(calls=10**9), model="m")

    def test_time_of_any_counts(self):
        with pytest.raises(BudgetError, match="the 0 seconds"):
            reserve_from([Ledger(Budget(calls=1)), Ledger(Budget(seconds=0))], Reservation(), model="m")

    @given(seed=st.integers(0, 10**6), cap=st.integers(0, 40))
    @settings(max_examples=25, deadline=None)
    def test_a_refused_neighbour_costs_nobody_a_call(self, seed: int, cap: int):
        """What one question's own budget refuses is never, not even for a moment, missing from the shared one.

        The others ask for exactly as many calls as are left, so that a single false refusal is seen.
        """
        shared, empty = Ledger(Budget(calls=cap)), Ledger(Budget(calls=0))
        granted: list[int] = []

        def refused_again_and_again(number: int) -> None:
            order = [shared, empty] if random.Random(seed + number).random() < 0.5 else [empty, shared]
            for _ in range(60):
                with pytest.raises(BudgetError):
                    reserve_from(order, Reservation(), model="m")

        def takes_its_share(share: int) -> None:
            for _ in range(share):
                reserve_from([shared], Reservation(), model="m")
                granted.append(1)

        with ThreadPoolExecutor(4) as threads:
            spoilers = [threads.submit(refused_again_and_again, number) for number in range(2)]
            takers = [threads.submit(takes_its_share, cap // 2), threads.submit(takes_its_share, cap - cap // 2)]
            for each in [*spoilers, *takers] if cap else takers:
                each.result()
        assert len(granted) == cap
        assert shared.calls_left == 0


@given(
    budget=BUDGETS,
    seed=st.integers(0, 10**6),
    wishes=st.lists(st.lists(RESERVATIONS, max_size=12), min_size=2, max_size=6),
)
@settings(max_examples=60, deadline=None)
def test_threads_never_exceed_a_cap(budget: Budget, seed: int, wishes: list[list[Reservation]]):
    """However reserving, settling and releasing interleave, at no moment is more out than the cap.

    What is out is kept here too, always after the ledger granted it and before it takes it back, so that the sum
    here is never more than the ledger's.
    """
    shared, own = Ledger(budget), [Ledger(Budget(calls=20)) for _ in wishes]
    lock, out, worst = threading.Lock(), [0, 0, 0], [0, 0, 0]
    taken = [0, 0, 0]
    start = threading.Barrier(len(wishes))

    def count(sums: list[int], amount: Reservation, sign: int = 1) -> None:
        with lock:
            for place, value in enumerate((amount.calls, amount.tokens, cents(amount.money))):
                sums[place] += sign * value
                worst[place] = max(worst[place], out[place])

    def work(number: int) -> None:
        chance = random.Random(seed + number)
        start.wait()
        for wanted in wishes[number]:
            ledgers = chance.sample([shared, own[number]], 2)
            try:
                reserve_from(ledgers, wanted, model="m")
            except BudgetError:
                continue
            count(out, wanted)
            if chance.random() < 0.5:
                time.sleep(0)
            if chance.random() < 0.3:
                count(out, wanted, -1)
                for ledger in ledgers:
                    ledger.release(wanted)
                continue
            usage = Usage(calls=wanted.calls, prompt_tokens=wanted.tokens, money=wanted.money)
            count(taken, wanted)
            for ledger in ledgers:
                ledger.settle(wanted, usage)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(wishes))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    caps = (budget.calls, budget.tokens, None if budget.money is None else cents(budget.money))
    assert all(cap is None or most <= cap for cap, most in zip(caps, worst, strict=True))
    spent = shared.spent
    assert [spent.calls, spent.tokens, cents(spent.money)] == taken
    # Nothing stays reserved: what is left can be had, to the last.
    if budget.calls is not None:
        assert shared.calls_left == budget.calls - spent.calls


def test_no_entry_is_lost():
    """Threads that all write into the same books at once."""
    ledger, threads, rounds = Ledger(Budget(calls=10**6, tokens=10**6)), 4, 2_000
    held = Reservation(calls=1, tokens=3)

    def work() -> None:
        for number in range(rounds):
            ledger.reserve(held, model="m")
            if number % 2:
                ledger.settle(held, Usage(calls=1, prompt_tokens=2))
            else:
                ledger.release(held)

    with ThreadPoolExecutor(threads) as pool:
        for each in [pool.submit(work) for _ in range(threads)]:
            each.result()
    booked = threads * rounds // 2
    assert ledger.spent == Reservation(calls=booked, tokens=2 * booked)
    assert ledger.calls_left == 10**6 - booked
