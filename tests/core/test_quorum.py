"""Quorums: a node goes on with enough candidates, and those who are late are cut off for real."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langgraph.checkpoint.memory import InMemorySaver

from archon_graph import (
    Architecture,
    Budget,
    Critic,
    Fuser,
    Generator,
    Ranker,
    Result,
    Reviser,
    ScriptedModel,
    UnitTestEvaluator,
    UnitTestGenerator,
    Voter,
)
from archon_graph.core.compiler import sample_ranges
from archon_graph.core.quorum import QuorumPlan, Quorums
from archon_graph.models import Draw
from tests.replies import good_reply
from tests.strategies import dags

NEVER = 15.0


class Model(ScriptedModel):
    """Answers with its sample's number, some samples never; remembers who was cancelled."""

    _never: Callable[[int], bool]
    _cancelled: list[int]

    def __init__(self, never: Callable[[int], bool] = lambda sample: False, say: str = "") -> None:
        super().__init__(lambda call: f"{say}{call.sample}")
        self._never = never
        self._cancelled = []

    @property
    def cancelled(self) -> list[int]:
        return sorted(self._cancelled)

    async def _agenerate(self, messages, stop=None, run_manager=None, **kwargs):
        sample = kwargs["sample"]
        try:
            if self._never(sample):
                await asyncio.sleep(NEVER)
        except asyncio.CancelledError:
            self._cancelled.append(sample)
            raise
        return await super()._agenerate(messages, stop, run_manager, **kwargs)


def stuck(*samples: int) -> Model:
    """A model that never answers for these samples; for none at all if none is named."""
    return Model(lambda sample: not samples or sample in samples)


def kinds(result: Result) -> list[tuple[str, str]]:
    """Where something was lost, and what kind of loss it is."""
    return [(loss.node, loss.kind) for loss in result.losses]


async def test_samples_of_one_generator():
    """Seven of ten are enough; the three that never come are cancelled, and on record as one loss."""
    model = stuck(2, 5, 9)
    result = await (Generator(model, samples=10) | Fuser(Model(), min_candidates=7)).arun("q")
    assert result.candidates[0].parents == tuple(f"generator_1:{n}" for n in (0, 1, 3, 4, 6, 7, 8))
    assert model.cancelled == [2, 5, 9]
    [loss] = result.losses
    assert (loss.node, loss.kind, loss.sample) == ("generator_1", "straggler", None)
    assert "3 calls" in loss.detail
    assert "fuser_1 has its quorum of 7" in loss.detail
    assert (result.stopped, result.usage.calls) == (None, 11)


@pytest.mark.parametrize("face", ["async", "sync"])
async def test_several_generators(face: str):
    """The candidates of all predecessors count together; both faces cut off who is late."""
    late = stuck()
    architecture = [Generator(Model(), samples=2), Generator(late, samples=2)] | Fuser(Model(), min_candidates=2)
    graph = architecture.compile()
    question = {"messages": [{"role": "user", "content": "q"}]}
    if face == "async":
        state = await graph.ainvoke(question)
    else:
        state = await asyncio.to_thread(graph.invoke, question)
    result = Result.from_state(architecture, state)
    assert result.candidates[0].parents == ("generator_1:0", "generator_1:1")
    assert kinds(result) == [("generator_2", "straggler")]
    # What was sent was cancelled. A thread may begin after the quorum is there, and then sends nothing.
    sent = [call["sample"] for call in result.trace if call["node"] == "generator_2"]
    assert late.cancelled == sent
    assert sent == [0, 1] or face == "sync"


async def test_a_straggler_that_comes_in_time_is_waited_for():
    """Until the timeout; a second one that does not come is then cut off."""
    arrived = asyncio.Event()

    class Late(Model):
        async def _agenerate(self, messages, stop=None, run_manager=None, **kwargs):
            if kwargs["sample"] == 1:
                await asyncio.sleep(0.05)
                arrived.set()
            return await super()._agenerate(messages, stop, run_manager, **kwargs)

    model = Late(lambda sample: sample == 2)
    fuser = Fuser(Model(), min_candidates=1, straggler_timeout=1.0)
    result = await (Generator(model, samples=3) | fuser).arun("q")
    assert arrived.is_set()
    assert result.candidates[0].parents == ("generator_1:0", "generator_1:1")
    assert model.cancelled == [2]


