"""``/v1/chat/completions``: a request from its body to its last byte."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import TypeVar

from langchain_core.language_models import BaseChatModel
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from archon_graph.embed.chat import ArchonChat
from archon_graph.embed.server.answering import pieces, whole
from archon_graph.embed.server.door import Note, log_error
from archon_graph.embed.server.errors import RequestError, as_request_error, bad_request
from archon_graph.embed.server.limits import ClientGoneError, Traffic, read_body
from archon_graph.embed.server.metrics import Metrics
from archon_graph.embed.server.replies import DONE, PING, Reply, event, to_json
from archon_graph.embed.server.settings import ServerSettings
from archon_graph.embed.server.wire import Asked, read_request

T = TypeVar("T")

# A stream begins with its first piece, so that what fails before it has a status of its own; but no later than
# clients and proxies believe in a connection.
_PAUSE = 10.0
_STREAM_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),  # nginx would keep the pieces until there are enough of them
]


class Completions:
    """Answers requests with the chat models of a server: an ASGI endpoint.

    Model calls: those of ``n`` runs of the architecture. They are cancelled when the client hangs up, when the
    time is over, and when the server has to end.
    """

    def __init__(
        self, chats: Mapping[str, BaseChatModel], settings: ServerSettings, traffic: Traffic, metrics: Metrics
    ) -> None:
        self._chats = chats
        self._settings = settings
        self._traffic = traffic
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or raise why not."""
        settings, headers = self._settings, Headers(scope=scope)
        _check_type(headers)
        with self._traffic.place() as place:
            body = await read_body(
                receive,
                limit=settings.max_body,
                seconds=settings.body_seconds,
                length=headers.get("content-length"),
            )
            asked = read_request(body)
            del body  # it may be long, and the answer may take long
            chat = self._chats.get(asked.model)
            if chat is None:
                raise unknown_model(asked.model, self._chats)
            Note.of(scope).model = asked.model
            if asked.n > settings.max_n:
                raise bad_request(f"n must be at most {settings.max_n} at this server, got {asked.n}", "n")
            place.widen(asked.n)
            await self._answer(chat, asked, receive, send)

    async def _answer(self, chat: BaseChatModel, asked: Asked, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        reply = Reply(
            id=f"chatcmpl-{secrets.token_hex(12)}",
            model=asked.model,
            created=int(time.time()),
            fingerprint=chat.architecture.fingerprint if isinstance(chat, ArchonChat) else None,
        )
        own = self._settings.seed
        seed = next(seed for seed in (asked.seed, own, secrets.randbits(31)) if seed is not None)
        answer = self._stream if asked.stream else self._whole

        async def work() -> None:
            await answer(chat, asked, seed, reply, send)

        try:
            await _until_gone(receive, work)
        finally:
            self._metrics.seconds.labels(asked.model).observe(time.perf_counter() - started)
            self._metrics.answered(asked.model, reply.usage, reply.told)

    async def _whole(self, chat: BaseChatModel, asked: Asked, seed: int, reply: Reply, send: Send) -> None:
        messages = await self._in_time(lambda: whole(chat, asked, seed))
        data = to_json(reply.whole(messages))
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(data)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": data})

    async def _stream(self, chat: BaseChatModel, asked: Asked, seed: int, reply: Reply, send: Send) -> None:
        stream = _EventStream(send)
        try:
            await self._in_time(lambda: self._write(stream, chat, asked, seed, reply))
        except Exception as error:
            if not stream.started:
                raise
            # The status is out; the client of OpenAI raises what stands in an event.
            log_error(error)
            await stream.write(event(as_request_error(error).body()))
        await stream.end()

    async def _write(
        self, stream: _EventStream, chat: BaseChatModel, asked: Asked, seed: int, reply: Reply
    ) -> None:
        started = time.perf_counter()
        opened: set[int] = set()

        async def write(chunk: dict[str, object]) -> None:
            # As OpenAI does it: every chunk has the field, and only the last one fills it.
            await stream.write(event({**chunk, "usage": None} if asked.usage_in_stream else chunk))

        async def open_answer(place: int) -> None:
            if place not in opened:
                if not opened:
                    self._metrics.first_chunk.labels(asked.model).observe(time.perf_counter() - started)
                opened.add(place)
                await write(reply.opening(place))

        async with aclosing(pieces(chat, asked, seed, pause=_PAUSE)) as parts:
            async for part in parts:
                if part is None:
                    await stream.write(PING)
                    continue
                place, piece = part
                if piece is None:
                    await open_answer(place)
                    await write(reply.closing(place))
                elif (chunk := reply.piece(place, piece)) is not None:
                    await open_answer(place)
                    await write(chunk)
        if asked.usage_in_stream:
            await stream.write(event(reply.usage_chunk()))
        await stream.write(DONE)

    async def _in_time(self, work: Callable[[], Awaitable[T]]) -> T:
        limit = self._settings.time_limit
        try:
            async with asyncio.timeout(limit) as timer:
                return await work()
        except TimeoutError:
            if not timer.expired():
                raise
            raise RequestError(
                504, f"there was no answer within {limit:g} seconds", "timeout", None, {"x-should-retry": "false"}
            ) from None


class _EventStream:
    """A response of events, that begins with the first of them."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.started = False

    async def write(self, data: bytes) -> None:
        if not self.started:
            self.started = True
            await self._send({"type": "http.response.start", "status": 200, "headers": _STREAM_HEADERS})
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self) -> None:
        await self._send({"type": "http.response.body", "body": b""})


def unknown_model(name: str, known: Mapping[str, object]) -> RequestError:
    """There is no such model."""
    return RequestError(
        404,
        f"there is no model {name[:80]!r}; this server has {', '.join(sorted(known))}",
        "model_not_found",
        "model",
    )


def _check_type(headers: Headers) -> None:
    """See that the body is said to be JSON.

    A web page may send other types to any server without asking first; JSON only where that server allows it.
    """
    kind, _, parameters = headers.get("content-type", "").partition(";")
    if kind.strip().lower() != "application/json":
        raise RequestError(
            415, "the body must be JSON, and its header must say so: Content-Type: application/json"
        )
    charset = parameters.lower().partition("charset=")[2].strip().strip('"')
    if charset not in ("", "utf-8", "utf8"):
        raise RequestError(415, "the body must be in UTF-8")
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise RequestError(415, "the body must not be compressed")


async def _until_gone(receive: Receive, work: Callable[[], Awaitable[None]]) -> None:
    """Do the work, unless the client hangs up first.

    Raises:
        ClientGoneError: It did; the work is cancelled, and over.
    """
    working = asyncio.ensure_future(work())
    watching = asyncio.ensure_future(_hang_up(receive))
    tasks = {working, watching}
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientGoneError
        working.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def _hang_up(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
