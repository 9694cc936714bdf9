"""``Limits``: how much a run may use. ``Outcome``: how it ended."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

Status = Literal["ok", "error", "timeout", "memory", "output", "killed"]
"""How a run ended.

- ``ok``: the program came to its end with exit code 0;
- ``error``: it ended with another exit code, with an exception as a rule;
- ``timeout``: it used up its seconds, of wall clock or of CPU;
- ``memory``: it asked for more memory than it may have;
- ``output``: it wrote more than may be kept, and was stopped at that point;
- ``killed``: a signal ended it, such as a segmentation fault.
"""

_LEAST = {"memory_mb": 48, "processes": 1, "output_bytes": 0, "scratch_mb": 1}


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that one run may use, all its processes together.

    Raises:
        ValueError: A limit is too small for Python to start, or no number; all such limits are named.
    """

    wall_seconds: float = 10.0
    """By the clock on the wall."""
    cpu_seconds: float = 10.0
    """Of computing, on all cores together."""
    memory_mb: int = 512
    """Mebibytes of memory; no single process can even reserve more address space."""
    processes: int = 16
    """Processes and threads alive at one time."""
    output_bytes: int = 64 * 1024
    """Of standard output and standard error together. What comes after that is neither kept nor waited for."""
    scratch_mb: int = 64
    """Mebibytes of files in the working directory, the only place that can be written to."""

    def __post_init__(self) -> None:
        """Check every limit."""
        problems = []
        for field in fields(self):
            value = getattr(self, field.name)
            least = _LEAST.get(field.name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or value != value:  # noqa: PLR0124
                problems.append(f"{field.name} has to be a number, and is {value!r}")
            elif least is None and not 0 < value <= 86_400:
                problems.append(f"{field.name} has to lie between 0 and 86400 (a day), and is {value!r}")
            elif least is not None and (not isinstance(value, int) or value < least):
                problems.append(f"{field.name} has to be a whole number of at least {least}, and is {value!r}")
        if problems:
            raise ValueError("; ".join(problems))


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one run ended, and what it wrote."""

    status: Status
    """How it ended, in one word."""
    exit_code: int | None
    """What the program exited with; ``None`` if a signal or a limit ended it."""
    stdout: str
    """What it wrote on standard output, cut at the limit; bytes that are no UTF-8 are replaced."""
    stderr: str
    """What it wrote on standard error, in the same way."""
    seconds: float
    """Wall-clock seconds from the start to the end, set-up and clean-up included."""
    detail: str = ""
    """How it ended, in one sentence; empty if there is nothing to say."""
