"""What goes wrong behind the server: the client is told whose affair it is, and nothing of this machine."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

import openai
import pytest
from openai import OpenAI

from archon_graph import Fuser, Generator, ScriptedModel
from archon_graph.core import NoAnswerError
from archon_graph.core.state import Loss
from archon_graph.embed.server import completions
from archon_graph.embed.server.errors import as_request_error, public
from archon_graph.models import (
    Budget,
    BudgetError,
    Client,
    ConfigurationError,
    MissingKeyError,
    ModelError,
    TapeMissError,
)
from tests.embed.saying import fusing
from tests.embed.server.serving import QUESTION, Held, Serving, events, in_thread, until
from tests.embed.server.test_limits import Slow

SECRET = "sk-live-9Zr3vX81LzP0sTu4w"  # noqa: S105 - nobody's
PATH = "/home/somebody/models/weights.gguf"


def losing(*losses: tuple[str, str]) -> NoAnswerError:
    return NoAnswerError([Loss(node="g", kind=kind, detail=detail) for kind, detail in losses])


REFUSAL = "openai:m failed with BadRequestError: Error code: 400 - bad image"
LONG = "openai:m failed with BadRequestError: Error code: 400 - maximum context length is 10"


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (losing(("error", "refused: connection")), 502, "upstream_error"),
        (losing(), 502, "upstream_error"),
        (losing(("error", REFUSAL), ("no-input", "")), 400, "upstream_refused"),
        (losing(("error", REFUSAL), ("error", "Error code: 500")), 502, "upstream_error"),
        (losing(("error", LONG)), 400, "context_length_exceeded"),
        (losing(("form", "not JSON"), ("no-input", "nothing came")), 422, "no_fitting_answer"),
        (losing(("form", "not JSON"), ("error", "down")), 502, "upstream_error"),
        (losing(("budget", "spent")), 429, "insufficient_quota"),
        (BudgetError("spent", model="m"), 429, "insufficient_quota"),
        (ModelError("broke off", model="m"), 502, "upstream_error"),
        (TapeMissError("not there"), 404, "not_recorded"),
        (ConfigurationError("model 'm' takes no tools"), 400, None),
        (MissingKeyError("no key"), 500, "internal_error"),
        (ValueError("a bug"), 500, "internal_error"),
    ],
)
def test_whose_affair_an_error_is(error: Exception, status: int, code: str | None):
    told = as_request_error(error)
    assert (told.status, told.code) == (status, code)
    # What the client of OpenAI would repeat is a whole run, whose calls were repeated already.
    assert status < 429 or told.headers["x-should-retry"] == "false"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"cannot read {PATH}: gone", "cannot read [path]: gone"),
        ("File '~/x/y.py', line 3", "File '[path]', line 3"),
        (r"in C:\Users\me\a.gguf.", "in [path]"),
        ("see file:///etc/passwd", "see [path]"),
        ("1/2 of https://example.com/a and/or tokens/s", "1/2 of https://example.com/a and/or tokens/s"),
        (f"key {SECRET}", "key [secret]"),
    ],
)
def test_what_may_leave_the_machine(text: str, expected: str):
    assert public(text) == expected
    assert len(public("x" * 100_000)) <= 600


class TestThroughTheServer:
    @pytest.fixture
    def failing(self, start: Callable[..., Serving]) -> Serving:
        def fail(_: Any) -> Any:
            return RuntimeError(f"cannot open {PATH} with {SECRET}")

        return start(fusing(fail))

    @pytest.mark.parametrize("stream", [False, True])
    def test_models_that_fail(self, failing: Serving, caplog: pytest.LogCaptureFixture, stream: bool):
        reply = failing.post(stream=stream)
        assert reply.status_code == 502
        assert reply.json()["error"]["type"] == "server_error"
        assert reply.headers["x-request-id"] in caplog.text
        assert "cannot open" in caplog.text
        for secret in (SECRET, PATH, "somebody"):
            assert secret not in reply.text
        assert SECRET not in caplog.text

    def test_one_answer_of_several_fails(self, start: Callable[..., Serving]):
        asked: list[Any] = []

        def second_fails(call: Any) -> Any:
            asked.append(call)
            return RuntimeError("no") if len(asked) == 2 else "yes"

        server = start(Generator(ScriptedModel(second_fails)).alone())
        assert server.post(n=3).status_code == 502
        assert server.traffic.running == 0

    def test_a_fault_of_the_server(
        self, start: Callable[..., Serving], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ):
        def broken(*_: Any, **__: Any) -> Any:
            raise KeyError(f"{SECRET} in {PATH}")

        monkeypatch.setattr(completions, "whole", broken)
        reply = start(fusing()).post()
        assert reply.status_code == 500
        assert reply.json()["error"]["message"] == "the server failed; its log says why"
        assert "KeyError" in caplog.text
        assert SECRET not in caplog.text

    def test_a_stream_that_breaks_off_tells_so(self, start: Callable[..., Serving], held: Held):
        class BreaksOff(Slow):
            async def _astream(self, *args: Any, **kwargs: Any) -> Any:
                async for chunk in super()._astream(*args, **kwargs):
                    yield chunk
                raise ModelError(f"it broke off; see {PATH}", model="m")

        held.go()
        server = start({"m": BreaksOff(held)})
        reply = server.post(stream=True)
        assert reply.status_code == 200
        *_, last = events(reply.text)
        assert last["error"]["code"] == "upstream_error"
        assert PATH not in reply.text
        with (
            OpenAI(base_url=server.url, api_key="none", max_retries=0) as client,
            pytest.raises(openai.APIError, match="in the middle"),
        ):
            list(client.chat.completions.create(model="m", messages=QUESTION, stream=True))

    def test_a_stream_whose_time_is_over_tells_so(self, start: Callable[..., Serving], held: Held):
        server = start({"m": Slow(held)}, time_limit=0.3)
        assert events(server.post(stream=True).text)[-1]["error"]["code"] == "timeout"
        until(lambda: held.cut_off == 1)

    def test_tools_that_a_model_does_not_take(self, start: Callable[..., Serving], held: Held):
        held.go()
        server = start(Generator(held).alone())
        reply = server.post(tools=[{"type": "function", "function": {"name": "f"}}])
        assert reply.status_code == 400
        assert "takes no tools" in reply.json()["error"]["message"]

    def test_a_budget_that_is_spent(self, start: Callable[..., Serving]):
        server = start(fusing(), budget=Budget(calls=0))
        reply = server.post()
        assert reply.status_code == 429
        assert reply.json()["error"]["type"] == "insufficient_quota"
        assert reply.headers["x-should-retry"] == "false"

    def test_a_budget_that_runs_out_on_the_way_brings_the_best_so_far(self, start: Callable[..., Serving]):
        reply = start(fusing(), budget=Budget(calls=3)).post()
        assert reply.status_code == 200
        assert reply.json()["choices"][0]["message"]["content"].startswith("draft")

    def test_what_is_missing_is_found_before_anybody_asks(self, start: Callable[..., Serving]):
        with pytest.raises(MissingKeyError):
            start(Generator("openai:gpt-4o").alone(), client=Client())
        with pytest.raises(ConfigurationError, match="cannot be kept"):
            start(fusing(), budget=Budget(tokens=100))


class TestLongWaits:
    def test_a_stream_stays_alive(
        self, start: Callable[..., Serving], held: Held, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(completions, "_PAUSE", 0.05)
        server = start(Generator(held, samples=2) | Fuser(held))
        with server.http() as http:
            asked = {"model": "m", "messages": QUESTION, "stream": True}
            with http.stream("POST", "/v1/chat/completions", json=asked) as reply:
                lines = reply.iter_lines()
                assert next(lines) == ": still at work"
                held.go()
                rest = "\n".join(lines)
        assert events(rest)[-1] == "[DONE]"
        assert events(rest)[0]["choices"][0]["delta"]["role"] == "assistant"

    def test_and_tells_what_went_wrong(
        self, start: Callable[..., Serving], held: Held, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(completions, "_PAUSE", 0.05)
        server = start(Generator(held).alone(), time_limit=0.3)
        reply = server.post(stream=True)
        assert reply.status_code == 200
        assert events(reply.text)[-1]["error"]["code"] == "timeout"


class TestWhatIsKept:
    def test_metrics(self, start: Callable[..., Serving]):
        server = start(fusing())
        tokens = server.post(n=2).json()["usage"]
        server.post(stream=True)
        server.post(model="made up")
        server.get("/made/up")
        text = server.get("/metrics").text
        assert 'archon_graph_requests_total{model="m",path="/v1/chat/completions",status="200"} 2.0' in text
        assert 'archon_graph_requests_total{model="",path="/v1/chat/completions",status="404"} 1.0' in text
        assert 'path="other"' in text
        assert "made" not in text
        assert 'archon_graph_model_calls_total{model="m"} 12.0' in text
        assert f'kind="prompt",model="m"}} {1.5 * tokens["prompt_tokens"]}' in text
        assert 'archon_graph_first_chunk_seconds_count{model="m"} 1.0' in text
        assert "archon_graph_running 0.0" in text

    def test_the_log_holds_no_bodies_and_no_queries(self, server: Serving, caplog: pytest.LogCaptureFixture):
        caplog.set_level(logging.INFO, logger="archon_graph.server")
        reply = server.post(messages=[{"role": "user", "content": "between you and me"}])
        server.get("/v1/models?secret=1")
        server.get("/a%0Ab")
        said = [record.getMessage() for record in caplog.records if record.name == "archon_graph.server"]
        assert len(said) == 3
        assert reply.headers["x-request-id"] in said[0]
        assert "\n" not in "".join(said)
        assert "between" not in "".join(said)
        assert "secret" not in "".join(said)


class TestPaths:
    @pytest.mark.parametrize(
        ("method", "path", "status"),
        [
            ("GET", "/", 404),
            ("GET", "/v1/chat/completions", 405),
            ("DELETE", "/v1/models/m", 405),
            ("POST", "/v1/models", 405),
            ("POST", "/v1/embeddings", 404),
            ("POST", "/v1/chat/completions/", 404),
            ("GET", "/v1/models/" + "x" * 3000, 404),
            ("GET", "/../../etc/passwd", 404),
        ],
    )
    def test_what_is_not_there(self, server: Serving, method: str, path: str, status: int):
        with server.http() as http:
            reply = http.request(method, path)
        assert reply.status_code == status
        assert reply.json()["error"]["type"] == "invalid_request_error"
        assert len(reply.text) < 600
        assert ("allow" in reply.headers) == (status == 405)

    def test_what_is_no_http(self, server: Serving):
        from tests.embed.server.test_limits import connected

        for nonsense in (b"\x16\x03\x01\x00", b"GET\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n"):
            with connected(server) as sock:
                sock.sendall(nonsense + b"\r\n\r\n")
                said = b""
                # Head and body may come one after the other.
                while not said.endswith(b"}") and (piece := sock.recv(4096)):
                    said += piece
            head, _, body = said.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 400 ")
            assert json.loads(body)["error"]["type"] == "invalid_request_error"

    def test_a_broken_chunk(self, server: Serving):
        from tests.embed.server.test_limits import connected

        with connected(server) as sock:
            sock.sendall(
                b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"
            )
            assert sock.recv(4096).startswith(b"HTTP/1.1 400 ")
        until(lambda: server.traffic.running == 0)
        assert in_thread(server.post)().status_code == 200
