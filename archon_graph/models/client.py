"""``Client``: the one door to language models.

Everything in this package that wants an answer from a model goes through ``Client.draw``. What a component
asks for is a request and the indices of the samples it wants; how they are had (one call each, a batch, a
cache) is decided below this line, and no component notices.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables import RunnableConfig

from archon_graph.models.errors import ArchonError, ConfigurationError, ModelError
from archon_graph.models.providers import Opened, check_model, label, open_model, seed_of
from archon_graph.models.redact import redact
from archon_graph.models.request import Draw, ModelLike, Request, Sampling, Usage

_RETRYABLE_STATUS = frozenset({408, 409, 429, 500, 502, 503, 504, 529})
# Named, not imported: importing a provider's package to compare classes would cost a second.
_RETRYABLE_NAMES = frozenset(
    {
        "APIConnectionError",
        "APITimeoutError",
        "InternalServerError",
        "RateLimitError",
        "ServiceUnavailableError",
    }
)


class Client:
    """Draws samples from models. Safe to share between threads, event loops and runs."""

    def __init__(self) -> None:
        self._opened: dict[tuple[str, Sampling], Opened] = {}
        self._opening = threading.Lock()

    async def draw(self, request: Request, indices: Sequence[int]) -> list[Draw]:
        """Draw the samples with these indices, concurrently.

        Model calls: one for each index.

        Returns:
            One draw for each index, in the order asked for. A call that failed is a draw with its ``error``;
            the other draws are unharmed.

        Raises:
            ConfigurationError: The model cannot be opened; nothing was sent.
        """
        opened = await self._open(request.model, request.sampling)
        return list(await asyncio.gather(*(self._draw_one(opened, request, index) for index in indices)))

    async def offers_json(self, model: ModelLike, sampling: Sampling) -> bool:
        """Whether the model can be held to a JSON schema.

        Raises:
            ConfigurationError: The model cannot be opened.
        """
        return (await self._open(model, sampling)).json_mode is not None

    def check(self, models: Iterable[ModelLike]) -> None:
        """See that every model can be opened, before the first call is paid.

        Raises:
            ConfigurationError: One or more cannot; all of them are named.
        """
        problems: dict[str, ConfigurationError] = {}
        for model in models:
            try:
                check_model(model)
            except ConfigurationError as error:
                problems.setdefault(str(error), error)
        if len(problems) == 1:
            raise next(iter(problems.values()))
        if problems:
            raise ConfigurationError("\n".join(f"- {problem}" for problem in problems))

    async def _open(self, model: ModelLike, sampling: Sampling) -> Opened:
        if not isinstance(model, str) or model.startswith("custom:"):
            # Nothing to load, and what a custom name stands for may be registered anew.
            return open_model(model, sampling)
        opened = self._opened.get((model, sampling))
        if opened is None:
            # May import a provider's package or load weights: seconds that other calls need not wait.
            opened = await asyncio.to_thread(self._open_once, model, sampling)
        return opened

    def _open_once(self, model: str, sampling: Sampling) -> Opened:
        with self._opening:
            if (model, sampling) not in self._opened:
                self._opened[model, sampling] = open_model(model, sampling)
            return self._opened[model, sampling]

    async def _draw_one(self, opened: Opened, request: Request, index: int) -> Draw:
        settings = dict(opened.settings)
        if opened.takes_seed:
            settings["seed"] = seed_of(request.replicate, index)
        config = RunnableConfig(
            run_name=f"{request.node}:{index}" if request.node else label(request.model),
            metadata={"archon_node": request.node, "archon_sample": index},
        )
        async with opened.turn():
            started = time.perf_counter()
            try:
                message, data = await _call(opened, request, index, settings, config)
            except ConfigurationError:
                raise
            except Exception as error:  # noqa: BLE001 - every provider has its own; each becomes ours here
                spent = Usage(calls=1, unmetered_calls=1, seconds=time.perf_counter() - started)
                return Draw(index=index, error=_as_model_error(error, opened.spec), usage=spent)
            seconds = time.perf_counter() - started
        return Draw(index=index, message=message, data=data, usage=Usage.of(message, seconds=seconds))


async def _call(
    opened: Opened, request: Request, index: int, settings: dict[str, Any], config: RunnableConfig
) -> tuple[AIMessage, Mapping[str, Any] | None]:
    """One call, in the way this model is asked for JSON if JSON is wanted."""
    messages: list[BaseMessage] = list(request.messages)
    mode = opened.json_mode if request.schema is not None else None
    if opened.takes_seed and opened.chat._llm_type == "scripted":  # noqa: SLF001 - LangChain's public marker
        settings |= {"sample": index, "schema": request.schema if mode else None}
    if mode == "with_structured_output":
        # The schema's own way of the provider: native JSON or a forced tool call.
        structured = opened.chat.with_structured_output(dict(request.schema or {}), include_raw=True)
        outcome: Any = await structured.ainvoke(messages, config, **settings)
        raw, parsed = outcome["raw"], outcome["parsed"]
        return _as_ai_message(raw), parsed if isinstance(parsed, Mapping) else None
    if mode == "response_format":
        # Through extra_body: given as an argument of its own, the OpenAI client parses the answer itself and
        # raises on one that was cut short, and what was paid for would be lost.
        settings["extra_body"] = {"response_format": _response_format(request.schema or {})}
    message = _as_ai_message(await opened.chat.ainvoke(messages, config, **settings))
    return message, _json_object(str(message.text)) if mode else None


def _response_format(schema: Mapping[str, Any]) -> dict[str, Any]:
    name = str(schema.get("title", "answer"))
    return {"type": "json_schema", "json_schema": {"name": name, "strict": True, "schema": dict(schema)}}


def _json_object(text: str) -> Mapping[str, Any] | None:
    try:
        data = json.loads(text)
    except ValueError:
        return None
    return data if isinstance(data, dict) else None


def _as_ai_message(message: object) -> AIMessage:
    if not isinstance(message, AIMessage):
        raise TypeError(f"a chat model must answer with an AIMessage, got {type(message).__name__}")
    return message


def _as_model_error(error: Exception, spec: str) -> ModelError:
    if isinstance(error, ModelError):
        return error
    if isinstance(error, ArchonError):
        return ModelError(str(error), model=spec)
    status = getattr(error, "status_code", None)
    if status is None:
        status = getattr(getattr(error, "response", None), "status_code", None)
    names = {base.__name__ for base in type(error).__mro__}
    retryable = (
        status in _RETRYABLE_STATUS
        or bool(names & _RETRYABLE_NAMES)
        or isinstance(error, TimeoutError | ConnectionError)
    )
    reason = redact(str(error).strip()) or "no reason given"
    wrapped = ModelError(f"{spec} failed with {type(error).__name__}: {reason}", model=spec, retryable=retryable)
    wrapped.__cause__ = error
    return wrapped


_default: Client | None = None
_default_lock = threading.Lock()


def default_client() -> Client:
    """The client of this process, made at first use."""
    global _default  # noqa: PLW0603 - one per process is the point
    with _default_lock:
        if _default is None:
            _default = Client()
        return _default
