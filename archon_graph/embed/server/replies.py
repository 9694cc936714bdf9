"""Answers, and pieces of them, as OpenAI has them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.ai import UsageMetadata, add_usage

# How providers say why an answer ended.
_REASONS = {
    "content_filter": "content_filter",
    "length": "length",
    "max_tokens": "length",
    "tool_calls": "tool_calls",
    "tool_use": "tool_calls",
}
DONE = b"data: [DONE]\n\n"
"""The end of a stream."""
PING = b": still at work\n\n"
"""A comment in a stream: no client hears of it, and no proxy takes the connection for dead."""


def to_json(data: Any) -> bytes:
    """As JSON in UTF-8. A half of a surrogate pair, which a model may write, becomes a question mark."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def event(data: Any) -> bytes:
    """As an event of a stream."""
    return b"data: " + to_json(data) + b"\n\n"


@dataclass
class Reply:
    """One reply to one request: what all its parts have in common, and what it took so far."""

    id: str
    """Its id."""
    model: str
    """The name of the model, as the client called it."""
    created: int
    """When it was asked for, in seconds since 1970."""
    fingerprint: str | None = None
    """What changes when the architecture does."""
    usage: UsageMetadata | None = None
    """What the answers took, so far."""
    told: dict[str, Any] = field(default_factory=dict)
    """What the chat model says of the runs: numbers added up over them."""
    _reasons: dict[int, str] = field(default_factory=dict)
    _calling: set[int] = field(default_factory=set)

    def whole(self, messages: Sequence[AIMessage]) -> dict[str, Any]:
        """The completion."""
        for message in messages:
            self._take(message)
        choices = [
            {
                "index": place,
                "message": _message(message),
                "logprobs": None,
                "finish_reason": _reason(message.response_metadata, calls=bool(message.tool_calls)),
            }
            for place, message in enumerate(messages)
        ]
        return {**self._shared("chat.completion"), "choices": choices, "usage": usage_of(self.usage)}

    def opening(self, place: int) -> dict[str, Any]:
        """The first chunk of an answer."""
        return self._chunk(place, {"role": "assistant", "content": ""})

    def piece(self, place: int, chunk: AIMessageChunk) -> dict[str, Any] | None:
        """A piece of an answer; ``None`` if there is nothing to see in it."""
        self._take(chunk)
        if chunk.response_metadata:
            self._reasons[place] = _reason(chunk.response_metadata, calls=False)
        delta: dict[str, Any] = {}
        if text := str(chunk.text):
            delta["content"] = text
        if chunk.tool_call_chunks:
            self._calling.add(place)
            delta["tool_calls"] = [_call_chunk(call, number) for number, call in enumerate(chunk.tool_call_chunks)]
        return self._chunk(place, delta) if delta else None

    def closing(self, place: int) -> dict[str, Any]:
        """The last chunk of an answer."""
        reason = "tool_calls" if place in self._calling else self._reasons.get(place, "stop")
        return self._chunk(place, {}, reason)

    def usage_chunk(self) -> dict[str, Any]:
        """The chunk after all answers, that tells what they took."""
        return {**self._shared("chat.completion.chunk"), "choices": [], "usage": usage_of(self.usage)}

    def _take(self, message: AIMessage) -> None:
        if message.usage_metadata is not None:
            self.usage = add_usage(self.usage, message.usage_metadata)
        told = message.response_metadata.get("archon")
        if isinstance(told, Mapping):
            for name in ("calls", "cached_calls", "money"):
                self.told[name] = self.told.get(name, 0) + (told.get(name) or 0)
            self.told["losses"] = [*self.told.get("losses", ()), *(told.get("losses") or ())]
            self.told["stopped"] = told.get("stopped") or self.told.get("stopped")

    def _chunk(self, place: int, delta: Mapping[str, Any], reason: str | None = None) -> dict[str, Any]:
        choice = {"index": place, "delta": delta, "logprobs": None, "finish_reason": reason}
        return {**self._shared("chat.completion.chunk"), "choices": [choice]}

    def _shared(self, kind: str) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": self.model,
            "system_fingerprint": f"fp_{self.fingerprint}" if self.fingerprint else None,
        }


def usage_of(usage: UsageMetadata | None) -> dict[str, Any] | None:
    """Usage as OpenAI counts it; ``None`` where no provider told any."""
    if usage is None:
        return None
    told: dict[str, Any] = {
        "prompt_tokens": usage["input_tokens"],
        "completion_tokens": usage["output_tokens"],
        "total_tokens": usage["total_tokens"],
    }
    if (reasoning := usage.get("output_token_details", {}).get("reasoning")) is not None:
        told["completion_tokens_details"] = {"reasoning_tokens": reasoning}
    return told


def _message(message: AIMessage) -> dict[str, Any]:
    text = str(message.text)
    plain: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None}
    if message.tool_calls:
        plain["content"] = text or None
        plain["tool_calls"] = [
            {
                "id": call["id"] or f"call_{place}",
                "type": "function",
                "function": {"name": call["name"], "arguments": json.dumps(call["args"], ensure_ascii=False)},
            }
            for place, call in enumerate(message.tool_calls)
        ]
    return plain


def _call_chunk(call: Mapping[str, Any], number: int) -> dict[str, Any]:
    index = call.get("index")
    plain: dict[str, Any] = {"index": index if isinstance(index, int) else number}
    if call.get("id"):
        plain |= {"id": call["id"], "type": "function"}
    named = {"name": call["name"]} if call.get("name") else {}
    return {**plain, "function": {**named, "arguments": call.get("args") or ""}}


def _reason(metadata: Mapping[str, Any], *, calls: bool) -> str:
    if calls:
        return "tool_calls"
    told = metadata.get("finish_reason") or metadata.get("stop_reason")
    reason = _REASONS.get(str(told).lower(), "stop")
    # Who is told of calls looks for them.
    return "stop" if reason == "tool_calls" else reason


def model_object(name: str, created: int) -> dict[str, Any]:
    """A model in the list of models."""
    return {"id": name, "object": "model", "created": created, "owned_by": "archon-graph"}


def list_object(items: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """A list as OpenAI has it."""
    return {"object": "list", "data": list(items)}
