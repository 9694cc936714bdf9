"""Budgets of one question: hard caps, the best answer so far, and what was not done on the record."""

from __future__ import annotations

import asyncio
import copy
import pickle
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.language_models import FakeListChatModel
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph

from archon_graph import (
    Architecture,
    Budget,
    Client,
    ConfigurationError,
    Critic,
    Fuser,
    Generator,
    Ledger,
    NoAnswerError,
    Ranker,
    Result,
    Reviser,
    ScriptedModel,
    UnitTestGenerator,
    Verifier,
    register_model,
)
from archon_graph.core.scope import Scope, Scopes
from archon_graph.models import ModelError, ModelPolicy
from tests.replies import good_model, good_reply
from tests.strategies import dags

QUESTION: dict[str, Any] = {"messages": [{"role": "user", "content": "q"}]}


def echo(**settings: Any) -> ScriptedModel:
    return ScriptedModel(lambda call: f"answer {call.sample}", **settings)


def kinds(result: Result) -> list[tuple[str, str]]:
    return [(loss.node, loss.kind) for loss in result.losses]


# --- calls -------------------------------------------------------------------------------------------------------


async def test_the_best_answer_so_far_comes_back():
    """Four of ten samples, no ranking, no fusion; and the record says what was not done."""
    model = echo()
    architecture = Generator(model, samples=10) | Ranker(model, top_k=2) | Fuser(model)
    result = await architecture.arun("q", budget=Budget(calls=4))
    assert result.answer == "answer 0"
    assert result.stopped == "budget"
    assert len(model.calls) == result.usage.calls == len(result.trace) == 4
    assert kinds(result) == [("generator_1", "budget"), ("ranker_1", "budget"), ("fuser_1", "budget")]
    drafts, ranking, fusion = map(str, result.losses)
    assert drafts.startswith("generator_1: 6 calls: not sent to scripted: of 4 calls, ")
    assert "passed on instead: generator_1:0, generator_1:1" in ranking
    assert "passed on instead: generator_1:0 [budget]" in fusion


async def test_enough_is_no_stop():
    """To the last call."""
    model = echo()
    result = await (Generator(model, samples=3) | Fuser(model)).arun("q", budget=Budget(calls=4))
    assert (result.stopped, result.losses, result.usage.calls) == (None, (), 4)


async def test_nothing_generated_is_an_error_that_names_the_budget():
    """And tells what it cost all the same; it survives a pickle."""
    with pytest.raises(NoAnswerError, match="within the budget of 0 calls") as caught:
        await (Generator(echo(), samples=2) | Fuser(echo())).arun("q", budget=Budget(calls=0))
    for error in (caught.value, pickle.loads(pickle.dumps(caught.value))):  # noqa: S301 - our own
        assert error.stopped == "budget"
        assert [loss.kind for loss in error.losses] == ["budget", "no-input"]
        assert error.usage.calls == 0
        assert "2 calls: not sent" in str(error)
        assert error.budget == Budget(calls=0)


async def test_an_error_beside_the_budget_is_on_record_too():
    """A call that failed and one that was not sent: both are told, and the run was stopped."""
    down = ScriptedModel(lambda call: ValueError("down"))
    architecture = [Generator(down, samples=2), Generator(echo(), temperature=0.5)] | Fuser(echo())
    client = Client(policies={"*": ModelPolicy(concurrency=1)})
    with pytest.raises(NoAnswerError) as caught:
        await Generator(down, samples=2).alone().arun("q", budget=Budget(calls=1), client=client)
    assert sorted(loss.kind for loss in caught.value.losses) == ["budget", "error"]
    assert caught.value.usage.calls == 1
    result = await architecture.arun("q", budget=Budget(calls=3))
    assert {"error", "budget"} <= {loss.kind for loss in result.losses}


async def test_repeats_count():
    """A call that is tried again is another call."""
    fault = ModelError("overloaded", model="m", retryable=True)
    result = await Generator(ScriptedModel([fault, "ok"])).alone().arun("q", budget=Budget(calls=2))
    assert (result.answer, result.usage.calls) == ("ok", 2)
    with pytest.raises(NoAnswerError) as caught:
        await Generator(ScriptedModel([fault, "ok"])).alone().arun("q", budget=Budget(calls=1))
    assert caught.value.stopped == "budget"


