"""The starter tasks: each is solved once more, wrong answers are told from right ones, the splits are even."""

from __future__ import annotations

import ast
import contextlib
import json
import re
from collections import Counter
from itertools import combinations, product
from pathlib import Path
from typing import Any

import pytest
import yaml

from archon_graph.answers import extract_answer
from archon_graph.evals.benchmarks import load_benchmark
from archon_graph.evals.benchmarks.starter import (
    AREAS,
    DIFFICULTIES,
    RULES,
    SPLITS,
    broken_rules,
    starter,
)
from tests.evals.starter_solutions.arithmetic import SOLUTIONS

HERE = Path(__file__).parent
PUBLISHED = HERE.parents[2] / "shared" / "data" / "benchmarks"
TASKS = {task.id: task for task in starter()}


def read(name: str) -> dict[str, dict[str, Any]]:
    """One file of solutions."""
    return dict(yaml.safe_load((HERE / "starter_solutions" / name).read_text("utf-8")))


CODE = read("code.yaml")
FACTS = read("facts.yaml")
FORMATS = read("formats.yaml")


def area(name: str) -> list[str]:
    """The ids of one area's tasks."""
    return [task.id for task in TASKS.values() if task.metadata["area"] == name]


def test_every_task_has_a_solution_and_every_solution_a_task():
    """Nothing is left unverified, and nothing verifies a task that is gone."""
    assert sorted(SOLUTIONS) == sorted(area("arithmetic"))
    assert sorted(CODE) == sorted(area("code"))
    assert sorted(FACTS) == sorted(area("fact"))
    assert sorted(FORMATS) == sorted(area("format"))


def test_sizes():
    """Each split has the same share of each area and each difficulty."""
    counts = Counter(
        (task.metadata["area"], task.metadata["split"], task.metadata["difficulty"]) for task in TASKS.values()
    )
    shares = {"easy": 3, "medium": 4, "hard": 3}
    wanted = {(*place, level): shares[level] for *place, level in product(AREAS, SPLITS, DIFFICULTIES)}
    assert counts == wanted
    assert counts.total() == len(starter()) == 120


def test_they_are_items():
    """Each has a readable name, plain metadata, and one way to be scored."""
    for item in starter():
        assert item.id.startswith(f"{item.metadata['area']}-")
        assert re.fullmatch(r"[a-z]+(-[a-z]+)+", item.id)
        assert json.loads(json.dumps(item.metadata)) == item.metadata
        assert isinstance(item.input, str)
        assert item.input == item.input.strip()
        assert bool(item.targets) + bool(item.tests) + ("check" in item.metadata) == 1


def test_they_are_found_by_name():
    """The splits are those that the tasks name, and the same in every process."""
    parts = [load_benchmark("starter", split=split) for split in SPLITS]
    assert [len(part) for part in parts] == [40, 40, 40]
    assert len({item.id for part in parts for item in part}) == 120
    assert len(load_benchmark("starter", where={"area": "code", "difficulty": "easy"})) == 9
    assert starter().fingerprint == starter().fingerprint


def test_the_order_is_mixed():
    """The first dozen of a split has all areas evenly, and all difficulties in each; it never changes."""
    assert [task.id for task in starter()] == list(TASKS)
    for split in SPLITS:
        first = [task.metadata for task in starter() if task.metadata["split"] == split][:12]
        assert {(place["area"], place["difficulty"]) for place in first} == set(product(AREAS, DIFFICULTIES))


def words(text: str) -> list[str]:
    """The words and numbers of a text."""
    return re.findall(r"[a-z0-9.]+", text.lower())


FUNCTION_WORDS = frozenset(
    words("a an and are at does each have how in is it many of one or the there to what which with")
)


