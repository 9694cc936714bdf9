"""Candidates in the graph state: plain, tagged with their turn, safe in a checkpoint."""

from __future__ import annotations

import copy
import warnings
from pathlib import Path

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from archon_graph import Architecture, Fuser, Generator, Ranker, ScriptedModel
from archon_graph.core.state import Candidate, channel_of, is_empty, merge_messages
from archon_graph.models import ModelError, Usage

RICH = AIMessage(
    content=[
        {"type": "text", "text": "see the picture"},
        {"type": "image", "base64": "aGk=", "mime_type": "image/png"},
    ],
    tool_calls=[{"name": "look", "args": {"x": 1}, "id": "call-1"}],
    response_metadata={"finish_reason": "tool_calls"},
)


def test_candidate_survives_the_state_unchanged():
    """What goes into the state comes out of it, field for field."""
    candidate = Candidate(
        id="generator_1:0",
        message=RICH,
        node="generator_1",
        model="m",
        parents=("a:0", "b:1"),
        critiques=({"node": "critic_1", "weaknesses": "long"},),
        verdicts=({"node": "verifier_1", "correct": True},),
        test_results=({"test": "t", "passed": False},),
        score=0.5,
        usage=Usage(calls=1, prompt_tokens=3, completion_tokens=4, seconds=0.1),
    )
    assert Candidate.from_state(candidate.to_state()) == candidate


async def test_sqlite_checkpoint_round_trip_without_a_warning(tmp_path: Path):
    """Tool calls and content blocks come back from SQLite as they went in; nothing is deprecated there."""
    model = ScriptedModel([RICH])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        async with AsyncSqliteSaver.from_conn_string(str(tmp_path / "threads.db")) as saver:
            compiled = (Generator(model).alone()).compile(checkpointer=saver)
            config = {"configurable": {"thread_id": "t"}}
            await compiled.ainvoke({"messages": [HumanMessage("hi")]}, config)
            state = (await compiled.aget_state(config)).values
    [candidate] = [Candidate.from_state(data) for data in state["candidates"]]
    assert candidate.message.tool_calls == RICH.tool_calls
    assert candidate.message.content == RICH.content
    assert candidate.message.response_metadata["finish_reason"] == "tool_calls"
    assert state["messages"][-1].tool_calls == RICH.tool_calls


def test_sync_sqlite_checkpoint(tmp_path: Path):
    """The synchronous face works with a synchronous checkpointer."""
    model = ScriptedModel(lambda call: f"reply to {call.messages[-1].text}")
    with SqliteSaver.from_conn_string(str(tmp_path / "threads.db")) as saver:
        compiled = ([Generator(model), Generator(model)] | Fuser(model)).compile(checkpointer=saver)
        config = {"configurable": {"thread_id": "t"}}
        compiled.invoke({"messages": [HumanMessage("one")]}, config)
        state = compiled.invoke({"messages": [HumanMessage("two")]}, config)
    assert [message.text for message in state["messages"]] == ["one", "reply to one", "two", "reply to two"]
    assert state["turn"] == 2


async def test_second_turn_never_reads_candidates_of_the_first():
    """A node that is lost in the second turn leaves a gap there, not the answer of the first turn."""
    steady = ScriptedModel(lambda call: f"steady {call.messages[-1].text}")

    def flaky(call):
        return ModelError("down", model="flaky") if call.messages[-1].text == "two" else "flaky one"

    seen: list[str] = []

    def fuse(call):
        seen.append(call.messages[0].text)
        return "fused"

    architecture = [Generator(steady), Generator(ScriptedModel(flaky))] | Fuser(ScriptedModel(fuse))
    compiled = architecture.compile(checkpointer=InMemorySaver())
    config = {"configurable": {"thread_id": "t"}}
    await compiled.ainvoke({"messages": [HumanMessage("one")]}, config)
    state = await compiled.ainvoke({"messages": [HumanMessage("two")]}, config)
    assert "flaky one" in seen[0]
    assert "steady one" in seen[0]
    assert "flaky one" not in seen[1]
    assert "steady one" not in seen[1]
    assert "steady two" in seen[1]
    assert state[channel_of("generator_2")]["candidates"] == []
    assert state[channel_of("generator_2")]["losses"][0]["kind"] == "error"


