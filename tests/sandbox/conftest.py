"""A sandbox for all tests, and a look at the machine after each of them."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from archon_graph.sandbox import Limits, Sandbox
from archon_graph.sandbox.namespaces.host import Namespaces

TIGHT = Limits(wall_seconds=4, cpu_seconds=2, memory_mb=160, processes=6, output_bytes=4096, scratch_mb=4)
"""Enough for what the tests do, and little enough that others on the machine notice nothing."""

SHORT = replace(TIGHT, wall_seconds=1.5, cpu_seconds=0.6)
"""For programs that never come to an end by themselves."""


def _why_not() -> str | None:
    """Why there cannot be a sandbox here, found out by other means: a broken sandbox must not skip its tests."""
    if (missing := Namespaces().missing()) is not None:
        return missing
    command = [
        "unshare",
        "--user",
        "--map-root-user",
        "--mount",
        "--pid",
        "--net",
        "--fork",
        "mount",
        "-t",
        "tmpfs",
    ]
    if shutil.which("unshare") is None:
        return None
    over = "/tmp"  # noqa: S108 - nothing is written there
    done = subprocess.run([*command, "none", over], capture_output=True, text=True, check=False)
    return None if done.returncode == 0 else f"namespaces are not allowed here: {done.stderr.strip()}"


works_here = pytest.mark.skipif(_why_not() is not None, reason=str(_why_not()))


@pytest.fixture(scope="session")
def sandbox() -> Sandbox:
    """Runs one program at a time."""
    return Sandbox(concurrency=1)


@pytest.fixture
def nothing_left() -> Iterator[None]:
    """No process and no open file of a run is left when the test is over."""
    files = open_files()
    yield
    assert children() == []
    assert open_files() == files


@pytest.fixture(autouse=True)
def from_here_on() -> None:
    """Other tests leave helpers behind that live as long as the process: a scorer's worker, a local model."""
    _before.clear()
    _before.update(_all_children())


_before: set[str] = set()


def children() -> list[str]:
    """The processes that this test has started and that are still there, zombies included."""
    return [each for each in _all_children() if each not in _before]


def _all_children() -> list[str]:
    found: list[str] = []
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):  # a thread that has just ended
            found += (task / "children").read_text().split()
    return found


def open_files() -> list[str]:
    """What this process has open, but for what looking at it opens."""
    return sorted(str(entry.readlink()) for entry in Path("/proc/self/fd").iterdir() if entry.exists())


def until(done: Callable[[], object], seconds: float = 10.0) -> bool:
    """Wait for something to become true."""
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True