def test_no_two_tasks_are_alike():
    """What is held out cannot be found in reworded form in another split."""
    for name in AREAS:
        # Without its last line, which says how to answer and is the same for many.
        questions = {id_: {*words(TASKS[id_].input.rsplit("\n", 1)[0])} - FUNCTION_WORDS for id_ in area(name)}
        for one, other in combinations(questions, 2):
            shared, total = questions[one] & questions[other], questions[one] | questions[other]
            assert len(shared) < 0.5 * len(total), (one, other)


# ---- word problems


@pytest.mark.parametrize("name", area("arithmetic"))
def test_word_problem(name: str):
    """The target is what the problem comes to, in plain digits, and does not stand in the problem."""
    task = TASKS[name]
    assert SOLUTIONS[name]() == int(task.target)
    assert task.target == str(int(task.target))
    assert task.target not in re.findall(r"[\d.]+\d|\d", task.input)
    assert task.kind == "numeric"
    assert task.input.endswith("then end with: Answer: <number>")
    assert extract_answer(f"7 x 8 = 56.\nAnswer: {task.target}", "number") == task.target


# ---- code


def run(code: str, asserts: tuple[str, ...]) -> list[bool]:
    """Which of the asserts hold after the code. It is our own code; a model's runs in the sandbox only."""
    outcomes = []
    for line in asserts:
        held = False
        with contextlib.suppress(Exception):
            exec(f"{code}\n{line}", {})  # noqa: S102
            held = True
        outcomes.append(held)
    return outcomes


@pytest.mark.parametrize("name", area("code"))
def test_code_tells_right_from_wrong(name: str):
    """The right answer passes every assert; each wrong one passes some, so it is plausible, and fails some."""
    tests = TASKS[name].tests
    assert len(tests) >= 5
    assert all(run(CODE[name]["right"], tests))
    assert len(CODE[name]["wrong"]) >= 2
    for code in CODE[name]["wrong"]:
        assert set(run(code, tests)) == {True, False}, code


