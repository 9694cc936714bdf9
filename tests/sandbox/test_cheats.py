"""Programs that want to pass without doing what is asked: none does."""

from __future__ import annotations

from dataclasses import replace

import pytest

from archon_graph.sandbox import Limits, Sandbox, Verdict, check, check_sync
from tests.sandbox.cheats import HONEST, IN_ONE_PROCESS, SUPPORT, TEST, WITH_A_WEAK_TEST, WITH_ONE_ANSWER
from tests.sandbox.conftest import TIGHT, works_here

pytestmark = [works_here, pytest.mark.usefixtures("nothing_left")]


async def test_an_honest_program_passes(sandbox: Sandbox) -> None:
    assert await check(sandbox, HONEST, TEST, limits=TIGHT) == Verdict(True, _any_outcome(), "", True)


class _any_outcome:  # noqa: N801
    def __eq__(self, other: object) -> bool:
        return getattr(other, "status", None) == "ok"

    __hash__ = None  # type: ignore[assignment]


@pytest.mark.parametrize("name", IN_ONE_PROCESS)
def test_the_cheats_are_real(sandbox: Sandbox, name: str) -> None:
    """They pass where the exit code of program and test together decides, as it does in most harnesses."""
    assert sandbox.run_python_sync(f"{IN_ONE_PROCESS[name]}\n{TEST}", limits=TIGHT).status == "ok"


@pytest.mark.parametrize("name", [*IN_ONE_PROCESS, *WITH_ONE_ANSWER])
async def test_no_cheat_passes(sandbox: Sandbox, name: str) -> None:
    program = {**IN_ONE_PROCESS, **WITH_ONE_ANSWER}[name]
    verdict = await check(sandbox, program, TEST, limits=replace(TIGHT, wall_seconds=2.5, cpu_seconds=1))
    assert not verdict.passed
    assert verdict.judged
    assert verdict.detail
    assert "FOUND" not in verdict.outcome.stderr


@pytest.mark.parametrize("name", WITH_A_WEAK_TEST)
async def test_no_cheat_passes_a_weak_test(sandbox: Sandbox, name: str) -> None:
    test, program = WITH_A_WEAK_TEST[name]
    verdict = await check(sandbox, program, test, support=SUPPORT, limits=TIGHT)
    assert not verdict.passed
    assert verdict.judged


@pytest.mark.parametrize("name", ["is near everything", "holds everything", "replaces a helper of the task"])
def test_the_weak_tests_are_fooled_in_one_process(sandbox: Sandbox, name: str) -> None:
    test, program = WITH_A_WEAK_TEST[name]
    assert sandbox.run_python_sync(f"{SUPPORT}\n{program}\n{test}", limits=TIGHT).status == "ok"


@pytest.mark.parametrize("name", WITH_A_WEAK_TEST)
def test_the_weak_tests_can_be_passed(sandbox: Sandbox, name: str) -> None:
    """By a program that does what is asked; else it would say nothing that the cheats fail them."""
    test, _ = WITH_A_WEAK_TEST[name]
    honest = {
        "holds everything": "def f(x): return [x * x]",
        "swallowed by a finally": HONEST,
    }.get(name, "def f(x):\n    return x * x if isinstance(x, int) else 9")
    assert check_sync(sandbox, honest, test, support=SUPPORT, limits=TIGHT).passed


def test_there_are_enough_of_them() -> None:
    assert len(IN_ONE_PROCESS) + len(WITH_ONE_ANSWER) + len(WITH_A_WEAK_TEST) >= 40


def test_printing_without_an_end_is_stopped(sandbox: Sandbox) -> None:
    verdict = check_sync(sandbox, "def f(x):\n    while True: print('x' * 10_000)", TEST)
    assert verdict.outcome.status == "output"
    assert len(verdict.outcome.stderr) == Limits().output_bytes
    assert "it wrote more than 4259840 bytes" in verdict.detail


def test_who_is_killed_for_a_limit_is_told_so(sandbox: Sandbox) -> None:
    limits = Limits(wall_seconds=1, cpu_seconds=5, memory_mb=160)
    verdict = check_sync(sandbox, "import time\ndef f(x):\n    time.sleep(60)", TEST, limits=limits)
    assert verdict.outcome.status == "timeout"
    assert "1 seconds by the clock" in verdict.detail
