"""An OpenAI-compatible server on loopback that says what a test tells it to, and keeps what it was sent."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Sent(NamedTuple):
    """A request as it arrived."""

    path: str
    headers: Mapping[str, str]
    body: Any


class Reply(NamedTuple):
    """What goes back."""

    body: Any
    status: int = 200
    # The OpenAI library waits this long before it tries again; connections are closed, so that none outlives
    # the event loop of its test.
    headers: Mapping[str, str] = {"Connection": "close", "retry-after-ms": "1"}


def completion(text: str | None = "hello", finish: str = "stop", **message: Any) -> dict[str, Any]:
    """The body of a chat completion."""
    return {
        "id": "c1",
        "object": "chat.completion",
        "created": 1,
        "model": "served",
        "choices": [
            {
                "index": 0,
                "finish_reason": finish,
                "message": {"role": "assistant", "content": text, **message},
            }
        ],
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
    }


class Loopback:
    """The server; ``answer`` is called with each request and its number, from 1."""

    def __init__(self, answer: Callable[[Sent, int], Reply | dict[str, Any]]) -> None:
        self.answer = answer
        self.sent: list[Sent] = []
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                sent = Sent(
                    self.path, {key.lower(): value for key, value in self.headers.items()}, json.loads(raw)
                )
                with outer._lock:
                    outer.sent.append(sent)
                    number = len(outer.sent)
                reply = outer.answer(sent, number)
                reply = reply if isinstance(reply, Reply) else Reply(reply)
                body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
                self.send_response(reply.status)
                for name, value in {"Content-Type": "application/json", **reply.headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                """A client that hung up is what some tests are about."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    @property
    def last(self) -> Any:
        """The body of the newest request."""
        return self.sent[-1].body

    def close(self) -> None:
        """Stop serving; once is enough."""
        if not self._thread.is_alive():
            return
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
