"""The server that fails on purpose fails as it says it does: what the other tests stand on."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.behaviour import HARMLESS, PASSING, SILENT, Fault, Plan, completion, digest_of
from tests.faults.running import Server, ServerProcess


def body(text: str = "What is 2 + 2?", **settings: Any) -> dict[str, Any]:
    return {"model": "served", "messages": [{"role": "user", "content": text}], **settings}


@pytest.fixture
def connection() -> Iterator[Any]:
    """Opens connections and closes them."""
    made: list[http.client.HTTPConnection] = []

    def connect(server: Server | ServerProcess, timeout: float = 5.0) -> http.client.HTTPConnection:
        made.append(http.client.HTTPConnection("127.0.0.1", server.port, timeout=timeout))
        return made[-1]

    yield connect
    for each in made:
        each.close()


def ask(connection: http.client.HTTPConnection, request: dict[str, Any]) -> http.client.HTTPResponse:
    connection.request(
        "POST", "/v1/chat/completions", json.dumps(request), {"Authorization": "Bearer key-of-mine-1234"}
    )
    return connection.getresponse()


def until_gone(server: Server, number: int) -> Any:
    """The counts, once that many clients were missed."""
    ends = time.monotonic() + 10
    while (counts := server.counts).gone < number and time.monotonic() < ends:
        time.sleep(0.01)
    return counts


class TestAnswers:
    def test_without_faults_all_is_answered(self, connection: Any):
        """On one connection, and the same whenever it is asked."""
        with Server(Plan(keep_alive=True)) as server:
            client = connection(server)
            answers = [json.loads(ask(client, body()).read()) for _ in range(3)]
            assert answers[0] == answers[1] == answers[2] == completion(body())
            counts = server.counts
        assert (counts.requests, counts.draws, counts.answered, counts.gone) == (3, 3, 3, 0)
        assert counts.asked == counts.answered_by_body == {digest_of(body()): 3}
        assert counts.faults == {}

    def test_seeds_and_choices_differ(self):
        """As samples do; and several at once are counted as several."""
        one, other = completion(body(seed=1)), completion(body(seed=2))
        assert one["choices"] != other["choices"]
        three = completion(body(seed=1, n=3))
        assert len({choice["message"]["content"] for choice in three["choices"]}) == 3
        assert three["choices"][0] == one["choices"][0]

    def test_choices_are_counted(self, connection: Any):
        with Server() as server:
            ask(connection(server), body(n=4)).read()
            counts = server.counts
        assert (counts.requests, counts.draws, counts.answered) == (1, 4, 4)

    @pytest.mark.parametrize(
        ("title", "key"), [("ranking", "ranking"), ("critiques", "critiques"), ("verdict", "correct")]
    )
    def test_keeps_to_a_schema(self, title: str, key: str):
        form = {"type": "json_schema", "json_schema": {"name": title, "schema": {"title": title}}}
        text = completion(body("<answer_1>a</answer_1>", response_format=form))["choices"][0]["message"]["content"]
        assert key in json.loads(text)

    def test_streams(self, connection: Any):
        """Events whose text is that of the whole answer."""
        with Server() as server:
            events = ask(connection(server), body(stream=True)).read().decode().split("\n\n")
        assert events[-2:] == ["data: [DONE]", ""]
        first, last = (json.loads(event.removeprefix("data: ")) for event in events[:2])
        assert first["choices"][0]["delta"] == completion(body())["choices"][0]["message"]
        assert last["usage"] == completion(body())["usage"]

    def test_nothing_else_is_served(self, connection: Any):
        with Server() as server:
            client = connection(server)
            client.request("GET", "/v1/models")
            assert client.getresponse().status == 404
            assert server.counts.requests == 0


class TestFaults:
    """Each one, as it arrives."""

    def served(self, connection: Any, fault: Fault) -> tuple[http.client.HTTPResponse, bytes]:
        with Server(Plan(rate=1.0, kinds=(fault,))) as server:
            response = ask(connection(server), body())
            return response, response.read()

    @pytest.mark.parametrize(
        ("fault", "status", "code"),
        [
            (Fault.RATE_LIMIT, 429, "rate_limit_exceeded"),
            (Fault.RATE_LIMIT_MS, 429, "rate_limit_exceeded"),
            (Fault.QUOTA, 429, "insufficient_quota"),
            (Fault.BAD_KEY, 401, "invalid_api_key"),
            (Fault.SERVER_ERROR, 500, "server_error"),
            (Fault.ERROR_INSIDE, 200, 502),
        ],
    )
    def test_errors(self, connection: Any, fault: Fault, status: int, code: str | int):
        response, said = self.served(connection, fault)
        assert (response.status, json.loads(said)["error"]["code"]) == (status, code)
        assert response.headers.get("Retry-After") == ("0.05" if fault is Fault.RATE_LIMIT else None)
        assert response.headers.get("retry-after-ms") == ("50" if fault is Fault.RATE_LIMIT_MS else None)

    def test_unavailable_and_empty(self, connection: Any):
        response, said = self.served(connection, Fault.UNAVAILABLE)
        assert (response.status, said) == (503, b"")
        response, said = self.served(connection, Fault.EMPTY)
        assert (response.status, said) == (200, b"")

    def test_a_page(self, connection: Any):
        response, said = self.served(connection, Fault.PAGE)
        assert response.status == 200
        assert response.headers["Content-Type"].startswith("text/html")
        assert said.startswith(b"<!doctype html>")

    def test_truncated(self, connection: Any):
        """All that was promised came; it is no JSON."""
        response, said = self.served(connection, Fault.TRUNCATED)
        assert response.status == 200
        whole = json.dumps(completion(body())).encode()
        assert whole.startswith(said)
        assert 0 < len(said) < len(whole)

    @pytest.mark.parametrize(
        ("fault", "read", "expected"),
        [
            (Fault.NO_CHOICES, lambda answer: answer["choices"], []),
            (Fault.NO_MESSAGE, lambda answer: answer["choices"][0]["message"], None),
            (Fault.CONTENT_NUMBER, lambda answer: answer["choices"][0]["message"]["content"], 42),
            (Fault.CHOICES_OBJECT, lambda answer: type(answer["choices"]), dict),
            (Fault.USAGE_TEXT, lambda answer: answer["usage"]["total_tokens"], "a few"),
        ],
    )
    def test_wrong_content(self, connection: Any, fault: Fault, read: Any, expected: Any):
        response, said = self.served(connection, fault)
        assert (response.status, read(json.loads(said))) == (200, expected)

    def test_reset(self, connection: Any):
        with Server(Plan(rate=1.0, kinds=(Fault.RESET,))) as server, pytest.raises(ConnectionResetError):
            ask(connection(server), body())

    def test_reset_midway(self, connection: Any):
        with Server(Plan(rate=1.0, kinds=(Fault.RESET_MIDWAY,))) as server:
            response = ask(connection(server), body())
            with pytest.raises(ConnectionResetError):
                response.read()

    def test_hang_up(self, connection: Any):
        with Server(Plan(rate=1.0, kinds=(Fault.HANG_UP,))) as server:
            response = ask(connection(server), body())
            with pytest.raises(http.client.IncompleteRead):
                response.read()

    def test_trickle_is_whole(self, connection: Any):
        """Slow, and counted as an answer."""
        with Server(Plan(rate=1.0, kinds=(Fault.TRICKLE,))) as server:
            assert json.loads(ask(connection(server), body()).read()) == completion(body())
            counts = server.counts
        assert (counts.answered, counts.faults) == (1, {"trickle": 1})

    @pytest.mark.parametrize("fault", sorted(SILENT))
    def test_the_silent_end_with_their_client(self, connection: Any, fault: Fault):
        """The server waits for it to hang up, and notices."""
        with Server(Plan(rate=1.0, kinds=(fault,))) as server:
            # The others begin to answer, which may take its time on a busy machine.
            client = connection(server, timeout=0.2 if fault is Fault.STALL else 10.0)
            if fault is Fault.STALL:
                with pytest.raises(TimeoutError):
                    ask(client, body())
            else:
                response = ask(client, body())
                said = response.read(10)
                assert said == json.dumps(completion(body())).encode()[:10]
                assert server.counts.gone == 0
                response.close()
            client.close()
            counts = until_gone(server, 1)
        assert (counts.gone, counts.answered) == (1, 0)

    def test_a_drip_lets_every_read_succeed(self, connection: Any):
        """So that only a limit on the whole call can end it."""
        with Server(Plan(rate=1.0, kinds=(Fault.DRIP,))) as server:
            response = ask(connection(server, timeout=2.0), body())
            half = len(json.dumps(completion(body()))) // 2
            assert len(response.read(half + 5)) == half + 5
            response.close()

    def test_keys_are_repeated_where_told(self, connection: Any):
        for fault in (Fault.RATE_LIMIT, Fault.SERVER_ERROR, Fault.UNAVAILABLE, Fault.PAGE, Fault.BAD_KEY):
            with Server(Plan(rate=1.0, kinds=(fault,), echo_key=True)) as server:
                response = ask(connection(server), body())
                assert b"key-of-mine-1234" in response.read()
                assert "key-of-mine-1234" in response.headers["x-authorization"]


class TestPlan:
    def test_the_share_is_kept(self):
        """And every kind has its turn."""
        plan = Plan(rate=0.2, seed=3)
        fates = Counter(plan.fault_of(digest_of(body(str(number))), 0) for number in range(10_000))
        failed = sum(count for fault, count in fates.items() if fault is not None)
        assert 1_800 < failed < 2_200
        assert set(fates) == {None, *PASSING}
        assert min(fates[fault] for fault in PASSING) > 60

    def test_seed_body_and_turn_decide(self):
        digests = [digest_of(body(str(number))) for number in range(200)]
        first = [Plan(rate=0.5, seed=1).fault_of(digest, 0) for digest in digests]
        assert first == [Plan(rate=0.5, seed=1).fault_of(digest, 0) for digest in digests]
        assert first != [Plan(rate=0.5, seed=2).fault_of(digest, 0) for digest in digests]
        assert first != [Plan(rate=0.5, seed=1).fault_of(digest, 1) for digest in digests]

    def test_never_and_always(self):
        digests = [digest_of(body(str(number))) for number in range(500)]
        assert {Plan(rate=0.0).fault_of(digest, 0) for digest in digests} == {None}
        assert None not in {Plan(rate=1.0).fault_of(digest, 0) for digest in digests}

    def test_the_order_of_calls_does_not_matter(self, connection: Any):
        """Twice in different orders, by different numbers of clients: the same faults at the same calls."""
        plan = Plan(rate=0.5, kinds=(Fault.SERVER_ERROR, Fault.PAGE, Fault.NO_CHOICES), seed=7)
        requests = [body(str(number % 20)) for number in range(80)]

        def outcomes(server: Server, part: list[dict[str, Any]], seen: list[tuple[str, int, int]]) -> None:
            client = connection(server)
            for request in part:
                response = ask(client, request)
                seen.append((digest_of(request), response.status, len(response.read())))

        runs = []
        for parts in ([requests], [requests[::-2], requests[-2::-2]]):
            seen: list[tuple[str, int, int]] = []
            with Server(plan) as server:
                threads = [threading.Thread(target=outcomes, args=(server, part, seen)) for part in parts]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
                runs.append((sorted(seen), server.counts.faults))
        assert runs[0] == runs[1]

    def test_a_body_is_what_it_says(self):
        """Not how it is written down."""
        turned = {"messages": [{"content": "x", "role": "user"}], "model": "served"}
        assert digest_of(turned) == digest_of(body("x"))
        assert digest_of(body("x")) != digest_of(body("y"))

    def test_harmless_faults_are_faults(self):
        assert set(PASSING) >= HARMLESS | SILENT


class TestCounting:
    def test_who_leaves_before_the_answer_gets_none(self, connection: Any):
        """A client that dies while its answer is made is not counted as answered."""
        with Server(Plan(latency=5.0)) as server:
            with socket.create_connection(("127.0.0.1", server.port)) as client:
                data = json.dumps(body()).encode()
                client.sendall(
                    b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(data) + data
                )
                ends = time.monotonic() + 10
                while server.counts.requests == 0 and time.monotonic() < ends:
                    time.sleep(0.01)
            counts = until_gone(server, 1)
        assert (counts.requests, counts.answered, counts.gone, counts.most_at_once) == (1, 0, 1, 1)

    def test_half_a_request_is_none(self):
        with Server() as server:
            with socket.create_connection(("127.0.0.1", server.port)) as client:
                client.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: 100\r\n\r\n{")
            with socket.create_connection(("127.0.0.1", server.port)) as client:
                client.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: 1\r\n\r\n{")
                assert client.recv(1000).startswith(b"HTTP/1.1 400 ")
            assert server.counts.requests == 0

    def test_as_a_process(self, connection: Any, tmp_path: Path):
        """It is told its plan, gives its counts, and leaves them in the file."""
        plan = Plan(rate=1.0, seed=5, kinds=(Fault.QUOTA,), latency=0.001)
        with ServerProcess(tmp_path, plan) as server:
            response = ask(connection(server), body(n=2))
            assert json.loads(response.read())["error"]["code"] == "insufficient_quota"
            counts = server.counts
        assert (counts.requests, counts.draws, counts.faults) == (1, 2, {"quota": 1})
        assert type(counts).from_json(server.count_file.read_text()) == counts

    def test_usage_is_of_all_choices(self):
        """As providers count it: the prompt once, the answers together."""
        usage = completion(body("one two three", n=3))["usage"]
        single = completion(body("one two three"))["usage"]
        assert usage["prompt_tokens"] == single["prompt_tokens"] == 3
        assert usage["completion_tokens"] == 3 * single["completion_tokens"]
        assert usage["total_tokens"] == 3 + usage["completion_tokens"]
