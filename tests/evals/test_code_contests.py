"""CodeContests: records of our own, the match of outputs, and programs in the sandbox, hostile ones among them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archon_graph.core import Prompt
from archon_graph.evals.benchmarks import BenchmarkError, Item
from archon_graph.evals.benchmarks.code_contests import code_contests
from archon_graph.evals.scorers.code_contests import CodeContests, first_program, outputs_match
from archon_graph.sandbox import Limits, Outcome, Sandbox, SandboxError, SandboxUnavailableError
from tests.evals.items import item

SUMS = {
    "name": "1_A. Own sums",
    "description": "Read n, then n numbers. Write their sum.",
    "public_tests": {"input": ["2\n1 2\n"], "output": ["3\n"], "is_valid_test": None},
    "private_tests": {"input": [], "output": []},
    "generated_tests": {"input": ["1\n5 7\n", "3\n1 1 1\n"], "output": ["5\n", "3\n"]},
    "difficulty": 7,
    "source": 2,
    "time_limit": {"seconds": 1, "nanos": 500000000},
    "memory_limit_bytes": 256000000,
}
SUM = "n = int(input())\nprint(sum(map(int, input().split()[:n])))\n"


def fenced(program: str) -> str:
    return f"Here it is.\n```python\n{program}```\n"


def task(**changes: Any) -> Item:
    tests = {"inputs": ["2\n1 2\n", "1\n5 7\n", "3\n1 1 1\n"], "outputs": ["3\n", "5\n", "3\n"], "time_limit": 1.0}
    return item(kind="code_contests", **(tests | changes))


async def scored(one: Item, program: str, **settings: Any) -> tuple[Any, str]:
    try:
        score = await CodeContests(**settings).score(one, fenced(program))
    except SandboxUnavailableError as error:
        pytest.skip(str(error))
    return score.value, score.detail


@pytest.mark.parametrize("form", ["object.json", "list.json", "lines.jsonl"])
def test_a_file_has_one_of_three_forms(tmp_path: Path, form: str):
    """One problem, a list of them, or one in each line; all tests count, in order."""
    path = tmp_path / form
    path.write_text(json.dumps([SUMS] if form == "list.json" else SUMS))
    benchmark = code_contests(path)
    (one,) = benchmark
    assert (one.id, one.kind) == ("1_A. Own sums", "code_contests")
    assert SUMS["description"] in str(one.input)
    assert one.metadata["inputs"] == ["2\n1 2\n", "1\n5 7\n", "3\n1 1 1\n"]
    assert one.metadata["outputs"] == ["3\n", "5\n", "3\n"]
    told = ("test_count", "time_limit", "memory_limit_mb", "difficulty", "source")
    assert [one.metadata[name] for name in told] == [3, 1.5, 245, 7, 2]
    assert all(text.strip() not in str(one.input) for text in one.metadata["inputs"])
    assert isinstance(benchmark.scorer, CodeContests)


def test_problems_with_images_are_left_out_unless_they_are_wanted(tmp_path: Path):
    path = tmp_path / "problems.jsonl"
    drawn = {**SUMS, "name": "2_B. Drawn", "description": "As here: <image>"}
    path.write_text(f"{json.dumps(SUMS)}\n{json.dumps(drawn)}\n")
    assert [one.id for one in code_contests(path)] == ["1_A. Own sums"]
    assert [one.id for one in code_contests(path, images=True)] == ["1_A. Own sums", "2_B. Drawn"]
    path.write_text(json.dumps(drawn))
    with pytest.raises(BenchmarkError, match=r"all 1 refer to an image.*images=True"):
        code_contests(path)


def test_words_around_the_statement_can_be_others(tmp_path: Path):
    path = tmp_path / "problem.json"
    path.write_text(json.dumps(SUMS))
    (one,) = code_contests(path, prompt=Prompt(version="mine", parts={"question": "Solve: $statement"}))
    assert one.input == f"Solve: {SUMS['description']}"


def test_no_limits_where_the_record_has_none(tmp_path: Path):
    path = tmp_path / "problem.json"
    path.write_text(json.dumps({**SUMS, "time_limit": None, "memory_limit_bytes": 0}))
    (one,) = code_contests(path)
    assert one.metadata["time_limit"] is None
    assert one.metadata["memory_limit_mb"] is None


def test_statements_without_tests_are_refused(tmp_path: Path):
    """CodeT's file of the test split has none."""
    path = tmp_path / "statements.jsonl"
    path.write_text(json.dumps({"task_id": "Own/0", "prompt": "Add.", "test": ""}))
    with pytest.raises(BenchmarkError, match=r"statements\.jsonl:1: has no tests.*cannot be scored"):
        code_contests(path)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": None}, "name"),
        ({"description": ""}, "description"),
        ({"public_tests": ["1"]}, "public_tests"),
        ({"public_tests": {"input": ["1", "2"], "output": ["1"]}}, "public_tests"),
        ({"generated_tests": {"input": ["1"], "output": [1]}}, "generated_tests.output"),
        ({"generated_tests": {"output": ["1"]}}, "generated_tests.input"),
        ({"time_limit": {"seconds": "2"}}, "time_limit"),
        ({"time_limit": {"seconds": 0, "nanos": 0}}, "time_limit"),
        ({"time_limit": 2}, "time_limit"),
        ({"public_tests": {"input": [], "output": []}, "generated_tests": None}, None),
    ],
)
def test_a_bad_record_is_named(tmp_path: Path, change: dict[str, Any], field: str | None):
    path = tmp_path / "problems.jsonl"
    path.write_text(f"{json.dumps({**SUMS, 'name': 'good'})}\n{json.dumps(SUMS | change)}\n")
    with pytest.raises(BenchmarkError) as caught:
        code_contests(path)
    (problem,) = caught.value.problems
    assert (problem.line, problem.field) == (2, field)