async def test_a_selector_that_is_late_degrades():
    """It passes on what it was given, and says so."""
    judge = stuck()
    architecture = Architecture.from_edges(
        {
            "fast": Generator(Model(), samples=2),
            "slow": Generator(Model(), samples=2, temperature=1.0),
            "rank": Ranker(judge, top_k=1),
            "fuse": Fuser(Model(), min_candidates=2),
        },
        [("slow", "rank"), ("fast", "fuse"), ("rank", "fuse")],
    )
    result = await architecture.arun("q")
    # The quorum was there before its turn came, and nobody waits for it: its call is not even sent.
    assert judge.cancelled == []
    assert [call["node"] for call in result.trace] == ["fast", "fast", "slow", "slow", "fuse"]
    assert result.candidates[0].parents == ("fast:0", "fast:1", "slow:0")
    assert kinds(result) == [("rank", "straggler")]
    assert "passed on instead: slow:0" in result.losses[0].detail


async def test_what_a_selector_passes_on_counts_when_it_ends():
    """Its one call is no candidate; its three candidates are."""
    late = stuck()
    architecture = [
        Generator(Model(), samples=3) | Critic(Model()),
        Generator(Model()) | Reviser(late),
    ] | Fuser(Model(), min_candidates=3)
    result = await architecture.arun("q")
    assert result.candidates[0].parents[:3] == ("generator_1:0", "generator_1:1", "generator_1:2")
    assert ("reviser_1", "straggler") in kinds(result)
    assert late.cancelled == [0]


async def test_who_is_read_by_one_that_waits_for_all_is_never_cut():
    """And whoever is read by several with a quorum, only once all of them have it."""
    slow = ScriptedModel(lambda call: str(call.sample), latency=0.05)
    both = {"quick": Generator(Model()), "slow": Generator(slow)}
    edges = [(before, node) for node in ("one", "two") for before in both] + [("one", "last"), ("two", "last")]
    for second, expected in ((None, 2), (2, 2), (1, 1)):
        parts = {
            **both,
            "one": Fuser(Model(), min_candidates=1),
            "two": Fuser(Model(), min_candidates=second),
            "last": Fuser(Model()),
        }
        result = await Architecture.from_edges(parts, edges).arun("q")
        assert {len(result.candidate(node).parents) for node in ("one:0", "two:0")} == {expected}
        assert ([kind for _, kind in kinds(result)] == ["straggler"]) == (expected == 1)


async def test_chains_behind_a_predecessor_are_not_cut():
    """The generator behind the reviser is waited for; the reviser itself is then too late, and passes it on."""
    slow = ScriptedModel(lambda call: "slow", latency=0.05)
    reviser = stuck()
    architecture = [Generator(Model(), samples=2), Generator(slow) | Reviser(reviser)] | Fuser(
        Model(), min_candidates=2
    )
    result = await architecture.arun("q")
    assert result.candidates[0].parents == ("generator_1:0", "generator_1:1", "generator_2:0")
    assert kinds(result) == [("reviser_1", "straggler")]
    assert reviser.calls == ()  # closed before it began


async def test_who_writes_unit_tests_is_waited_for():
    """Candidates are there, but what they are to be judged by is not."""
    slow = ScriptedModel(lambda call: "1. Statement 1 holds.", latency=0.05)
    architecture = [Generator(stuck(2), samples=3), UnitTestGenerator(slow, count=1)] | UnitTestEvaluator(
        ScriptedModel(lambda call: "[1] PASSED"), min_candidates=2
    )
    result = await architecture.arun("q")
    assert kinds(result) == [("generator_1", "straggler")]
    assert [candidate.score for candidate in result.candidates] == [1.0, 1.0]


async def test_empty_and_failed_answers_are_no_candidates():
    """They do not count, so nobody is cut off for them."""

    def reply(call):
        return {0: "", 1: ValueError("no")}.get(call.sample, str(call.sample))

    result = await (Generator(ScriptedModel(reply), samples=4) | Fuser(Model(), min_candidates=2)).arun("q")
    assert result.candidates[0].parents == ("generator_1:2", "generator_1:3")
    assert sorted(kinds(result)) == [("generator_1", "empty"), ("generator_1", "error")]


async def test_too_few_are_a_loss_and_the_run_goes_on():
    """Nobody is cut off, and the record says how few came."""
    down = ScriptedModel(lambda call: ValueError("down") if call.sample else "one")
    result = await (Generator(down, samples=3) | Fuser(Model(), min_candidates=2)).arun("q")
    assert result.answer == "0"
    [loss] = [loss for loss in result.losses if loss.kind == "quorum"]
    assert str(loss) == "fuser_1: only 1 of at least 2 candidates reached this node [quorum]"


async def test_nothing_is_left_behind():
    """No task and no timer, also where the timeout is long and the run ended before."""
    loop = asyncio.get_running_loop()
    architecture = Generator(Model(), samples=3) | Fuser(Model(), min_candidates=1, straggler_timeout=NEVER)
    before = asyncio.all_tasks()
    result = await architecture.arun("q")
    assert len(result.candidates[0].parents) == 3
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before
    timers = [handle for handle in loop._scheduled if not handle.cancelled()]  # type: ignore[attr-defined]
    assert timers == []


