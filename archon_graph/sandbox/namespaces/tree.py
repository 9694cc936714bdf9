"""What the processes below one process have used until now, as ``/proc`` tells it."""

from __future__ import annotations

import os
from pathlib import Path

from archon_graph.sandbox.backend import Usage

_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
_KIBIBYTE = 1024
_SIMPLE = ("RssAnon:", "RssShmem:", "VmSwap:")
_SHARED = ("Pss_Anon:", "Pss_Shmem:", "SwapPss:")


def usage_below(process: int, *, limit_bytes: int) -> Usage | None:
    """CPU seconds of what runs below ``process``, its dead included, and the memory of what lives.

    Memory that a fork shares is counted once if the plain sum, which is cheaper, is above the limit.
    ``None`` if the kernel does not tell who is whose child.
    """
    try:
        init = _children(process)
        below = [child for first in init for child in _descendants(first)]
        ticks = sum(map(_ticks, (*init, *below)))
        memory = sum(_memory(one, "status", _SIMPLE) for one in below)
        if memory > limit_bytes:
            memory = sum(_memory(one, "smaps_rollup", _SHARED) for one in below)
    except FileNotFoundError:
        return None
    return Usage(ticks / _TICKS, memory)


def _descendants(process: int) -> list[int]:
    found = _children(process)
    for one in found:
        found += _children(one)  # grows while it is walked
    return found


def _children(process: int) -> list[int]:
    children: list[int] = []
    folder = Path(f"/proc/{process}/task")
    try:
        for task in folder.iterdir():
            try:
                children += map(int, (task / "children").read_text().split())
            except (FileNotFoundError, ProcessLookupError):
                if task.exists():
                    raise
    except (FileNotFoundError, ProcessLookupError):
        if folder.exists():
            raise FileNotFoundError(folder) from None
    return children


def _ticks(process: int) -> int:
    try:
        text = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return 0  # it died meanwhile, and counts with its parent from now on
    # The name in parentheses may hold anything; utime, stime, cutime and cstime are fields 14 to 17.
    return sum(map(int, text.rpartition(")")[2].split()[11:15]))


def _memory(process: int, name: str, lines: tuple[str, ...]) -> int:
    try:
        text = Path(f"/proc/{process}/{name}").read_text()
    except PermissionError:
        return _memory(process, "status", _SIMPLE)
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith(lines)) * _KIBIBYTE
