"""``check``: whether a program passes a test, decided where the program cannot reach."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from archon_graph.sandbox.backend import Backend, Job
from archon_graph.sandbox.errors import SandboxError
from archon_graph.sandbox.records import Limits, Outcome
from archon_graph.sandbox.running import Output, Run, Watch, close, outcome, pipe, started
from archon_graph.sandbox.sandbox import Sandbox, Work, as_bytes

_VERDICT_BYTES = 64 * 1024
_PRINTED_BYTES = 4 * 1024 * 1024
"""More than a forgotten ``print`` writes, and less than one in a loop without an end."""
_PROGRAM, _TEST, _PRINTED, _VERDICT = 1, 2, 3, 4
_LAST_WORDS = 2.0
"""Seconds for a program that stopped answering to come to its end."""
_INSIDE = "archon_graph/sandbox/inside"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a test says about a program."""

    passed: bool
    """Whether the whole test was run and nothing failed."""
    outcome: Outcome
    """How the program itself fared; ``ok`` if it was still answering when the test was over."""
    detail: str = ""
    """What failed: the line of the test, and why. Empty if it passed."""
    judged: bool = True
    """Whether the verdict says anything about the program; not if the test is broken or never used it."""


async def check(
    sandbox: Sandbox,
    program: str,
    test: str,
    *,
    names: Sequence[str] = (),
    support: str = "",
    limits: Limits | None = None,
) -> Verdict:
    """Run a test against a program that may try anything to pass.

    Program and test run in two sandboxes. The test has stand-ins for what the program defines; a call goes over,
    and comes back as plain values, rebuilt on the test's side. So the program sees the arguments of calls and
    nothing else of the test. ``docs/sandbox.md`` tells what tests can do, and what stays in the program's hand.

    The test is statements such as ``assert f(2) == 4``. After them, functions named ``test...`` and ``unittest``
    cases are run. What it does not define itself it takes from the program, but for built-in names and modules
    of the standard library.

    Args:
        sandbox: Where to run both.
        program: Source of the program. It is run as a module, not as ``__main__``.
        test: Source of the test.
        names: What the test takes from the program even if it is the name of something built in, or in
            ``support``. Such a name has to be there.
        support: Source that the test builds on and the program must not replace, such as helper functions in the
            problem that was posed. It runs before the test.
        limits: The most that the program may use, and the test as well; both together have ``wall_seconds``.
            What the program prints beyond ``output_bytes`` is left out, and ends it only after 4 MiB.

    Returns:
        The verdict.

    Raises:
        SandboxUnavailableError: Nothing on this machine isolates.
        SandboxError: A sandbox broke, and nothing is known about the program.
        ValueError: A name is no name.
    """
    return await sandbox.in_turn(_trial(sandbox, limits, program=program, test=test, names=names, support=support))


def check_sync(
    sandbox: Sandbox,
    program: str,
    test: str,
    *,
    names: Sequence[str] = (),
    support: str = "",
    limits: Limits | None = None,
) -> Verdict:
    """As `check`, for code without an event loop."""
    return sandbox.in_turn_sync(_trial(sandbox, limits, program=program, test=test, names=names, support=support))


def _trial(
    sandbox: Sandbox, limits: Limits | None, *, program: str, test: str, names: Sequence[str], support: str
) -> Work[Verdict]:
    wrong = [name for name in names if not name.isidentifier()]
    if isinstance(names, str) or wrong:
        raise ValueError(f"names has to be a list of Python names, and is {names!r}")
    limits = limits or Limits()
    task = json.dumps({"test": test, "support": support, "names": list(names)})
    jobs = (
        _job("serve", {"program.py": as_bytes(program)}, sandbox, limits),
        _job("judge", {"task.json": task.encode()}, sandbox, limits),
    )
    return lambda backend, cancel: _judge(backend, cancel, *jobs)


def _job(what: str, scratch: dict[str, bytes], sandbox: Sandbox, limits: Limits) -> Job:
    start = f"from archon_graph.sandbox.inside.{what} import main; main()"
    return Job(("-c", start), limits, scratch=scratch, boot=_boot(), packages=sandbox.packages)


@cache
def _boot() -> dict[str, bytes]:
    """The modules of both ends, in packages that are otherwise empty."""
    ours = {path.name: path.read_bytes() for path in (Path(__file__).parent / "inside").glob("*.py")}
    empty = {f"archon_graph{part}/__init__.py": b"" for part in ("", "/sandbox")}
    return {**empty, **{f"{_INSIDE}/{name}": content for name, content in ours.items()}}


def _judge(backend: Backend, cancel: threading.Event, program: Job, test: Job) -> Verdict:
    begin = time.monotonic()
    limits = program.limits
    printed, verdict = Output(limits.output_bytes, spare=_PRINTED_BYTES), Output(_VERDICT_BYTES)
    # Two pipes between them, and one from each to us. Whoever ends leaves the other an end of file.
    with (
        pipe() as asks,
        pipe() as answers,
        pipe() as prints,
        pipe() as says,
        started(backend, program, (asks[0], answers[1], prints[1]), printed) as served,
        started(backend, test, (answers[0], asks[1], says[1]), verdict) as judge,
    ):
        for end in (*asks, *answers, prints[1], says[1]):
            close(end)
        asks[:], answers[:] = (-1, -1), (-1, -1)
        prints[1] = says[1] = -1
        readers = {prints[0]: (printed, _PRINTED), says[0]: (verdict, _VERDICT)}
        watch = Watch([served, judge], readers)
        if not watch.until(judge, seconds=limits.wall_seconds, cancel=cancel):
            served.stop_for_time()
        message = _read(judge, verdict.text(_VERDICT))
        if message["gone"] and served.ended is None and served.status is None:
            # Its end is as a rule on its way, and says more than that the line is dead.
            with contextlib.suppress(SandboxError):
                watch.until(served, seconds=_LAST_WORDS, cancel=cancel)
    fared = outcome(served, time.monotonic() - begin, stdout=_PROGRAM, stderr=_PRINTED)
    return _verdict(fared, judge, message)


def _read(judge: Run, said: str) -> dict[str, Any]:
    """What the test's end said; it can be nothing if it was stopped, or the test broke it."""
    message: dict[str, Any] = {"passed": False, "judged": True, "gone": False}
    try:
        message.update(json.loads(said))
    except (ValueError, TypeError):
        # What the program returned may have cost the test its life: that counts as the program's failure.
        message["detail"] = f"the test did not come to its end: {judge.detail or 'no verdict came'}"
    return message


def _verdict(fared: Outcome, judge: Run, message: dict[str, Any]) -> Verdict:
    detail = str(message["detail"])
    if fared.status in ("timeout", "memory", "output") and not message["passed"]:
        detail = f"the program broke a limit: {fared.detail}"
    elif message["gone"]:
        detail = f"{detail} ({fared.detail or f'it ended with exit code {fared.exit_code}'})"
    passed = message["passed"] is True and judge.status is None
    return Verdict(passed, fared, detail, message["judged"] is True)
