"""What the server that fails on purpose says: good answers, and every way to fail.

All of it is a function of the request: the answer of the body alone, the fault of a seed, the body, and how
often that body has been asked. So a run is the same in whatever order its calls arrive.
"""

from __future__ import annotations

import enum
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from tests.replies import good_reply


class Fault(enum.StrEnum):
    """A way to fail."""

    RATE_LIMIT = "rate-limit"
    """429 that says in seconds when to try again."""
    RATE_LIMIT_MS = "rate-limit-ms"
    """The same in milliseconds."""
    SERVER_ERROR = "server-error"
    """500."""
    UNAVAILABLE = "unavailable"
    """503, and nothing else."""
    ERROR_INSIDE = "error-inside"
    """200, and an error of a provider behind this one in the body, as routers send it."""
    RESET = "reset"
    """The connection is reset before the answer begins."""
    RESET_MIDWAY = "reset-midway"
    """The connection is reset in the middle of the answer."""
    HANG_UP = "hang-up"
    """The connection is closed in the middle of the answer, as if it had ended."""
    STALL = "stall"
    """No answer ever comes; the client has to hang up."""
    STALL_MIDWAY = "stall-midway"
    """The answer begins and never goes on."""
    DRIP = "drip"
    """A byte now and then, without end: no single read takes long."""
    TRUNCATED = "truncated"
    """JSON that ends in the middle, sent as if it were whole."""
    EMPTY = "empty"
    """200 without a body."""
    NO_CHOICES = "no-choices"
    """An answer without an answer in it."""
    NO_MESSAGE = "no-message"
    """A choice without a message."""
    CONTENT_NUMBER = "content-number"
    """A number where the text should be."""
    CHOICES_OBJECT = "choices-object"
    """An object where the list of choices should be."""
    USAGE_TEXT = "usage-text"
    """Words where the numbers of tokens should be; the answer itself is whole."""
    PAGE = "page"
    """200 and a web page, as a proxy sends it."""
    TRICKLE = "trickle"
    """The whole answer, in small pieces: slow, and no failure."""
    QUOTA = "quota"
    """429 because the account is empty: trying again is of no use. Only where it is asked for."""
    BAD_KEY = "bad-key"
    """401. Only where it is asked for."""


PASSING = tuple(fault for fault in Fault if fault not in {Fault.QUOTA, Fault.BAD_KEY})
"""The faults that befall a call by chance."""

HARMLESS = frozenset({Fault.TRICKLE, Fault.USAGE_TEXT})
"""Faults that bring an answer all the same."""

SILENT = frozenset({Fault.STALL, Fault.STALL_MIDWAY, Fault.DRIP})
"""Faults that end only when the client has had enough."""


