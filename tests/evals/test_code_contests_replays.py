"""The one complete problem of CodeContests that is at hand, and the authors' own cases of the output match.

The problem has 201 tests; in most of the generated ones more rows follow than its first line says.
"""

from __future__ import annotations

import json

import pytest

from archon_graph.evals.benchmarks import BenchmarkError
from archon_graph.evals.benchmarks.code_contests import code_contests
from archon_graph.evals.scorers.code_contests import CodeContests, outputs_match
from archon_graph.sandbox import SandboxUnavailableError
from tests.evals.shared import SHARED, needs_shared

pytestmark = needs_shared
FOLDER = SHARED / "benchmarks/code_contests"
READ = "n, m = map(int, input().split())\nrows = [input() for _ in range(n)]\n"
SIGNS = "key = lambda at: [ord(c) if place % 2 == 0 else -ord(c) for place, c in enumerate(rows[at])]\n"
RIGHT = READ + SIGNS + "print(*(at + 1 for at in sorted(range(n), key=key)))\n"
WRONG = {
    "reads all input": RIGHT.replace(
        "rows = [input() for _ in range(n)]", "import sys\nrows = sys.stdin.read().split()\nn = len(rows)"
    ),
    "sorts ascending": READ + "print(*(at + 1 for at in sorted(range(n), key=lambda at: rows[at])))\n",
    "sorts descending": READ
    + "print(*(at + 1 for at in sorted(range(n), key=lambda at: rows[at], reverse=True)))\n",
    "starts descending": RIGHT.replace("place % 2 == 0", "place % 2"),
    "counts from 0": RIGHT.replace("at + 1", "at"),
    "writes the titles": RIGHT.replace("at + 1 for", "rows[at] for"),
    "leaves out the last": RIGHT.replace("print(*(", "print(*list(").replace("key=key)))", "key=key))[:-1])"),
    "knows the public test": "print('5 2 1 3 4')\n",
    "fails behind its output": RIGHT + "raise SystemExit(3)\n",
    "leaves early": "import os\nos._exit(0)\n",
}


def fenced(program: str) -> str:
    return f"```python\n{program}```"


@pytest.fixture(scope="module")
def problem():
    (one,) = code_contests(FOLDER / "alphacodium_example_1575_A.json", images=True)
    return one


async def score(problem, program: str):
    try:
        return await CodeContests().score(problem, fenced(program))
    except SandboxUnavailableError as error:
        pytest.skip(str(error))


def test_the_problem_has_all_its_tests(problem):
    """As many as another publication of the split counts; and an image, so it is left out by default."""
    lines = (FOLDER / "test_split_165_statements_no_tests.jsonl").read_text(encoding="utf-8").split("\n")
    about = [json.loads(line)["meta_data"] for line in lines if line]
    (count,) = [one["test_case_count"] for one in about if one["task_name"].startswith("1575_A.")]
    assert len(problem.metadata["inputs"]) == len(problem.metadata["outputs"]) == count == 201
    with pytest.raises(BenchmarkError, match="image"):
        code_contests(FOLDER / "alphacodium_example_1575_A.json")


async def test_a_right_program_passes_all_tests(problem):
    found = await score(problem, RIGHT)
    assert (found.value, found.detail) == (1.0, "passes all 201 tests")


@pytest.mark.parametrize("name", WRONG)
async def test_a_wrong_program_fails(problem, name: str):
    found = await score(problem, WRONG[name])
    assert found.value == 0.0, name


def test_the_authors_cases_of_the_output_match():
    cases = json.loads((FOLDER / "official_output_match_cases.json").read_text(encoding="utf-8"))
    assert len(cases) == 6
    assert [outputs_match(case["a"], case["b"]) for case in cases] == [case["match"] for case in cases]


def test_statements_alone_are_refused():
    with pytest.raises(BenchmarkError) as caught:
        code_contests(FOLDER / "test_split_165_statements_no_tests.jsonl")
    assert len(caught.value.problems) == 165
