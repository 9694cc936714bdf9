"""``Bare``: no isolation at all, for users who said in so many words that they want none."""

from __future__ import annotations

import contextlib
import math
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from archon_graph.sandbox.backend import Ended, Job, Usage
from archon_graph.sandbox.errors import SandboxError
from archon_graph.sandbox.python_files import python_files

_MEGABYTE = 1024 * 1024
_RUN = """
import os, resource, sys
for kind, amount in zip(sys.argv[1:8:2], sys.argv[2:9:2]):
    try:
        resource.setrlimit(getattr(resource, kind), (int(amount), int(amount)))
    except (AttributeError, ValueError, OSError):
        pass
os.execv(sys.executable, [sys.executable, *sys.argv[9:]])
"""


class Bare:
    """Runs a job as an ordinary process of the user: it can read and change whatever the user can.

    What is left of the sandbox: an empty environment, a working directory that is removed afterwards, limits on
    memory, CPU time, file size and output for each process, and an end on the clock for all that stay together.
    """

    name = "none-and-I-accept-the-risk"
    isolates = False

    def missing(self) -> str | None:
        """Nothing but a system with processes in groups."""
        return None if os.name == "posix" else f"it needs Linux or macOS, and this is {sys.platform}"

    def start(self, job: Job, stdin: int, stdout: int, stderr: int) -> _Started:
        """Start the job as an ordinary process.

        Raises:
            SandboxError: It could not be started.
        """
        folder = Path(tempfile.mkdtemp(prefix="archon-graph-"))
        scratch, boot = folder / "scratch", folder / "boot"
        for place, files in ((scratch, job.scratch), (boot, job.boot)):
            place.mkdir()
            _write(place, files)
        cpu = math.ceil(job.limits.cpu_seconds)
        limits = {
            "RLIMIT_AS": job.limits.memory_mb * _MEGABYTE,
            "RLIMIT_CPU": cpu,
            "RLIMIT_FSIZE": job.limits.scratch_mb * _MEGABYTE,
            "RLIMIT_CORE": 0,
        }
        numbers = [str(part) for pair in limits.items() for part in pair]
        python = python_files().executable
        arguments = ["-S", "-s", "-B", "-X", "utf8", *job.arguments]
        environment = {
            "HOME": str(scratch),
            "TMPDIR": str(scratch),
            "PYTHONHASHSEED": "0",
            "PYTHONPATH": os.pathsep.join([str(boot), *job.packages]),
        }
        try:
            process = subprocess.Popen(  # noqa: S603 - what the user accepted the risk of
                [python, "-S", "-c", _RUN, *numbers, *arguments],
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                env=environment,
                cwd=scratch,
                start_new_session=True,
            )
        except OSError as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise SandboxError(f"Python could not be started: {error}") from error
        return _Started(process, folder)


class _Started:
    def __init__(self, process: subprocess.Popen[bytes], folder: Path) -> None:
        self._process = process
        self._folder = folder

    def wake(self) -> int | None:
        return None

    def ended(self) -> Ended | None:
        if not hasattr(os, "waitid"):
            code = self._process.poll()
            return None if code is None else Ended(code=code) if code >= 0 else Ended(signal=-code)
        # Looked at and left there: as long as it is there, its number, by which the group goes, is no one else's.
        found = os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if found is None:
            return None
        return Ended(code=found.si_status) if found.si_code == os.CLD_EXITED else Ended(signal=found.si_status)

    def usage(self) -> Usage | None:
        return None

    def stop(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
