"""A budget of calls is never exceeded by one, and never wasted: random graphs, faults and interleavings."""

from __future__ import annotations

import asyncio
import random
import re
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archon_graph import Architecture, ScriptedModel
from archon_graph.core import NoAnswerError, Result
from archon_graph.models import Budget, Client, Ledger, ModelError, ModelPolicy, ScriptedCall
from archon_graph.models.scripted import Reply
from tests.faults.behaviour import PASSING, SILENT, Plan
from tests.faults.conftest import KEY
from tests.faults.running import Server
from tests.replies import good_reply
from tests.strategies import dags

ATTEMPTS = 3
OUTCOME = Result | NoAnswerError
GRAPHS = dags(6, exits=True)
SHARES = st.floats(0, 1.2)
SEEDS = st.integers(0, 10**6)


class Unreliable:
    """A model whose calls fail as a seed says: some pass at a later attempt, some never, some at once for good.

    Which call fails, and how often, does not depend on the order of the calls. So a run takes the same number of
    calls whatever finishes first, as long as nothing is refused.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._asked: Counter[str] = Counter()
        self.drafts = 0
        """First drafts that came through: answers to the bare question."""
        chance = random.Random(seed)
        self.model = ScriptedModel(self._reply, json=True, latency=lambda: chance.uniform(0, 0.002))

    @property
    def calls(self) -> int:
        """The calls that reached the model."""
        return len(self.model.calls)

    def _reply(self, call: ScriptedCall) -> Reply:
        key = f"{self._seed}:{call.sample}:{call.prompt}"
        self._asked[key] += 1
        fate = random.Random(key).random()
        if fate < 0.1:
            return ModelError("out for good", model="unreliable")
        if fate < 0.15 or (fate < 0.4 and self._asked[key] < ATTEMPTS):
            return ModelError("out for the moment", model="unreliable", retryable=True)
        if call.schema is None and re.search("<answer", call.prompt) is None:
            self.drafts += 1
        return good_reply(call)


async def answer(
    architecture: Architecture, seed: int, budget: Budget | Ledger | None
) -> tuple[OUTCOME, Unreliable]:
    """Ask a graph of unreliable models one question."""
    unreliable = Unreliable(seed)
    client = Client(policies={"*": ModelPolicy(attempts=ATTEMPTS, first_wait=0.0)})
    try:
        return await architecture.with_model(unreliable.model).arun(
            "What is 2 + 2?", client=client, budget=budget
        ), unreliable
    except NoAnswerError as error:
        return error, unreliable


@given(architecture=GRAPHS, seed=SEEDS, share=SHARES)
@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_budget_is_never_exceeded(architecture: Architecture, seed: int, share: float):
    """Against a twin without a budget: it stops exactly if the twin took more calls, having used up every one.

    Whatever first draft came through, there is an answer.
    """

    async def both() -> None:
        whole, twin = await answer(architecture, seed, None)
        assert whole.stopped is None
        assert whole.usage.calls == twin.calls
        calls = round(share * twin.calls)
        outcome, unreliable = await answer(architecture, seed, Budget(calls=calls))
        assert unreliable.calls <= calls
        assert outcome.usage.calls == unreliable.calls
        if calls < twin.calls:
            assert outcome.stopped == "budget"
            assert any(loss.kind == "budget" for loss in outcome.losses)
            assert unreliable.calls == calls
        else:
            assert outcome.stopped is None
            assert not any(loss.kind == "budget" for loss in outcome.losses)
            assert unreliable.calls == twin.calls
            assert type(outcome) is type(whole)
            assert not isinstance(whole, Result) or outcome.answer == whole.answer  # type: ignore[union-attr]
        assert isinstance(outcome, Result) == (unreliable.drafts > 0)

    asyncio.run(both())


@given(architecture=GRAPHS, seed=SEEDS, share=SHARES, questions=st.integers(2, 5))
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_shared_budget_is_never_exceeded(architecture: Architecture, seed: int, share: float, questions: int):
    """Several questions at once, in one event loop or each in a thread of its own, out of one ledger."""
    seeds = range(seed, seed + questions)

    async def together(ledger: Ledger | None) -> list[tuple[OUTCOME, Unreliable]]:
        return await asyncio.gather(*(answer(architecture, each, ledger) for each in seeds))

    def apart(ledger: Ledger) -> list[tuple[OUTCOME, Unreliable]]:
        with ThreadPoolExecutor(questions) as threads:
            return list(threads.map(lambda each: asyncio.run(answer(architecture, each, ledger)), seeds))

    needed = sum(unreliable.calls for _, unreliable in asyncio.run(together(None)))
    calls = round(share * needed)
    ways: list[Callable[[Ledger], list[tuple[OUTCOME, Unreliable]]]] = [
        lambda ledger: asyncio.run(together(ledger)),
        apart,
    ]
    for way in ways:
        ledger = Ledger(Budget(calls=calls))
        outcomes = way(ledger)
        made = sum(unreliable.calls for _, unreliable in outcomes)
        assert made == min(calls, needed)
        assert made == ledger.spent.calls == sum(outcome.usage.calls for outcome, _ in outcomes)
        assert ("budget" in {outcome.stopped for outcome, _ in outcomes}) == (calls < needed)
        for outcome, unreliable in outcomes:
            assert isinstance(outcome, Result) == (unreliable.drafts > 0)


@given(architecture=GRAPHS, seed=SEEDS, calls=st.integers(0, 60))
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_budget_holds_where_one_request_is_several_calls(architecture: Architecture, seed: int, calls: int):
    """A provider with ``n``: a request is as many calls as it asks samples for, one that fails is, too."""
    quick = tuple(fault for fault in PASSING if fault not in SILENT)
    client = Client(policies={"openai": ModelPolicy(attempts=ATTEMPTS, first_wait=0.0)})
    ledger = Ledger(Budget(calls=calls))
    with (
        Server(Plan(rate=0.3, seed=seed, kinds=quick, retry_after=0.0)) as server,
        pytest.MonkeyPatch.context() as env,
    ):
        env.setenv("OPENAI_API_KEY", KEY)
        env.setenv("OPENAI_BASE_URL", server.url)
        try:
            outcome: OUTCOME = architecture.with_model("openai:served").run(
                "What is 2 + 2?", client=client, budget=ledger
            )
        except NoAnswerError as error:
            outcome = error
        counts = server.counts
    assert counts.draws == ledger.spent.calls <= calls
    assert outcome.usage.calls == counts.draws
    assert (outcome.stopped == "budget") == any(loss.kind == "budget" for loss in outcome.losses)
    # Refused is only what there is no room for: a request that fits in part is made in part.
    assert outcome.stopped is None or counts.draws == calls
