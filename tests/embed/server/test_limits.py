"""How much a server takes on, and what becomes of the rest."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from typing import Any

import httpx
import openai
import pytest
from openai import OpenAI

from archon_graph import Fuser, Generator
from archon_graph.embed.server.limits import Traffic
from archon_graph.models import Client
from tests.embed.saying import fusing
from tests.embed.server.serving import QUESTION, Held, Serving, in_thread, is_refused, until
from tests.faults.behaviour import Fault, Plan
from tests.faults.conftest import KEY as UPSTREAM_KEY
from tests.faults.running import Server as Upstream


class TestOverload:
    def test_more_than_fit_are_told_when_to_come_back(self, start: Callable[..., Serving], held: Held):
        server = start(Generator(held).alone(), max_running=2)
        first = [in_thread(server.post) for _ in range(2)]
        until(lambda: held.asked == 2)
        refused = server.post()
        assert refused.status_code == 429
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        assert refused.json()["error"]["code"] == "rate_limit_exceeded"
        held.go()
        assert [answer().status_code for answer in first] == [200, 200]
        # A client has its answer a moment before the server is done with it.
        until(lambda: server.traffic.running == 0)
        assert server.post().status_code == 200
        until(lambda: server.traffic.running == 0)

    def test_openais_client_comes_back(self, start: Callable[..., Serving], held: Held):
        server = start(Generator(held).alone(), max_running=1)
        first = in_thread(server.post)
        until(lambda: held.asked == 1)
        with (
            OpenAI(base_url=server.url, api_key="none", max_retries=0) as client,
            pytest.raises(openai.RateLimitError),
        ):
            client.chat.completions.create(model="m", messages=QUESTION)
        with OpenAI(base_url=server.url, api_key="none", max_retries=3) as client:
            second = in_thread(lambda: client.chat.completions.create(model="m", messages=QUESTION))
            held.go()
            assert second().choices[0].message.content == "at last"
        assert first().status_code == 200

    def test_each_of_several_answers_counts(self, start: Callable[..., Serving], held: Held):
        server = start(Generator(held).alone(), max_running=3)
        first = in_thread(lambda: server.post(n=2))
        until(lambda: held.asked == 2)
        assert server.traffic.running == 2
        assert server.post(n=2).status_code == 429
        assert server.traffic.running == 2
        held.go()
        assert first().status_code == 200

    def test_an_idle_server_takes_any_request(self, start: Callable[..., Serving]):
        server = start(fusing(), max_running=1)
        assert server.post(n=3).status_code == 200

    async def test_how_long_to_wait_follows_how_long_answers_take(self):
        traffic = Traffic(2)
        assert traffic.retry_after == 1
        traffic._seconds = 30
        assert traffic.retry_after == 15
        traffic._seconds = 10_000
        assert traffic.retry_after == 60

    def test_other_paths_are_served_all_the_same(self, start: Callable[..., Serving], held: Held):
        server = start(Generator(held).alone(), max_running=1)
        first = in_thread(server.post)
        until(lambda: held.asked == 1)
        assert server.get("/health").status_code == 200
        assert server.get("/ready").json() == {"status": "ready", "running": 1}
        held.go()
        first()


class TestBodies:
    def test_one_that_is_announced_as_too_large(self, start: Callable[..., Serving]):
        server = start(fusing(), max_body=1000)
        reply = server.post(user="x" * 1000)
        assert reply.status_code == 413
        assert "1,000 bytes" in reply.json()["error"]["message"]
        assert server.post().status_code == 200

    def test_one_that_is_too_large_without_saying_so(self, start: Callable[..., Serving]):
        server = start(fusing(), max_body=1000)
        with server.http() as http:
            reply = http.post(
                "/v1/chat/completions",
                content=(b" " * 100 for _ in range(1000)),
                headers={"Content-Type": "application/json"},
            )
        assert reply.status_code == 413

    def test_one_that_never_ends(self, start: Callable[..., Serving]):
        server = start(fusing(), body_seconds=0.2)
        with connected(server) as sock:
            sock.sendall(head(100) + b'{"model": ')
            assert b" 408 " in received(sock)
        until(lambda: server.traffic.running == 0)

    def test_one_that_breaks_off(self, start: Callable[..., Serving]):
        server = start(fusing())
        with connected(server) as sock:
            sock.sendall(head(100) + b'{"model": ')
        until(lambda: server.traffic.running == 0)
        assert server.post().status_code == 200


class TestTime:
    def test_an_answer_that_takes_too_long(self, start: Callable[..., Serving], held: Held):
        server = start(Generator(held, samples=2) | Fuser(held), time_limit=0.2)
        reply = server.post()
        assert reply.status_code == 504
        assert reply.json()["error"]["code"] == "timeout"
        assert reply.headers["x-should-retry"] == "false"
        until(lambda: held.cut_off == 2)

    def test_a_stream_that_has_not_begun_has_a_status(self, start: Callable[..., Serving], held: Held):
        server = start(Generator(held).alone(), time_limit=0.2)
        assert server.post(stream=True).status_code == 504
        until(lambda: held.cut_off == 1)


class TestHangingUp:
    """Whoever hangs up pays for nothing more."""

    @pytest.mark.parametrize("stream", [False, True])
    @pytest.mark.parametrize("n", [1, 2])
    def test_calls_are_cancelled(self, start: Callable[..., Serving], held: Held, stream: bool, n: int):
        server = start(Generator(held, samples=3) | Fuser(held))
        with server.http(timeout=httpx.Timeout(20, read=0.3)) as http, pytest.raises(httpx.ReadTimeout):
            http.post("/v1/chat/completions", json={"model": "m", "messages": QUESTION, "stream": stream, "n": n})
        until(lambda: held.cut_off == 3 * n)
        until(lambda: server.traffic.running == 0)
        until(lambda: 'status="499"' in server.get("/metrics").text)

    def test_so_are_requests_at_the_provider(self, start: Callable[..., Serving], monkeypatch: pytest.MonkeyPatch):
        with Upstream(Plan(rate=1, kinds=(Fault.STALL,))) as upstream:
            monkeypatch.setenv("OPENAI_API_KEY", UPSTREAM_KEY)
            monkeypatch.setenv("OPENAI_BASE_URL", upstream.url)
            server = start(Generator("openai:gpt-4o", samples=1).alone(), client=Client())
            ended = in_thread(lambda: abandon(server, lambda: upstream.counts.requests == 1))
            ended()
            until(lambda: upstream.counts.gone == 1)

    def test_in_the_middle_of_a_stream(self, start: Callable[..., Serving], held: Held):
        server = start({"m": Slow(held)})
        asked = {"model": "m", "messages": QUESTION, "stream": True}
        with server.http() as http, http.stream("POST", "/v1/chat/completions", json=asked) as reply:
            lines = reply.iter_lines()
            while "begins" not in next(lines):
                pass
        until(lambda: held.cut_off == 1)
        until(lambda: server.traffic.running == 0)


class TestEnding:
    def test_what_is_under_way_may_end(self, start: Callable[..., Serving], held: Held):
        server = start(Generator(held).alone())
        answer = in_thread(server.post)
        until(lambda: held.asked == 1)
        server.stop()
        until(lambda: is_refused(server.url))
        held.go()
        assert answer().json()["choices"][0]["message"]["content"] == "at last"
        server.wait()

    def test_but_not_for_ever(self, start: Callable[..., Serving], held: Held):
        server = start(Generator(held).alone(), grace=0.2)
        answer = in_thread(server.post)
        until(lambda: held.asked == 1)
        server.stop()
        reply = answer()
        assert reply.status_code == 503
        assert reply.json()["error"]["code"] == "shutting_down"
        server.wait()
        assert held.cut_off == 1

    def test_nor_does_a_stream(self, start: Callable[..., Serving], held: Held):
        server = start({"m": Slow(held)}, grace=0.2)
        answer = in_thread(lambda: server.post(stream=True))
        until(lambda: held.asked == 1)
        server.stop()
        reply = answer()
        assert "begins" in reply.text
        assert '"code":"shutting_down"' in reply.text
        assert "[DONE]" not in reply.text
        server.wait()

    def test_a_connection_that_stays_open_brings_no_new_request(self, start: Callable[..., Serving], held: Held):
        server = start(Generator(held).alone())
        answer = in_thread(server.post)
        until(lambda: held.asked == 1)
        server.traffic.draining = True
        reply = server.post()
        assert (reply.status_code, reply.headers["retry-after"]) == (503, "1")
        assert server.get("/ready").status_code == 503
        assert server.get("/health").status_code == 200
        held.go()
        assert answer().status_code == 200


class Slow(Held):
    """A model that streams a first piece and then waits."""

    def __init__(self, held: Held) -> None:
        super().__init__()
        self._held = held

    async def _astream(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> Any:
        from langchain_core.messages import AIMessageChunk
        from langchain_core.outputs import ChatGenerationChunk

        yield ChatGenerationChunk(message=AIMessageChunk("it begins"))
        await self._held._agenerate(messages)
        yield ChatGenerationChunk(message=AIMessageChunk(" and ends"))


def connected(server: Serving) -> socket.socket:
    host, port = server.url.removeprefix("http://").removesuffix("/v1").split(":")
    return socket.create_connection((host, int(port)), timeout=20)


def head(length: int) -> bytes:
    return (
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n" % length
    )


def received(sock: socket.socket) -> bytes:
    return sock.recv(4096)


def abandon(server: Serving, when: Callable[[], object]) -> None:
    """Ask, and hang up when something has come about."""
    body = json.dumps({"model": "m", "messages": QUESTION}).encode()
    with connected(server) as sock:
        sock.sendall(head(len(body)) + body)
        until(when)
