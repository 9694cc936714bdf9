"""The compiled graph: its shape, its order, its faults, and LangGraph's own features on it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import RetryPolicy

from archon_graph import (
    Architecture,
    ArchitectureError,
    Client,
    ConfigurationError,
    Fuser,
    Generator,
    ModelError,
    NoAnswerError,
    Ranker,
    Result,
    ScriptedModel,
)
from archon_graph.core.compiler import sample_ranges
from archon_graph.models import ModelPolicy
from tests.replies import good_model
from tests.strategies import dags

NO_WAIT = RetryPolicy(initial_interval=0.0, jitter=False, max_attempts=3, retry_on=lambda error: error.retryable)


def no_repeats() -> dict[str, Any]:
    """The context of a run whose client tries every call once."""
    return {"client": Client(policies={"*": ModelPolicy(attempts=1)})}


def echo(prefix: str = "") -> ScriptedModel:
    """A model whose answers tell the sample they are."""
    return ScriptedModel(lambda call: f"{prefix}{call.sample}")


def question(text: str = "q") -> dict[str, Any]:
    """The input of a compiled graph."""
    return {"messages": [HumanMessage(text)]}


async def test_one_named_node_for_each_component():
    """And LangGraph's own drawing shows them and nothing unknown."""
    graph = ([Generator("openai:a"), Generator("openai:b")] | Ranker("openai:a") | Fuser("openai:a")).compile()
    drawn = graph.get_graph()
    assert list(drawn.nodes) == [
        "__start__",
        "question",
        "generator_1",
        "generator_2",
        "ranker_1",
        "fuser_1",
        "answer",
        "__end__",
    ]
    assert "generator_1" in drawn.draw_mermaid()


def test_wide_layers_are_joined():
    """n + m edges through a node that does nothing, in place of n * m."""
    wide = Architecture.from_layers([[Generator("openai:a")] * 20, [Fuser("openai:a")] * 20, Fuser("openai:a")])
    drawn = wide.compile().get_graph()
    assert "join_1" in drawn.nodes
    assert len(drawn.edges) < 20 * 5


async def test_order_is_of_edges_and_samples_whatever_finishes_first():
    """The slow first generator still comes first."""
    seen: list[str] = []

    def fuse(call):
        seen.append(call.messages[0].text)
        return "done"

    slow = ScriptedModel(lambda call: f"slow{call.sample}", latency=0.05)
    architecture = [Generator(slow, samples=2), Generator(echo("fast"), samples=2)] | Fuser(ScriptedModel(fuse))
    result = await architecture.arun("q")
    assert result.candidates[0].parents == ("generator_1:0", "generator_1:1", "generator_2:0", "generator_2:1")
    places = [seen[0].index(text) for text in ("slow0", "slow1", "fast0", "fast1")]
    assert places == sorted(places)


async def test_uneven_branches_run_the_join_once():
    """A node waits for all its predecessors, however long each branch is."""
    model = echo()
    fused = ScriptedModel(["only once"])
    architecture = Architecture.from_edges(
        {"a": Generator(model), "b": Generator(model, temperature=1), "r": Ranker(model), "f": Fuser(fused)},
        [("a", "f"), ("b", "r"), ("r", "f")],
    )
    result = await architecture.arun("q")
    assert result.answer == "only once"
    assert result.candidates[0].parents == ("a:0", "b:0")


def test_equal_siblings_draw_different_samples():
    """Equal components in a layer get ranges one after the other; different ones all begin at 0."""
    model = "openai:a"
    architecture = Architecture.from_layers(
        [
            [
                Generator(model, samples=5),
                Generator(model, samples=2),
                Generator(model, temperature=1.0),
                Generator("openai:b"),
                Generator(model),
            ],
            [Fuser(model), Fuser(model)],
        ]
    )
    assert sample_ranges(architecture) == {
        "generator_1": 0,
        "generator_2": 5,
        "generator_3": 0,
        "generator_4": 0,
        "generator_5": 7,
        "fuser_1": 0,
        "fuser_2": 1,
    }


