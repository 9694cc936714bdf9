"""Asks processes that can be killed whether two expressions are equal, from any thread and any event loop.

A library for mathematics can be made to think for years with a dozen characters, within a single operation that
no signal handler and no thread can interrupt. So each comparison runs in another process, with a limit on the
processor time it takes; a few such processes are kept and used again, since starting one takes about a second.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

from archon_graph.models import ConfigurationError, MissingExtraError

Verdict = Literal["equal", "different", "nothing-found", "unreadable-gold", "limit", "clock", "crash"]
"""What came of a comparison: an answer to it; ``limit``: it took too much processor time; ``clock``: the machine
did not give it that time; ``crash``: the process died. The last three are about the answer, not the gold."""

_WORKER = Path(__file__).with_name("_math_worker.py")
_START_SECONDS = 120.0
# Time on the clock for one second of processor time: how much slower a machine may be that does other things too.
_PATIENCE = 12.0
_HAS_TIMER = hasattr(signal, "setitimer")
# What a Python process needs of its surroundings. No key reaches a process that reads what a model wrote.
_ENVIRONMENT = frozenset(
    {
        "LANG",
        "LD_LIBRARY_PATH",
        "PATH",
        "PYTHONHOME",
        "PYTHONPATH",
        "SYSTEMROOT",
        "TEMP",
        "TMP",
        "TMPDIR",
        "WINDIR",
    }
)


async def compare(gold: str, answer: str, *, seconds: float) -> Verdict:
    """Whether two texts hold equal mathematics.

    Args:
        gold: The right answer, in LaTeX with its delimiters.
        answer: The text of an answer.
        seconds: Most processor time for reading each, and for comparing them.

    Raises:
        MissingExtraError: math-verify is not installed.
        ConfigurationError: It is installed and cannot be loaded.
    """
    require_math_verify()
    return await asyncio.get_running_loop().run_in_executor(_threads(), _compare, gold, answer, seconds)


@cache
def require_math_verify() -> None:
    """Make sure that math-verify is installed.

    Raises:
        MissingExtraError: It is not.
    """
    if importlib.util.find_spec("math_verify") is None:
        raise MissingExtraError("comparing mathematics", "math")


class _Process:
    """One worker. Used by one thread at a time."""

    _all: Final[weakref.WeakSet[_Process]] = weakref.WeakSet()

    def __init__(self) -> None:
        self._process = subprocess.Popen(  # noqa: S603  our own interpreter and our own file
            # -P: this folder's files must not stand in for modules of the standard library.
            [sys.executable, "-P", str(_WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
            env={key: value for key, value in os.environ.items() if key.upper() in _ENVIRONMENT},
        )
        self._all.add(self)
        said = self._next(_START_SECONDS)
        if said is None or "failed" in said:
            reason = "its process ended, or did not start in time" if said is None else said["failed"]
            self.kill()
            raise ConfigurationError(
                f"math-verify is installed and cannot be loaded: {reason}; install it again with: "
                "pip install --force-reinstall 'archon-graph[math]'"
            )

    def compare(self, gold: str, answer: str, seconds: float) -> Verdict:
        """One comparison. Unless it ends with an answer, the process is gone after it."""
        asked = json.dumps({"gold": gold, "answer": answer, "seconds": seconds})
        stdin = self._process.stdin
        try:
            assert stdin is not None  # noqa: S101  it is a pipe
            stdin.write(asked + "\n")
            stdin.flush()
        except OSError:
            self.kill()
            return "crash"
        said = self._next(seconds * _PATIENCE)
        if said is None:
            ended = self._end()
            return "unreadable-gold" if ended == "limit" else ended
        if not said["gold"]:
            self._next(seconds * _PATIENCE)
            return "unreadable-gold"
        said = self._next(seconds * _PATIENCE)
        if said is None:
            return self._end()
        return "equal" if said["equal"] else "different" if said["found"] else "nothing-found"

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        """End the process, and close what leads to it."""
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        self._process.wait()

    def _next(self, seconds: float) -> dict[str, Any] | None:
        """The next line it says; ``None`` if it ended, or was killed because it took too long."""
        self._late = False
        timer = threading.Timer(seconds, self._stop)
        timer.daemon = True
        timer.start()
        try:
            assert self._process.stdout is not None  # noqa: S101  it is a pipe
            line = self._process.stdout.readline()
        finally:
            timer.cancel()
        return json.loads(line) if line.endswith("\n") else None

    def _stop(self) -> None:
        self._late = True
        self._process.kill()

    def _end(self) -> Literal["limit", "clock", "crash"]:
        """Why it ended."""
        code = self._process.wait()
        self.kill()
        if self._late:
            return "clock" if _HAS_TIMER else "limit"
        return "limit" if _HAS_TIMER and code == -signal.SIGPROF else "crash"


_here = threading.local()


def _compare(gold: str, answer: str, seconds: float) -> Verdict:
    """One comparison, in this thread's own process; once more if that process died of something else."""
    verdict: Verdict = "crash"
    for _ in range(2):
        process: _Process | None = getattr(_here, "process", None)
        if process is None or not process.alive:
            if process is not None:
                process.kill()
            process = _here.process = _Process()
        verdict = process.compare(gold, answer, seconds)
        if verdict not in ("crash", "clock"):
            break
    return verdict


@cache
def _threads() -> ThreadPoolExecutor:
    """As many threads as processes. They only wait, and are not the event loop's own: those have other work."""
    size = max(1, min(4, os.cpu_count() or 1))
    atexit.register(_kill_all)
    return ThreadPoolExecutor(max_workers=size, thread_name_prefix="archon-graph-math")


def _kill_all() -> None:
    for process in [*_Process._all]:  # noqa: SLF001  our own
        process.kill()
