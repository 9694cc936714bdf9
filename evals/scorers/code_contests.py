"""``CodeContests``: an answer is right if its program writes what every test of the contest's problem wants."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar, Final

from archon_graph.answers import code_blocks, extract_code
from archon_graph.evals.scorers.base import Score, Scorer, right, wrong

if TYPE_CHECKING:
    from archon_graph.evals.benchmarks.item import Item
    from archon_graph.sandbox import Limits, Outcome, Sandbox

KIND: Final = "code_contests"
"""Kind of the items."""

_BETWEEN = re.compile(r"[ \n\t\r\v]+")
_WHOLE = re.compile(r"[+-]?[0-9]+")
_REAL = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_CLOSE = 1e-5
_MOST_DIGITS = 4000  # Python refuses to read whole numbers of more than 4300
_ROOM = 64 * 1024


@dataclass(frozen=True, kw_only=True)
class CodeContests(Scorer):
    """Right if the program reads each test's input and writes its output, all of them, each within the time.

    The program is the answer's first code block, or the code among its words if it has no block; it is run as
    Python 3. Each test is a run in a sandbox of its own, a few side by side: no run sees another one, and the
    outputs that are wanted never enter a sandbox. It ends at the first tests that fail.

    Some problems have several right outputs and no checker, and a right program fails there; that is a known limit
    of the data.

    Source: Li et al., Competition-level code generation with AlphaCode (arXiv 2203.07814).
    """

    name: ClassVar[str] = "code-contests"

    buffer_seconds: float = 10.0
    """Added to the problem's time limit, which is meant for compiled programs on a machine of its own."""
    default_seconds: float = 5.0
    """The time limit of a problem that tells none."""
    limits: Limits | None = None
    """Memory, processes and so on of a run; by default the sandbox's own, or the problem's memory if that is more.
    Time is the problem's, and there is always room for the output that is wanted."""
    sandbox: Sandbox | None = field(default=None, repr=False, compare=False)
    """Where programs run; by default the process's own, see `archon_graph.sandbox.default_sandbox`."""

    async def score(self, item: Item, answer: str) -> Score:
        """Run the answer's program on the tests.

        Raises:
            SandboxUnavailableError: Nothing on this machine isolates programs.
        """
        from archon_graph.sandbox import SandboxError, SandboxUnavailableError, default_sandbox

        inputs, outputs = item.metadata.get("inputs") or (), item.metadata.get("outputs") or ()
        if not inputs or len(inputs) != len(outputs):
            return Score.unscored("the item has no tests to run")
        program = first_program(answer)
        if program is None:
            return wrong("no code found in the answer" if answer.strip() else "the answer is empty")
        sandbox = self.sandbox or default_sandbox()
        limits = self._limits(item, outputs)
        width = max(1, sandbox.concurrency)
        for start in range(0, len(inputs), width):
            batch = range(start, min(start + width, len(inputs)))
            runs = (sandbox.run_python(program, stdin=inputs[number], limits=limits) for number in batch)
            # All of a batch are waited for: none may be left running, and which one is told must not be chance.
            for number, outcome in zip(batch, await asyncio.gather(*runs, return_exceptions=True), strict=True):
                if isinstance(outcome, SandboxError) and not isinstance(outcome, SandboxUnavailableError):
                    return Score.unscored(f"the sandbox failed: {outcome}")
                if isinstance(outcome, BaseException):
                    raise outcome
                fault = _fault(outcome, outputs[number])
                if fault is not None:
                    return wrong(f"test {number + 1} of {len(inputs)}: {fault}", program)
        return right(f"passes all {len(inputs)} tests", program)

    def _limits(self, item: Item, outputs: Sequence[str]) -> Limits:
        from archon_graph.sandbox import Limits

        base = self.limits or Limits()
        seconds = (item.metadata.get("time_limit") or self.default_seconds) + self.buffer_seconds
        memory = item.metadata.get("memory_limit_mb") or 0
        # Twice what is wanted: spaces do not count, and complaints come on the other stream.
        room = 2 * max(len(output.encode(errors="replace")) for output in outputs) + _ROOM
        return replace(
            base,
            wall_seconds=seconds,
            cpu_seconds=seconds,
            memory_mb=base.memory_mb if self.limits is not None else max(base.memory_mb, memory),
            output_bytes=max(base.output_bytes, room),
        )


def first_program(answer: str) -> str | None:
    """The first code block of an answer that is not empty, else the code among its words, else ``None``.

    Args:
        answer: Anything a model wrote.
    """
    blocks = [block.code for block in code_blocks(answer) if block.code.strip()]
    return blocks[0] if blocks else extract_code(answer)


def outputs_match(written: str, wanted: str) -> bool:
    """Whether an output counts as the one that is wanted.

    Both are cut at spaces, tabs and ends of lines, and compared piece by piece, upper case like lower case: whole
    numbers by value, other numbers up to a difference below 0.00001, everything else letter by letter. Takes time
    linear in the texts.

    Source: the output match of the benchmark's authors (github.com/google-deepmind/code_contests). Equal pieces
    are equal here even where they are ``nan`` or ``inf``.
    """
    ours, theirs = _pieces(written), _pieces(wanted)
    return len(ours) == len(theirs) and all(map(_equal, ours, theirs))


def _pieces(text: str) -> list[str]:
    return [piece for piece in _BETWEEN.split(text.lower()) if piece]


def _equal(one: str, other: str) -> bool:
    if one == other:
        return True
    if max(len(one), len(other)) > _MOST_DIGITS or not (_REAL.fullmatch(one) and _REAL.fullmatch(other)):
        return False
    if _WHOLE.fullmatch(one) and _WHOLE.fullmatch(other):
        return int(one) == int(other)
    return abs(float(one) - float(other)) < _CLOSE


def _fault(outcome: Outcome, wanted: str) -> str | None:
    if outcome.status != "ok":
        return outcome.detail or outcome.status
    return None if outputs_match(outcome.stdout, wanted) else "another output than the one that is wanted"
