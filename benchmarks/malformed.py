"""Requests that are wrong in every way that we could think of, each from a seed; for `serve.py` and the tests.

    python benchmarks/malformed.py URL MODEL [--count 2000] [--seed 0] [--key-env NAME]

asks a running server, and says which answers were none that a client should get.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import re
import socket
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

PATH = "/v1/chat/completions"
# What tells of the machine or of the program, and has no place in an answer.
_LEAKS = re.compile(r"Traceback|site-packages|\.py\b|pydantic|/(?:home|root|usr|tmp|var|etc|work)/|File \"")
_VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 3.5, 2**70, 1e300, "", "x", "\0", "é" * 200, [], [None], [[]], {}, {"a": {}},
    {"type": "function"}, {"role": "user"}, {"$ref": "file:///etc/passwd"}, [{"type": "text"}], "file:///etc/passwd",
)  # fmt: skip


@dataclass(frozen=True)
class Case:
    """A request, and what is wrong with it."""

    kind: str
    """What is wrong."""
    body: bytes
    """What is sent; of a raw one, the bytes on the connection."""
    headers: dict[str, str] = field(default_factory=dict)
    """Besides the usual ones."""
    raw: bool = False
    """Whether the bytes are all that is sent, and the connection is hung up then."""
    may_pass: bool = False
    """Whether it may still be a good request."""


def cases(model: str, count: int, seed: int, *, limit: int) -> Iterator[Case]:
    """Wrong requests.

    Args:
        model: A model that the server has.
        count: How many.
        seed: Another one gives others.
        limit: Most bytes that the server takes.
    """
    rng = random.Random(seed)
    makers = (_broken, _typed, _typed, _named, _unknown, _headed, _deep, _stuffed, _hung_up, _nonsense, _streamed)
    for number in range(count):
        # Huge ones are rare, for each takes as long as a hundred others.
        yield _huge(rng, model, limit) if number % 50 == 49 else makers[number % len(makers)](rng, model)


def good(rng: random.Random, model: str) -> dict[str, Any]:
    """A request with nothing wrong, and much in it."""
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    return {
        "model": model,
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "What is it?"}]},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": "a cat"},
            {"role": "user", "content": "Sure?"},
        ],
        "tools": [{"type": "function", "function": {"name": "look", "parameters": schema}}],
        "tool_choice": rng.choice(["auto", "none"]),
        "response_format": {"type": "json_schema", "json_schema": {"name": "thing", "schema": schema}},
        "n": 1,
        "stream": rng.random() < 0.3,
        "stop": ["END"],
        "seed": 7,
        "temperature": 0.5,
        "top_p": 0.9,
        "max_tokens": 50,
        "user": "u",
    }


def _places(data: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inside = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for name, value in inside:
        yield (*at, name)
        yield from _places(value, (*at, name))


def _typed(rng: random.Random, model: str) -> Case:
    """A value of another type somewhere, or none where one belongs, or one too many."""
    data = good(rng, model)
    for _ in range(rng.choice((1, 1, 1, 3))):
        *way, name = rng.choice(list(_places(data)))
        inside: Any = data
        for step in way:
            inside = inside[step]
        doing = rng.random()
        if doing < 0.75:
            inside[name] = rng.choice(_VALUES)
        elif doing < 0.9 or not isinstance(inside, list):
            del inside[name]
        else:
            inside.append(rng.choice(_VALUES))
    return Case("wrong type", json.dumps(data).encode(), may_pass=True)


def _broken(rng: random.Random, model: str) -> Case:
    """JSON with bytes changed, left out or put in, or cut off."""
    body = bytearray(json.dumps(good(rng, model)).encode())
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(body))
        doing = rng.randrange(4)
        if doing == 0:
            body[at] = rng.randrange(256)
        elif doing == 1:
            del body[at : at + rng.randint(1, 9)]
        elif doing == 2:
            body[at:at] = bytes(rng.randrange(256) for _ in range(rng.randint(1, 5)))
        else:
            del body[max(at, 1) :]
    return Case("broken JSON", bytes(body), may_pass=True)


def _named(rng: random.Random, _: str) -> Case:
    name = rng.choice(["", "gpt-4o", "../../etc/passwd", "a" * 5000, "\0", "m\n", "é", "%s%n", "<script>"])
    return Case("unknown model", json.dumps({**good(rng, ""), "model": name}).encode())


def _unknown(rng: random.Random, model: str) -> Case:
    wrong = rng.choice(
        [
            {"logprobs": True}, {"modalities": ["audio"]}, {"functions": [{"name": "f"}]}, {"best_of": 3},
            {"x" * 3000: 1}, {"": 1}, {"__class__": {"a": 1}}, {"logit_bias": {"1": 100}}, {"n": 10**6},
            {"max_tokens": 10**12}, {"stop": ["a"] * 1000}, {"store": True},
        ]
    )  # fmt: skip
    return Case("unsupported", json.dumps({**good(rng, model), **wrong}).encode())


def _headed(rng: random.Random, model: str) -> Case:
    headers = rng.choice(
        [
            {"Content-Type": "text/plain"}, {"Content-Type": ""}, {"Content-Encoding": "gzip"},
            {"Content-Type": "application/json; charset=utf-16"}, {"Host": "evil.example"}, {"Host": "["},
            {"Content-Type": "application/json" * 50},
        ]
    )  # fmt: skip
    return Case("wrong header", json.dumps(good(rng, model)).encode(), headers)


def _deep(rng: random.Random, model: str) -> Case:
    depth = rng.choice((70, 190, 500, 20_000))
    opening, closing = rng.choice((("[", "]"), ('{"a":', "}"), ('{"allOf":[', "]}")))
    nested = opening * depth + "1" * (opening[-1] == ":") + closing * depth
    name = rng.choice(("response_format", "messages", "tools", "metadata"))
    return Case("too deep", f'{{"model": {json.dumps(model)}, "{name}": {nested}}}'.encode())


def _stuffed(rng: random.Random, model: str) -> Case:
    """What JSON allows, and nobody expects."""
    inside = rng.choice(
        (
            '"temperature": NaN', '"temperature": 1e999', f'"seed": {"9" * 4000}', f'"n": -{"9" * 6000}',
            '"user": "\\ud800"', '"messages": [{"role": "user", "content": "\\udfff\\ud800"}]', '"n": 1, "n": "x"',
            '"messages": [' + '{"role":"user","content":"a"},' * 3000 + '{"role":"user","content":"a"}]',
            '"messages": [' + "[]," * 150_000 + "[]]",
        )
    )  # fmt: skip
    return Case("strange JSON", f'{{"model": {json.dumps(model)}, {inside}}}'.encode())


def _huge(rng: random.Random, model: str, limit: int) -> Case:
    text = "x" * (limit + rng.randint(1, limit))
    return Case("huge", json.dumps({**good(rng, model), "user": text}).encode())


def _head(length: int | str, more: str = "") -> bytes:
    return (
        f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Content-Length: {length}\r\n{more}\r\n"
    ).encode("latin-1")


def _hung_up(rng: random.Random, model: str) -> Case:
    """The client goes, in the middle of its request or while it is answered."""
    body = json.dumps(good(rng, model)).encode()
    sent = _head(len(body)) + body
    return Case("hung up", sent[: rng.choice((10, 60, len(sent) // 2, len(sent) - 1, len(sent)))], raw=True)


def _streamed(rng: random.Random, model: str) -> Case:
    """A stream that nobody reads to its end."""
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": "a"}], "stream": True}).encode()
    return Case("broken stream", _head(len(body)) + body + b"x" * rng.randrange(3), raw=True)


def _nonsense(rng: random.Random, model: str) -> Case:
    body = json.dumps(good(rng, model)).encode()
    sent = rng.choice(
        (
            b"\x16\x03\x01\x02\x00\x01\x00" * 20, b"GET\r\n\r\n", b"\r\n" * 50, bytes(range(256)),
            _head("x") + body, _head(-1) + body, _head(10**30) + body,
            _head(len(body), "Content-Length: 3\r\n") + body,
            f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n".encode(),
            f"POST {PATH} HTTP/9.9\r\n\r\n".encode(), _head(len(body), f"X: {'a' * 200_000}\r\n"),
        )
    )  # fmt: skip
    return Case("no HTTP", sent, raw=True)


class Asker:
    """Sends cases to a server and keeps what should not have come back.

    Args:
        url: The root of its API.
        key: Its key, which no answer may hold.
    """

    def __init__(self, url: str, key: str | None = None) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname or "127.0.0.1", parts.port or 80)
        self._http = httpx.Client(base_url=f"http://{parts.netloc}", timeout=60, trust_env=False)
        self._key = key
        self.statuses: Counter[str] = Counter()
        """What came back: statuses by what was wrong."""
        self.wrong: list[str] = []
        """Answers that no client should get."""

    def ask(self, case: Case) -> None:
        """Send a case and look at what comes back."""
        status, text = self._send_raw(case) if case.raw else self._send(case)
        self.statuses[f"{case.kind}: {status or 'nothing'}"] += 1
        if status is None:
            return
        fits = 400 <= status < 500 or (status == 200 and (case.may_pass or case.raw))
        # What the client said itself may come back to it.
        found = [match.encode() for match in _LEAKS.findall(text) if status != 200]
        leaked = str(Path.cwd()) in text or any(match not in case.body for match in found)
        if not fits or leaked or (self._key is not None and self._key in text) or not _has_the_form(status, text):
            self.wrong.append(f"{case.kind}: {status} to {case.body[:300]!r} {case.headers}: {text[:300]}")

    def _send(self, case: Case) -> tuple[int, str]:
        headers = {"Content-Type": "application/json", **case.headers}
        if self._key is not None:
            headers["Authorization"] = f"Bearer {self._key}"
        reply = self._http.post(PATH, content=case.body, headers=headers)
        return reply.status_code, reply.text

    def _send_raw(self, case: Case) -> tuple[int | None, str]:
        came = b""
        with socket.create_connection(self._address, timeout=60) as sock, contextlib.suppress(OSError):
            sock.sendall(case.body)
            # As long as it takes to be told what is wrong; an answer is not waited for.
            sock.settimeout(0.02)
            while part := sock.recv(65536):
                came += part
        head, _, text = came.decode("latin-1").partition("\r\n\r\n")
        return (int(head.split(" ")[1]), text) if head else (None, "")

    def close(self) -> None:
        """Close its connections."""
        self._http.close()


def _has_the_form(status: int, text: str) -> bool:
    if status == 200:
        return True
    try:
        error = json.loads(text)["error"]
    except (ValueError, KeyError, TypeError):
        return False
    return isinstance(error, dict) and set(error) == {"message", "type", "param", "code"}


def main() -> int:
    """Ask a server; 1 if an answer was none that a client should get."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("url", help="the root of its API, as in http://127.0.0.1:8000/v1")
    parser.add_argument("model", help="a model that it has")
    parser.add_argument("--count", type=int, default=2000, help="how many (default: 2000)")
    parser.add_argument("--seed", type=int, default=0, help="another one gives other requests")
    parser.add_argument("--limit", type=int, default=8 * 1024 * 1024, help="most bytes that it takes")
    parser.add_argument("--key-env", metavar="NAME", help="environment variable with its key")
    given = parser.parse_args()
    asker = Asker(given.url, os.environ[given.key_env] if given.key_env else None)
    for case in cases(given.model, given.count, given.seed, limit=given.limit):
        asker.ask(case)
    asker.close()
    print(f"{given.count} wrong requests, {len(asker.wrong)} wrong answers")
    for said in asker.wrong[:20]:
        print(said)
    for name, number in sorted(asker.statuses.items()):
        print(f"  {name}: {number}")
    return 1 if asker.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
