"""The program's end: runs the program as a module, then does what the test asks of it.

Nothing here is trusted: the program may change any of it. The worst that comes of it is another answer.
"""

from __future__ import annotations

import io
import os
import sys
import traceback
import types
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

from archon_graph.sandbox.inside.codec import Codec
from archon_graph.sandbox.inside.far import DEEDS, Far
from archon_graph.sandbox.inside.link import Link, LinkBrokenError

_MOST_PRINTED = 64 * 1024


class _Tee(io.TextIOWrapper):
    """Standard output: remembers what is printed, for the test, and writes it where the sandbox keeps it."""

    def __init__(self) -> None:
        super().__init__(io.FileIO(1, "wb", closefd=False), encoding="utf-8", errors="replace", write_through=True)
        self.parts: list[str] = []
        self.room = _MOST_PRINTED

    def write(self, text: str) -> int:
        if len(text) <= self.room:
            self.room -= len(text)
            self.parts.append(text)
        return super().write(text)

    def taken(self) -> str:
        text, self.parts, self.room = "".join(self.parts), [], _MOST_PRINTED
        return text


def main() -> None:
    """Serve the program in ``program.py`` on what standard input and output were."""
    source, sink = os.dup(0), os.dup(1)
    null = os.open("/dev/null", os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(2, 1)
    printed = _Tee()
    sys.stdout = printed
    os.environ.pop("PYTHONPATH", None)
    sys.path[:] = [str(Path.cwd()), *(entry for entry in sys.path[1:] if entry != "/boot")]
    sys.argv = ["program.py"]

    program = types.ModuleType("program")
    sys.modules["program"] = program

    def do(what: str, on: Any, arguments: list[Any]) -> Any:
        if what == "global":
            return vars(program)[arguments[0]]
        if what == "await":
            import asyncio  # takes longer to import than most programs to run

            return asyncio.run(_outcome_of(on))
        return DEEDS[what](on, *arguments)

    codec = Codec(lambda what, _: Far(link, what), by_name=False)
    link = Link(source, sink, codec, do, printed=printed.taken)
    text = Path("program.py").read_bytes()
    try:
        exec(compile(text, "program.py", "exec"), vars(program))  # noqa: S102 - this is what a sandbox is for
    except BaseException as error:  # noqa: BLE001
        traceback.print_exc()
        link.send(["failed", f"{type(error).__name__}: {error}"])
        sys.exit(1)
    link.send(["ready"])
    try:
        link.serve_for_ever()
    except LinkBrokenError:
        os._exit(0)  # the test is done


async def _outcome_of(awaitable: Awaitable[Any]) -> Any:
    return await awaitable
