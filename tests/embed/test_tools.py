"""Tools: calls survive generation, ranking, voting and fusion, and those that cannot be made are no candidates."""

from __future__ import annotations

from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool

from archon_graph import Architecture, Fuser, Generator, Ranker, Reviser, ScriptedModel, Voter
from archon_graph.core import NoAnswerError
from archon_graph.models import ConfigurationError, ScriptedCall


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def calling(*calls: tuple[str, dict[str, Any]], text: str = "") -> AIMessage:
    return AIMessage(
        text,
        tool_calls=[{"name": name, "args": args, "id": f"call_{i}"} for i, (name, args) in enumerate(calls)],
    )


def call_then_answer(call: ScriptedCall) -> Any:
    """An agent's model: calls the tool, and answers with what that gave. One sample in three calls it wrongly."""
    if "impartial judge" in call.prompt:
        return "[2] > [1]"
    results = [message for message in call.messages if isinstance(message, ToolMessage)]
    if results:
        return f"The sum is {results[-1].text}."
    assert [one["function"]["name"] for one in call.tools] == ["add"]
    wrong = {"a": "two", "b": 3}
    return calling(("add", wrong if call.sample % 3 == 0 else {"a": 2, "b": 3}))


def graphs(model: ScriptedModel) -> dict[str, Architecture]:
    return {
        "one": Generator(model).alone(),
        "rank": Generator(model, samples=3) | Ranker(model, top_k=1),
        "fuse": Generator(model, samples=3) | Fuser(model),
        "rank and fuse": Generator(model, samples=5) | Ranker(model, top_k=2) | Fuser(model),
        "vote": Generator(model, samples=4) | Voter(),
        "revise": Generator(model, samples=2) | Reviser(model) | Fuser(model),
    }


@pytest.mark.parametrize("name", [name for name in graphs(ScriptedModel()) if name != "one"])
async def test_an_agent_runs_with_its_calls_intact(name: str):
    chat = graphs(ScriptedModel(call_then_answer))[name].as_chat_model()
    agent = create_agent(chat, [add])
    state = await agent.ainvoke({"messages": [HumanMessage("What is 2 + 3?")]})
    _, asked, result, answer = state["messages"]
    [call] = asked.tool_calls
    assert (call["name"], call["args"]) == ("add", {"a": 2, "b": 3})
    assert asked.response_metadata["finish_reason"] == "tool_calls"
    assert (result.content, result.tool_call_id) == ("5", call["id"])
    assert answer.text == "The sum is 5."


async def test_streamed_calls_come_whole():
    model = ScriptedModel(call_then_answer)
    chat = (
        Generator(model, samples=3) | Fuser(ScriptedModel([calling(("add", {"a": 1, "b": 2}))]))
    ).as_chat_model()
    pieces = [piece async for piece in chat.bind_tools([add]).astream("What is 2 + 3?")]
    joined = pieces[0]
    for piece in pieces[1:]:
        joined = joined + piece
    assert [(one["name"], one["args"]) for one in joined.tool_calls] == [("add", {"a": 1, "b": 2})]


async def test_a_fusion_of_calls_is_a_call_or_the_best_draft():
    """A model that writes about the calls instead of making one would end the agent's loop."""
    drafts = ScriptedModel(lambda call: calling(("add", {"a": call.sample, "b": 0})))
    fuser = ScriptedModel(["Both drafts call add."])
    message = await (Generator(drafts, samples=2) | Fuser(fuser)).as_chat_model().bind_tools([add]).ainvoke("q")
    assert [one["args"] for one in message.tool_calls] == [{"a": 0, "b": 0}]
    assert fuser.calls[0].tool_choice == "any"
    [loss, _] = message.response_metadata["archon"]["losses"]
    assert "calls no tool" in loss


