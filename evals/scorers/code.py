"""``Code``: an answer is right if its program passes the item's tests, run in the sandbox."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, ClassVar

from archon_graph.answers import defines, extract_code
from archon_graph.evals.scorers.base import Score, Scorer, right, wrong

if TYPE_CHECKING:
    from archon_graph.evals.benchmarks.item import Item
    from archon_graph.sandbox import Limits, Sandbox

_FUTURE = re.compile(r"^from[ \t]+__future__[ \t]+import[^\n;]*$\n?", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Code(Scorer):
    """Right if the answer's program passes every test of the item; otherwise wrong, whatever ended it.

    The program is the answer's last code block that defines the item's ``metadata["entry_point"]``. If the item
    has a ``metadata["prefix"]`` (the beginning of a function, as in HumanEval), an answer that defines the entry
    point anew follows it, so that its imports and helpers are there; any other answer continues it.

    The share of right answers among n samples of a question gives pass@k, see
    `archon_graph.evals.statistics.pass_at_k`.

    Source: Chen et al., Evaluating large language models trained on code (arXiv 2107.03374).
    """

    name: ClassVar[str] = "code"

    limits: Limits | None = None
    """Time, memory and so on of one program; by default the sandbox's own."""
    sandbox: Sandbox | None = field(default=None, repr=False, compare=False)
    """Where programs run; by default the safest place that this machine offers."""

    async def score(self, item: Item, answer: str) -> Score:
        """Run the answer's program and the tests.

        Raises:
            SandboxUnavailableError: Nothing on this machine isolates programs.
        """
        from archon_graph.sandbox import SandboxError, SandboxUnavailableError, check

        if not item.tests:
            return Score.unscored("the item has no tests to run")
        program = program_of(item, answer)
        if program is None:
            return wrong("no code found in the answer" if answer.strip() else "the answer is empty")
        entry_point, prefix = item.metadata.get("entry_point"), item.metadata.get("prefix")
        try:
            verdict = await check(
                self.sandbox or _sandbox(),
                program,
                "\n".join(item.tests) + "\n",
                names=() if entry_point is None else (entry_point,),
                # Helpers in the task's own beginning: the tests may use them, and no answer replaces them.
                support="" if prefix is None else _completed(prefix),
                limits=self.limits,
            )
        except SandboxUnavailableError:
            raise
        except SandboxError as error:
            return Score.unscored(f"the sandbox failed: {error}")
        if verdict.passed:
            return right("passes the tests", program)
        detail = verdict.detail or verdict.outcome.detail or verdict.outcome.status
        # A test that is broken, or that does not use the program, says nothing about it.
        return (
            wrong(detail, program) if verdict.judged else Score.unscored(f"the item's tests are broken: {detail}")
        )


def program_of(item: Item, answer: str) -> str | None:
    """The program that an answer to an item amounts to; ``None`` if there is no code in it."""
    entry_point = item.metadata.get("entry_point")
    prefix = item.metadata.get("prefix")
    if prefix is None:
        return extract_code(answer, entry_point)
    code = extract_code(answer, entry_point)
    if code is None:
        # What continues a function need not look like code to us; it is tried as it stands.
        return prefix + answer if answer.strip() else None
    if entry_point is None or not defines(code, entry_point):
        return str(prefix) + code
    # The answer's own imports from __future__ must come first.
    future = "".join(f"{line.strip()}\n" for line in _FUTURE.findall(code))
    return f"{future}{_completed(prefix).rstrip()}\n\n\n{_FUTURE.sub('', code)}"


def _completed(prefix: str) -> str:
    """The beginning of a function as a program: a docstring makes it one, else it gets a body."""
    try:
        ast.parse(prefix)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return f"{prefix.rstrip()}\n    pass\n"
    return prefix


@cache
def _sandbox() -> Sandbox:
    """One for all scorers: it runs a few programs at a time, and that many are enough for one machine."""
    from archon_graph.sandbox import Sandbox

    return Sandbox()
