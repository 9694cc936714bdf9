"""The door of the server: who may come in, and how everything leaves: with an id, in OpenAI's form, in the log."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
import traceback
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from archon_graph.embed.server.errors import RequestError, as_request_error
from archon_graph.embed.server.limits import ClientGoneError, Traffic
from archon_graph.embed.server.metrics import Metrics
from archon_graph.embed.server.replies import event, to_json
from archon_graph.embed.server.settings import ServerSettings
from archon_graph.models.redact import redact, remember

log = logging.getLogger("archon_graph.server")
_GONE = 499
# Nothing can be learned or spent there, and who looks after machines asks by their addresses.
_OPEN = frozenset({"/health"})
_NOTE = "archon_graph.note"


@dataclass
class Note:
    """What the door wants to know of a request, from those further in."""

    model: str = ""
    """The name of the model that was asked, if there is one of this name."""

    @classmethod
    def of(cls, scope: Scope) -> Note:
        """The note of a request."""
        note = scope.setdefault(_NOTE, cls())
        assert isinstance(note, cls)  # noqa: S101
        return note


class Door:
    """ASGI middleware around everything.

    Args:
        app: What is behind it.
        settings: Who may come in.
        traffic: Whether the server is about to end.
        metrics: Where requests are counted.
        paths: Paths that are counted by their names.
    """

    def __init__(
        self, app: ASGIApp, settings: ServerSettings, traffic: Traffic, metrics: Metrics, paths: frozenset[str]
    ) -> None:
        self._app = app
        self._hosts = settings.host_names
        self._key = None if settings.api_key is None else settings.api_key.encode()
        self._traffic = traffic
        self._metrics = metrics
        self._paths = paths
        if settings.api_key is not None:
            remember([settings.api_key])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, and see to its end."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        note, response = Note.of(scope), _Response(send, f"req_{secrets.token_hex(12)}")
        started = time.perf_counter()
        status: int | None = None
        try:
            if scope["path"] not in _OPEN:
                self._check_host(Headers(scope=scope))
                self._check_key(Headers(scope=scope))
            await self._app(scope, receive, response.send)
        except ClientGoneError:
            status = _GONE
        except asyncio.CancelledError:
            if not self._traffic.draining:
                raise
            # The time to end is over. Cancelling was meant for the work, not for telling so.
            await response.fail(RequestError(503, "the server ended before the answer was there", "shutting_down"))
        except Exception as error:  # noqa: BLE001 - whatever it is, the client gets an answer in the form it reads
            log_error(error, response.id)
            await response.fail(as_request_error(error))
        finally:
            status = status or response.status or _GONE
            path = scope["path"] if scope["path"] in self._paths else "other"
            self._metrics.requests.labels(path, note.model, status).inc()
            self._metrics.running.set(self._traffic.running)
            took = (time.perf_counter() - started) * 1000
            # Neither body nor query: both are the client's own affair. The path is its text, too.
            shown = redact(repr(scope["path"][:100]))
            log.info("%s %s %d %.0fms %s %s", scope["method"], shown, status, took, note.model or "-", response.id)

    def _check_host(self, headers: Headers) -> None:
        if self._hosts is None:
            return
        name = _host_name(headers.get("host", ""))
        if name not in self._hosts:
            raise RequestError(
                403,
                "this server is not called by this name (header Host); whoever runs it allows a name with "
                "--allow-host NAME",
                "host_not_allowed",
            )

    def _check_key(self, headers: Headers) -> None:
        if self._key is None:
            return
        scheme, _, given = headers.get("authorization", "").partition(" ")
        # Compared in a time that tells nothing of how much of it is right.
        if scheme.lower() != "bearer" or not secrets.compare_digest(
            given.strip().encode("utf-8", "replace"), self._key
        ):
            raise RequestError(
                401,
                "the server's key is missing or another one; send it as Authorization: Bearer KEY",
                "invalid_api_key",
                None,
                {"WWW-Authenticate": "Bearer"},
            )


class _Response:
    """A response on its way out."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self.id = request_id
        self.status: int | None = None
        """Its status, once it has begun."""
        self._is_stream = False
        self._is_over = False

    async def send(self, message: Message) -> None:
        """Send a part of it."""
        if message["type"] == "http.response.start":
            headers = list(message.get("headers", ()))
            self.status = message["status"]
            self._is_stream = any(
                name == b"content-type" and value.startswith(b"text/event-stream") for name, value in headers
            )
            message = {**message, "headers": [*headers, (b"x-request-id", self.id.encode())]}
        elif message["type"] == "http.response.body":
            self._is_over = not message.get("more_body", False)
        await self._send(message)

    async def fail(self, error: RequestError) -> None:
        """Say what is wrong, in whatever way is left."""
        if self._is_over:
            return
        if self.status is None:
            await self._whole(error)
        elif self._is_stream:
            await self.send({"type": "http.response.body", "body": event(error.body())})
        # Another response that broke off is cut off by the server, which the client notices.

    async def _whole(self, error: RequestError) -> None:
        data = to_json(error.body())
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(data)).encode())]
        headers += [(name.lower().encode(), value.encode("latin-1")) for name, value in error.headers.items()]
        await self.send({"type": "http.response.start", "status": error.status, "headers": headers})
        await self.send({"type": "http.response.body", "body": data})


def log_error(error: BaseException, request_id: str = "") -> None:
    """Keep what the client is not told."""
    told = as_request_error(error)
    if told.status < 500 and isinstance(error, RequestError):
        return
    if told.status == 500:
        lines = traceback.format_exception(type(error), error, error.__traceback__)
        log.error("%s failed:\n%s", request_id or "a stream", redact("".join(lines)))
    elif told.status != 503:
        # In one line: what a provider says shall not pass for lines of ours.
        log.warning("%s: %s", request_id or "a stream", " ".join(redact(str(error)).split()))


def _host_name(host: str) -> str:
    """The header without its port."""
    name = host.strip().lower()
    if name.startswith("["):
        return name[1:].partition("]")[0]
    return name.partition(":")[0].rstrip(".")
