"""Code scored by running it: the right program is put together, and what the sandbox says becomes a score."""

from __future__ import annotations

from typing import Any

import pytest

from archon_graph import sandbox
from archon_graph.evals.benchmarks import Item
from archon_graph.evals.scorers import Code
from archon_graph.evals.scorers.code import program_of
from archon_graph.sandbox import Outcome, SandboxError, SandboxUnavailableError, Verdict
from tests.evals.items import item

PREFIX = (
    "from typing import List\n\n\ndef helper(x):\n    return x\n\n\n"
    'def twice(x: int) -> int:\n    """ Twice x. """\n'
)
BODY = "    return 2 * x\n"
WHOLE = "def twice(x):\n    return 2 * x\n"
TASK = item(
    kind="code", tests=("def check(f):\n    assert f(2) == 4", "check(twice)"), prefix=PREFIX, entry_point="twice"
)
FREE = item(kind="code", tests=("assert add(1, 2) == 3",), entry_point="add")


@pytest.mark.parametrize(
    ("answer", "program"),
    [
        (BODY, PREFIX + BODY),
        (f"```python\n{BODY}```", PREFIX + BODY),
        (f"Sure.\n```python\n{WHOLE}```", f"{PREFIX.rstrip()}\n\n\n{WHOLE}"),
        (WHOLE, f"{PREFIX.rstrip()}\n\n\n{WHOLE}"),
        (PREFIX + BODY, f"{PREFIX.rstrip()}\n\n\n{PREFIX + BODY}"),
        (
            f"from __future__ import annotations\n{WHOLE}",
            f"from __future__ import annotations\n{PREFIX.rstrip()}\n\n\n{WHOLE}",
        ),
        ("", None),
        (" \n", None),
    ],
)
def test_an_answer_continues_its_task_or_replaces_it(answer: str, program: str | None):
    """Either way the task's imports and helpers are there, and it compiles."""
    found = program_of(TASK, answer)
    assert found == program
    if found is not None:
        compile(found, "program", "exec")


def test_a_beginning_without_a_body_gets_one():
    """Else a whole function behind it would be its body."""
    bare = item(kind="code", tests=("check(one)",), prefix="def one():\n", entry_point="one")
    found = program_of(bare, "def one():\n    return 1\n")
    assert found is not None
    compile(found, "program", "exec")


def test_an_answer_without_a_task_stands_alone():
    assert (
        program_of(FREE, "```python\ndef add(a, b):\n    return a + b\n```")
        == "def add(a, b):\n    return a + b\n"
    )
    assert program_of(FREE, "I cannot.") is None


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the sandbox is asked; ``verdict`` in it is what it says, or raises."""
    told: dict[str, Any] = {}

    async def check(where: object, program: str, test: str, **options: object) -> Verdict:
        told.update(where=where, program=program, test=test, **options)
        if isinstance(told["verdict"], Exception):
            raise told["verdict"]
        return told["verdict"]

    monkeypatch.setattr(sandbox, "check", check)
    return told


def verdict(*, passed: bool = False, judged: bool = True, detail: str = "") -> Verdict:
    outcome = Outcome(status="ok", exit_code=0, stdout="", stderr="", seconds=0.1)
    return Verdict(passed=passed, outcome=outcome, detail=detail, judged=judged)


async def test_what_the_sandbox_is_asked(asked: dict[str, Any]):
    """The tests as one text; the task's own helpers, which no answer replaces; the limits."""
    asked["verdict"] = verdict(passed=True)
    limits = sandbox.Limits(wall_seconds=3)
    scorer = Code(limits=limits, sandbox=sandbox.Sandbox())
    score = await scorer.score(TASK, BODY)
    assert (score.value, score.extracted) == (1.0, PREFIX + BODY)
    assert asked["where"] is scorer.sandbox
    assert asked["test"] == "def check(f):\n    assert f(2) == 4\ncheck(twice)\n"
    assert (asked["names"], asked["support"], asked["limits"]) == (("twice",), PREFIX, limits)
    await Code().score(item(kind="code", tests=("assert x",)), "```\nx = 1\n```")
    assert (asked["names"], asked["support"], asked["limits"]) == ((), "", None)


async def test_a_program_that_fails_is_wrong_and_a_sandbox_that_fails_says_nothing(asked: dict[str, Any]):
    asked["verdict"] = verdict(detail="line 1: 5 is not 4")
    score = await Code().score(FREE, "def add(a, b): ...")
    assert (score.value, score.detail) == (0.0, "line 1: 5 is not 4")
    asked["verdict"] = verdict(judged=False, detail="the test itself does not compile")
    score = await Code().score(FREE, "def add(a, b): ...")
    assert not score.scored
    assert "does not compile" in score.detail
    asked["verdict"] = SandboxError("no space left")
    score = await Code().score(FREE, "def add(a, b): ...")
    assert not score.scored
    assert "no space left" in score.detail
    asked["verdict"] = SandboxUnavailableError("nothing isolates here")
    with pytest.raises(SandboxUnavailableError):
        await Code().score(FREE, "def add(a, b): ...")


async def test_nothing_to_run_is_wrong_and_nothing_to_test_is_unscored(asked: dict[str, Any]):
    """Neither reaches the sandbox."""
    assert (await Code().score(FREE, "I cannot.")).value == 0.0
    assert (await Code().score(FREE, "")).value == 0.0
    assert not (await Code().score(item(kind="code"), "x = 1")).scored
    assert not asked


def test_limits_are_part_of_the_identity():
    assert Code().identity != Code(limits=sandbox.Limits(wall_seconds=3)).identity
    assert Code().identity == Code(sandbox=sandbox.Sandbox()).identity


@pytest.mark.parametrize(
    ("task", "answer", "value"),
    [
        (TASK, BODY, 1.0),
        (TASK, f"```python\n{WHOLE}```", 1.0),
        (TASK, "    return x", 0.0),
        (TASK, "    return (", 0.0),
        (FREE, "```python\ndef add(a, b):\n    return a + b\n```", 1.0),
        (FREE, "```python\ndef sub(a, b):\n    return a - b\n```", 0.0),
        (FREE, "```python\nimport os\nos._exit(0)\n```", 0.0),
    ],
)
async def test_in_the_real_sandbox(task: Item, answer: str, value: float):
    """Where this machine has one."""
    try:
        score = await Code().score(task, answer)
    except SandboxUnavailableError as error:
        pytest.skip(str(error))
    assert (score.value, score.scored) == (value, True), score.detail