async def test_equal_siblings_really_get_different_answers():
    """Seen in the answers themselves."""
    model = echo()
    result = await ([Generator(model, samples=2), Generator(model, samples=2)] | Ranker(model)).arun("q")
    assert sorted(candidate.content for candidate in result.candidates) == ["0", "1", "2", "3"]


async def test_a_lost_node_costs_no_other():
    """Its siblings' answers go on, and the loss is on the record with its cause."""
    down = ScriptedModel(lambda call: ModelError("no such model", model="down"))
    result = await ([Generator(down), Generator(echo("ok"))] | Fuser(echo("fused"))).arun("q")
    assert result.answer == "fused0"
    [loss] = result.losses
    assert (loss.node, loss.kind) == ("generator_1", "error")
    assert "no such model" in loss.detail


async def test_a_lost_sample_costs_no_other():
    """Nine of ten samples go on."""
    model = ScriptedModel(lambda call: ValueError("hiccup") if call.sample == 3 else str(call.sample))
    result = await (Generator(model, samples=10) | Fuser(echo())).arun("q")
    assert len(result.candidates[0].parents) == 9
    assert [(loss.node, loss.sample) for loss in result.losses] == [("generator_1", 3)]
    assert result.usage.calls == 11


async def test_everything_lost_is_an_error_that_lists_the_losses():
    """Instead of an answer out of nothing."""
    down = ScriptedModel(lambda call: ModelError("gone", model="down"))
    with pytest.raises(NoAnswerError, match="generator_1: gone") as caught:
        await (Generator(down, samples=2) | Ranker(down) | Fuser(down)).arun("q")
    assert [loss.node for loss in caught.value.losses] == ["generator_1", "ranker_1", "fuser_1"]
    assert [loss.kind for loss in caught.value.losses] == ["error", "no-input", "no-input"]


async def test_a_passing_fault_is_repeated_and_every_call_counted():
    """Two failures and an answer are one draw of three calls on the record; nothing is lost."""
    fault = ModelError("overloaded", model="m", retryable=True)
    result = await Generator(ScriptedModel([fault, fault, "at last"])).alone().arun("q")
    assert (result.answer, result.usage.calls, result.losses) == ("at last", 3, ())
    [row] = result.trace
    assert (row["calls"], row["error"], len(row["faults"])) == (3, None, 2)


@pytest.mark.parametrize("face", ["async", "sync"])
async def test_langgraphs_own_retries_leave_every_call_on_record(face: str):
    """Two failures and an answer are three calls on the record."""
    fault = ModelError("overloaded", model="m", retryable=True)
    model = ScriptedModel([fault, fault, "at last"])
    architecture = Generator(model).alone()
    graph = architecture.compile(retry_policy=NO_WAIT)
    if face == "async":
        state = await graph.ainvoke(question(), context=no_repeats())
    else:
        state = await asyncio.to_thread(graph.invoke, question(), context=no_repeats())
    result = Result.from_state(architecture, state)
    assert result.answer == "at last"
    assert result.usage.calls == 3
    assert [call["error"] is None for call in result.trace] == [False, False, True]
    assert result.losses == ()


async def test_when_retries_run_out_the_provider_error_is_on_the_record():
    """Not an error of ours about a variable (KNOWN_FAILURES 18)."""
    model = ScriptedModel(lambda call: ModelError("overloaded", model="m", retryable=True))
    graph = ([Generator(model), Generator(echo())] | Ranker(echo())).compile(retry_policy=NO_WAIT)
    state = await graph.ainvoke(question(), context=no_repeats())
    assert len(model.calls) == 3
    assert "overloaded" in state["out:generator_1"]["losses"][0]["detail"]
    assert len(state["out:generator_1"]["calls"]) == 3


async def test_what_cannot_get_better_is_not_retried():
    """A refused key stays refused."""
    model = ScriptedModel(lambda call: ModelError("401", model="m"))
    with pytest.raises(NoAnswerError):
        await Generator(model).alone().compile(retry_policy=NO_WAIT).ainvoke(question())
    assert len(model.calls) == 1


