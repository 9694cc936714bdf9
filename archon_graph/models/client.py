"""``Client``: the one door to language models.

Everything in this package that wants an answer from a model goes through ``Client.draw``. What a component
asks for is a request and the indices of the samples it wants; how they are had (one call each, a batch, a
cache) is decided below this line, and no component notices.
"""

from __future__ import annotations

import asyncio
import json
import re
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple

from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables import RunnableConfig

from archon_graph.models.errors import ArchonError, ConfigurationError, ModelError
from archon_graph.models.json_schema import bounded_schema, whole_characters
from archon_graph.models.providers import (
    Opened,
    check_model,
    label,
    open_model,
    secrets_of,
    seed_of,
    with_settings,
)
from archon_graph.models.redact import redact
from archon_graph.models.request import Draw, ModelLike, Request, Sampling, Usage
from archon_graph.models.scripted import ScriptedModel

_PASSING_STATUS = frozenset({408, 409, 425, 429})
_LASTING_STATUS = frozenset({501, 505})
_REFUSED_STATUS = frozenset({401, 403})
# Named, not imported: importing a provider's package to compare classes would cost a second, and there are two
# httpx (the OpenAI library brings its own) whose errors are no `ConnectionError` of Python's.
_PASSING_NAMES = frozenset(
    {
        "APIConnectionError",
        "ChunkedEncodingError",
        "ClientConnectionError",
        "ConnectionError",
        "InternalServerError",
        "NetworkError",
        "RateLimitError",
        "RemoteProtocolError",
        "ResourceExhausted",
        "ServiceUnavailable",
        "ServiceUnavailableError",
        "Timeout",
        "TimeoutError",
        "TimeoutException",
    }
)
_LASTING_NAMES = frozenset({"InvalidURL", "LocalProtocolError", "SSLCertVerificationError", "UnsupportedProtocol"})
# Providers put whole pages of HTML into their errors.
_LONGEST_REASON = 600


class _Key(NamedTuple):
    """What an opened model is kept under."""

    spec: str
    sampling: Sampling | None
    loop: asyncio.AbstractEventLoop | None


class Client:
    """Draws samples from models. Safe to share between threads, event loops and runs."""

    def __init__(self) -> None:
        self._opened: dict[_Key, Future[Opened]] = {}
        self._checked: set[str] = set()
        self._lock = threading.Lock()

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
        calls = [asyncio.ensure_future(self._draw_one(opened, request, index)) for index in indices]
        try:
            return list(await asyncio.gather(*calls))
        except BaseException:
            # Nobody is left to read the others: they end too, before this does.
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
            raise

    async def offers_json(self, model: ModelLike, sampling: Sampling) -> bool:
        """Whether the model can be held to a JSON schema.

        Raises:
            ConfigurationError: The model cannot be opened.
        """
        return (await self._open(model, sampling)).json_mode is not None

    def check(self, models: Iterable[ModelLike]) -> None:
        """See that every model can be opened, before the first call is paid.

        What was found good is not looked at again, so that this may precede every question.

        Raises:
            ConfigurationError: One or more cannot; all of them are named.
        """
        problems: dict[str, ConfigurationError] = {}
        for model in models:
            if isinstance(model, str) and model in self._checked:
                continue
            try:
                check_model(model)
            except ConfigurationError as error:
                problems.setdefault(str(error), error)
            else:
                # What a custom name stands for may be registered anew, and instances come and go.
                if isinstance(model, str) and not model.startswith("custom:"):
                    self._checked.add(model)
        if len(problems) == 1:
            raise next(iter(problems.values()))
        if problems:
            raise ConfigurationError("\n".join(f"- {problem}" for problem in problems))

    async def _open(self, model: ModelLike, sampling: Sampling) -> Opened:
        if not isinstance(model, str) or model.startswith("custom:"):
            # Nothing to load, and what a custom name stands for may be registered anew.
            return open_model(model, sampling)
        if model.partition(":")[0] == "scripted":
            # One script, used up by all who name it, however they sample.
            key = _Key(model, None, None)
        else:
            # A model opened in one event loop has its connections there, and cannot use them in another.
            key = _Key(model, sampling, asyncio.get_running_loop())
        with self._lock:
            future = self._opened.get(key)
            if future is None:
                future = self._start_opening(key, sampling)
        return future.result() if future.done() else await asyncio.wrap_future(future)

    def _start_opening(self, key: _Key, sampling: Sampling) -> Future[Opened]:
        """Open a model in a thread of its own; called with the lock held.

        It may import a provider's package or load weights: seconds that other calls need not wait.
        """
        for old in [old for old in self._opened if old.loop is not None and old.loop.is_closed()]:
            del self._opened[old]
        future: Future[Opened] = Future()
        # From now on it cannot be cancelled: others may be waiting for the same model.
        future.set_running_or_notify_cancel()
        self._opened[key] = future

        def work() -> None:
            try:
                opened = open_model(key.spec, sampling)
            except BaseException as error:  # noqa: BLE001 - carried over to those who wait
                with self._lock:
                    del self._opened[key]
                future.set_exception(error)
            else:
                future.set_result(opened)

        threading.Thread(target=work, name=f"archon-graph-open-{key.spec}", daemon=True).start()
        return future

    def _forget(self, model: ModelLike) -> None:
        """Open a model anew at the next call: its key was refused, and may be set to another one."""
        with self._lock:
            for key in [key for key in self._opened if key.spec == model]:
                if self._opened[key].done():
                    del self._opened[key]
            if isinstance(model, str):
                self._checked.discard(model)

    async def _draw_one(self, opened: Opened, request: Request, index: int) -> Draw:
        config = RunnableConfig(
            run_name=f"{request.node}:{index}" if request.node else label(request.model),
            metadata={"archon_node": request.node, "archon_sample": index},
        )
        # Waiting for the turn is not the call's time.
        started = time.perf_counter()
        try:
            async with opened.turn():
                started = time.perf_counter()
                message, data = await _call(opened, request, index, config)
                seconds = time.perf_counter() - started
        except ConfigurationError:
            raise
        except Exception as error:  # noqa: BLE001 - every provider has its own; each becomes ours here
            if _status(error) in _REFUSED_STATUS:
                self._forget(request.model)
            spent = Usage(calls=1, unmetered_calls=1, seconds=time.perf_counter() - started)
            return Draw(index=index, error=_as_model_error(error, opened), usage=spent)
        return Draw(index=index, message=message, data=data, usage=Usage.of(message, seconds=seconds))