@pytest.mark.parametrize(
    ("written", "wanted", "match"),
    [
        ("1 2\n", "1\t2", True),
        ("YES", "yes\n", True),
        ("", " \n", True),
        ("1", "", False),
        ("1 2", "1 2 3", False),
        ("007", "7", True),
        ("-0", "0", True),
        ("7.000009", "7", True),
        ("7.00001001", "7", False),
        ("1e3", "1000", True),
        ("10000000000000000001", "10000000000000000002", False),
        ("0.1", "x", False),
        ("1_0", "10", False),
        ("١", "1", False),
        ("nan", "nan", True),
        ("nan", "1", False),
        ("inf", "infinity", False),
        ("1e999", "2e999", False),
        ("1\f2", "1 2", False),
    ],
)
def test_outputs_match(written: str, wanted: str, match: bool):
    assert outputs_match(written, wanted) is match
    assert outputs_match(wanted, written) is match


@given(st.text(), st.text())
def test_no_output_makes_the_match_raise(written: str, wanted: str):
    assert outputs_match(written, written)
    assert outputs_match(written, wanted) == outputs_match(wanted, written)


@pytest.mark.parametrize("text", ["9" * 200_000, "1." * 100_000, "1" * 200_000 + "x", "1e" * 100_000])
def test_long_outputs_are_compared(text: str):
    """In one pass: with more work for each place, this would run for minutes."""
    assert outputs_match(text, text)
    assert not outputs_match(text, text + "1")


def test_the_first_block_that_holds_anything_is_the_program():
    assert first_program("```\n\n```\n```python\nprint(1)\n```\n```python\nprint(2)\n```") == "print(1)\n"
    assert (
        first_program("So:\n\ndef f():\n    return 1\n\nprint(f())\n") == "def f():\n    return 1\n\nprint(f())\n"
    )
    assert first_program("I cannot.") is None


async def test_a_program_has_to_pass_every_test():
    assert await scored(task(), SUM) == (1.0, "passes all 3 tests")
    value, detail = await scored(task(), "input()\nprint(sum(map(int, input().split())))\n")
    assert (value, detail) == (0.0, "test 2 of 3: another output than the one that is wanted")


async def test_the_first_test_that_fails_is_the_one_that_is_told():
    """Also where one that runs beside it fails sooner."""
    program = (
        "import time\nn = input()\nif n == '2':\n    time.sleep(0.5)\n    print(0)\nelse:\n    print(1 / 0)\n"
    )
    value, detail = await scored(task(), program, sandbox=Sandbox(concurrency=3))
    assert (value, detail) == (0.0, "test 1 of 3: another output than the one that is wanted")


