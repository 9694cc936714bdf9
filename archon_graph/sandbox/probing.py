"""Which backends there are, which of them works here, and whether it keeps its word: tried, not believed."""

from __future__ import annotations

import contextlib
import difflib
import json
import os
import socket
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from archon_graph.sandbox.backend import Backend, Job
from archon_graph.sandbox.bare import Bare
from archon_graph.sandbox.errors import SandboxError, SandboxUnavailableError
from archon_graph.sandbox.namespaces.host import Namespaces
from archon_graph.sandbox.records import Limits
from archon_graph.sandbox.running import run_job

AUTO = "auto"
"""The strongest isolation that works on this machine."""
UNSAFE = Bare.name
"""No isolation, in so many words."""

_lock = threading.Lock()
_backends: dict[str, Backend] = {backend.name: backend for backend in (Namespaces(), Bare())}
_probed: dict[str, Probe] = {}

# Variables that a backend may set for the program to what they are outside as well.
_HARMLESS = {"HOME", "LANG", "LC_CTYPE", "PATH", "PWD", "TMPDIR", "HOSTNAME", "SHLVL", "_"}
_HARMLESS |= {"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "PYTHONHASHSEED"}
_LIMITS = Limits(wall_seconds=20, cpu_seconds=10, memory_mb=512, processes=8, scratch_mb=4)
_TRY = Path(__file__).parent / "inside" / "try_to_escape.py"


@dataclass(frozen=True, slots=True)
class Probe:
    """What came of trying a backend."""

    backend: str
    """Its name."""
    works: bool
    """Whether it starts programs, and holds what it was tried for."""
    isolates: bool
    """Whether it says that it shuts a hostile program in."""
    facts: tuple[str, ...] = ()
    """What was tried and held."""
    problem: str = ""
    """Why it does not work, with the way out."""


def register_backend(backend: Backend) -> None:
    """Add a way to isolate. ``isolation="auto"`` tries the last one registered first; the same name replaces.

    Raises:
        TypeError: It is no backend.
        ValueError: Its name is one that has a meaning already.
    """
    if not isinstance(backend, Backend):
        raise TypeError(f"a backend has name, isolates, missing() and start(), and this is {backend!r}")
    if backend.name in (AUTO, UNSAFE, Namespaces.name):
        raise ValueError(f"the name {backend.name!r} has a meaning already; call the backend something else")
    with _lock:
        _backends.pop(backend.name, None)
        _backends[backend.name] = backend
        _probed.pop(backend.name, None)


def probe(isolation: str = AUTO) -> Probe:
    """Try a backend, or with ``"auto"`` one after the other until one works. Runs a program; remembers the result.

    Raises:
        ValueError: There is no backend of that name.
    """
    if isolation != AUTO:
        return _probe(_named(isolation))
    tried = []
    for backend in [one for one in reversed(_backends.values()) if one.isolates]:
        tried.append(_probe(backend))
        if tried[-1].works:
            return tried[-1]
    problem = "; ".join(f"{one.backend}: {one.problem}" for one in tried)
    return Probe(AUTO, works=False, isolates=False, problem=problem)


def working_backend(isolation: str) -> Backend:
    """The backend to use.

    Raises:
        SandboxUnavailableError: None works.
        ValueError: There is no backend of that name.
    """
    found = probe(isolation)
    if not found.works:
        raise SandboxUnavailableError(
            f"Code written by a model cannot be run here, because nothing shuts it in. {found.problem}. "
            "Run it in a Linux container or virtual machine that allows user namespaces, or register a backend of "
            f"your own (docs/sandbox.md). Sandbox(isolation={UNSAFE!r}) runs it with all your rights"
        )
    return _backends[found.backend]


def known_isolation(isolation: str) -> str:
    """The name, if it is one.

    Raises:
        ValueError: There is no backend of that name; the nearest one is named.
    """
    return isolation if isolation == AUTO else _named(isolation).name


def _named(name: str) -> Backend:
    if name not in _backends:
        names = [AUTO, *_backends]
        near = difflib.get_close_matches(str(name), names, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"there is no isolation {name!r}, only {', '.join(map(repr, names))}{hint}")
    return _backends[name]


def _probe(backend: Backend) -> Probe:
    with _lock:
        if backend.name not in _probed:
            _probed[backend.name] = _try(backend)
        return _probed[backend.name]


def _try(backend: Backend) -> Probe:
    missing = backend.missing()
    if missing is not None:
        return Probe(backend.name, works=False, isolates=backend.isolates, problem=missing)
    try:
        with _canary() as (secret, port):
            found = _facts(backend, secret, port)
    except (SandboxError, OSError, ValueError) as error:
        return Probe(backend.name, works=False, isolates=backend.isolates, problem=f"{error}{_hint()}")
    broken = [name for name, held in found.items() if not held]
    if broken and backend.isolates:
        problem = f"it does not keep its word: {', '.join(broken)}"
        return Probe(backend.name, works=False, isolates=True, problem=problem)
    return Probe(backend.name, works=True, isolates=backend.isolates, facts=tuple(set(found) - set(broken)))


@contextlib.contextmanager
def _canary() -> Iterator[tuple[str, int]]:
    """A file that everybody may read, and a port that anybody may connect to."""
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as server:
        Path(folder).chmod(0o755)
        secret = Path(folder, "secret")
        secret.write_text("secret")
        secret.chmod(0o644)
        yield str(secret), server.getsockname()[1]


def _facts(backend: Backend, secret: str, port: int) -> dict[str, bool]:
    arguments = ("try_to_escape.py", secret, str(port), str(os.getpid()))
    job = Job(arguments, _LIMITS, scratch={"try_to_escape.py": _TRY.read_bytes()})
    result = run_job(backend, threading.Event(), job, "")
    if result.status != "ok":
        raise SandboxError(f"{result.detail}; {result.stderr}".strip())
    seen = json.loads(result.stdout)
    strange = {
        name for name, value in seen.pop("environment").items() if os.environ.get(name) == value
    } - _HARMLESS
    processes = seen.pop("processes")
    return {
        **seen,
        "no variables of the environment": not strange,
        "few processes": processes <= _LIMITS.processes,
    }


def _hint() -> str:
    """What most often stands in the way of namespaces."""
    with contextlib.suppress(OSError):
        if Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns").read_text().strip() == "1":
            return (
                "; this system keeps user namespaces from programs that AppArmor has no profile for; "
                "allow them with: sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0"
            )
    return ""