async def _call(
    opened: Opened, request: Request, index: int, config: RunnableConfig
) -> tuple[AIMessage, Mapping[str, Any] | None]:
    """One call, in the way this model is asked for JSON if JSON is wanted."""
    messages: list[BaseMessage] = list(request.messages)
    schema = request.schema if opened.json_mode is not None else None
    settings = dict(opened.settings)
    if opened.takes_seed:
        settings["seed"] = seed_of(request.replicate, index)
    if isinstance(opened.chat, ScriptedModel):
        settings |= {"sample": index, "schema": schema}
    if schema is not None and opened.json_mode == "with_structured_output":
        # The schema's own way of the provider: native JSON or a forced tool call.
        chat = with_settings(opened.chat, settings)
        outcome: Any = await chat.with_structured_output(dict(schema), include_raw=True).ainvoke(messages, config)
        message, parsed = _as_ai_message(outcome["raw"]), outcome["parsed"]
        return message, parsed if isinstance(parsed, Mapping) else _json_object(str(message.text))
    if schema is not None and opened.json_mode == "response_format":
        settings |= _asking_for(bounded_schema(schema) if opened.bounds_json else schema, opened.chat)
    message = _as_ai_message(await opened.chat.ainvoke(messages, config, **settings))
    return message, _json_object(str(message.text)) if schema is not None else None


def _asking_for(schema: Mapping[str, Any], chat: Any) -> dict[str, Any]:
    """The arguments that hold an OpenAI-compatible model to a schema."""
    # The API refuses a name with anything else in it.
    name = re.sub(r"[^A-Za-z0-9_-]", "_", str(schema.get("title", "answer")))[:64]
    form = {"type": "json_schema", "json_schema": {"name": name, "strict": True, "schema": dict(schema)}}
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
    if isinstance(message.content, str) and message.content != (whole := whole_characters(message.content)):
        return message.model_copy(update={"content": whole})
    return message


def _as_model_error(error: Exception, opened: Opened) -> ModelError:
    if isinstance(error, ModelError):
        return error
    spec = opened.spec
    if isinstance(error, ArchonError):
        wrapped = ModelError(str(error), model=spec)
    else:
        reason = _reason(error, secrets_of(opened.chat))
        wrapped = ModelError(
            f"{spec} failed with {type(error).__name__}: {reason}", model=spec, retryable=_is_passing(error)
        )
    wrapped.__cause__ = error
    return wrapped


def _reason(error: Exception, secrets: Iterable[str]) -> str:
    """What the provider says, in one line of bearable length without keys."""
    said = str(error).strip()
    if type(error) is IndexError:
        said += " (LangChain says so of an answer without choices)"
    for cause in list(_causes(error))[1:]:
        below = str(cause).strip()
        if below and below not in said:
            # "Connection error." alone helps nobody; below it stands whether the name or the port was wrong.
            said = f"{said} ({type(cause).__name__}: {below})"
            break
    # Cut generously first, so that no key is cut in half, and a page of megabytes costs no time.
    flat = " ".join(redact(said[: 20 * _LONGEST_REASON], secrets).split())
    return (flat if len(flat) <= _LONGEST_REASON else flat[:_LONGEST_REASON] + "…") or "no reason given"


def _is_passing(error: Exception) -> bool:
    """Whether the same call may well succeed a moment later."""
    if getattr(error, "code", None) == "insufficient_quota":
        return False  # a 429 too, but no waiting fills the account
    status = _status(error)
    if status is not None:
        return status in _PASSING_STATUS or (status >= 500 and status not in _LASTING_STATUS)
    chain = list(_causes(error))
    names = {base.__name__ for link in chain for base in type(link).__mro__}
    if names & _LASTING_NAMES:
        return False
    # A model instance that was used in an event loop of the past: its dead connections go one by one.
    return bool(names & _PASSING_NAMES) or "Event loop is closed" in str(error)


def _status(error: Exception) -> int | None:
    """The HTTP status an error stands for, wherever its library keeps it."""
    told = error.args[0] if error.args else None
    places = (
        getattr(error, "status_code", None),
        getattr(getattr(error, "response", None), "status_code", None),
        getattr(error, "status", None),
        getattr(error, "code", None),
        # Routers report a failure behind them as an error inside an answer with status 200.
        told.get("code") if isinstance(told, Mapping) else None,
    )
    return next((place for place in places if isinstance(place, int) and 400 <= place < 600), None)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error, what caused it, what caused that; no further than anybody chains them."""
    link: BaseException | None = error
    for _ in range(8):
        if link is None:
            return
        yield link
        link = link.__cause__


_default: Client | None = None
_default_lock = threading.Lock()


def default_client() -> Client:
    """The client of this process, made at first use."""
    global _default  # noqa: PLW0603 - one per process is the point
    with _default_lock:
        if _default is None:
            _default = Client()
        return _default
