"""Runs the application on uvicorn: a socket of its own, signals, and an end that lets requests end."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
from collections.abc import Callable, Mapping
from types import FrameType

import h11
import uvicorn
from langchain_core.language_models import BaseChatModel
from starlette.applications import Starlette
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from archon_graph.core import Architecture
from archon_graph.embed.server.app import create_app
from archon_graph.embed.server.errors import bad_request
from archon_graph.embed.server.limits import Traffic
from archon_graph.embed.server.replies import to_json
from archon_graph.embed.server.settings import ServerSettings
from archon_graph.models import Budget, Client, ConfigurationError, Ledger

_BACKLOG = 2048
_LARGEST_HEAD = 64 * 1024
_KEEP_ALIVE_SECONDS = 30
# For saying that there will be no answer, once what was under way has been cut off.
_LAST_WORDS_SECONDS = 2.0


class Server:
    """A server that listens, and answers once it is run.

    Args:
        app: What `create_app` gave.
        settings: Where to listen.

    Raises:
        ConfigurationError: The address cannot be listened at.
    """

    def __init__(self, app: Starlette, settings: ServerSettings) -> None:
        self._socket = _listen(settings.host, settings.port)
        self._uvicorn = _Uvicorn(
            uvicorn.Config(
                app,
                http=_Protocol,
                ws="none",
                lifespan="off",
                # Ours says more, and never the query.
                access_log=False,
                log_config=None,
                server_header=False,
                # Whose address a proxy names is of no interest here.
                proxy_headers=False,
                backlog=_BACKLOG,
                h11_max_incomplete_event_size=_LARGEST_HEAD,
                timeout_keep_alive=_KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=settings.grace,  # type: ignore[arg-type]  # any number will do
            ),
            app.state.traffic,
        )

    @property
    def url(self) -> str:
        """The root of its OpenAI API."""
        host, port = self._socket.getsockname()[:2]
        return f"http://{f'[{host}]' if ':' in host else host}:{port}/v1"

    def run(self) -> None:
        """Answer until told to end.

        SIGTERM and SIGINT are such a word, where this is the main thread. No more requests are taken then; those
        under way may end within the grace. A second SIGINT ends at once.
        """
        # uvicorn gives the signal back when it has ended, and SIGTERM would end the program before it has put away
        # its things.
        with _SigtermIsExpected():
            self._uvicorn.run(sockets=[self._socket])

    def stop(self) -> None:
        """Tell it to end, from any thread."""
        self._uvicorn.should_exit = True

    def close(self) -> None:
        """Listen no more, where it was never run."""
        self._socket.close()


def serve(
    models: Mapping[str, Architecture | BaseChatModel],
    settings: ServerSettings | None = None,
    *,
    client: Client | None = None,
    budget: Budget | Ledger | None = None,
    on_start: Callable[[str], None] | None = None,
) -> None:
    """Serve architectures until told to end by SIGTERM or SIGINT.

    Model calls: those that clients ask for.

    Args:
        models: What clients ask for by name.
        settings: Where to listen, who may ask, and how much at once.
        client: Where architectures draw from, in place of the process's own client.
        budget: The most that each run of an architecture may take; a `Ledger` is shared by all.
        on_start: Is told the root of the API.

    Raises:
        ConfigurationError: A model, a setting or the address cannot be used; nothing was served.
        KeyboardInterrupt: It was ended by SIGINT.
    """
    settings = settings or ServerSettings()
    server = Server(create_app(models, settings, client=client, budget=budget), settings)
    if on_start is not None:
        on_start(server.url)
    server.run()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return _bound(family, host, port)
    except OSError as error:
        way_out = "; give another --port, or 0 for any free one" if port else ""
        raise ConfigurationError(f"cannot listen at {host}, port {port}: {error.strerror}{way_out}") from error


def _bound(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    # With its protocol in so many words, which socket.create_server leaves open: asyncio looks there to see
    # whether it may send at once, and each answer would wait 40 ms for the client's acknowledgement of its head.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":  # elsewhere it would let others take the port
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(_BACKLOG)
    except BaseException:
        listening.close()
        raise
    return listening


class _Uvicorn(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, traffic: Traffic) -> None:
        super().__init__(config)
        self._traffic = traffic

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._traffic.draining = True
        await super().shutdown(sockets)
        # Those that were cut off still have to say so.
        if self.server_state.tasks:
            await asyncio.wait(set(self.server_state.tasks), timeout=_LAST_WORDS_SECONDS)


class _Protocol(H11Protocol):
    """HTTP; what is none is told so in OpenAI's form, as everything else is."""

    def send_400_response(self, msg: str) -> None:
        cycle: RequestResponseCycle | None = self.cycle  # none before the first request
        if cycle is not None and not cycle.response_complete:
            # Nonsense behind a request that is being answered: to it, the client is gone.
            cycle.disconnected = True
            cycle.message_event.set()
        if self.conn.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:
            # An answer is on its way already.
            self.transport.close()
            return
        data = to_json(bad_request(msg).body())
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(data)).encode()),
            (b"connection", b"close"),
        ]
        parts: list[h11.Event] = [
            h11.Response(status_code=400, headers=headers, reason=b"Bad Request"),
            h11.Data(data=data),
            h11.EndOfMessage(),
        ]
        for part in parts:
            self.transport.write(self.conn.send(part) or b"")
        self.transport.close()


class _SigtermIsExpected:
    """Within, SIGTERM is nothing that ends the process; it is uvicorn's, who gives it back at its end."""

    def __enter__(self) -> None:
        self._before = None
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGTERM, self._nothing)

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGTERM, self._before)

    @staticmethod
    def _nothing(number: int, frame: FrameType | None) -> None:
        pass