async def test_a_fusion_of_calls_and_texts_is_free():
    drafts = ScriptedModel(lambda call: calling(("add", {"a": 1, "b": 1})) if call.sample else "It is 2.")
    fuser = ScriptedModel(["It is 2, certainly."])
    message = await (Generator(drafts, samples=2) | Fuser(fuser)).as_chat_model().bind_tools([add]).ainvoke("q")
    assert message.text == "It is 2, certainly."
    assert fuser.calls[0].tool_choice is None
    assert "Tool call: add" in fuser.calls[0].prompt


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (calling(("subtract", {"a": 1, "b": 1})), "'subtract', which is none of the tools"),
        (calling(("add", {"a": 1})), "'b' is a required property"),
        (calling(("add", {"a": "x", "b": 1})), "not of type 'integer'"),
        (
            AIMessage("", invalid_tool_calls=[{"name": "add", "args": "{", "id": "1", "error": "cut"}]),
            "cannot be read",
        ),
    ],
)
async def test_a_call_that_cannot_be_made_is_no_candidate(reply: AIMessage, why: str):
    chat = Generator(ScriptedModel([reply])).alone().as_chat_model()
    with pytest.raises(NoAnswerError, match=why):
        await chat.bind_tools([add]).ainvoke("q")


async def test_an_unreadable_call_beside_an_answer_is_left_out():
    reply = AIMessage("It is 2.", invalid_tool_calls=[{"name": "add", "args": "{", "id": "1", "error": "cut"}])
    message = await Generator(ScriptedModel([reply])).alone().as_chat_model().bind_tools([add]).ainvoke("q")
    assert (message.text, message.invalid_tool_calls) == ("It is 2.", [])


@pytest.mark.parametrize(
    "choice", ["any", "required", True, "add", {"type": "function", "function": {"name": "add"}}]
)
async def test_a_choice_of_tools_is_kept_to(choice: Any):
    model = ScriptedModel(["Just a text.", calling(("add", {"a": 1, "b": 1}))])
    chat = Generator(model, samples=2).alone().as_chat_model()
    message = await chat.bind_tools([add], tool_choice=choice).ainvoke("q")
    assert [one["name"] for one in message.tool_calls] == ["add"]
    assert {call.tool_choice for call in model.calls} == {
        "add" if choice not in ("any", "required", True) else "any"
    }


async def test_no_tools_are_told_of_where_none_may_be_called():
    model = ScriptedModel(["text"])
    await Generator(model).alone().as_chat_model().bind_tools([add], tool_choice="none").ainvoke("q")
    assert model.calls[0].tools == ()


async def test_a_choice_that_is_none_of_the_tools_is_an_error_before_any_call():
    model = ScriptedModel(["text"])
    chat = Generator(model).alone().as_chat_model()
    with pytest.raises(ConfigurationError, match="'subtract', and no tool has this name; there are add"):
        await chat.bind_tools([add], tool_choice="subtract").ainvoke("q")
    assert not model.calls


async def test_a_model_without_tools_says_so():
    class Plain(ScriptedModel):
        def bind_tools(self, *args: Any, **kwargs: Any) -> Any:
            raise NotImplementedError

    chat = Generator(Plain(["text"])).alone().as_chat_model()
    with pytest.raises(ConfigurationError, match="takes no tools: its class Plain has no bind_tools"):
        await chat.bind_tools([add]).ainvoke("q")


async def test_judges_are_told_of_no_tools():
    model = ScriptedModel(call_then_answer)
    chat = (Generator(model, samples=3) | Ranker(model, top_k=1)).as_chat_model()
    await chat.bind_tools([add]).ainvoke("What is 2 + 3?")
    assert [bool(call.tools) for call in model.calls] == [True, True, True, False]


async def test_equal_calls_vote_together():
    script = [
        calling(("add", {"a": 1, "b": 2})),
        calling(("add", {"a": 9, "b": 9})),
        calling(("add", {"b": 2, "a": 1})),
    ]
    chat = (Generator(ScriptedModel(script), samples=3) | Voter()).as_chat_model()
    message = await chat.bind_tools([add]).ainvoke("q")
    assert message.tool_calls[0]["args"] == {"a": 1, "b": 2}
    [winner] = [row for row in message.response_metadata["candidates"] if row["rank"] == 1]
    assert winner["score"] == pytest.approx(2 / 3)
