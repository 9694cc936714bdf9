"""An OpenAI-compatible server on loopback that fails on purpose, and keeps count of what it was asked.

`running` has it in a thread of a test, or as a process that outlives its client:

    python -m tests.faults.server --rate 0.2 --seed 1 --port-file port --count-file counts.json

``POST .../chat/completions`` answers or fails; ``GET /counts`` gives the counts, and writes them to the file.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
import socket
import struct
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.behaviour import HARMLESS, PASSING, Fate, Fault, Plan, digest_of, draws_in

_REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 429: "Too Many Requests"}
_LARGEST_HEAD = 64 * 1024


@dataclass
class Counts:
    """What a server was asked, and what became of it."""

    requests: int = 0
    """Requests that arrived whole."""
    draws: int = 0
    """Answers asked for by them: each of ``n`` counts."""
    answered: int = 0
    """Answers sent to the end, to a client that was still there."""
    gone: int = 0
    """Requests whose client hung up before it had an answer."""
    most_at_once: int = 0
    """Most requests that were under way at the same time."""
    faults: Counter[str] = field(default_factory=Counter)
    """How many requests each fault befell."""
    lost: Counter[str] = field(default_factory=Counter)
    """How many answers were asked for by the requests that it brought none, for each fault."""
    asked: Counter[str] = field(default_factory=Counter)
    """How often each body was asked for, by its digest."""
    answered_by_body: Counter[str] = field(default_factory=Counter)
    """How many requests were answered to the end, by the digest of their body."""

    @classmethod
    def from_json(cls, text: str | bytes) -> Counts:
        """The counts as ``GET /counts`` gives them."""
        data = json.loads(text)
        tables = {name: Counter(data[name]) for name in ("faults", "lost", "asked", "answered_by_body")}
        return cls(**{**data, **tables})


class _HungUpError(Exception):
    """The client is gone."""


class Service:
    """Answers connections of one event loop."""

    def __init__(self, plan: Plan, count_file: Path | None = None) -> None:
        self.plan = plan
        self.counts = Counts()
        self._under_way = 0
        self._count_file = count_file

    async def start(self) -> asyncio.Server:
        """Listen on a free port of this machine."""
        return await asyncio.start_server(self._connection, "127.0.0.1", 0, limit=_LARGEST_HEAD, backlog=2048)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._exchange(reader, writer):
                pass
        except (_HungUpError, ConnectionError, asyncio.IncompleteReadError):
            pass
        except asyncio.CancelledError:
            # The server stops; on Python 3.11 the stream protocol would report the task as failed.
            pass
        finally:
            writer.transport.abort() if writer.is_closing() else writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request and its answer; whether another one may follow on this connection."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return False
        line, *rest = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (entry.partition(":") for entry in rest)}
        raw = await reader.readexactly(int(headers.get("content-length") or 0))
        method, path, _ = line.split(" ", 2)
        if method == "GET" and path == "/counts":
            await _send(writer, Fate(None, 200, {}, self.dump()))
        elif method == "POST" and path.endswith("/chat/completions"):
            await self._complete(reader, writer, raw, headers.get("authorization", ""))
        else:
            await _send(writer, Fate(None, 404, {}, b"{}"))
        may_stay = self.plan.keep_alive and headers.get("connection", "").lower() != "close"
        return may_stay and not writer.is_closing()

    def dump(self) -> bytes:
        """The counts as JSON; written to the file too, if there is one."""
        data = json.dumps(vars(self.counts)).encode()
        if self._count_file is not None:
            self._count_file.write_bytes(data)
        return data

    async def _complete(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, raw: bytes, authorization: str
    ) -> None:
        try:
            request = json.loads(raw)
        except ValueError:
            await _send(writer, Fate(None, 400, {}, b'{"error": {"message": "not JSON"}}'))
            return
        counts, digest, draws = self.counts, digest_of(request), draws_in(request)
        fault = self.plan.fault_of(digest, counts.asked[digest])
        counts.requests += 1
        counts.draws += draws
        counts.asked[digest] += 1
        if fault is not None:
            counts.faults[fault] += 1
            counts.lost[fault] += 0 if fault in HARMLESS else draws
        self._under_way += 1
        counts.most_at_once = max(counts.most_at_once, self._under_way)
        try:
            if self.plan.latency:
                await _wait(reader, self.plan.latency)
            await _meet(reader, writer, self.plan.fate_of(request, fault, authorization))
            if fault is None or fault in HARMLESS:
                counts.answered += draws
                counts.answered_by_body[digest] += 1
        except (_HungUpError, ConnectionError):
            counts.gone += 1
            raise
        finally:
            self._under_way -= 1


async def _meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, fate: Fate) -> None:
    """Let a request meet its fate."""
    fault, body = fate.fault, fate.body
    if fault is Fault.RESET:
        _reset(writer)
    elif fault is Fault.STALL:
        await _wait(reader, None)
    elif fault in {Fault.RESET_MIDWAY, Fault.HANG_UP, Fault.STALL_MIDWAY, Fault.DRIP}:
        writer.write(_head(fate) + body[: len(body) // 2])
        await writer.drain()
        if fault is Fault.STALL_MIDWAY:
            await _wait(reader, None)
        if fault is Fault.DRIP:
            while True:
                await _wait(reader, 0.02)
                writer.write(b" ")
                await writer.drain()
        # What was sent has to be there before the end is.
        await _wait(reader, 0.005)
        if fault is Fault.RESET_MIDWAY:
            _reset(writer)
        else:
            writer.close()
    elif fault is Fault.TRICKLE:
        whole = _head(fate) + body
        step = len(whole) // 8 + 1
        for start in range(0, len(whole), step):
            if start:
                await _wait(reader, 0.005)
            writer.write(whole[start : start + step])
            await writer.drain()
    else:
        await _send(writer, fate)


async def _wait(reader: asyncio.StreamReader, seconds: float | None) -> None:
    """Wait this long, or for ever, unless the client hangs up first: it has nothing to say meanwhile."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await reader.read(1)
        raise _HungUpError


