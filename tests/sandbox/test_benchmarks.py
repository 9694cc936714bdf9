"""The gold programs of HumanEval and MBPP pass, where their data is at hand."""

from __future__ import annotations

import ast
import asyncio
import builtins
import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from archon_graph.sandbox import Limits, Sandbox, Verdict, check
from tests.sandbox.conftest import works_here

SHARED = Path(__file__).parents[3] / "shared" / "data"

pytestmark = [works_here, pytest.mark.skipif(not SHARED.exists(), reason="the benchmarks' data is not here")]

LIMITS = Limits(wall_seconds=20)


def rows(path: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (SHARED / path).read_text(encoding="utf-8").splitlines()]


async def human_eval(sandbox: Sandbox, row: dict[str, Any], completion: str, limits: Limits = LIMITS) -> Verdict:
    name = row["entry_point"]
    test = f"{row['test']}\ncheck({name})"
    return await check(
        sandbox, row["prompt"] + completion, test, names=[name], support=support(row["prompt"]), limits=limits
    )


def parsed(code: str) -> ast.Module:
    """Some programs have backslashes in their texts that newer Pythons warn of."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(code)


def support(prompt: str) -> str:
    """The helpers that a prompt defines, where it is a program in itself."""
    try:
        ast.parse(prompt)
    except SyntaxError:
        return ""
    return prompt


async def mbpp(sandbox: Sandbox, row: dict[str, Any]) -> Verdict:
    test = "\n".join([row["test_setup_code"], *row["test_list"]])
    used = {node.id for node in ast.walk(parsed(test)) if isinstance(node, ast.Name)}
    defined = {node.name for node in parsed(row["code"]).body if isinstance(node, ast.FunctionDef)}
    # Task 126 asks for a function named ``sum``.
    return await check(
        sandbox, row["code"], test, names=sorted(used & defined & set(dir(builtins))), limits=LIMITS
    )


def failures(verdicts: Sequence[Verdict], tasks: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    return [
        (task["task_id"], verdict.detail)
        for task, verdict in zip(tasks, verdicts, strict=True)
        if not (verdict.passed and verdict.judged)
    ]


@pytest.mark.parametrize(
    "step", [pytest.param(12, id="some"), pytest.param(1, id="all 164", marks=pytest.mark.slow)]
)
async def test_the_gold_programs_of_human_eval_pass(step: int) -> None:
    tasks = rows("benchmarks/human_eval/HumanEval.jsonl")
    assert len(tasks) == 164
    sandbox = Sandbox(concurrency=2)
    tasks = tasks[2::step] if step > 1 else tasks
    verdicts = await asyncio.gather(*(human_eval(sandbox, task, task["canonical_solution"]) for task in tasks))
    assert failures(verdicts, tasks) == []


async def test_helpers_of_a_prompt_are_not_the_programs() -> None:
    """Task 32 asks for a zero of ``poly``, and its test computes with that: it must not be replaced."""
    task = rows("benchmarks/human_eval/HumanEval.jsonl")[32]
    hostile = "    return 0\n\ndef poly(xs, x):\n    return 0\n"
    verdict = await human_eval(Sandbox(), task, hostile)
    assert not verdict.passed
    assert verdict.judged


async def test_other_answers_to_human_eval_fail() -> None:
    tasks = rows("benchmarks/human_eval/HumanEval.jsonl")[::16]
    sandbox = Sandbox(concurrency=2)
    verdicts = await asyncio.gather(*(human_eval(sandbox, task, "    return None\n") for task in tasks))
    assert not any(verdict.passed for verdict in verdicts)
    assert all(verdict.judged for verdict in verdicts)


async def test_the_published_sample_of_human_eval_has_its_score() -> None:
    """Three are right; one sleeps past the limit, one wants input, one would have a shell remove a folder."""
    [task] = rows("replay/human_eval/example_problem.jsonl")
    samples = rows("replay/human_eval/example_samples.jsonl")
    limits = Limits(wall_seconds=3)
    sandbox = Sandbox(concurrency=2)
    verdicts = await asyncio.gather(*(human_eval(sandbox, task, one["completion"], limits) for one in samples))
    expected = json.loads((SHARED / "replay/human_eval/EXPECTED.json").read_text())["example_samples.jsonl"]
    assert len(samples) == expected["n_samples"]
    score = sum(verdict.passed for verdict in verdicts) / len(verdicts)
    assert score == pytest.approx(expected["published_pass@1"])
    assert [verdict.passed for verdict in verdicts] == [False, False, False, True, True, True]
    assert all(verdict.judged for verdict in verdicts)


@pytest.mark.parametrize(
    "step", [pytest.param(120, id="some"), pytest.param(1, id="all 974", marks=pytest.mark.slow)]
)
async def test_the_gold_programs_of_mbpp_pass(step: int) -> None:
    tasks = rows("benchmarks/mbpp/mbpp.jsonl")
    assert len(tasks) == 974
    odd = [task for task in tasks if task["task_id"] in (126, 367, 596, 601, 927)]  # sum, classes, sys
    tasks = [*tasks[::step], *odd] if step > 1 else tasks
    sandbox = Sandbox(concurrency=2)
    verdicts = await asyncio.gather(*(mbpp(sandbox, task) for task in tasks))
    assert failures(verdicts, tasks) == []
