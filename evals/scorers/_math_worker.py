"""Compares mathematics in a process of its own, which may be killed at any time; started by `math_process`.

Reads a JSON object from each line of its input, ``{"gold", "answer", "seconds"}``, and writes two lines for it:
``{"gold": true}`` once the gold answer is read, then ``{"equal": false, "found": true}``. Imports nothing of this
project, so that it starts fast.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from typing import IO

_MEMORY = 2 << 30  # bytes; a comparison takes about 0.1 GB, and 10**10**10 would take 4 GB


def main() -> None:
    """Serve until the input ends."""
    # Whatever a library prints must not be taken for an answer.
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    try:
        import logging

        from math_verify import parse, verify  # type: ignore[import-not-found,import-untyped,unused-ignore]
    except ImportError as error:
        _say(out, {"failed": f"{type(error).__name__}: {error}"})
        return
    logging.disable(logging.CRITICAL)
    _limit_memory()
    # What the first comparison loads must not be on its account.
    verify(parse("$x^2$", parsing_timeout=None), parse("$2x$", parsing_timeout=None), timeout_seconds=None)
    _say(out, {"ready": True})
    read: dict[str, object] = {}
    for line in sys.stdin:
        asked = json.loads(line)
        # Time of the processor and not of the clock: a busy machine must not turn right answers into wrong ones.
        # Nobody handles the signal, so it ends this process even within one long operation on integers.
        _set_timer(asked["seconds"])
        gold = asked["gold"]
        if gold not in read:
            # Their own limits work in the main thread only and cannot end a long operation; ours is around them.
            read = {gold: parse(gold, parsing_timeout=None)}
        _say(out, {"gold": bool(read[gold])})
        _set_timer(asked["seconds"])
        found = parse(asked["answer"], parsing_timeout=None)
        equal = bool(found) and verify(read[gold], found, timeout_seconds=None)
        _set_timer(0)
        _say(out, {"equal": bool(equal), "found": bool(found)})


def _say(out: IO[str], what: dict[str, object]) -> None:
    out.write(json.dumps(what) + "\n")
    out.flush()


def _set_timer(seconds: float) -> None:
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_PROF, seconds)


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # Windows
        return
    for limit, wanted in ((resource.RLIMIT_AS, _MEMORY), (resource.RLIMIT_CORE, 0)):
        hard = resource.getrlimit(limit)[1]
        # Some systems (macOS) know the limit and refuse to set it; the limit of time holds there, too.
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(limit, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))


if __name__ == "__main__":
    main()