async def test_a_second_turn_counts_anew():
    """What the first turn had is no quorum of the second."""
    seen: list[str] = []

    def never(sample: int) -> bool:
        return sample == 1

    class Turns(Model):
        async def _agenerate(self, messages, stop=None, run_manager=None, **kwargs):
            seen.append(messages[-1].text)
            return await super()._agenerate(messages, stop, run_manager, **kwargs)

    architecture = Generator(Turns(never), samples=3) | Fuser(Model(), min_candidates=2)
    graph = architecture.compile(checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "t"}}
    for text in ("one", "two"):
        state = await graph.ainvoke({"messages": [("user", text)]}, config)
        assert state["candidates"][0]["parents"] == ["generator_1:0", "generator_1:2"]
        assert state["scope"] == ""
    assert seen.count("two") == 3


async def test_taken_up_again_in_another_process():
    """After a crash the counts are gone: nodes wait for all, and end."""
    crash = {"on": True}

    class Crashing(Voter):
        async def run(self, context):
            if crash["on"]:
                raise RuntimeError("the machine went down")
            return await super().run(context)

    def build() -> Architecture:
        return Architecture.from_edges(
            {
                "a": Generator(Model(), samples=2),
                "b": Generator(Model(), samples=2, temperature=1.0),
                "vote": Crashing(),
                "fuse": Fuser(Model(), min_candidates=2),
            },
            [("b", "vote"), ("a", "fuse"), ("vote", "fuse")],
        )

    saver = InMemorySaver()
    config: Any = {"configurable": {"thread_id": "t"}}
    with pytest.raises(RuntimeError, match="went down"):
        await build().compile(checkpointer=saver).ainvoke({"messages": [("user", "q")]}, config)
    crash["on"] = False
    # Compiled anew: its scopes know nothing of the token in the checkpoint.
    state = await build().compile(checkpointer=saver).ainvoke(None, config)
    assert state["candidates"][0]["parents"] == ["a:0", "a:1", "b:0"]


async def test_a_budget_beside_a_quorum():
    """Both at once: what is cut off was paid for, and the last call is refused."""
    architecture = Generator(stuck(1), samples=4) | Fuser(Model(), min_candidates=2)
    result = await architecture.arun("q", budget=Budget(calls=4))
    assert result.candidates[0].id == "generator_1:0"
    assert (result.usage.calls, result.stopped) == (4, "budget")
    assert kinds(result) == [("generator_1", "straggler"), ("fuser_1", "budget")]


