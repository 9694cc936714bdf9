"""``Backend``: a way to run a job apart from everything else; and the table of those that there are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from archon_graph.sandbox.records import Limits


@dataclass(frozen=True, slots=True)
class Job:
    """One Python process to start."""

    arguments: tuple[str, ...]
    """What to call Python with; it starts in the working directory."""
    limits: Limits
    scratch: Mapping[str, bytes] = field(default_factory=dict)
    """Files to put into the working directory beforehand, by relative path."""
    boot: Mapping[str, bytes] = field(default_factory=dict)
    """Files to put where Python finds modules, and the program can change nothing; by relative path."""
    packages: tuple[str, ...] = ()
    """Folders with installed packages to show, read-only, and to put on Python's path."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended."""

    code: int | None = None
    """Its exit code."""
    signal: int | None = None
    """The signal that ended it instead."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process and all its descendants have used until now."""

    cpu_seconds: float
    memory_bytes: int


class Process(Protocol):
    """A job that was started."""

    def wake(self) -> int | None:
        """A file descriptor that becomes readable when the process ended, or ``None`` if it has to be asked."""

    def ended(self) -> Ended | None:
        """How the process ended; ``None`` while it is running.

        Raises:
            SandboxError: It never came to run.
        """

    def usage(self) -> Usage | None:
        """What it has used; ``None`` if this cannot be known. Called about twenty times a second."""

    def stop(self) -> None:
        """End every process of the job, remove its files, and come back when nothing is left. Called once."""


@runtime_checkable
class Backend(Protocol):
    """A way to run a job apart from everything else.

    A backend keeps to the limits of `Job.limits` but for those on wall-clock time and output, which the sandbox
    keeps to; limits on CPU and memory over all processes together it may leave to the sandbox, by `Process.usage`.
    """

    name: str
    """What it is called in ``Sandbox(isolation=...)``."""
    isolates: bool
    """Whether a hostile program can do no harm under it. One that does not is never chosen by itself."""

    def missing(self) -> str | None:
        """What is missing on this machine, in one sentence with the way out; ``None`` if nothing is. Quick."""

    def start(self, job: Job, stdin: int, stdout: int, stderr: int) -> Process:
        """Start the job with these file descriptors as its standard streams; they stay the caller's to close.

        Raises:
            SandboxError: It could not be started.
        """
