"""Many questions at once against a server that fails one call in five, in every way there is.

Every question gets an answer or an error that says why not, and the books of client and server agree to the call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple

import pytest

from archon_graph import Critic, Fuser, Generator, Ranker
from archon_graph.core import NoAnswerError, Result
from archon_graph.models import Budget, Client, Ledger, ModelPolicy
from tests.faults.behaviour import PASSING, SILENT, Fault, Plan
from tests.faults.running import Server
from tests.faults.server import Counts

Serve = Callable[[Plan], Server]

MODEL = "openai:served"
GRAPH = Generator(MODEL, samples=3) | Critic(MODEL) | Ranker(MODEL) | Fuser(MODEL)
TIMED_OUT = "no whole answer within"


class Books(NamedTuple):
    """What the records of all questions say, added up."""

    calls: int
    """Draws that were asked for, each attempt counted."""
    failed: int
    """Those that brought nothing."""
    timed_out: int
    """Those of them that were given up after too long."""

    @classmethod
    def of(cls, outcomes: Sequence[Result | NoAnswerError]) -> Books:
        calls = failed = timed_out = 0
        for outcome in outcomes:
            calls += outcome.usage.calls
            if isinstance(outcome, NoAnswerError):
                # Not one call brought an answer; what went wrong stands in its losses.
                failed += outcome.usage.calls
                continue
            for row in outcome.trace:
                told = [*row["faults"], *([row["error"]] if row["error"] else [])]
                failed += len(told)
                timed_out += sum(TIMED_OUT in text for text in told)
        return cls(calls, failed, timed_out)


async def answer_all(count: int, client: Client, budget: Ledger | None = None) -> list[Result | NoAnswerError]:
    """All questions at once; what is raised must be the one error that a question may end in."""

    async def answer(number: int) -> Result | NoAnswerError:
        try:
            return await GRAPH.arun(
                f"Question {number}: what is {number} + {number}?", client=client, budget=budget
            )
        except NoAnswerError as error:
            return error

    return await asyncio.gather(*map(answer, range(count)))


def check_the_record(outcomes: Sequence[Result | NoAnswerError]) -> None:
    """Whatever failed is a loss, or was made good by a later attempt; and the record says why."""
    for outcome in outcomes:
        if isinstance(outcome, NoAnswerError):
            assert {loss.kind for loss in outcome.losses} <= {"error", "no-input"}
            (cause,) = [loss for loss in outcome.losses if loss.kind == "error"]
            assert cause.node == "generator_1"
            assert f"{MODEL} " in cause.detail
            assert str(outcome).count(cause.detail) == 1
            continue
        assert outcome.answer
        assert sum(row["calls"] for row in outcome.trace) == outcome.usage.calls == outcome.paid.calls
        for row in outcome.trace:
            assert row["calls"] == len(row["faults"]) + 1
            assert not row["cached"]
            assert all(f"{MODEL} " in text for text in row["faults"])
        lost = {row["node"] for row in outcome.trace if row["error"]}
        assert lost == {loss.node for loss in outcome.losses if loss.kind == "error"}
        for loss in outcome.losses:
            assert f"{MODEL} " in loss.detail or loss.kind in {"unreadable", "empty"}


def check_the_books(outcomes: Sequence[Result | NoAnswerError], counts: Counts) -> None:
    """Each call that was served is counted, and none that was not; each fault is one failure on the record."""
    books = Books.of(outcomes)
    assert books.calls == counts.draws
    # A busy machine may let good answers come too late: failures of which the server knows nothing. They are among
    # those that were given up; what a question without an answer went through is known in sum alone.
    unknown = sum(outcome.usage.calls for outcome in outcomes if isinstance(outcome, NoAnswerError))
    silent = sum(counts.lost[fault] for fault in SILENT)
    too_late = max(0, books.timed_out + unknown - silent)
    assert 0 <= books.failed - sum(counts.lost.values()) <= too_late
    if not unknown:
        assert books.failed - books.timed_out == sum(counts.lost.values()) - silent


@pytest.mark.parametrize(
    "count", [pytest.param(150, id="150"), pytest.param(1_000, id="1000", marks=pytest.mark.slow)]
)
async def test_every_question_is_answered_or_says_why(serve: Serve, count: int):
    """20 % of the calls fail, stall or bring garbage; two attempts, so that some are lost for good."""
    server = serve(Plan(rate=0.2, seed=4, retry_after=0.02))
    client = Client(policies={"openai": ModelPolicy(concurrency=32, timeout=2.0, attempts=2, first_wait=0.01)})
    outcomes = await answer_all(count, client)
    counts = server.counts
    assert len(outcomes) == count
    check_the_record(outcomes)
    check_the_books(outcomes, counts)
    # It was a hard day: faults of every kind, some of which cost samples, nodes, and whole questions.
    assert set(counts.faults) == set(PASSING)
    assert sum(counts.faults.values()) > 0.15 * counts.requests
    assert counts.most_at_once <= 32
    answered = [outcome for outcome in outcomes if isinstance(outcome, Result)]
    assert 0.9 * count < len(answered) < count
    assert any(outcome.losses for outcome in answered)


async def test_with_patience_nothing_is_lost(serve: Serve):
    """Enough attempts make every fault good: all answers, no loss, and still every failure on the record."""
    server = serve(Plan(rate=0.2, seed=5, retry_after=0.02))
    client = Client(policies={"openai": ModelPolicy(concurrency=32, timeout=2.0, attempts=8, first_wait=0.01)})
    outcomes = await answer_all(40, client)
    assert all(isinstance(outcome, Result) and outcome.losses == () for outcome in outcomes)
    check_the_record(outcomes)
    check_the_books(outcomes, server.counts)


async def test_the_order_of_calls_changes_nothing(serve: Serve):
    """Two runs, each against a fresh server, one with all questions at once, one with few: equal results."""
    quick = tuple(fault for fault in PASSING if fault not in SILENT and fault is not Fault.TRICKLE)
    results = []
    for concurrency in (32, 2):
        serve(Plan(rate=0.2, seed=6, kinds=quick, retry_after=0.01))
        client = Client(policies={"openai": ModelPolicy(concurrency=concurrency, attempts=2, first_wait=0.01)})
        outcomes = await answer_all(30, client)
        results.append(
            [outcome.stable_json() if isinstance(outcome, Result) else outcome.losses for outcome in outcomes]
        )
    assert results[0] == results[1]


@pytest.mark.parametrize("calls", [1, 40, 200])
async def test_a_shared_budget_holds_at_the_server(serve: Serve, calls: int):
    """Faults and repeats included, the server never sees a call more; and the books agree."""
    server = serve(Plan(rate=0.3, seed=7, retry_after=0.01))
    client = Client(policies={"openai": ModelPolicy(concurrency=16, timeout=2.0, attempts=3, first_wait=0.01)})
    ledger = Ledger(Budget(calls=calls))
    outcomes = await answer_all(60, client, ledger)
    counts = server.counts
    assert counts.draws == ledger.spent.calls <= calls
    assert ledger.calls_left == calls - counts.draws
    assert Books.of(outcomes).calls == counts.draws
    assert all(outcome.stopped in {"budget", None} for outcome in outcomes)
    assert "budget" in {outcome.stopped for outcome in outcomes}