async def test_retry_policy_for_one_node():
    """By name; the others are not retried."""
    fault = ModelError("overloaded", model="m", retryable=True)
    one, two = ScriptedModel([fault, "one"]), ScriptedModel([fault, "two"])
    graph = ([Generator(one), Generator(two)] | Ranker(echo())).compile(retry_policy={"generator_1": NO_WAIT})
    state = await graph.ainvoke(question(), context=no_repeats())
    assert state["messages"][-1].text == "one"
    assert len(two.calls) == 1


async def test_a_bug_in_a_component_keeps_its_traceback():
    """Only what models do wrong is a loss."""

    class Buggy(Ranker):
        async def run(self, context):
            raise KeyError("bug")

    with pytest.raises(KeyError, match="bug"):
        await (Generator(echo(), samples=2) | Buggy(echo())).arun("q")


async def test_streaming_modes():
    """updates, values, messages, tasks and custom all work, one node's name on each piece."""
    graph = (Generator(echo("word by word "), samples=2) | Fuser(ScriptedModel(["a b c"]))).compile()
    seen: dict[str, list[Any]] = {}
    async for mode, part in graph.astream(question(), stream_mode=["updates", "values", "messages", "tasks"]):
        seen.setdefault(mode, []).append(part)
    assert [next(iter(part)) for part in seen["updates"]] == ["question", "generator_1", "fuser_1", "answer"]
    assert seen["values"][-1]["messages"][-1].text == "a b c"
    tokens = [
        chunk.text
        for chunk, metadata in seen["messages"]
        if isinstance(chunk, AIMessageChunk) and metadata["langgraph_node"] == "fuser_1"
    ]
    assert "".join(tokens) == "a b c"
    assert len(tokens) >= 3
    assert {part["name"] for part in seen["tasks"]} == {"question", "generator_1", "fuser_1", "answer"}


async def test_callbacks_see_every_call_under_its_own_name():
    """A handler in the config reaches the models, and metadata says node and sample."""
    seen: list[tuple[str | None, Any, Any]] = []

    class Watching(AsyncCallbackHandler):
        async def on_chat_model_start(self, serialized, messages, *, metadata=None, name=None, **kwargs):
            metadata = metadata or {}
            seen.append((name, metadata.get("archon_node"), metadata.get("langgraph_node")))

    await (Generator(echo(), samples=2) | Fuser(echo())).arun("q", config={"callbacks": [Watching()]})
    assert seen == [
        ("generator_1:0", "generator_1", "generator_1"),
        ("generator_1:1", "generator_1", "generator_1"),
        ("fuser_1:0", "fuser_1", "fuser_1"),
    ]


async def test_as_a_node_of_another_graph():
    """In a MessagesState parent the answer arrives once, after what was there."""
    inner = (Generator(echo("draft"), samples=2) | Fuser(echo("final"))).compile()
    parent = StateGraph(MessagesState)
    parent.add_node("archon", inner)
    parent.add_edge(START, "archon")
    parent.add_edge("archon", END)
    graph = parent.compile(checkpointer=InMemorySaver())
    config = {"configurable": {"thread_id": "t"}}
    await graph.ainvoke(question("one"), config)
    state = await graph.ainvoke(question("two"), config)
    assert [message.text for message in state["messages"]] == ["one", "final0", "two", "final0"]


async def test_a_parents_context_is_not_mistaken_for_ours():
    """Entries of the same names and another meaning are left alone."""
    inner = Generator(echo()).alone().compile()
    parent = StateGraph(MessagesState)
    parent.add_node("archon", inner)
    parent.add_edge(START, "archon")
    state = await parent.compile().ainvoke(question(), context={"client": "a database", "seed": "x"})
    assert state["messages"][-1].text == "0"


async def test_no_question_is_refused_before_any_call():
    """With a word on what the input looks like."""
    model = echo()
    with pytest.raises(ConfigurationError, match="at least one message"):
        await Generator(model).alone().compile().ainvoke({"messages": []})
    with pytest.raises(ValueError, match="question is empty"):
        await Generator(model).alone().arun("  ")
    assert model.calls == ()


