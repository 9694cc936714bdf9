"""Inside somebody else's LangGraph graph: as a chat model in a node, as a node, and as a subgraph."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.callbacks import UsageMetadataCallbackHandler
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import Command, interrupt

from archon_graph import Architecture, Fuser, Generator, ScriptedModel
from tests.embed.saying import FUSED, fusing, selecting


def parent_of(node: Any, **options: Any) -> Any:
    builder = StateGraph(MessagesState)
    builder.add_node("archon", node)
    builder.add_edge(START, "archon")
    builder.add_edge("archon", END)
    return builder.compile(**options)


def chat_node(architecture: Architecture) -> Any:
    chat = architecture.as_chat_model()

    async def node(state: MessagesState) -> dict[str, Any]:
        return {"messages": [await chat.ainvoke(state["messages"])]}

    return node


QUESTION = {"messages": [HumanMessage("q")]}


@pytest.mark.parametrize(("architecture", "pieces"), [(fusing(), 7), (selecting(), 1)])
async def test_a_chat_model_in_a_node_gives_one_clean_stream(architecture: Architecture, pieces: int):
    parent = parent_of(chat_node(architecture))
    got = [message async for message, _ in parent.astream(QUESTION, stream_mode="messages")]
    assert all(isinstance(message, AIMessageChunk) for message in got)
    assert len({message.id for message in got}) == 1
    assert len(got) == pieces
    assert "".join(str(message.text) for message in got) == (FUSED if pieces > 1 else "draft 2")


async def test_the_parents_usage_handler_counts_what_was_paid():
    for mode in ("messages", "values"):
        counted = UsageMetadataCallbackHandler()
        parent = parent_of(chat_node(fusing()))
        async for _ in parent.astream(QUESTION, {"callbacks": [counted]}, stream_mode=mode):
            pass
        [usage] = counted.usage_metadata.values()
        alone = (await fusing().as_chat_model().ainvoke("q")).usage_metadata
        assert usage == alone


async def test_nodes_are_told_in_the_parents_stream_of_custom_events():
    parent = parent_of(chat_node(fusing()))
    told = [part["archon_node"]["node"] async for part in parent.astream(QUESTION, stream_mode="custom")]
    assert told == ["generator_1", "fuser_1"]


@pytest.mark.parametrize("subgraphs", [False, True])
async def test_as_a_subgraph_its_drafts_are_no_part_of_the_stream(subgraphs: bool):
    parent = parent_of(fusing().compile())
    texts = ""
    async for part in parent.astream(QUESTION, stream_mode="messages", subgraphs=subgraphs):
        message, _ = part[1] if subgraphs else part
        texts += str(message.text)
    assert texts == FUSED


async def test_as_a_subgraph_a_usage_handler_counts_every_call_once():
    counted = UsageMetadataCallbackHandler()
    state = await parent_of(fusing().compile()).ainvoke(QUESTION, {"callbacks": [counted]})
    assert state["messages"][-1].text == FUSED
    whole = (await fusing().as_chat_model().ainvoke("q")).usage_metadata
    assert counted.usage_metadata == {"scripted": whole}


async def test_a_checkpointer_of_the_parent_keeps_the_conversation():
    model = ScriptedModel(lambda call: f"answer {sum(message.type == 'human' for message in call.messages)}")
    parent = parent_of(Generator(model, samples=2).alone().compile(), checkpointer=InMemorySaver())
    config = {"configurable": {"thread_id": "1"}}
    for turn in (1, 2):
        state = await parent.ainvoke({"messages": [HumanMessage(f"q{turn}")]}, config)
        assert state["messages"][-1].text == f"answer {turn}"
    assert [message.type for message in state["messages"]] == ["human", "ai", "human", "ai"]


async def test_a_parent_can_stop_before_it_and_go_on():
    """An interrupt beside it runs nothing inside again."""
    model = ScriptedModel(["one", "two", "fused"])
    chat = (Generator(model, samples=2) | Fuser(model)).as_chat_model()

    async def answer(state: MessagesState) -> dict[str, Any]:
        return {"messages": [await chat.ainvoke(state["messages"])]}

    def approve(state: MessagesState) -> dict[str, Any]:
        said = interrupt({"answer": state["messages"][-1].text})
        return {"messages": [AIMessage(f"approved: {said}")]}

    builder = StateGraph(MessagesState)
    builder.add_node(answer)
    builder.add_node(approve)
    builder.add_edge(START, "answer")
    builder.add_edge("answer", "approve")
    parent = builder.compile(checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "1"}}
    stopped = await parent.ainvoke(QUESTION, config)  # type: ignore[arg-type]
    assert stopped["__interrupt__"][0].value == {"answer": "fused"}
    state = await parent.ainvoke(Command(resume="yes"), config)
    assert [message.text for message in state["messages"]] == ["q", "fused", "approved: yes"]
    assert len(model.calls) == 3


async def test_an_interrupt_inside_as_a_subgraph():
    model = ScriptedModel(["one", "two", "fused"])
    inner = (Generator(model, samples=2) | Fuser(model)).compile(interrupt_before=["fuser_1"])
    parent = parent_of(inner, checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "1"}}
    await parent.ainvoke(QUESTION, config)
    assert len(model.calls) == 2
    state = await parent.ainvoke(None, config)
    assert state["messages"][-1].text == "fused"
    assert len(model.calls) == 3


async def test_tags_and_metadata_of_the_parent_reach_the_models():
    """As with any runnable that is called in a node."""
    seen: list[dict[str, Any]] = []

    class Looks(ScriptedModel):
        async def _agenerate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Any:
            seen.append({"tags": run_manager.tags})
            return await super()._agenerate(messages, stop, run_manager, **kwargs)

    await parent_of(Generator(Looks(["a"])).alone().compile()).ainvoke(QUESTION, {"tags": ["mine"]})
    assert "mine" in seen[0]["tags"]
