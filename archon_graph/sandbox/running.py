"""Watches over processes while they run: collects what they write, keeps to the limits, and ends them, always."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from archon_graph.sandbox.backend import Backend, Ended, Job, Process
from archon_graph.sandbox.records import Limits, Outcome, Status

_TICK = 0.05
"""Seconds between two looks at what is used, and at whether somebody wants it to end."""
_PIECE = 64 * 1024
_MEGABYTE = 1024 * 1024


class CancelledRunError(BaseException):
    """Whoever asked for the run does not want it any more."""


@dataclass
class Output:
    """What one or more streams have written, all of them together up to a limit."""

    room: int
    """How many bytes more are kept."""
    spare: int = 0
    """How many bytes more may come that are not kept."""
    parts: dict[int, bytearray] = field(default_factory=dict)
    full: bool = False
    most: int = 0

    def __post_init__(self) -> None:
        """Note how many bytes may come."""
        self.most = self.room + self.spare

    def add(self, stream: int, data: bytes) -> int:
        """Keep what there is room for; how much came, which is 0 at the end of a stream."""
        kept = data[: self.room]
        self.room -= len(kept)
        self.spare -= len(data) - len(kept)
        self.full |= self.spare < 0
        self.parts.setdefault(stream, bytearray()).extend(kept)
        return len(data)

    def text(self, stream: int) -> str:
        """What one stream has written."""
        return self.parts.get(stream, b"").decode("utf-8", errors="replace")


@dataclass
class Run:
    """One process under watch."""

    process: Process
    limits: Limits
    output: Output
    ended: Ended | None = None
    status: Status | None = None
    """Which limit it broke, if it was stopped for that."""
    detail: str = ""

    def stop_for(self, status: Status, detail: str) -> None:
        """Note which limit it broke; the first one counts."""
        if self.status is None:
            self.status, self.detail = status, detail

    def stop_for_time(self) -> None:
        """Note that the clock on the wall ended it."""
        self.stop_for("timeout", f"it took more than {self.limits.wall_seconds:g} seconds by the clock")

    def look_at_usage(self) -> None:
        """Note it if all its processes together used more than they may."""
        usage = self.process.usage()
        if usage is None:
            return
        if usage.cpu_seconds > self.limits.cpu_seconds:
            self.stop_for("timeout", f"it computed for more than {self.limits.cpu_seconds:g} seconds")
        if usage.memory_bytes > self.limits.memory_mb * _MEGABYTE:
            megabytes = self.limits.memory_mb
            self.stop_for("memory", f"its processes took more than {megabytes} MB of memory together")


@contextlib.contextmanager
def pipe() -> Iterator[list[int]]:
    """A pipe, read end and write end; closed at the end. Put -1 for an end that you closed."""
    ends = list(os.pipe())
    try:
        yield ends
    finally:
        for end in ends:
            close(end)


def close(descriptor: int) -> None:
    """Close a file descriptor, if it is one."""
    if descriptor >= 0:
        os.close(descriptor)


@contextlib.contextmanager
def started(backend: Backend, job: Job, streams: Sequence[int], output: Output) -> Iterator[Run]:
    """A job that runs while the block runs, and of which nothing is left afterwards."""
    process = backend.start(job, *streams)
    try:
        yield Run(process, job.limits, output)
    finally:
        process.stop()


class Watch:
    """Watches over processes until one of them ended, or one broke a limit.

    Args:
        runs: The processes.
        readers: For each file descriptor to read, where to put what it brings, and under which number.
        feed: A file descriptor to write to, which is closed when all is written, and what to write.
    """

    def __init__(
        self,
        runs: Sequence[Run],
        readers: Mapping[int, tuple[Output, int]],
        feed: tuple[int, bytes] | None = None,
    ) -> None:
        self._runs = runs
        self._readers = readers
        self._feed = feed
        self._next_look = 0.0

    def until(self, awaited: Run, *, seconds: float, cancel: threading.Event) -> bool:
        """Watch until ``awaited`` ended, for so many seconds at most; whether that was long enough.

        Raises:
            CancelledRunError: ``cancel`` was set.
            SandboxError: A process never came to run.
        """
        deadline = time.monotonic() + seconds
        with selectors.DefaultSelector() as selector, _fed(selector, self._feed) as feeder:
            for descriptor in self._readers:
                os.set_blocking(descriptor, False)
                selector.register(descriptor, selectors.EVENT_READ)
            for run in self._runs:
                wake = run.process.wake()
                if wake is not None:
                    selector.register(wake, selectors.EVENT_READ, data=run)
            while True:
                self._move(selector, feeder, max(0.0, min(_TICK, deadline - time.monotonic())))
                if cancel.is_set():
                    raise CancelledRunError
                if self._look(selector, awaited):
                    return True
                if time.monotonic() >= deadline:
                    return False

    def _move(self, selector: selectors.BaseSelector, feeder: _Feeder, seconds: float) -> None:
        """Read and write what can be read and written, or wait so long for something."""
        for key, _ in selector.select(seconds):
            if key.fd in self._readers:
                output, number = self._readers[key.fd]
                with contextlib.suppress(BlockingIOError):
                    if not output.add(number, os.read(key.fd, _PIECE)):
                        selector.unregister(key.fd)
            elif key.fd == feeder.descriptor:
                feeder.write()

    def _look(self, selector: selectors.BaseSelector, awaited: Run) -> bool:
        """Look at all processes; whether there is nothing more to wait for."""
        look_at_usage = time.monotonic() >= self._next_look
        for run in self._runs:
            if run.ended is None:
                run.ended = run.process.ended()
                wake = run.process.wake()
                if run.ended is not None and wake is not None:
                    selector.unregister(wake)
                elif look_at_usage:
                    run.look_at_usage()
        if look_at_usage:
            self._next_look = time.monotonic() + _TICK
        if awaited.ended is not None:
            self._read_the_rest()
        for run in self._runs:
            if run.output.full:
                run.stop_for("output", f"it wrote more than {run.output.most} bytes")
        return awaited.ended is not None or any(run.status for run in self._runs)

    def _read_the_rest(self) -> None:
        """Something may still be in the pipes, though nobody writes any more: not more than a pipe holds."""
        for descriptor, (output, number) in self._readers.items():
            with contextlib.suppress(BlockingIOError):
                while not output.full and output.add(number, os.read(descriptor, _PIECE)):
                    pass


class _Feeder:
    """Writes the program's standard input, as fast as it is read."""

    def __init__(self, selector: selectors.BaseSelector, descriptor: int, data: bytes) -> None:
        self._selector = selector
        self.descriptor = descriptor
        self._data = memoryview(data)

    def write(self) -> None:
        try:
            self._data = self._data[os.write(self.descriptor, self._data[:_PIECE]) :]
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._data = self._data[:0]
        if not self._data:
            self.end()

    def end(self) -> None:
        if self.descriptor >= 0:
            self._selector.unregister(self.descriptor)
            os.close(self.descriptor)
            self.descriptor = -1


