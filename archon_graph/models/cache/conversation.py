"""Messages as far as they are part of what is asked: what is sent, without what differs between equal runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from langchain_core.messages import (
    LC_AUTO_PREFIX,
    AIMessage,
    BaseMessage,
    ChatMessage,
    ToolMessage,
    message_chunk_to_message,
)

# Of the message's own fields, those that are looked at below, and those that are never sent: ids, what a provider
# said about an answer of its own, and what a tool keeps for its caller.
_SEEN = frozenset({"type", "content", "name", "additional_kwargs", "tool_calls", "invalid_tool_calls"})
_NOT_SENT = frozenset({"id", "response_metadata", "usage_metadata", "artifact"})
_ID_KEYS = frozenset({"id", "tool_call_id", "tool_use_id", "call_id"})


def conversation(messages: Iterable[BaseMessage]) -> list[dict[str, Any]]:
    """The messages in one form.

    Ids that tie a tool's result to the call of the tool are numbered in the order in which they come: providers
    make them up anew for each answer, and only which belongs to which is part of the question.
    """
    numbers: dict[str, str] = {}
    return [_message(message_chunk_to_message(message), numbers) for message in messages]


def _message(message: BaseMessage, numbers: dict[str, str]) -> dict[str, Any]:
    calls: list[Mapping[str, Any]] = []
    if isinstance(message, AIMessage):
        calls = [*message.tool_calls, *message.invalid_tool_calls]
    ids = [call.get("id") for call in calls]
    if isinstance(message, ToolMessage):
        ids.append(message.tool_call_id)
    for each in ids:
        if each:
            numbers.setdefault(each, f"call-{len(numbers) + 1}")
    form: dict[str, Any] = {"type": message.type, "content": _content(message.content, numbers)}
    if message.name is not None:
        form["name"] = message.name
    if message.additional_kwargs:
        form["additional_kwargs"] = _numbered(message.additional_kwargs, numbers)
    if isinstance(message, AIMessage) and message.tool_calls:
        form["tool_calls"] = _numbered(message.tool_calls, numbers)
    if isinstance(message, AIMessage) and message.invalid_tool_calls:
        form["invalid_tool_calls"] = _numbered(message.invalid_tool_calls, numbers)
    if isinstance(message, ToolMessage):
        form |= {"tool_call_id": numbers.get(message.tool_call_id, ""), "status": message.status}
    if isinstance(message, ChatMessage):
        form["role"] = message.role
    # Fields of a subclass, and those that somebody added: whether they are sent is not known, so they count.
    others = {**vars(message), **(message.model_extra or {})}
    form |= {key: value for key, value in others.items() if key not in form and key not in _SEEN | _NOT_SENT}
    return form


def _content(content: str | list[str | dict[Any, Any]], numbers: Mapping[str, str]) -> Any:
    if isinstance(content, str):
        return content
    return [_numbered(_without_made_up_id(block), numbers) for block in content]


def _without_made_up_id(block: str | dict[Any, Any]) -> Any:
    """The block without an id that LangChain made up, or that only says which answer the text was part of."""
    if not isinstance(block, dict) or "id" not in block:
        return block
    made_up = block.get("type") == "text" or str(block["id"]).startswith(LC_AUTO_PREFIX)
    return {key: value for key, value in block.items() if key != "id"} if made_up else block


def _numbered(value: Any, numbers: Mapping[str, str]) -> Any:
    if isinstance(value, Mapping):
        return {
            key: numbers.get(item, item) if key in _ID_KEYS and isinstance(item, str) else _numbered(item, numbers)
            for key, item in value.items()
        }
    return [_numbered(item, numbers) for item in value] if isinstance(value, list | tuple) else value
