"""``Namespaces``: the backend that asks nothing but a Linux kernel that lets users have namespaces."""

from __future__ import annotations

import binascii
import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from archon_graph.sandbox.backend import Ended, Job, Usage
from archon_graph.sandbox.errors import SandboxError
from archon_graph.sandbox.namespaces import seccomp
from archon_graph.sandbox.namespaces.tree import usage_below
from archon_graph.sandbox.python_files import python_files

_FIRST_KERNEL = (5, 14)
"""Counts processes for each namespace apart, so that a limit on them means something; knows mount_setattr."""

_PACKAGE = Path(__file__).parent.parent
# The launcher's own modules, and nothing else of ours: importing the whole of archon-graph takes a second.
_LAUNCH = f"""
import sys, types
for name, folder in (("archon_graph", {str(_PACKAGE.parent)!r}), ("archon_graph.sandbox", {str(_PACKAGE)!r})):
    module = sys.modules[name] = types.ModuleType(name)
    module.__path__ = [folder]
from archon_graph.sandbox.namespaces.launcher import main
main(*map(int, sys.argv[1:]))
"""
_ENVIRONMENT = {
    "HOME": "/scratch",
    "TMPDIR": "/scratch",
    "LANG": "C.UTF-8",
    # The same program has the same outcome: the order in sets depends on this.
    "PYTHONHASHSEED": "0",
    # Numerical libraries start a thread for each core of the machine, and the limit on processes counts those.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}
_MEGABYTE = 1024 * 1024


class Namespaces:
    """Runs a job in Linux namespaces of its own; see ``docs/design/sandbox.md`` for what that shuts out."""

    name = "namespaces"
    isolates = True

    def missing(self) -> str | None:
        """What is missing on this machine; ``None`` if nothing is known to be."""
        if not sys.platform.startswith("linux"):
            return f"namespaces are a thing of Linux, and this is {sys.platform}; use a container with Linux in it"
        kernel = tuple(map(int, re.findall(r"\d+", os.uname().release)[:2]))
        if kernel < _FIRST_KERNEL:
            return f"Linux 5.14 or newer is needed, and this is {os.uname().release}"
        if not seccomp.known_machine():
            return f"the filter for system calls knows x86_64 and aarch64, and this is {os.uname().machine}"
        with contextlib.suppress(OSError):
            if Path("/proc/sys/user/max_user_namespaces").read_text().strip() == "0":
                return (
                    "user namespaces are switched off; switch them on with: sysctl user.max_user_namespaces=1000"
                )
        return None

    def start(self, job: Job, stdin: int, stdout: int, stderr: int) -> _Launched:
        """Start the launcher, which starts the program.

        Raises:
            SandboxError: No process could be started.
        """
        with contextlib.ExitStack() as ours:
            file = os.memfd_create("archon-graph-job")
            ours.callback(os.close, file)
            os.write(file, _written(job))
            os.lseek(file, 0, os.SEEK_SET)
            lifeline, hold = os.pipe()
            ours.callback(os.close, lifeline)
            result, status = os.pipe()
            ours.callback(os.close, status)
            python = [python_files().executable, "-I", "-S", "-c", _LAUNCH]
            passed = (file, lifeline, status)
            try:
                process = subprocess.Popen(  # noqa: S603 - our own launcher
                    [*python, *map(str, passed)],
                    stdin=stdin,
                    stdout=stdout,
                    stderr=stderr,
                    pass_fds=passed,
                    env={},
                    cwd="/",
                    start_new_session=True,
                )
            except OSError as error:
                os.close(hold)
                os.close(result)
                raise SandboxError(f"the sandbox's launcher could not be started: {error}") from error
        return _Launched(process, hold, result, memory=job.limits.memory_mb * _MEGABYTE)


class _Launched:
    def __init__(self, process: subprocess.Popen[bytes], hold: int, result: int, memory: int) -> None:
        self._process = process
        self._hold: int | None = hold
        self._result = result
        self._memory = memory
        self._wake = os.pidfd_open(process.pid)
        self._ended: Ended | None = None

    def wake(self) -> int | None:
        return self._wake

    def ended(self) -> Ended | None:
        if self._ended is None and self._process.poll() is not None:
            # Every process that could write into the pipe is dead, so all there will be is there.
            text = b"".join(iter(lambda: os.read(self._result, 4096), b"")).decode()
            self._ended = _read(text.splitlines(), self._process.returncode)
        return self._ended

    def usage(self) -> Usage | None:
        return usage_below(self._process.pid, limit_bytes=self._memory)

    def stop(self) -> None:
        if self._hold is not None:
            os.close(self._hold)
            self._hold = None
            self._process.wait()
            os.close(self._wake)
            os.close(self._result)


def _read(lines: list[str], code: int) -> Ended:
    messages = [json.loads(line) for line in lines]
    failures = [message["failed"] for message in messages if "failed" in message]
    if failures:
        raise SandboxError(f"the sandbox could not be set up: {failures[0]}")
    if not messages and code > 0:
        raise SandboxError(f"the sandbox's launcher ended with exit code {code}")
    if not messages:
        return Ended(signal=9)  # the init was killed before it could say a word
    return Ended(code=messages[-1].get("exit"), signal=messages[-1].get("signal"))


def _written(job: Job) -> bytes:
    files = python_files()
    path = ":".join(["/boot", *job.packages])
    limits = {name: getattr(job.limits, name) for name in ("cpu_seconds", "memory_mb", "processes", "scratch_mb")}
    written = {
        "links": files.links,
        "shown": files.shown,
        "hidden": [folder for folder in files.hidden if folder not in job.packages],
        "packages": job.packages,
        # No site, no user's packages, no bytecode written; text is UTF-8 whatever the machine says.
        "argv": [files.executable, "-S", "-s", "-B", "-X", "utf8", *job.arguments],
        "environment": {**_ENVIRONMENT, "PYTHONPATH": path},
        "limits": limits,
        "boot": _encoded(job.boot),
        "scratch": _encoded(job.scratch),
    }
    return json.dumps(written).encode()


def _encoded(files: Mapping[str, bytes]) -> dict[str, str]:
    return {name: binascii.b2a_base64(content, newline=False).decode() for name, content in files.items()}