@pytest.mark.parametrize(
    ("program", "told"),
    [
        ("raise ValueError('no')\n", "ValueError: no"),
        ("print(3)\nimport sys\nsys.exit(1)\n", "exit code 1"),
        ("while True:\n    pass\n", "seconds"),
        ("while True:\n    print('3' * 1000)\n", "bytes"),
        ("print(3\n", "SyntaxError"),
    ],
)
async def test_a_program_that_ends_badly_is_wrong(program: str, told: str):
    value, detail = await scored(task(inputs=["1\n"], outputs=["3\n"]), program, buffer_seconds=0.5)
    assert value == 0.0
    assert told in detail


async def test_no_run_sees_another_one():
    """What one keeps is gone when the next one starts."""
    program = "import os\nprint(sorted(os.listdir('.')))\nopen('kept', 'w').write(input())\n"
    one = task(inputs=["a", "b", "c"], outputs=["['program.py']"] * 3)
    assert await scored(one, program, sandbox=Sandbox(concurrency=1)) == (1.0, "passes all 3 tests")


async def test_an_input_that_nobody_reads_does_no_harm():
    long = "1 " * 500_000
    assert await scored(task(inputs=[long], outputs=["3"]), "print(3)\n") == (1.0, "passes all 1 tests")


async def test_there_is_room_for_a_long_output():
    wanted = "7\n" * 100_000
    one = task(inputs=["x"], outputs=[wanted])
    assert await scored(one, "for _ in range(100_000):\n    print(7)\n") == (1.0, "passes all 1 tests")


class Broken(Sandbox):
    """Every run breaks the sandbox."""

    async def run_python(self, *_: Any, **__: Any):
        raise SandboxError("it fell over")


class Recording(Sandbox):
    """Runs nothing, says that all went well, and notes what it was given."""

    def __init__(self) -> None:
        super().__init__(concurrency=2)
        self.limits: list[Limits] = []
        self.texts: list[str] = []

    async def run_python(self, source: str, *, limits: Limits | None = None, **others: Any):
        assert limits is not None
        self.limits.append(limits)
        self.texts.append(f"{source}\0{others}")
        return Outcome(status="ok", exit_code=0, stdout="WANTED", stderr="", seconds=0.1)


async def test_a_broken_sandbox_is_not_the_answers_fault():
    score = await CodeContests(sandbox=Broken()).score(task(), fenced(SUM))
    assert (score.scored, score.detail) == (False, "the sandbox failed: it fell over")


@pytest.mark.parametrize(
    ("scorer", "time_limit", "memory", "seconds", "megabytes"),
    [
        ({}, 2.0, None, 12.0, 512),
        ({}, None, 1024, 15.0, 1024),
        ({"buffer_seconds": 1.0, "limits": Limits(memory_mb=128)}, 0.5, 1024, 1.5, 128),
    ],
)
async def test_limits_are_the_problems(scorer: Any, time_limit: Any, memory: Any, seconds: float, megabytes: int):
    sandbox = Recording()
    one = task(time_limit=time_limit, memory_limit_mb=memory)
    await CodeContests(sandbox=sandbox, **scorer).score(one, fenced(SUM))
    found = {(limits.wall_seconds, limits.cpu_seconds, limits.memory_mb) for limits in sandbox.limits}
    assert found == {(seconds, seconds, megabytes)}


async def test_what_is_wanted_stays_outside():
    sandbox = Recording()
    one = task(inputs=["GIVEN"] * 3, outputs=["wanted"] * 3)
    assert (await CodeContests(sandbox=sandbox).score(one, fenced(SUM))).value == 1.0
    assert len(sandbox.texts) == 3
    assert all("GIVEN" in text and "wanted" not in text.lower() for text in sandbox.texts)


async def test_without_a_program_or_tests_nothing_is_run():
    scorer = CodeContests(sandbox=Broken())
    assert (await scorer.score(task(), "")).detail == "the answer is empty"
    assert (await scorer.score(task(), "I cannot.")).value == 0.0
    assert not (await scorer.score(task(inputs=[]), fenced(SUM))).scored
    assert not (await scorer.score(task(inputs=["1"]), fenced(SUM))).scored