async def test_missing_keys_are_all_named_before_any_call():
    """Models that would have worked are not called either."""
    model = echo()
    architecture = [Generator(model), Generator("openai:gpt-4o"), Generator("together:x")] | Fuser(model)
    with pytest.raises(ConfigurationError) as caught:
        await architecture.arun("q")
    assert "OPENAI_API_KEY" in str(caught.value)
    assert "TOGETHER_API_KEY" in str(caught.value)
    assert model.calls == ()


def test_compile_checks_the_rules():
    """A graph that breaks them is not built."""
    with pytest.raises(ArchitectureError):
        (Ranker("openai:a") | Fuser("openai:a")).compile()


async def test_run_inside_a_running_loop():
    """As in a notebook: the synchronous face does not mind."""
    assert Generator(echo("x")).alone().run("q").answer == "x0"


async def test_sync_inside_the_background_loop():
    """A component that calls run() itself does not wait for itself."""

    class Nested(Fuser):
        async def run(self, context):
            Generator(echo()).alone().run("inner")
            return context.candidates

    assert (Generator(echo("outer")) | Nested(echo())).run("q").answer == "outer0"


async def test_cancelling_a_run_cancels_its_calls():
    """Nothing goes on in the background."""
    finished: list[int] = []

    class Slow(ScriptedModel):
        async def _agenerate(self, messages, stop=None, run_manager=None, **kwargs):
            await asyncio.sleep(0.3)
            finished.append(1)
            return await super()._agenerate(messages, stop, run_manager, **kwargs)

    task = asyncio.create_task(Generator(Slow(lambda call: "x"), samples=3).alone().arun("q"))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0.4)
    assert finished == []


async def test_multi_turn_conversations_and_system_messages_reach_every_technique():
    """Generator, ranker and fuser all see what was said before, and the system message."""
    prompts: dict[str, str] = {}

    def reply(call):
        kind = "rank" if "impartial judge" in call.prompt else "fuse" if "draft answers" in call.prompt else "gen"
        prompts[kind] = call.prompt
        return "[1] > [2]" if kind == "rank" else "text"

    model = ScriptedModel(reply)
    conversation = [
        ("system", "Answer in rhyme."),
        ("user", "What is 17 + 4?"),
        ("assistant", "Twenty-one."),
        ("user", "And twice that?"),
    ]
    await (Generator(model, samples=2) | Ranker(model) | Fuser(model)).arun(conversation)
    assert set(prompts) == {"gen", "rank", "fuse"}
    for prompt in prompts.values():
        for _, said in conversation:
            assert said in prompt


async def test_tool_calls_survive_selection():
    """A selector passes the original message on, tool calls and all."""
    asked = AIMessage("", tool_calls=[{"name": "search", "args": {"q": "x"}, "id": "1"}])
    model = ScriptedModel(lambda call: asked if call.sample == 1 else "text")
    judge = ScriptedModel(["[2] > [1]"])
    result = await (Generator(model, samples=2) | Ranker(judge, top_k=1)).arun("q")
    assert result.message.tool_calls == asked.tool_calls
    assert 'search({"q": "x"})' in judge.calls[0].prompt


@given(dags())
@settings(max_examples=40, deadline=None)
def test_any_graph_runs_and_leads_back_to_generators(architecture: Architecture):
    """Every final candidate's parents can be followed to first drafts, and the calls are those predicted."""
    result = architecture.with_model(good_model()).run("q")
    assert result.candidates
    assert result.usage.calls == architecture.max_calls

    def first_drafts(id_: str) -> set[str]:
        candidate = result.candidate(id_)
        if not candidate.parents:
            return {architecture.components[candidate.node].technique}
        return set().union(*(first_drafts(parent) for parent in candidate.parents))

    for candidate in result.candidates:
        assert first_drafts(candidate.id) == {"generator"}
