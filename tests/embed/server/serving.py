"""A server in a thread, on a free port of loopback, and a model that answers when it is told to."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any, Self

import httpx
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import PrivateAttr

from archon_graph.embed.server import ServerSettings, create_app
from archon_graph.embed.server.running import Server

QUESTION = [{"role": "user", "content": "What is the answer?"}]


class Serving:
    """A server that answers; a context manager."""

    def __init__(
        self, models: Mapping[str, Any], *, client: Any = None, budget: Any = None, **settings: Any
    ) -> None:
        given = ServerSettings(**{"port": 0, "grace": 5.0, **settings})
        self.app = create_app(models, given, client=client, budget=budget)
        self.server = Server(self.app, given)
        self.url = self.server.url
        self._thread = threading.Thread(target=self.server.run, name="server")

    @property
    def traffic(self) -> Any:
        """How much is under way."""
        return self.app.state.traffic

    def http(self, **options: Any) -> httpx.Client:
        """A client of the plain protocol, whose paths begin behind the host."""
        return httpx.Client(
            **{"base_url": self.url.removesuffix("/v1"), "timeout": 20, "trust_env": False, **options}
        )

    def post(
        self, body: Any = None, *, headers: Mapping[str, str] | None = None, **parameters: Any
    ) -> httpx.Response:
        """Ask for a completion, with a body of any kind or with these parameters."""
        if body is None:
            body = {"model": "m", "messages": QUESTION, **parameters}
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        with self.http() as http:
            return http.post(
                "/v1/chat/completions",
                content=data,
                headers={"Content-Type": "application/json", **(headers or {})},
            )

    def get(self, path: str, **options: Any) -> httpx.Response:
        """Get a path."""
        with self.http() as http:
            return http.get(path, **options)

    def stop(self) -> None:
        """Tell it to end."""
        self.server.stop()

    def wait(self) -> None:
        """Wait until it has ended."""
        self._thread.join(20)
        assert not self._thread.is_alive()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.wait()


class Held(BaseChatModel):
    """A model whose calls wait until they may go on, and that keeps count of those that were cut off."""

    _go: threading.Event = PrivateAttr(default_factory=threading.Event)
    _asked: int = PrivateAttr(default=0)
    _cut_off: int = PrivateAttr(default=0)

    @property
    def _llm_type(self) -> str:
        return "held"

    @property
    def asked(self) -> int:
        return self._asked

    @property
    def cut_off(self) -> int:
        return self._cut_off

    def go(self) -> None:
        self._go.set()

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        raise NotImplementedError

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        self._asked += 1
        try:
            while not self._go.is_set():  # noqa: ASYNC110 - it is set in another thread
                await asyncio.sleep(0.005)
        except asyncio.CancelledError:
            self._cut_off += 1
            raise
        return ChatResult(generations=[ChatGeneration(message=AIMessage("at last"))])


def until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    """Wait for a condition; the limit is for tests that fail."""
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "it did not come about"
        time.sleep(0.005)


def in_thread(work: Callable[[], Any]) -> Callable[[], Any]:
    """Begin some work beside, and give what waits for its outcome."""
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.append(work())
        except BaseException as error:  # noqa: BLE001
            outcome.append(error)

    thread = threading.Thread(target=run)
    thread.start()

    def result() -> Any:
        thread.join(20)
        assert outcome, "it did not end"
        return outcome[0]

    return result


def events(text: str) -> list[Any]:
    """The data of the events of a stream, in order; the end as the text that it is."""
    data = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]
    return [one if one == "[DONE]" else json.loads(one) for one in data]


def is_refused(url: str) -> bool:
    """Whether nobody listens there."""
    with closing(httpx.Client(trust_env=False)) as http:
        try:
            http.get(url)
        except httpx.ConnectError:
            return True
        except httpx.TransportError:
            return False
        return False
