"""Tool calls of models whose runtime reads none: asked for as JSON, and read from what they write.

A small local model that is offered tools writes its call as JSON, in a fence or in tags, and llama.cpp hands that
on as text. (Seen with coder-0.5b, also where ``tool_choice`` is ``required``.) Where a call is wanted in any case,
the model is held to a schema instead, which llama.cpp does not take together with tools.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, SystemMessage
from langchain_core.messages.tool import tool_call

_FENCED = re.compile(r"```(?:json|xml)?\s*\n?(.*?)```", re.DOTALL)
_TAGGED = re.compile(r"<tool_call>\s*(.*?)\s*(?:</tool_call>|\Z)", re.DOTALL)
_ARGUMENTS = ("arguments", "parameters")


def call_schema(tools: Sequence[Mapping[str, Any]], choice: str) -> dict[str, Any]:
    """A schema for one call: of any of the tools, or of the one of this name."""
    wanted = [one for one in map(_function, tools) if choice in ("any", one["name"])]
    forms = [
        {
            "type": "object",
            "properties": {"name": {"const": one["name"]}, "arguments": _parameters(one)},
            "required": ["name", "arguments"],
            "additionalProperties": False,
        }
        for one in wanted
    ]
    return {"title": "call", **(forms[0] if len(forms) == 1 else {"anyOf": forms})}


def with_tools_told(
    messages: Sequence[BaseMessage], tools: Sequence[Mapping[str, Any]], choice: str
) -> list[BaseMessage]:
    """The conversation with the tools described in its system message; nothing given is mutated."""
    described = "\n".join(
        json.dumps(one, ensure_ascii=False) for one in map(_function, tools) if choice in ("any", one["name"])
    )
    words = (
        f"You answer by calling a function. These are the functions, with their arguments:\n{described}\n"
        'Write the call that the last message asks for as {"name": ..., "arguments": {...}}.'
    )
    head, rest = (messages[0], messages[1:]) if isinstance(messages[0], SystemMessage) else (None, messages)
    text = f"{head.text}\n\n{words}" if head is not None else words
    return [SystemMessage(text), *rest]


def read_calls(message: AIMessage, tools: Sequence[Mapping[str, Any]]) -> AIMessage:
    """The message with the calls that its text consists of as calls; as it is if it has calls, or holds none."""
    if message.tool_calls or message.invalid_tool_calls:
        return message
    text = str(message.text).strip()
    names = {_function(tool)["name"] for tool in tools}
    for pattern in (_TAGGED, _FENCED, None):
        parts = [text] if pattern is None else pattern.findall(text)
        calls = [call for part in parts for call in _calls(part, names)]
        if calls:
            return message.model_copy(update={"content": "", "tool_calls": calls})
    return message


def _calls(text: str, names: set[str]) -> Iterable[Any]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return
    for one in data if isinstance(data, list) else [data]:
        if not isinstance(one, dict) or one.get("name") not in names:
            return
        given: Any = next((one[key] for key in _ARGUMENTS if key in one), {})
        if not isinstance(given, dict):
            return
        yield tool_call(name=str(one["name"]), args=given, id=f"call_{uuid.uuid4().hex[:24]}")


def _function(tool: Mapping[str, Any]) -> Mapping[str, Any]:
    function = tool.get("function", tool)
    return {name: function[name] for name in ("name", "description", "parameters") if name in function}


def _parameters(function: Mapping[str, Any]) -> Mapping[str, Any]:
    return function.get("parameters") or {"type": "object", "properties": {}}