@contextlib.contextmanager
def _fed(selector: selectors.BaseSelector, feed: tuple[int, bytes] | None) -> Iterator[_Feeder]:
    feeder = _Feeder(selector, -1, b"")
    if feed is not None:
        os.set_blocking(feed[0], False)
        selector.register(feed[0], selectors.EVENT_WRITE)
        feeder = _Feeder(selector, *feed)
    try:
        yield feeder
    finally:
        feeder.end()


def outcome(run: Run, seconds: float, *, stdout: int, stderr: int) -> Outcome:
    """How a process ended, in words; one that was still running when it was stopped did well."""
    ended = run.ended or Ended(code=0)
    status, detail = run.status, run.detail
    errors = run.output.text(stderr)
    if status is None:
        if ended.signal is not None:
            status, detail = _signalled(ended.signal)
        elif ended.code == 0:
            status = "ok"
        elif errors.rstrip().rpartition("\n")[2].startswith("MemoryError"):
            status, detail = "memory", f"it asked for more than {run.limits.memory_mb} MB of memory"
        else:
            status, detail = (
                "error",
                errors.rstrip().rpartition("\n")[2] or f"it ended with exit code {ended.code}",
            )
    return Outcome(
        status=status,
        exit_code=None if run.status else ended.code,
        stdout=run.output.text(stdout),
        stderr=errors,
        seconds=seconds,
        detail=detail,
    )


def _signalled(number: int) -> tuple[Status, str]:
    if number == signal.SIGXCPU:
        return "timeout", "it computed for more than its seconds"
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = f"signal {number}"
    return "killed", f"{name} ended it"


def run_job(backend: Backend, cancel: threading.Event, job: Job, stdin: str) -> Outcome:
    """Run one job to its end.

    Raises:
        CancelledRunError: ``cancel`` was set.
        SandboxError: It never came to run.
    """
    begin = time.monotonic()
    output = Output(job.limits.output_bytes)
    with (
        pipe() as into,
        pipe() as out,
        pipe() as err,
        started(backend, job, (into[0], out[1], err[1]), output) as run,
    ):
        for ends, ours in ((into, 1), (out, 0), (err, 0)):
            close(ends[1 - ours])
            ends[1 - ours] = -1
        feed = into[1], stdin.encode(errors="surrogatepass")
        into[1] = -1
        readers = {out[0]: (output, 1), err[0]: (output, 2)}
        if not Watch([run], readers, feed).until(run, seconds=job.limits.wall_seconds, cancel=cancel):
            run.stop_for_time()
    return outcome(run, time.monotonic() - begin, stdout=1, stderr=2)
