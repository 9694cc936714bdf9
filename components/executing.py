"""What techniques that run a candidate's program have in common."""

from __future__ import annotations

import ast
import asyncio
import builtins
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from archon_graph.answers import extract_code
from archon_graph.core import Candidate, NodeContext, Problem
from archon_graph.sandbox import Limits, Outcome, SandboxError, Verdict, check, default_sandbox, probe

UNREADABLE = (SyntaxError, ValueError, RecursionError, MemoryError)
"""What Python raises over a text that is no program, or more of one than it can hold."""


@dataclass(frozen=True, slots=True)
class Ran:
    """What came of running a candidate's program with one test."""

    passed: bool
    detail: str = ""
    """Why it is not passed."""


def is_program(test: str) -> bool:
    """Whether a test can be run: it is Python that asserts something, or defines functions that do."""
    try:
        nodes = list(ast.walk(parsed(test)))
    except UNREADABLE:
        return False
    return any(isinstance(node, ast.Assert | ast.FunctionDef | ast.ClassDef) for node in nodes)


def program_of(candidate: Candidate, tests: Iterable[str], entry_point: str | None = None) -> str | None:
    """The program in a candidate: of several blocks of code the one that defines what the tests call."""
    called: list[str] = [] if entry_point is None else [entry_point]
    for test in tests:
        nodes = ast.walk(parsed(test))
        functions = [node.func for node in nodes if isinstance(node, ast.Call)]
        called += [each.id for each in functions if isinstance(each, ast.Name) and not hasattr(builtins, each.id)]
    return extract_code(candidate.content, called[0] if called else None)


async def run_tests(
    context: NodeContext,
    candidate: Candidate,
    tests: Sequence[str],
    limits: Limits,
    *,
    entry_point: str | None = None,
) -> tuple[Ran, ...]:
    """Run a candidate's program with each of the tests, apart from each other. Model calls: none.

    A candidate without a program passes none. Nor does it if the sandbox breaks, or if the test itself is broken
    or never uses the program: both are recorded, since they are not the candidate's failure.
    """
    program = program_of(candidate, tests, entry_point)
    if program is None:
        return (Ran(passed=False, detail="there is no code in the answer"),) * len(tests)
    sandbox, names = default_sandbox(), () if entry_point is None else (entry_point,)
    found = await asyncio.gather(
        *(check(sandbox, program, test, names=names, limits=limits) for test in tests), return_exceptions=True
    )
    return tuple(_ran(context, candidate, test, each) for test, each in zip(tests, found, strict=True))


async def run_alone(context: NodeContext, candidate: Candidate, limits: Limits) -> Ran:
    """Run a candidate's program by itself: passed if it comes to its end without an error. Model calls: none."""
    program = extract_code(candidate.content)
    if program is None:
        return Ran(passed=False, detail="there is no code in the answer")
    try:
        outcome = await default_sandbox().run_python(program, limits=limits)
    except SandboxError as error:
        return _lost(context, candidate, error)
    return Ran(passed=outcome.status == "ok", detail=_why(outcome))


def isolation_problems(node: str) -> Iterable[Problem]:
    """The problem of a node that runs programs on a machine where nothing shuts them in."""
    found = probe(default_sandbox().isolation)
    if not found.works:
        yield Problem(
            rule="no-sandbox",
            where=node,
            message=f"it runs programs that a model wrote, and nothing here shuts them in: {found.problem}",
            way_out=(
                "Run it in a Linux container or virtual machine that allows user namespaces, or choose a sandbox "
                "with set_default_sandbox (docs/sandbox.md)"
            ),
        )


def parsed(code: str) -> ast.Module:
    """Code as a tree; it is not run.

    Raises:
        SyntaxError: It is none; other errors in `UNREADABLE` say the same of stranger texts.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of backslashes in texts, which are not our user's business
        return ast.parse(code)


def _ran(context: NodeContext, candidate: Candidate, test: str, found: Verdict | BaseException) -> Ran:
    if isinstance(found, SandboxError):
        return _lost(context, candidate, found)
    if isinstance(found, BaseException):
        raise found
    if not found.judged:
        context.lose("unreadable", f"{candidate.id} counts as not passing a test that says nothing of it: {test}")
    return Ran(passed=found.passed, detail=found.detail)


def _lost(context: NodeContext, candidate: Candidate, error: SandboxError) -> Ran:
    context.lose("error", f"{candidate.id} counts as not passing what could not be run: {error}")
    return Ran(passed=False, detail=str(error))


def _why(outcome: Outcome) -> str:
    return "" if outcome.status == "ok" else f"{outcome.status}: {outcome.detail}"
