"""Tool calls read from what a model wrote."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

from archon_graph.models.written_calls import call_schema, read_calls, with_tools_told

ADD = {
    "type": "function",
    "function": {
        "name": "add",
        "description": "Adds.",
        "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
    },
}
NOW = {"type": "function", "function": {"name": "now", "description": "The time."}}
TOOLS = [ADD, NOW]


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "add", "arguments": {"a": 1}}',
        '  {"name": "add", "parameters": {"a": 1}}\n',
        'I call:\n```json\n{"name": "add", "arguments": {"a": 1}}\n```',
        '```\n{"name": "add", "arguments": {"a": 1}}\n```',
        '<tool_call>\n{"name": "add", "arguments": {"a": 1}}\n</tool_call>',
        '<tool_call>{"name": "add", "arguments": {"a": 1}}',
    ],
)
def test_a_call_that_is_written_is_a_call(text: str):
    message = read_calls(AIMessage(text), TOOLS)
    assert [(call["name"], call["args"]) for call in message.tool_calls] == [("add", {"a": 1})]
    assert message.content == ""
    assert message.tool_calls[0]["id"]


def test_several_calls():
    both = '[{"name": "add", "arguments": {"a": 1}}, {"name": "now"}]'
    assert [call["name"] for call in read_calls(AIMessage(both), TOOLS).tool_calls] == ["add", "now"]
    tagged = "".join(f'<tool_call>{{"name": "add", "arguments": {{"a": {a}}}}}</tool_call>' for a in (1, 2))
    assert [call["args"]["a"] for call in read_calls(AIMessage(tagged), TOOLS).tool_calls] == [1, 2]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "The answer is 3.",
        '{"name": "subtract", "arguments": {}}',
        '{"name": "add", "arguments": "a=1"}',
        '{"name": "add", "arguments": {"a": 1}',
        "[[[[",
        "null",
        '```json\n{"city": "Lyon"}\n```',
    ],
)
def test_what_is_no_call_stays_as_it_is(text: str):
    message = AIMessage(text)
    assert read_calls(message, TOOLS) is message


@given(st.text() | st.recursive(st.none() | st.text(), st.lists).map(json.dumps))
def test_any_text(text: str):
    message = read_calls(AIMessage(text), TOOLS)
    assert all(call["name"] in ("add", "now") for call in message.tool_calls)


def test_the_schema_of_a_forced_call():
    one = call_schema(TOOLS, "now")
    assert one["properties"]["name"] == {"const": "now"}
    assert one["properties"]["arguments"] == {"type": "object", "properties": {}}
    assert [form["properties"]["name"]["const"] for form in call_schema(TOOLS, "any")["anyOf"]] == ["add", "now"]


def test_tools_are_told_behind_the_users_own_words():
    given_ = [SystemMessage("Be brief."), HumanMessage("q")]
    system, question = with_tools_told(given_, TOOLS, "any")
    assert system.text.startswith("Be brief.\n\n")
    assert "Adds." in system.text
    assert "The time." in system.text
    assert "The time." not in with_tools_told(given_[1:], TOOLS, "add")[0].text
    assert (question, given_[0].text) == (given_[1], "Be brief.")
