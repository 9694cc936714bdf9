"""The outcome of a run as the message of a chat model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.tool import tool_call_chunk

from archon_graph.core import Architecture, Candidate, Result
from archon_graph.models import ModelError, Usage
from archon_graph.models.redact import redact

# Of the metadata of the answer's own call; the rest tells of one call of many.
_KEPT = ("finish_reason", "stop_reason", "model_provider", "system_fingerprint", "logprobs")


def answer_message(architecture: Architecture, result: Result) -> AIMessage:
    """The answer, with what the whole run took and a table of its candidates."""
    answer = result.message
    kept = {name: answer.response_metadata[name] for name in _KEPT if name in answer.response_metadata}
    paid = result.paid
    metadata = {
        **kept,
        "model_name": architecture.name,
        "finish_reason": "tool_calls" if answer.tool_calls else kept.get("finish_reason", "stop"),
        "candidates": candidate_rows(result),
        "archon": {
            "fingerprint": architecture.fingerprint,
            "calls": paid.calls,
            "cached_calls": result.usage.calls - paid.calls,
            "unmetered_calls": paid.unmetered_calls,
            "money": paid.money,
            "unpriced_calls": paid.unpriced_calls,
            "stopped": result.stopped,
            "losses": [redact(str(loss)) for loss in result.losses],
        },
    }
    return answer.model_copy(
        update={"id": None, "usage_metadata": usage_metadata(paid), "response_metadata": metadata}
    )


def usage_metadata(paid: Usage) -> UsageMetadata | None:
    """What was paid, as LangChain counts it; ``None`` where no provider told."""
    if paid.calls and paid.unmetered_calls >= paid.calls:
        return None
    metered = UsageMetadata(
        input_tokens=paid.prompt_tokens, output_tokens=paid.completion_tokens, total_tokens=paid.tokens
    )
    if paid.reasoning_tokens:
        metered["output_token_details"] = {"reasoning": paid.reasoning_tokens}
    return metered


def candidate_rows(result: Result) -> list[dict[str, Any]]:
    """A row of plain values for each candidate of a run, in the order of the nodes that made them."""
    latest: dict[str, Candidate] = {}
    for node in result.nodes:
        latest |= {candidate.id: candidate for candidate in node.candidates}
    ranks = {candidate.id: rank for rank, candidate in enumerate(result.candidates, start=1)}
    return [
        {
            "id": candidate.id,
            "node": candidate.node,
            "model": candidate.model,
            "content": candidate.content,
            "tool_calls": [_call(call) for call in candidate.message.tool_calls],
            "score": candidate.score,
            "parents": list(candidate.parents),
            "rank": ranks.get(candidate.id),
        }
        for candidate in latest.values()
    ]


def last_chunk(message: AIMessage, shown: str, result: Result) -> AIMessageChunk:
    """What is left of an answer of which a part was shown.

    Raises:
        ModelError: The answer is another one: the model that was being shown failed in the middle.
    """
    text = str(message.text)
    content: Any = message.content
    if shown.strip():
        if not text.startswith(whole := shown.encode("utf-8", "replace").decode("utf-8")):
            why = "; ".join(redact(str(loss)) for loss in result.losses)
            raise ModelError(
                f"the answer broke off after {len(shown)} characters, which were shown already: {why}",
                model=str(message.response_metadata.get("model_name", "")),
                retryable=True,
            )
        content = text[len(whole) :]
    return AIMessageChunk(
        content=content,
        additional_kwargs=message.additional_kwargs,
        response_metadata=message.response_metadata,
        usage_metadata=message.usage_metadata,
        tool_call_chunks=[
            tool_call_chunk(
                name=call["name"], args=json.dumps(call["args"], ensure_ascii=False), id=call["id"], index=place
            )
            for place, call in enumerate(message.tool_calls)
        ],
        chunk_position="last",
    )


def _call(call: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": call["name"], "args": call["args"], "id": call["id"]}
