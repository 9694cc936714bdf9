"""How much a server takes on: bytes and seconds of a request, runs at once, and none once it is told to end."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.types import Receive

from archon_graph.embed.server.errors import RequestError, bad_request

_LONGEST_WAIT = 60
# How much the newest request counts in the mean: about the last ten.
_NEWEST = 0.1


class ClientGoneError(Exception):
    """The client hung up: there is nobody to answer."""


class Place:
    """What one request takes of the server's capacity."""

    def __init__(self, traffic: Traffic) -> None:
        self._traffic = traffic
        self.runs = 0
        """How many runs it may make."""

    def widen(self, runs: int) -> None:
        """Take room for this many runs in all.

        Raises:
            RequestError: There is none.
        """
        self._traffic.take(self, runs - self.runs)


class Traffic:
    """Counts the runs that are under way. Lives in one event loop.

    Nothing waits in line here: a line would hide the overload until clients give up, and be answered for nobody.
    Clients are told when to come back, and those of OpenAI do.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._seconds = 1.0
        self.running = 0
        """Runs under way."""
        self.draining = False
        """Whether the server is about to end."""

    @contextmanager
    def place(self) -> Iterator[Place]:
        """Room for one run.

        Raises:
            RequestError: The server is full, or about to end.
        """
        if self.draining:
            raise RequestError(
                503, "the server is about to end; ask again", "shutting_down", None, {"Retry-After": "1"}
            )
        place = Place(self)
        place.widen(1)
        started = asyncio.get_running_loop().time()
        try:
            yield place
        finally:
            self.running -= place.runs
            took = asyncio.get_running_loop().time() - started
            self._seconds += _NEWEST * (took - self._seconds)

    def take(self, place: Place, runs: int) -> None:
        """See `Place.widen`."""
        # An idle server takes any request: it would never fit otherwise.
        if self.running > place.runs and self.running + runs > self._most:
            raise RequestError(
                429,
                "the server is busy; ask again in a moment",
                "rate_limit_exceeded",
                None,
                {"Retry-After": str(self.retry_after)},
            )
        self.running += runs
        place.runs += runs

    @property
    def retry_after(self) -> int:
        """Seconds until a place is likely to be free: with so many under way, ends come that often."""
        return max(1, min(_LONGEST_WAIT, math.ceil(self._seconds / self._most)))


async def read_body(receive: Receive, *, limit: int, seconds: float, length: str | None) -> bytes:
    """The body of a request.

    Args:
        receive: The ASGI channel.
        limit: Most bytes.
        seconds: How long it may take to arrive.
        length: The header ``Content-Length``.

    Raises:
        RequestError: It is too large (413) or too slow (408).
        ClientGoneError: It broke off.
    """
    too_large = RequestError(413, f"the request is larger than the {limit:,} bytes that this server takes")
    # What is announced is refused before it is sent.
    if length is not None and (not length.isdecimal() or len(length) > 18):
        raise bad_request("Content-Length is not a number of bytes")
    if length is not None and int(length) > limit:
        raise too_large
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(seconds):
            while True:
                event = await receive()
                if event["type"] == "http.disconnect":
                    raise ClientGoneError
                parts.append(event.get("body", b""))
                size += len(parts[-1])
                if size > limit:
                    raise too_large
                if not event.get("more_body", False):
                    return b"".join(parts)
    except TimeoutError:
        raise RequestError(408, f"the request did not arrive within {seconds:g} seconds") from None