@given(dags(), st.data(), st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_nobody_is_robbed(architecture: Architecture, data: st.DataObject, chance: random.Random):
    """Whatever the graph, whoever waits for however many, and whatever comes first: they get that many.

    And what is lost is lost to the quorum: nothing else goes wrong.
    """
    graph = architecture.graph
    wanted = data.draw(st.sets(st.sampled_from([node for node in graph if graph.pred[node]])))
    needed: dict[str, int] = {}
    fewest_out: dict[str, int] = {}
    for node in (node for layer in architecture.layers for node in layer):
        # A quorum leaves less for those behind it: they can only count on as many as it waits for.
        arriving = sum(fewest_out[before] for before in graph.pred[node])
        if node in wanted and arriving:
            needed[node] = arriving = data.draw(st.integers(1, arriving))
        fewest_out[node] = architecture.components[node].candidates_out(arriving)
    model = ScriptedModel(good_reply, json=True, latency=lambda: chance.choice((0.0, 0.001, 0.004)))
    result = with_quorums(architecture.with_model(model), needed).run("q")
    assert result.candidates
    assert {loss.kind for loss in result.losses} <= {"straggler"}
    assert needed or not result.losses


# --- the plan ----------------------------------------------------------------------------------------------------


def plan_of(architecture: Architecture) -> QuorumPlan | None:
    return QuorumPlan.of(architecture.graph, architecture.components)


def test_no_plan_where_nobody_has_a_quorum():
    """Then a run pays nothing for it."""
    assert plan_of(Generator("openai:a") | Fuser("openai:a")) is None


@given(dags(), st.data())
@settings(max_examples=60, deadline=None)
def test_who_may_be_cut_off(architecture: Architecture, data: st.DataObject):
    """Exactly those who have readers, all of them with a quorum, and who write no unit tests."""
    wanted = data.draw(st.sets(st.sampled_from(sorted(architecture.components))))
    plan = plan_of(with_quorums(architecture, dict.fromkeys(wanted, 1)))
    graph = architecture.graph
    expected = {
        node
        for node, part in architecture.components.items()
        if graph.succ[node] and set(graph.succ[node]) <= wanted and not part.gives_tests
    }
    assert (set(plan.cuttable) if plan is not None else set()) == expected


@given(st.lists(st.integers(0, 9), min_size=1, max_size=40), st.integers(1, 30))
@settings(deadline=None)
def test_the_gate_closes_with_the_candidate_that_completes_the_quorum(arrivals: list[int], needed: int):
    """Whoever of ten predecessors each candidate is from, and from whichever thread it is counted."""
    plan = QuorumPlan(
        needed={"reader": needed},
        patience={"reader": 0.0},
        feeds={f"p{n}": ("reader",) for n in range(10)},
        cuttable=frozenset(f"p{n}" for n in range(10)),
    )

    async def play() -> None:
        from contextlib import ExitStack

        from langchain_core.messages import AIMessage

        quorums = Quorums(plan)
        with ExitStack() as stack:
            gates = [stack.enter_context(quorums.watch(f"p{n}", by_draw=True)) for n in range(10)]
            for count, number in enumerate(arrivals, start=1):
                draw = Draw(index=count, message=AIMessage("x"))
                thread = threading.Thread(target=gates[number].arrived, args=[draw])
                thread.start()
                thread.join()
                assert all((gate.reason is not None) == (count >= needed) for gate in gates)

    asyncio.run(play())


def with_quorums(architecture: Architecture, needed: Mapping[str, int]) -> Architecture:
    from dataclasses import replace

    parts = {
        node: replace(part, min_candidates=needed.get(node)) for node, part in architecture.components.items()
    }
    graph = architecture.graph
    return Architecture.from_edges(parts, [(before, node) for node in graph for before in graph.pred[node]])


# --- rules, files, identity --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("architecture", "rule"),
    [
        (Generator("openai:a", samples=3) | Fuser("openai:a", min_candidates=4), "quorum-too-large"),
        (Generator("openai:a", min_candidates=1).alone(), "quorum-too-large"),
        (Generator("openai:a", samples=3) | Fuser("openai:a", straggler_timeout=1.0), "timeout-without-quorum"),
    ],
)
def test_rules(architecture: Architecture, rule: str):
    """What makes no sense is refused before any call."""
    [problem] = [problem for problem in architecture.problems() if problem.severity == "error"]
    assert problem.rule == rule


def test_a_quorum_that_changes_nothing_is_warned_of():
    """Where a predecessor is left that may be cut off, it is in order."""
    idle = Generator("openai:a", samples=3) | [Fuser("openai:a", min_candidates=2), Voter()] | Fuser("openai:a")
    [warning] = idle.problems()
    assert (warning.rule, warning.where, warning.severity) == ("idle-quorum", "fuser_1", "warning")
    assert "read by voter_1" in warning.message
    parts = {
        "a": Generator("openai:a"),
        "b": Generator("openai:b"),
        "early": Fuser("openai:a", min_candidates=1),
        "late": Fuser("openai:a"),
        "last": Fuser("openai:a"),
    }
    edges = [("a", "early"), ("b", "early"), ("a", "late"), ("early", "last"), ("late", "last")]
    assert Architecture.from_edges(parts, edges).problems() == []


def test_settings_are_checked():
    """A quorum of none and a time that runs backwards are no settings."""
    for wrong in ({"min_candidates": 0}, {"straggler_timeout": -1}, {"straggler_timeout": float("inf")}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            Fuser("openai:a", **wrong)


def test_a_quorum_is_in_files_diagrams_and_the_fingerprint():
    """And in none of them where there is none."""
    plain = Generator("openai:a", samples=3) | Fuser("openai:a")
    waiting = Generator("openai:a", samples=3) | Fuser("openai:a", min_candidates=2, straggler_timeout=1.5)
    again = Architecture.from_config(waiting.to_config())
    assert again.components["fuser_1"].min_candidates == 2
    assert again.components["fuser_1"].straggler_timeout == 1.5
    assert again.fingerprint == waiting.fingerprint != plain.fingerprint
    assert plain.fingerprint == "98c34bc492fccf9e"
    assert "goes on at 2, waits 1.5 s" in waiting.draw_mermaid().replace("#46;", ".").replace("#44;", ",")
    assert "min_candidates" not in str(plain.to_config())
    assert "goes on" not in plain.draw_mermaid()


def test_siblings_that_differ_in_their_quorum_are_siblings():
    """They draw the same way, so they need samples of their own all the same."""
    ranges = sample_ranges(
        Generator("openai:a", samples=3)
        | [Fuser("openai:a"), Fuser("openai:a", min_candidates=2), Fuser("openai:a", min_candidates=1)]
        | Fuser("openai:a")
    )
    assert [ranges[f"fuser_{n}"] for n in (1, 2, 3)] == [0, 1, 2]