@pytest.mark.parametrize("name", area("code"))
def test_code_is_asked_for_by_its_signature(name: str):
    """The prompt names the function and its arguments as the solution has them; the asserts call nothing else."""
    task = TASKS[name]
    [function] = [node for node in ast.parse(CODE[name]["right"]).body if isinstance(node, ast.FunctionDef)]
    arguments = ", ".join(argument.arg for argument in function.args.args)
    assert f"Write a Python function `{function.name}({arguments})`" in task.input
    # One case is shown, so that a search may select by it; the others stay hidden.
    assert task.input.endswith(f"\nExample: {task.tests[0].removeprefix('assert ')}\nReply with the code only.")
    assert task.metadata["entry_point"] == function.name
    assert name == f"code-{function.name.replace('_', '-')}"
    for line in task.tests:
        [statement] = ast.parse(line).body
        assert isinstance(statement, ast.Assert)
        called = {
            node.func.id
            for node in ast.walk(statement)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        assert called == {function.name}


def test_nothing_passes_for_free():
    """No constant answer passes the asserts of any task."""
    for name in area("code"):
        function = name.removeprefix("code-").replace("-", "_")
        for constant in ("None", "0", "''", "[]", "True", "False", "{}", "a[0]"):
            code = f"def {function}(*a): return {constant}"
            assert not all(run(code, TASKS[name].tests)), (name, constant)


# ---- facts


@pytest.mark.parametrize("name", area("fact"))
def test_fact(name: str):
    """The target says what the second statement says, and is found in a reply of the form that is asked for."""
    task, stated = TASKS[name], FACTS[name]
    assert set(stated) == {"answer", "because"}
    assert stated["because"].endswith(".")
    answer = task.target
    if task.kind == "choice":
        choices = task.metadata["choices"]
        assert len(set(choices)) == 4
        assert choices["ABCD".index(answer)] == stated["answer"]
        assert extract_answer(f"Answer: {answer}", "choice") == answer
    else:
        assert answer == stated["answer"]
        assert task.kind == ("numeric" if re.fullmatch(r"-?\d+", answer) else "exact")
        assert extract_answer(f"Answer: {answer}.") == answer.lower()
    assert 'Reply with "Answer:" and ' in task.input


def test_no_letter_is_a_good_guess():
    """Choices are right at every letter, and none more often than at three of ten."""
    letters = Counter(TASKS[name].target for name in area("fact") if TASKS[name].kind == "choice")
    assert set(letters) == set("ABCD")
    assert max(letters.values()) <= 0.31 * letters.total() + 1


# ---- formats


@pytest.mark.parametrize("name", area("format"))
def test_format_tells_good_from_bad(name: str):
    """Good answers break no rule, bad ones at least one; white space around an answer makes no difference."""
    check, answers = TASKS[name].metadata["check"], FORMATS[name]
    assert check
    assert answers["good"]
    assert len(answers["bad"]) >= 2
    for text in answers["good"]:
        assert broken_rules(text, check) == []
        assert broken_rules(f"\n {text}\n\n", check) == []
    for text in [*answers["bad"], "", "Sure, here is what you asked for:"]:
        assert broken_rules(text, check), text


def test_each_rule_of_a_task_matters():
    """No rule is there for nothing: some bad answer is caught by it, and all of these answers are known."""
    caught: set[str] = set()
    for name in area("format"):
        for text in FORMATS[name]["bad"]:
            caught |= {sentence.split(":")[0] for sentence in broken_rules(text, TASKS[name].metadata["check"])}
    used = {rule["rule"] for name in area("format") for rule in TASKS[name].metadata["check"]}
    assert caught == used == set(RULES)


@pytest.mark.parametrize("name", area("format")[::7])
async def test_scored(name: str):
    """By the rules: right, wrong with the rules that are broken, wrong if there is nothing."""
    item = TASKS[name]
    [good, *_], [bad, *_] = FORMATS[name]["good"], FORMATS[name]["bad"]
    assert (await starter().scorer.score(item, good)).value == 1
    score = await starter().scorer.score(item, f"{bad}\n")
    assert (score.value, score.detail, score.extracted) == (
        0,
        "; ".join(broken_rules(bad, item.metadata["check"])),
        bad,
    )
    empty = await starter().scorer.score(item, " \n")
    assert (empty.value, empty.detail, empty.extracted) == (0, "the answer is empty", None)


# ---- ours, and nobody else's


def published_questions() -> list[str]:
    """Every question of the published benchmarks that lie on this machine."""
    fields = {
        "gsm8k/test.jsonl": ["question", "answer"],
        "math/math500_test.jsonl": ["problem"],
        "human_eval/HumanEval.jsonl": ["prompt", "canonical_solution"],
        "mbpp/mbpp.jsonl": ["text", "code"],
        "mt_bench/question.jsonl": ["turns"],
    }
    texts = []
    for name, keys in fields.items():
        for line in (PUBLISHED / name).read_text("utf-8").splitlines():
            row = json.loads(line)
            texts += [str(row.get(key, "")) for key in keys]
    texts += [path.read_text("utf-8") for path in (PUBLISHED / "mmlu").rglob("*.csv")]
    for path in PUBLISHED.glob("mixeval*/*.json"):
        texts += [str(row["prompt"]) for row in json.loads(path.read_text("utf-8")).values()]
    return texts


@pytest.mark.skipif(not PUBLISHED.is_dir(), reason="the published benchmarks are not on this machine")
def test_nothing_is_taken_from_published_benchmarks():
    """No seven words in a row are theirs."""
    seven: set[tuple[str, ...]] = set()
    for text in published_questions():
        spoken = words(text)
        seven.update(zip(*(spoken[place:] for place in range(7)), strict=False))
    assert len(seven) > 200_000
    for name, task in TASKS.items():
        spoken = words(task.input)
        found = [run_ for run_ in zip(*(spoken[place:] for place in range(7)), strict=False) if run_ in seven]
        assert not found, (name, found)
