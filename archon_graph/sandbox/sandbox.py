"""``Sandbox``: where code written by a model may run."""

from __future__ import annotations

import asyncio
import os
import sysconfig
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from archon_graph.sandbox.backend import Backend, Job
from archon_graph.sandbox.probing import AUTO, known_isolation, working_backend
from archon_graph.sandbox.records import Limits, Outcome
from archon_graph.sandbox.running import run_job

T = TypeVar("T")
Work = Callable[[Backend, threading.Event], T]
_PROGRAM = "program.py"


class Sandbox:
    """Runs Python programs apart from everything else, a few at a time.

    A sandbox holds nothing but a few threads; each run gets processes, a working directory and limits of its own,
    and leaves nothing behind, however it ends. It may be used from several threads and event loops, and pickled.

    Args:
        isolation: ``"auto"`` for the strongest that works here, the name of a backend, or
            ``"none-and-I-accept-the-risk"``.
        packages: Folders with installed packages that programs may import, shown to them read-only;
            `installed_packages` names those of this environment. By default there is the standard library alone.
        concurrency: Most runs at one time; one for each core by default.

    Raises:
        ValueError: There is no such isolation or no such folder, or ``concurrency`` is less than 1.
    """

    def __init__(
        self, isolation: str = AUTO, *, packages: Sequence[str | Path] = (), concurrency: int | None = None
    ) -> None:
        self.isolation = known_isolation(isolation)
        self.packages = tuple(str(Path(folder).resolve()) for folder in packages)
        lost = [folder for folder in self.packages if not Path(folder).is_dir()]
        if lost:
            raise ValueError(f"packages names folders that are not there: {', '.join(lost)}")
        self.concurrency = (os.cpu_count() or 1) if concurrency is None else concurrency
        if self.concurrency < 1:
            raise ValueError(f"concurrency has to be at least 1, and is {concurrency}")
        self._lock = threading.Lock()
        self._threads: tuple[int, ThreadPoolExecutor] | None = None

    def __repr__(self) -> str:
        return f"Sandbox({self.isolation!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        """What makes an equal one; threads do not travel."""
        return _make, (self.isolation, self.packages, self.concurrency)

    async def run_python(
        self,
        source: str,
        *,
        stdin: str = "",
        files: Mapping[str, str] | None = None,
        limits: Limits | None = None,
    ) -> Outcome:
        """Run a program, as ``python program.py`` would.

        Cancelled, it comes back when no process and no file of the run is left.

        Args:
            source: The program.
            stdin: What it finds on standard input.
            files: Files in its working directory, by relative path; modules among them can be imported.
            limits: The most it may use; ``Limits()`` by default.

        Returns:
            How it ended, and what it wrote.

        Raises:
            SandboxUnavailableError: Nothing on this machine isolates.
            SandboxError: The sandbox broke, and the program was perhaps never run.
            ValueError: A name in ``files`` is no relative path.
        """
        return await self.in_turn(self._program(source, stdin, files, limits))

    def run_python_sync(
        self,
        source: str,
        *,
        stdin: str = "",
        files: Mapping[str, str] | None = None,
        limits: Limits | None = None,
    ) -> Outcome:
        """As `run_python`, for code without an event loop."""
        return self.in_turn_sync(self._program(source, stdin, files, limits))

    def _program(
        self, source: str, stdin: str, files: Mapping[str, str] | None, limits: Limits | None
    ) -> Work[Outcome]:
        scratch = {**scratch_files(files or {}), _PROGRAM: as_bytes(source)}
        job = Job((_PROGRAM,), limits or Limits(), scratch=scratch, packages=self.packages)
        return lambda backend, cancel: run_job(backend, cancel, job, stdin)

    async def in_turn(self, work: Work[T]) -> T:
        """Do some work in a thread when its turn comes, given the backend, and a sign to stop.

        Raises:
            SandboxUnavailableError: Nothing on this machine isolates.
        """
        cancel = threading.Event()
        future = self._submit(work, cancel)
        waiting = asyncio.wrap_future(future)
        try:
            return await asyncio.shield(waiting)
        except asyncio.CancelledError:
            cancel.set()
            if not future.cancel():
                await _until_done(waiting)
            raise

    def in_turn_sync(self, work: Work[T]) -> T:
        """As `in_turn`, waiting in this thread."""
        cancel = threading.Event()
        future = self._submit(work, cancel)
        try:
            return future.result()
        except BaseException:
            # Ctrl-C, as a rule: nothing may be left running behind the user's back.
            cancel.set()
            if not future.cancel():
                future.exception()
            raise

    def _submit(self, work: Work[T], cancel: threading.Event) -> Future[T]:
        def turn() -> T:
            return work(working_backend(self.isolation), cancel)

        with self._lock:
            # Threads do not survive a fork, and the pool in the child would wait for them for ever.
            if self._threads is None or self._threads[0] != os.getpid():
                pool = ThreadPoolExecutor(self.concurrency, thread_name_prefix="archon-graph-sandbox")
                self._threads = os.getpid(), pool
            return self._threads[1].submit(turn)


async def _until_done(waiting: asyncio.Future[Any]) -> None:
    """Wait, whoever cancels meanwhile: the end is some milliseconds away, and it is the end of processes."""
    while not waiting.done():
        try:
            await asyncio.wait({waiting})
        except asyncio.CancelledError:
            continue
    if not waiting.cancelled():
        waiting.exception()  # looked at, so that nobody reports it as overlooked


def _make(isolation: str, packages: Sequence[str], concurrency: int) -> Sandbox:
    return Sandbox(isolation, packages=packages, concurrency=concurrency)


_default_lock = threading.Lock()
_default: list[Sandbox] = []


def default_sandbox() -> Sandbox:
    """The sandbox of whoever has no other: one for the process, so that its ``concurrency`` holds for all."""
    with _default_lock:
        if not _default:
            _default.append(Sandbox())
        return _default[0]


def set_default_sandbox(sandbox: Sandbox | None) -> None:
    """Have everybody who has no other use this sandbox; ``None`` for one like at the beginning.

    This is also where no isolation is chosen for a whole program. No file can choose it, since files come from
    others, too.
    """
    with _default_lock:
        _default[:] = [] if sandbox is None else [sandbox]


def installed_packages() -> tuple[str, ...]:
    """The folders with the packages of this environment, for ``Sandbox(packages=...)``."""
    return tuple(dict.fromkeys(sysconfig.get_path(name) for name in ("purelib", "platlib")))


def as_bytes(text: str) -> bytes:
    """A file's content; half characters, which UTF-8 has no form for, are left to Python to complain about."""
    return text.encode("utf-8", errors="surrogatepass")


def scratch_files(files: Mapping[str, str]) -> dict[str, bytes]:
    """Files for the working directory.

    Raises:
        ValueError: A name is no relative path within it.
    """
    for name in files:
        path = PurePosixPath(name)
        if not path.parts or path.is_absolute() or ".." in path.parts or "\0" in name:
            raise ValueError(f"files: {name!r} has to be a relative path, such as 'data/table.csv'")
    return {name: as_bytes(content) for name, content in files.items()}