async def test_turn_after_a_crash_starts_afresh():
    """A run that a bug ended in the middle leaves nothing that the next turn could read or be released by."""
    broken = {"on": True}

    class Bug(RuntimeError):
        pass

    model = ScriptedModel(lambda call: f"draft {call.messages[-1].text}")

    class Crashing(Ranker):
        async def run(self, context):
            if broken["on"]:
                raise Bug
            return context.candidates

    architecture = Architecture.from_edges(
        {"short": Generator(model), "long": Generator(model), "mid": Crashing(model), "end_fuser": Fuser(model)},
        [("long", "mid"), ("mid", "end_fuser"), ("short", "end_fuser")],
    )
    compiled = architecture.compile(checkpointer=InMemorySaver())
    config = {"configurable": {"thread_id": "t"}}
    with pytest.raises(Bug):
        await compiled.ainvoke({"messages": [HumanMessage("one")]}, config)
    broken["on"] = False
    state = await compiled.ainvoke({"messages": [HumanMessage("two")]}, config)
    assert state["candidates"][0]["parents"] == ["long:1", "short:0"]
    assert all("two" in data["message"].text for data in state[channel_of("short")]["candidates"])


async def test_resume_reruns_only_the_node_that_crashed():
    """After a crash, resuming the thread asks no model again whose answer is already there."""
    drafts = ScriptedModel(["draft"])
    attempts: list[int] = []

    class Crashing(Ranker):
        async def run(self, context):
            attempts.append(1)
            if len(attempts) == 1:
                raise RuntimeError("the machine went down")
            return context.candidates

    compiled = (Generator(drafts) | Crashing(drafts)).compile(checkpointer=InMemorySaver())
    config = {"configurable": {"thread_id": "t"}}
    with pytest.raises(RuntimeError, match="went down"):
        await compiled.ainvoke({"messages": [HumanMessage("q")]}, config)
    state = await compiled.ainvoke(None, config)
    assert state["messages"][-1].text == "draft"
    assert len(drafts.calls) == 1


@pytest.mark.parametrize("face", ["run", "compile"])
def test_messages_of_the_caller_are_never_mutated(face: str):
    """Not even an id is added to them, and they may be used again."""
    conversation = [SystemMessage("be brief"), HumanMessage("hi"), AIMessage("hello"), HumanMessage("again")]
    before = copy.deepcopy(conversation)
    model = ScriptedModel(lambda call: "[1] > [2]" if "judge" in call.prompt else "text")
    architecture = Generator(model, samples=2) | Ranker(model) | Fuser(model)
    for _ in range(2):
        if face == "run":
            architecture.run(conversation)
        else:
            architecture.compile().invoke({"messages": conversation})
    assert conversation == before
    assert all(message.id is None for message in conversation)


async def test_equal_message_ids_do_not_overwrite_an_earlier_turn():
    """A model that gives every answer the same id still adds an answer each turn."""
    model = ScriptedModel([AIMessage("first", id="same"), AIMessage("second", id="same")])
    compiled = Generator(model).alone().compile(checkpointer=InMemorySaver())
    config = {"configurable": {"thread_id": "t"}}
    await compiled.ainvoke({"messages": [HumanMessage("a")]}, config)
    state = await compiled.ainvoke({"messages": [HumanMessage("b")]}, config)
    assert [message.text for message in state["messages"]] == ["a", "first", "b", "second"]


def test_merge_messages_takes_one_message_or_many():
    """As LangGraph's own reducer does, in every form it accepts."""
    assert [message.text for message in merge_messages([], "hi")] == ["hi"]
    assert [message.text for message in merge_messages([], [("user", "a"), {"role": "user", "content": "b"}])] == [
        "a",
        "b",
    ]
    assert len(merge_messages([HumanMessage("a", id="1")], HumanMessage("b", id="1"))) == 1


@pytest.mark.parametrize(
    ("message", "empty"),
    [
        (AIMessage(""), True),
        (AIMessage(" \n"), True),
        (AIMessage([{"type": "text", "text": "  "}]), True),
        (AIMessage([]), True),
        (AIMessage("", additional_kwargs={"refusal": "I will not"}), True),
        (AIMessage("x"), False),
        (AIMessage([{"type": "image", "base64": "aGk=", "mime_type": "image/png"}]), False),
        (AIMessage("", tool_calls=[{"name": "f", "args": {}, "id": "1"}]), False),
    ],
)
def test_is_empty(message: AIMessage, empty: bool):
    """Empty is what says nothing and calls no tool, and what the model refused to say."""
    assert is_empty(message) is empty
