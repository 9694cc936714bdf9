"""``CodeExecutor``: runs the candidates' programs, and scores and sorts them by the tests they pass."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import KW_ONLY, replace
from typing import Annotated, ClassVar

from pydantic import Field
from pydantic.dataclasses import dataclass

from archon_graph.components.executing import is_program, isolation_problems, run_alone, run_tests
from archon_graph.core import COMPONENT_CONFIG, Candidate, Component, Count, NodeContext, Problem, Style
from archon_graph.sandbox import Limits


@dataclass(frozen=True, config=COMPONENT_CONFIG)
class CodeExecutor(Component):
    """Runs each candidate's program with tests, and sorts by the share passed, best first.

    The tests are ``tests``, and those unit tests that reached the node and are Python themselves: statements such
    as ``assert f(2) == 4``. If there are none, each program is run by itself, and passes if it comes to its end
    without an error. The program is the candidate's last block of code that defines what the tests call.

    A candidate gets one entry for each test in `Candidate.test_results` (``node``, ``test``, ``passed``, and
    ``detail``: why not) and the share of tests passed as its `Candidate.score`; equal scores keep the incoming
    order. Programs run in the sandbox (see `archon_graph.sandbox`), which lets them do no harm, and decides what
    passes where they cannot reach it. Standard library only, unless the sandbox says otherwise.

    Model calls: none.

    Args:
        tests: Tests of your own, each a piece of Python.
        entry_point: The function or class that programs have to define. Needed only if it goes by the name of
            something built in, which is what a test means by that name otherwise.
        top_k: How many candidates to pass on, the best; all of them by default.
        seconds: How long a program may take for one test.
    """

    technique: ClassVar[str] = "code_executor"
    reads_tests: ClassVar[bool] = True
    style: ClassVar[Style] = Style("subroutine", "#d5e8b8")

    _: KW_ONLY
    tests: tuple[str, ...] = ()
    """Tests of your own."""
    entry_point: str | None = None
    """The function or class that programs have to define."""
    top_k: Count | None = None
    """How many candidates to pass on; ``None`` for all."""
    seconds: Annotated[float, Field(gt=0, le=3600)] = 10.0
    """How long a program may take for one test, by the clock and of computing."""

    def __post_init__(self) -> None:
        """Check that the tests can be run.

        Raises:
            ValueError: One of them is no Python, or asserts nothing; or ``entry_point`` is no name.
        """
        if self.entry_point is not None and not self.entry_point.isidentifier():
            raise ValueError(f"entry_point has to be a name in Python, and is {self.entry_point!r}")
        for test in self.tests:
            if not is_program(test):
                raise ValueError(f"tests have to be Python that asserts something, and {test!r} is none")

    async def run(self, context: NodeContext) -> Sequence[Candidate]:
        """Run the programs, and sort the candidates."""
        limits = Limits(wall_seconds=self.seconds, cpu_seconds=self.seconds)
        tests = (*self.tests, *(test.text for test in context.tests if is_program(test.text)))
        skipped = len(context.tests) + len(self.tests) - len(tests)
        if skipped:
            context.note(f"unit tests that are no Python and were not run: {skipped}")

        async def judge(own: NodeContext, candidate: Candidate) -> Candidate:
            if tests:
                ran = await run_tests(own, candidate, tests, limits, entry_point=self.entry_point)
            else:
                ran = (await run_alone(own, candidate, limits),)
            results = (
                {"node": context.node, "test": test, "passed": each.passed, "detail": each.detail}
                for test, each in zip(tests or ("the program comes to its end",), ran, strict=True)
            )
            score = sum(each.passed for each in ran) / len(ran)
            return replace(candidate, test_results=(*candidate.test_results, *results), score=score)

        judged = [
            each for each in await context.for_each(context.candidates, judge) if isinstance(each, Candidate)
        ]
        return sorted(judged, key=_score, reverse=True)[: self.top_k]

    def candidates_out(self, incoming: int) -> int:
        """At most ``top_k``."""
        return incoming if self.top_k is None else min(self.top_k, incoming)

    def check(self, node: str, incoming: int) -> Iterable[Problem]:
        """No more can be kept than comes in, and programs have to be shut in."""
        if self.top_k is not None and self.top_k > incoming:
            yield Problem(
                rule="top-k",
                where=node,
                message=f"top_k is {self.top_k}, and only {incoming} candidates come in",
                way_out=f"Set top_k to {incoming} or less, or draw more samples before it",
            )
        yield from isolation_problems(node)

    def summary(self) -> str:
        """How many tests it brings, and how many candidates it keeps."""
        tests = f"{len(self.tests)} tests" if len(self.tests) > 1 else "1 test" if self.tests else ""
        return ", ".join(filter(None, (tests, f"top {self.top_k}" if self.top_k is not None else "")))


def _score(candidate: Candidate) -> float:
    return candidate.score or 0.0