class Fate(NamedTuple):
    """What becomes of one request."""

    fault: Fault | None
    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How a server behaves."""

    rate: float = 0.0
    """Share of the requests that fail."""
    seed: int = 0
    """Another seed lets other requests fail."""
    kinds: tuple[Fault, ...] = PASSING
    """The ways to fail, all equally often."""
    latency: float = 0.0
    """Seconds before each answer."""
    relents_after: int | None = None
    """How often the same body can fail; ``None`` for any number of times."""
    retry_after: float = 0.05
    """Seconds that a client is told to wait."""
    keep_alive: bool = False
    """Whether several requests may come on one connection; otherwise none outlives the event loop of its test."""
    echo_key: bool = False
    """Whether errors and headers repeat the caller's key, as careless providers do."""

    def fault_of(self, digest: str, earlier: int) -> Fault | None:
        """How a request fails; ``None`` if it does not.

        Args:
            digest: Of the request's body.
            earlier: How often the same body was asked before.
        """
        if self.relents_after is not None and earlier >= self.relents_after:
            return None
        drawn = hashlib.blake2b(f"{self.seed}:{digest}:{earlier}".encode(), digest_size=16).digest()
        if int.from_bytes(drawn[:8]) >= self.rate * 2**64:
            return None
        return self.kinds[int.from_bytes(drawn[8:]) % len(self.kinds)]

    def fate_of(self, request: Mapping[str, Any], fault: Fault | None, authorization: str = "") -> Fate:
        """What goes back."""
        said = f" for {authorization}" if self.echo_key else ""
        headers = {"x-request-id": "r-1"}
        if not self.keep_alive:
            headers["Connection"] = "close"
        if self.echo_key:
            headers["x-authorization"] = authorization
        if fault in {Fault.RATE_LIMIT, Fault.RATE_LIMIT_MS}:
            wait = {"Retry-After": f"{self.retry_after:g}"}
            if fault is Fault.RATE_LIMIT_MS:
                wait = {"retry-after-ms": f"{1000 * self.retry_after:g}"}
            return Fate(fault, 429, headers | wait, _error(f"slow down{said}", "rate_limit_exceeded"))
        if fault is Fault.QUOTA:
            return Fate(fault, 429, headers, _error(f"the account is empty{said}", "insufficient_quota"))
        if fault is Fault.BAD_KEY:
            return Fate(fault, 401, headers, _error(f"no such key{said}", "invalid_api_key"))
        if fault is Fault.SERVER_ERROR:
            return Fate(fault, 500, headers, _error(f"something broke{said}", "server_error"))
        if fault is Fault.UNAVAILABLE:
            return Fate(fault, 503, headers, said.encode())
        if fault is Fault.ERROR_INSIDE:
            return Fate(fault, 200, headers, _error(f"the provider behind is down{said}", 502))
        if fault is Fault.PAGE:
            page = f"<!doctype html><html><body><h1>Welcome{said}</h1>{'<p>Log in.</p>' * 40}</body></html>"
            return Fate(fault, 200, headers | {"Content-Type": "text/html; charset=utf-8"}, page.encode())
        if fault is Fault.EMPTY:
            return Fate(fault, 200, headers, b"")
        body = _encoded(_spoilt(completion(request), fault), stream=bool(request.get("stream")))
        if request.get("stream"):
            headers = headers | {"Content-Type": "text/event-stream"}
        return Fate(fault, 200, headers, body[: 2 * len(body) // 3] if fault is Fault.TRUNCATED else body)


def digest_of(request: Mapping[str, Any]) -> str:
    """What tells one request's body from another: its content, however it was written down."""
    canonical = json.dumps(request, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(canonical.encode(), digest_size=12).hexdigest()


def draws_in(request: Mapping[str, Any]) -> int:
    """How many answers a request asks for."""
    return int(request.get("n") or 1)


def completion(request: Mapping[str, Any]) -> dict[str, Any]:
    """The good answer to a request: of the form asked for, and the same whenever it is asked."""
    digest = digest_of({key: value for key, value in request.items() if key not in {"n", "stream"}})
    prompt = _prompt(request["messages"])
    texts = [_text(request, prompt, digest, place) for place in range(draws_in(request))]
    sent, received = len(prompt.split()), sum(len(text.split()) for text in texts)
    return {
        "id": f"c-{digest}",
        "object": "chat.completion",
        "created": 1,
        "model": request["model"],
        "choices": [
            {"index": place, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
            for place, text in enumerate(texts)
        ],
        "usage": {"prompt_tokens": sent, "completion_tokens": received, "total_tokens": sent + received},
    }


class _Asked(NamedTuple):
    """A request as `good_reply` reads it."""

    prompt: str
    sample: int
    schema: Mapping[str, Any] | None


def _text(request: Mapping[str, Any], prompt: str, digest: str, place: int) -> str:
    form = (request.get("response_format") or {}).get("json_schema") or {}
    drawn = hashlib.blake2b(f"{digest}:{place}".encode(), digest_size=8).hexdigest()
    reply = good_reply(_Asked(prompt, int(drawn, 16), form.get("schema")))  # type: ignore[arg-type]
    return f"I find {drawn}.\n{reply}" if isinstance(reply, str) else json.dumps(reply)


def _prompt(messages: list[dict[str, Any]]) -> str:
    """The text of a conversation, also where it is given in blocks."""
    contents = [message.get("content") or "" for message in messages]
    return "\n".join(
        content if isinstance(content, str) else "\n".join(block.get("text", "") for block in content)
        for content in contents
    )


def _spoilt(answer: dict[str, Any], fault: Fault | None) -> dict[str, Any]:
    """The answer with what is wrong with it, where the fault lies in its content."""
    if fault is Fault.NO_CHOICES:
        answer["choices"] = []
    elif fault is Fault.CHOICES_OBJECT:
        answer["choices"] = {"0": answer["choices"][0]}
    elif fault is Fault.USAGE_TEXT:
        answer["usage"] = dict.fromkeys(answer["usage"], "a few")
    elif fault is Fault.NO_MESSAGE:
        for choice in answer["choices"]:
            choice["message"] = None
    elif fault is Fault.CONTENT_NUMBER:
        for choice in answer["choices"]:
            choice["message"]["content"] = 42
    return answer


def _encoded(answer: dict[str, Any], *, stream: bool) -> bytes:
    if not stream:
        return json.dumps(answer).encode()
    shared = {key: answer[key] for key in ("id", "created", "model")} | {"object": "chat.completion.chunk"}
    choices = answer["choices"]
    if isinstance(choices, list):
        choices = [{**choice, "delta": choice["message"]} for choice in choices]
    events = [{**shared, "choices": choices}, {**shared, "choices": [], "usage": answer["usage"]}]
    return b"".join(b"data: %s\n\n" % json.dumps(event).encode() for event in events) + b"data: [DONE]\n\n"


def _error(message: str, code: str | int) -> bytes:
    return json.dumps({"error": {"message": message, "type": "error", "param": None, "code": code}}).encode()
