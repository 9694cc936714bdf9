"""One request to an open model: for text or for JSON; for one sample, or several where the provider has ``n``."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, message_chunk_to_message
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import LLMResult
from langchain_core.runnables import RunnableBinding, RunnableConfig
from langchain_core.runnables.config import ensure_config

from archon_graph.models.errors import ConfigurationError, ModelError
from archon_graph.models.json_schema import bounded_schema, whole_characters
from archon_graph.models.providers import Opened, seed_of, with_settings
from archon_graph.models.request import Request
from archon_graph.models.scripted import ScriptedModel
from archon_graph.models.stream import AnswerStream
from archon_graph.models.written_calls import call_schema, read_calls, with_tools_told


class Reply(NamedTuple):
    """What came back for one sample."""

    message: AIMessage
    """The answer."""
    data: Mapping[str, Any] | None
    """The answer as a JSON object, where a schema was asked for and the model kept to JSON."""


async def ask(opened: Opened, request: Request, indices: Sequence[int], config: RunnableConfig) -> list[Reply]:
    """Send one request for these samples.

    Model calls: one for each index.

    Returns:
        The replies, for the first of the indices: a provider may send fewer than were asked for, but at least one.
    """
    schema = request.schema if opened.json_mode is not None else None
    settings, stream = dict(opened.settings), request.stream
    if opened.takes_seed:
        settings["seed"] = seed_of(request.replicate, indices[0])
    if isinstance(opened.chat, ScriptedModel):
        settings |= {"sample": indices[0], "schema": schema}
    messages: list[BaseMessage] = list(request.messages)
    if opened.writes_calls and request.tools:
        # Its text may turn out to be a call.
        stream = None
    if opened.writes_calls and request.tools and request.tool_choice is not None:
        messages = with_tools_told(messages, request.tools, request.tool_choice)
        schema = call_schema(request.tools, request.tool_choice)
    elif request.tools:
        settings |= _offering(request, opened)
        schema = None if opened.writes_calls else schema
    if schema is not None and opened.json_mode == "with_structured_output" and not request.tools:
        # The schema's own way of the provider: native JSON or a forced tool call.
        chat = with_settings(opened.chat, settings)
        outcome: Any = await chat.with_structured_output(dict(schema), include_raw=True).ainvoke(messages, config)
        message, parsed = _as_ai_message(outcome["raw"]), outcome["parsed"]
        return [Reply(message, parsed if isinstance(parsed, Mapping) else _json_object(str(message.text)))]
    if schema is not None and opened.json_mode == "response_format":
        form = bounded_schema(schema) if opened.bounds_json else schema
        settings |= _asking_for(form, opened.chat, strict=request.strict)
    if len(indices) > 1:
        answers = await _several(opened, messages, len(indices), config, settings)
    elif stream is not None:
        answers = [await _as_it_comes(opened, messages, config, settings, stream)]
    else:
        answers = [_as_ai_message(await opened.chat.ainvoke(messages, config, **settings))]
    if opened.writes_calls and request.tools:
        return [Reply(read_calls(message, request.tools), None) for message in answers]
    return [Reply(message, _json_object(str(message.text)) if schema is not None else None) for message in answers]


async def _as_it_comes(
    opened: Opened,
    messages: list[BaseMessage],
    config: RunnableConfig,
    settings: Mapping[str, Any],
    stream: AnswerStream,
) -> AIMessage:
    """One answer, handed on piece by piece."""
    whole: AIMessageChunk | None = None
    async for piece in opened.chat.astream(messages, config, **settings):
        # A model that does not stream brings its whole answer as one message, whatever the type says.
        chunk = _as_chunk(piece)
        stream.push(chunk)
        whole = chunk if whole is None else whole + chunk
    if whole is None:
        raise ModelError(f"{opened.spec} answered without choices", model=opened.spec, retryable=True)
    return _as_ai_message(message_chunk_to_message(whole))


def _as_chunk(piece: BaseMessage) -> AIMessageChunk:
    if isinstance(piece, AIMessageChunk):
        return piece
    return AIMessageChunk(**{**piece.model_dump(), "type": "AIMessageChunk"})


def _offering(request: Request, opened: Opened) -> dict[str, Any]:
    """The arguments that offer a model its tools, as its own ``bind_tools`` makes them.

    Raises:
        ConfigurationError: The model takes none.
    """
    wanted: dict[str, Any] = {}
    if request.tool_choice is not None:
        wanted["tool_choice"] = request.tool_choice
    if request.parallel_tool_calls is not None:
        wanted["parallel_tool_calls"] = request.parallel_tool_calls
    try:
        bound = opened.chat.bind_tools([dict(tool) for tool in request.tools], **wanted)
    except NotImplementedError:
        raise ConfigurationError(
            f"model {opened.spec!r} takes no tools: its class {type(opened.chat).__name__} has no bind_tools; "
            f"bind tools to an architecture whose models take them"
        ) from None
    if not isinstance(bound, RunnableBinding):
        raise ConfigurationError(f"bind_tools of {opened.spec!r} gives a {type(bound).__name__}, not a binding")
    return dict(bound.kwargs)


async def _several(
    opened: Opened, messages: list[BaseMessage], samples: int, config: RunnableConfig, settings: Mapping[str, Any]
) -> list[AIMessage]:
    """One request with ``n``, and the usage, which LangChain repeats whole on each answer, divided among them."""
    # What `ainvoke` does with a config, and `agenerate`, which alone gives all answers, leaves to its caller.
    whole = ensure_config(config)
    result: LLMResult = await opened.chat.agenerate(
        [messages],
        callbacks=whole.get("callbacks"),
        tags=whole.get("tags"),
        metadata=whole.get("metadata"),
        run_name=whole.get("run_name"),
        n=samples,
        # A stream of several answers comes mixed, and LangChain would join the pieces into one.
        stream=False,
        **settings,
    )
    answers = [_as_ai_message(getattr(generation, "message", None)) for generation in result.generations[0]][
        :samples
    ]
    if not answers:
        raise ModelError(f"{opened.spec} answered without choices", model=opened.spec, retryable=True)
    used = answers[0].usage_metadata
    if used is None or len(answers) < 2:
        return answers
    shares = _shares(used, len(answers))
    return [
        answer.model_copy(update={"usage_metadata": share}) for answer, share in zip(answers, shares, strict=True)
    ]


def _shares(used: UsageMetadata, parts: int) -> list[UsageMetadata]:
    """The usage of one request as one for each of its answers, which add up to it.

    The prompt was sent, and is billed, once: it goes to the first. Only the sum of the answers' tokens is told,
    so they get equal parts of it.
    """
    received, rest = divmod(used["output_tokens"], parts)
    reasoning, reasoning_rest = divmod((used.get("output_token_details") or {}).get("reasoning") or 0, parts)
    shares = []
    for place in range(parts):
        prompt = used["input_tokens"] if place == 0 else 0
        completion = received + (place < rest)
        share = UsageMetadata(input_tokens=prompt, output_tokens=completion, total_tokens=prompt + completion)
        if place == 0 and "input_token_details" in used:
            share["input_token_details"] = used["input_token_details"]
        if thought := reasoning + (place < reasoning_rest):
            share["output_token_details"] = {"reasoning": thought}
        shares.append(share)
    return shares


def _asking_for(schema: Mapping[str, Any], chat: Any, *, strict: bool) -> dict[str, Any]:
    """The arguments that hold an OpenAI-compatible model to a schema."""
    # The API refuses a name with anything else in it.
    name = re.sub(r"[^A-Za-z0-9_-]", "_", str(schema.get("title", "answer")))[:64]
    form = {"type": "json_schema", "json_schema": {"name": name, "strict": strict, "schema": dict(schema)}}
    if getattr(chat, "use_responses_api", None):
        return {"response_format": form}
    # Through extra_body: given as an argument of its own, the OpenAI client parses the answer itself and
    # raises on one that was cut short, and what was paid for would be lost.
    return {"extra_body": {**(getattr(chat, "extra_body", None) or {}), "response_format": form}}


def _json_object(text: str) -> Mapping[str, Any] | None:
    try:
        data = json.loads(text)
        if "\\u" in text:
            data = json.loads(whole_characters(json.dumps(data, ensure_ascii=False)))
    except (ValueError, RecursionError):  # the latter for a reply of nothing but opening brackets
        return None
    return data if isinstance(data, dict) else None


def _as_ai_message(message: object) -> AIMessage:
    if not isinstance(message, AIMessage):
        raise TypeError(f"a chat model must answer with an AIMessage, got {type(message).__name__}")
    mended: dict[str, Any] = {}
    if isinstance(message.content, str) and message.content != (whole := whole_characters(message.content)):
        mended["content"] = whole
    if message.usage_metadata is not None and not _is_count(message.usage_metadata):
        # The answer is as good as any; only what it took is not known.
        mended["usage_metadata"] = None
    return message.model_copy(update=mended) if mended else message


def _is_count(used: UsageMetadata) -> bool:
    """Whether a usage consists of numbers: LangChain hands on whatever the server wrote there."""
    numbers: list[object] = [used.get("input_tokens"), used.get("output_tokens")]
    return all(isinstance(number, int) and number >= 0 for number in numbers)