def _head(fate: Fate) -> bytes:
    # More is promised than comes where the answer has no end.
    length = 10 * len(fate.body) + 100_000 if fate.fault is Fault.DRIP else len(fate.body)
    headers = {"Content-Type": "application/json", "Content-Length": str(length), **fate.headers}
    lines = [f"HTTP/1.1 {fate.status} {_REASONS.get(fate.status, 'Error')}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


async def _send(writer: asyncio.StreamWriter, fate: Fate) -> None:
    writer.write(_head(fate) + fate.body)
    await writer.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    """End the connection with a reset in place of a good-bye."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def _serve(plan: Plan, port_file: Path, count_file: Path | None) -> None:
    service, end = Service(plan, count_file), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, end.set)
    server = await service.start()
    # Under another name first: whoever waits for the file shall never read half of it.
    unfinished = port_file.with_suffix(".new")
    unfinished.write_text(str(server.sockets[0].getsockname()[1]))
    unfinished.replace(port_file)
    await end.wait()
    service.dump()
    server.close()


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.server", description=__doc__)
    parser.add_argument("--rate", type=float, default=0.0, help="share of the requests that fail")
    parser.add_argument("--seed", type=int, default=0, help="another seed lets other requests fail")
    parser.add_argument("--kinds", default=",".join(PASSING), help="the ways to fail, separated by commas")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument("--port-file", type=Path, required=True, help="where to write the port")
    parser.add_argument("--count-file", type=Path, help="where to write the counts")
    parser.add_argument("--keep-alive", action="store_true", help="let connections serve several requests")
    given = parser.parse_args()
    kinds = tuple(Fault(kind) for kind in given.kinds.split(","))
    plan = Plan(rate=given.rate, seed=given.seed, kinds=kinds, latency=given.latency, keep_alive=given.keep_alive)
    asyncio.run(_serve(plan, given.port_file, given.count_file))


if __name__ == "__main__":
    main()