async def test_losses_of_one_node_are_one_line():
    """Five candidates that could not be rewritten or judged are told together."""
    model = ScriptedModel(good_reply, json=True)
    # Of a verification both calls are needed: here no second one is paid for, so that none is left.
    for part, refused in ((Reviser(model), 3), (Verifier(model, keep="all"), 5)):
        result = await (Generator(model, samples=5) | part).arun("q", budget=Budget(calls=7))
        assert result.stopped == "budget"
        [loss] = [loss for loss in result.losses if loss.kind == "budget"]
        assert loss.node != "generator_1"
        assert loss.detail.startswith(f"{refused} calls: not sent")
        assert result.usage.calls == 7


async def test_a_second_try_that_is_not_paid_for():
    """Tests that could not be read are not asked for again; the drafts go on."""
    model = ScriptedModel(lambda call: "nothing readable")
    architecture = Generator(echo()) | UnitTestGenerator(model)
    result = await architecture.arun("q", budget=Budget(calls=2))
    assert kinds(result) == [("unit_test_generator_1", "unreadable"), ("unit_test_generator_1", "budget")]
    assert result.answer == "answer 0"


@given(dags(), st.integers(0, 30), st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_never_exceeded_by_one(architecture: Architecture, most: int, seed: int):
    """Whatever the graph; and calls that were made are all on record, as are those that were not."""
    calls: list[int] = []

    def reply(call: Any) -> Any:
        calls.append(call.sample)
        return good_reply(call)

    model = ScriptedModel(reply, json=True, latency=lambda: (len(calls) * 7 % 3) / 1000)
    architecture = architecture.with_model(model)
    needed = architecture.max_calls
    try:
        result = architecture.run("q", seed=seed, budget=Budget(calls=most))
    except NoAnswerError as error:
        assert error.stopped == "budget"
        assert error.usage.calls == len(calls) <= most
        return
    assert result.usage.calls == len(calls) <= most
    assert (result.stopped == "budget") == (most < needed)
    assert bool(result.losses) == (most < needed)


# --- tokens and money --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("budget", [Budget(tokens=1000), Budget(money=1.0)])
async def test_a_cap_on_volume_needs_a_bound_on_every_answer(budget: Budget):
    """All nodes without one are named, before any call."""
    model = echo()
    architecture = [Generator(model), Generator(model, max_tokens=5)] | Critic(model) | Fuser(model)
    with pytest.raises(ConfigurationError) as caught:
        await architecture.arun("q", budget=budget)
    message = str(caught.value)
    assert all(node in message for node in ("generator_1", "critic_1", "fuser_1", "max_tokens", str(budget)))
    assert "generator_2" not in message
    assert model.calls == ()


async def test_a_model_that_brings_its_own_bound():
    """An instance of the user's own may be made with one."""

    class Bound(FakeListChatModel):
        max_tokens: int = 7

    model = Bound(responses=["ok"])
    for part in (Generator(model), Generator(register_model("bound", model))):
        assert (await part.alone().arun("q", budget=Budget(tokens=10_000))).answer == "ok"


async def test_tokens_are_never_exceeded():
    """The worst case is reserved: with room for one answer at a time, the second follows the first."""
    model = ScriptedModel(lambda call: "word " * 10)
    architecture = Generator(model, samples=20, max_tokens=10).alone()
    result = await architecture.arun("q", budget=Budget(tokens=400))
    assert result.usage.tokens <= 400
    assert result.stopped == "budget"
    assert 1 <= len(result.candidates) < 20


async def test_money_of_a_price_that_is_not_known():
    """A hard cap on money is refused where the price is not known, before any call, for all such nodes."""
    models = [ScriptedModel(lambda call: "x", label=name) for name in ("custom:one", "custom:two")]

    architecture = [Generator(model, max_tokens=5) for model in models] | Fuser(models[0], max_tokens=5)
    client = Client(prices={"custom:one": {"prompt": 1.0, "completion": 2.0}})
    with pytest.raises(ConfigurationError, match="generator_2") as caught:
        await architecture.arun("q", budget=Budget(money=1.0), client=client)
    assert "generator_1" not in str(caught.value)
    assert all(model.calls == () for model in models)


# --- seconds and cancelling --------------------------------------------------------------------------------------


class Watched(ScriptedModel):
    """Never answers some samples, and remembers that its calls were cancelled."""

    _cancelled: list[int]
    _slow: frozenset[int]

    _started: int
    _all_started: asyncio.Event

    def __init__(self, *slow: int) -> None:
        super().__init__(lambda call: f"answer {call.sample}")
        self._cancelled, self._slow = [], frozenset(slow)
        self._started, self._all_started = 0, asyncio.Event()

    @property
    def all_started(self) -> asyncio.Event:
        return self._all_started

    async def _agenerate(self, messages, stop=None, run_manager=None, **kwargs):
        self._started += 1
        if self._started == len(self._slow):
            self._all_started.set()
        try:
            if kwargs["sample"] in self._slow:
                await asyncio.sleep(20)
        except asyncio.CancelledError:
            self._cancelled.append(kwargs["sample"])
            raise
        return await super()._agenerate(messages, stop, run_manager, **kwargs)


async def test_the_time_of_a_budget_ends_a_run():
    """What has come by then is the answer; the calls under way see that they are cancelled."""
    model = Watched(1, 3)
    architecture = Generator(model, samples=4) | Fuser(echo())
    result = await architecture.arun("q", budget=Budget(seconds=0.1))
    assert result.answer == "answer 0"
    assert sorted(model._cancelled) == [1, 3]
    assert result.stopped == "budget"
    assert kinds(result) == [("generator_1", "budget"), ("fuser_1", "budget")]
    assert len(result.nodes[0].candidates) == 2


async def test_the_time_of_a_budget_ends_a_component_that_asks_no_model():
    """Also one that waits for something else; it degrades."""

    class Dawdling(Ranker):
        async def run(self, context):
            await asyncio.sleep(20)
            return context.candidates

    result = await (Generator(echo(), samples=2) | Dawdling(echo())).arun("q", budget=Budget(seconds=0.1))
    assert kinds(result) == [("ranker_1", "budget")]
    assert "0.1 seconds" in str(result.losses[0])
    assert len(result.candidates) == 2


async def test_a_timeout_of_a_components_own_is_not_the_budgets():
    """It keeps its traceback, as every bug does."""

    class Timed(Ranker):
        async def run(self, context):
            raise TimeoutError("its own")

    with pytest.raises(TimeoutError, match="its own"):
        await (Generator(echo(), samples=2) | Timed(echo())).arun("q", budget=Budget(seconds=30))


@pytest.mark.parametrize("how", ["cancel", "timeout", "with a budget", "with a quorum"])
async def test_cancelling_cancels_calls_and_leaves_nothing(how: str):
    """The model sees it, and no task of the run is left."""
    model = Watched(0, 1, 2)
    quorum = {"min_candidates": 2} if how == "with a quorum" else {}
    architecture = Generator(model, samples=3) | Fuser(model, **quorum)
    budget = Budget(calls=10, seconds=60) if how == "with a budget" else None
    before = asyncio.all_tasks()
    task = asyncio.create_task(architecture.arun("q", budget=budget))
    await model.all_started.wait()
    if how == "timeout":
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await task
    else:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert sorted(model._cancelled) == [0, 1, 2]
    await asyncio.sleep(0)
    assert asyncio.all_tasks() - before == set()


# --- ways to give one --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("face", ["async", "sync"])
async def test_a_compiled_graph_gives_each_run_its_own(face: str):
    """Two runs may spend as much as one, each."""
    graph = (Generator(echo(), samples=3) | Fuser(echo())).compile(budget=Budget(calls=2))
    for _ in range(2):
        if face == "async":
            state = await graph.ainvoke(copy.deepcopy(QUESTION))
        else:
            state = await asyncio.to_thread(graph.invoke, copy.deepcopy(QUESTION))
        assert len(state["out:generator_1"]["calls"]) == 2
        assert state["scope"] == ""


async def test_a_run_may_bring_its_own_budget():
    """In LangGraph's context, over the graph's."""
    graph = (Generator(echo(), samples=3) | Fuser(echo())).compile(budget=Budget(calls=2))
    state = await graph.ainvoke(QUESTION, context={"budget": Budget(calls=1)})
    assert len(state["out:generator_1"]["calls"]) == 1


async def test_a_ledger_is_shared():
    """By runs side by side, however they take turns."""
    ledger = Ledger(Budget(calls=6))
    architecture = Generator(echo(latency=0.001), samples=2) | Fuser(echo())
    runs = [architecture.arun("q", budget=ledger) for _ in range(4)]
    outcomes = await asyncio.gather(*runs, return_exceptions=True)
    made = sum(outcome.usage.calls for outcome in outcomes if isinstance(outcome, Result | NoAnswerError))
    assert made == 6
    assert (ledger.spent.calls, ledger.calls_left) == (6, 0)


async def test_a_clients_budget_is_a_budget_too():
    """Over many questions; the result of the one that met it says so."""
    client = Client(budget=Budget(calls=5))
    architecture = Generator(echo(), samples=2) | Fuser(echo())
    first = await architecture.arun("q", client=client)
    second = await architecture.arun("q", client=client)
    assert (first.stopped, second.stopped) == (None, "budget")


@pytest.mark.parametrize("wrong", [5, 0.5, {"calls": 5}, "5"])
async def test_what_is_no_budget_is_refused(wrong: Any):
    """With a word on what one looks like."""
    architecture = Generator(echo()).alone()
    with pytest.raises(TypeError, match=r"Budget\(calls=10\)"):
        await architecture.arun("q", budget=wrong)
    with pytest.raises(TypeError, match=r"Budget\(calls=10\)"):
        architecture.compile(budget=wrong)


async def test_a_parents_context_is_not_mistaken_for_a_budget():
    """An entry of the same name and another meaning is left alone."""
    inner = Generator(echo()).alone().compile()
    parent = StateGraph(MessagesState)
    parent.add_node("archon", inner)
    parent.add_edge(START, "archon")
    parent.add_edge("archon", END)
    state = await parent.compile().ainvoke(QUESTION, context={"budget": 0})
    assert state["messages"][-1].text == "answer 0"


# --- threads, crashes, and what is kept --------------------------------------------------------------------------


async def test_each_turn_of_a_thread_has_its_own():
    """And nothing of it stays in the checkpoint."""
    graph = (Generator(echo(), samples=2) | Fuser(echo())).compile(
        checkpointer=InMemorySaver(), budget=Budget(calls=3)
    )
    config: Any = {"configurable": {"thread_id": "t"}}
    for _ in range(3):
        state = await graph.ainvoke(QUESTION, config)
        assert state["out:fuser_1"]["losses"] == []
        assert state["scope"] == ""


@pytest.mark.parametrize("same_process", [True, False])
async def test_after_a_crash(same_process: bool):
    """Taken up again in the same process the budget goes on; in another one it begins anew."""
    crash = {"on": True}

    class Crashing(Ranker):
        async def run(self, context):
            if crash["on"]:
                raise RuntimeError("the machine went down")
            return context.candidates

    saver = InMemorySaver()
    config: Any = {"configurable": {"thread_id": "t"}}

    def compiled() -> Any:
        architecture = Generator(echo(), samples=2) | Crashing(echo()) | Fuser(echo(), samples=2)
        return architecture.compile(checkpointer=saver, budget=Budget(calls=3))

    graph = compiled()
    with pytest.raises(RuntimeError, match="went down"):
        await graph.ainvoke(QUESTION, config)
    crash["on"] = False
    state = await (graph if same_process else compiled()).ainvoke(None, config)
    assert len(state["out:fuser_1"]["calls"]) == (1 if same_process else 2)


async def test_a_run_without_a_budget_or_a_quorum_has_no_scope():
    """It pays nothing for them."""
    graph = (Generator(echo()) | Fuser(echo())).compile(checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "t"}}
    await graph.ainvoke(QUESTION, config)
    assert {checkpoint.values.get("scope", "") for checkpoint in graph.get_state_history(config)} == {""}


def test_scopes_are_bounded():
    """Runs that never end are forgotten, the oldest first."""
    scopes = Scopes()
    first = scopes.open(Scope())
    kept = [scopes.open(Scope(Ledger(Budget(calls=number)))) for number in range(10_000)]
    fresh = Scope()
    assert scopes.find(first, lambda: fresh) is fresh
    assert scopes.find(kept[-1], lambda: fresh) is not fresh
    scopes.close(kept[-1])
    assert scopes.find(kept[-1], lambda: fresh) is fresh


def test_good_models_of_the_tests_need_no_budget():
    """The model that stands in for all techniques makes no loss of its own."""
    assert (Generator(good_model(), samples=2) | Ranker(good_model())).run("q").losses == ()
