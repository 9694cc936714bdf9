"""Published benchmarks, from small files of our own in their formats, and from a hub that is played here."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from archon_graph.core import Prompt
from archon_graph.evals.benchmarks import (
    BENCHMARKS,
    Benchmark,
    BenchmarkError,
    UnknownBenchmarkError,
    gsm8k,
    human_eval,
    load_benchmark,
    math,
    mbpp,
    mmlu,
)
from archon_graph.models import MissingExtraError

GSM8K = {
    "question": "Ann has 3 hens. Each lays 400 eggs. How many?",
    "answer": "3 * 400 = <<3*400=1200>>1200\n#### 1,200",
}
MATH = {
    "problem": "What is $1/2 + 1/4$?",
    "solution": r"It is \boxed{1}, no: \boxed{\frac{3}{4}}.",
    "level": "Level 2",
    "type": "Prealgebra",
}
HUMAN_EVAL = {
    "task_id": "Own/0",
    "prompt": 'def twice(x):\n    """ Twice x, a $ sign included. """\n',
    "entry_point": "twice",
    "canonical_solution": "    return 2 * x\n",
    "test": "def check(candidate):\n    assert candidate(2) == 4\n",
}
MBPP = {
    "task_id": 12,
    "text": "Write a function that adds.",
    "code": "def helper(x):\n    return x\n\ndef add(a, b):\n    return helper(a) + b",
    "test_list": ["assert add(1, 2) == 3", "assert set([add(0, 0)]) == {0}"],
    "test_setup_code": "",
    "challenge_test_list": [],
}


def lines(folder: Path, *objects: Any, name: str = "data.jsonl") -> Path:
    path = folder / name
    path.write_text("\n".join(map(json.dumps, objects)), encoding="utf-8")
    return path


def test_gsm8k(tmp_path: Path):
    """The number behind the mark is the target; the question comes with a way to answer."""
    benchmark = gsm8k(lines(tmp_path, GSM8K))
    (item,) = benchmark
    assert (item.id, item.target, item.kind) == ("gsm8k/1", "1200", "numeric")
    assert str(item.input).startswith(GSM8K["question"])
    assert "#### number" in str(item.input)
    assert benchmark.prompt is not None
    assert benchmark.prompt.startswith("1@")


def test_math_in_both_of_its_forms(tmp_path: Path):
    """One line for each problem, or a folder with a file for each."""
    newer = {**MATH, "level": 2, "subject": "Algebra", "answer": "0.75", "unique_id": "test/algebra/1.json"}
    item, other = math(lines(tmp_path, MATH, newer))
    assert (item.id, item.target, item.kind) == ("math/1", r"\frac{3}{4}", "math")
    assert (item.metadata["level"], item.metadata["subject"]) == (2, "Prealgebra")
    assert (other.id, other.target, other.metadata["subject"]) == ("test/algebra/1.json", "0.75", "Algebra")
    folder = tmp_path / "test"
    (folder / "algebra").mkdir(parents=True)
    (folder / "algebra" / "7.json").write_text(json.dumps({**MATH, "level": "Level ?"}))
    (item,) = math(folder)
    assert (item.id, item.target, item.metadata["level"]) == ("algebra/7.json", r"\frac{3}{4}", "Level ?")


def test_human_eval(tmp_path: Path):
    (item,) = human_eval(lines(tmp_path, HUMAN_EVAL))
    assert (item.id, item.kind) == ("Own/0", "code")
    assert item.tests == (HUMAN_EVAL["test"], "check(twice)")
    assert item.metadata["prefix"] == HUMAN_EVAL["prompt"]
    assert HUMAN_EVAL["prompt"].strip() in str(item.input)


def test_mbpp_in_both_of_its_forms(tmp_path: Path):
    """The tests are shown; set-up code comes behind the answer's code, and imports before the tests."""
    setup = {**MBPP, "task_id": 601, "test_setup_code": "x = add"}
    path = lines(tmp_path, MBPP, setup)
    (item,) = mbpp(path)
    assert (item.id, item.kind, item.metadata["entry_point"]) == ("mbpp/12", "code", "add")
    assert item.tests == tuple(MBPP["test_list"])
    assert all(test in str(item.input) for test in item.tests)
    assert [item.id for item in mbpp(path, part="all")] == ["mbpp/12", "mbpp/601"]
    assert mbpp(path, part="train").items[0].tests == ("x = add", *MBPP["test_list"])
    sanitized = {key: value for key, value in MBPP.items() if key in ("task_id", "code", "test_list")}
    sanitized |= {"prompt": MBPP["text"], "source_file": "x", "test_imports": ["import math"]}
    path = tmp_path / "sanitized-mbpp.json"
    path.write_text(json.dumps([sanitized]))
    (item,) = mbpp(path)
    assert item.tests == ("import math", *MBPP["test_list"])


def test_mbpp_can_show_fewer_tests_than_it_scores_with(tmp_path: Path):
    """The first ones, in the question alone; by default, and where there are no more, all of them."""
    path = lines(tmp_path, MBPP, {**MBPP, "task_id": 601, "test_setup_code": "x = add"})
    first, second = MBPP["test_list"]
    whole, shown = mbpp(path, part="all"), mbpp(path, part="all", shown_tests=1)
    for before, after in zip(whole, shown, strict=True):
        assert first in str(after.input)
        assert second not in str(after.input)
        assert second in str(before.input)
        assert (after.id, after.tests, after.metadata) == (before.id, before.tests, before.metadata)
    assert [one.tests for one in shown] == [(first, second), ("x = add", first, second)]
    assert shown.fingerprint != whole.fingerprint
    for all_of_them in (None, 2, 9):
        assert mbpp(path, part="all", shown_tests=all_of_them).fingerprint == whole.fingerprint
    assert load_benchmark("mbpp", path=path, shown_tests=1).items == mbpp(path, shown_tests=1).items


async def test_mbpp_scores_with_the_tests_that_it_does_not_show(tmp_path: Path):
    """What passes the one that is shown, and no other, is wrong."""
    from archon_graph.evals.scorers import Code
    from archon_graph.sandbox import SandboxUnavailableError

    (item,) = mbpp(lines(tmp_path, MBPP), shown_tests=1)
    answers = {"def add(a, b):\n    return a + b": 1.0, "def add(a, b):\n    return 3": 0.0}
    try:
        found = {answer: (await Code().score(item, answer)).value for answer in answers}
    except SandboxUnavailableError as error:
        pytest.skip(str(error))
    assert found == answers


@pytest.mark.parametrize("shown", [0, -1])
def test_mbpp_shows_one_test_at_least(tmp_path: Path, shown: int):
    told = f"shown_tests is {shown}, and without a test the question names no function; show at least 1"
    with pytest.raises(ValueError, match=f"^{told}$"):
        mbpp(lines(tmp_path, MBPP), shown_tests=shown)
    with pytest.raises(ValueError, match=f"^{told}$"):
        load_benchmark("mbpp", shown_tests=shown)


def test_mmlu(tmp_path: Path):
    """A file for each subject, without a header, cells of several lines included."""
    folder = tmp_path / "test"
    folder.mkdir()
    (folder / "own_knots_test.csv").write_text(
        '"Which of these\nis a knot?",bow,bowl,"bow, or bowl",none,A\nWhich is a boat?,bow,boat,bolt,boar,b\n'
    )
    (folder / "own_sums_test.csv").write_text("1 + 1?,1,2,3,4,B\n")
    benchmark = mmlu(folder)
    assert [item.id for item in benchmark] == ["own_knots/1", "own_knots/2", "own_sums/1"]
    assert [item.target for item in benchmark] == ["A", "B", "B"]
    first = benchmark.items[0]
    assert first.metadata == {"subject": "own_knots", "choices": ["bow", "bowl", "bow, or bowl", "none"]}
    assert "C. bow, or bowl" in str(first.input)
    assert "own knots" in str(first.input)
    assert len(benchmark.where({"subject": "own_sums"})) == 1
    assert mmlu(folder / "own_sums_test.csv").items == benchmark.items[2:]


def test_words_around_the_questions_can_be_others(tmp_path: Path):
    """Which is told by the benchmark's record; a placeholder that nobody fills is an error."""
    path = lines(tmp_path, GSM8K)
    benchmark = gsm8k(path, prompt=Prompt(version="mine", parts={"question": "$question Only the number."}))
    assert benchmark.items[0].input == f"{GSM8K['question']} Only the number."
    assert benchmark.prompt is not None
    assert benchmark.prompt.startswith("mine@")
    assert benchmark.fingerprint != gsm8k(path).fingerprint
    with pytest.raises(ValueError, match=r"uses \$quest"):
        gsm8k(path, prompt=Prompt(version="mine", parts={"question": "$quest"}))


@pytest.mark.parametrize(
    ("load", "good", "bad", "field"),
    [
        (gsm8k, GSM8K, {**GSM8K, "answer": "It is 7."}, "answer"),
        (gsm8k, GSM8K, {**GSM8K, "answer": "#### ,."}, "answer"),
        (gsm8k, GSM8K, {"question": "?"}, "answer"),
        (math, MATH, {**MATH, "solution": "It is so."}, "solution"),
        (math, MATH, {"solution": r"\boxed{1}"}, "problem"),
        (human_eval, HUMAN_EVAL, {**HUMAN_EVAL, "task_id": "x", "test": ""}, "test"),
        (human_eval, HUMAN_EVAL, HUMAN_EVAL, "id"),
        (mbpp, MBPP, {**MBPP, "task_id": "eleven"}, "task_id"),
        (mbpp, MBPP, {**MBPP, "task_id": 13, "test_list": []}, "test_list"),
        (mbpp, MBPP, MBPP, "id"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, load: Any, good: Any, bad: Any, field: str):
    """With its file, and the field."""
    path = lines(tmp_path, good, bad)
    with pytest.raises(BenchmarkError) as caught:
        load(path)
    (problem,) = caught.value.problems
    assert (problem.file, problem.line, problem.field) == (str(path), 2, field)
    assert problem.way_out


def test_bad_tables_are_named(tmp_path: Path):
    """Each problem with the file it is in."""
    (tmp_path / "a_test.csv").write_text("q,1,2,3,4,A\nq,1,2,3,A\n\nq,1,2,3,4,E\n")
    (tmp_path / "b_test.csv").write_text('q,1,2,3,4,"A')
    with pytest.raises(BenchmarkError) as caught:
        mmlu(tmp_path)
    found = {(Path(problem.file).name, problem.line, problem.field) for problem in caught.value.problems}
    assert found == {("a_test.csv", 2, None), ("a_test.csv", 4, "answer"), ("b_test.csv", 1, None)}
    with pytest.raises(BenchmarkError, match=r"Name one of the folders in it"):
        mmlu(tmp_path.parent)


def test_problems_in_a_folder_of_problems_are_named(tmp_path: Path):
    (tmp_path / "1.json").write_text("{")
    (tmp_path / "2.json").write_text(json.dumps({"problem": "?"}))
    (tmp_path / "3.json").write_text(json.dumps(MATH))
    with pytest.raises(BenchmarkError) as caught:
        math(tmp_path)
    assert {(Path(problem.file).name, problem.field) for problem in caught.value.problems} == {
        ("1.json", None),
        ("2.json", "solution"),
    }


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> dict[tuple[str, str | None, str], list[dict[str, Any]]]:
    """What ``datasets`` would load, by repository, configuration and part."""
    held: dict[tuple[str, str | None, str], list[dict[str, Any]]] = {}

    def load_dataset(repository: str, config: str | None, *, split: str, revision: str | None):
        if revision == "gone":
            raise FileNotFoundError(f"Couldn't find\n{repository} at {revision}")
        return held[repository, config, split]

    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=load_dataset))
    return held


def test_the_hub_gives_the_same_items(tmp_path: Path, hub):
    """As a file, in the form that the hub has."""
    hub["openai/gsm8k", "main", "test"] = [GSM8K]
    assert load_benchmark("gsm8k").items == gsm8k(lines(tmp_path, GSM8K)).items
    hub["openai/openai_humaneval", None, "test"] = [HUMAN_EVAL]
    assert load_benchmark("human-eval").items == human_eval(lines(tmp_path, HUMAN_EVAL)).items
    hub["google-research-datasets/mbpp", "full", "test"] = [MBPP]
    assert load_benchmark("mbpp").items == mbpp(lines(tmp_path, MBPP)).items
    assert load_benchmark("mbpp", shown_tests=1).items == mbpp(lines(tmp_path, MBPP), shown_tests=1).items
    hub["HuggingFaceH4/MATH-500", None, "test"] = [MATH]
    assert load_benchmark("math").items == math(lines(tmp_path, MATH)).items
    (tmp_path / "own_sums_test.csv").write_text("1 + 1?,1,2,3,4,B\n")
    row = {"question": "1 + 1?", "subject": "own_sums", "choices": ["1", "2", "3", "4"], "answer": 1}
    hub["cais/mmlu", "all", "dev"] = [{**row, "subject": "own_others"}, row]
    assert load_benchmark("mmlu", part="dev").items[1:] == mmlu(tmp_path / "own_sums_test.csv").items


def test_what_the_hub_cannot_give(hub):
    """Problems name the data set and the row."""
    hub["openai/gsm8k", "main", "train"] = [GSM8K, {**GSM8K, "answer": "none"}]
    with pytest.raises(BenchmarkError, match=r"hub:openai/gsm8k:main\[train\]:2: answer"):
        load_benchmark("gsm8k", part="train")
    with pytest.raises(UnknownBenchmarkError, match=r"no part 'tset' \(did you mean 'test'\?\)"):
        load_benchmark("gsm8k", part="tset")
    with pytest.raises(UnknownBenchmarkError, match=r"did you mean 'train'"):
        load_benchmark("mbpp", part="trian")
    with pytest.raises(BenchmarkError, match=r"Couldn't find openai/gsm8k at gone.*path of a local file"):
        load_benchmark("gsm8k", revision="gone")


def test_without_the_extra_the_hub_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtraError, match=r"archon-graph\[datasets\]"):
        load_benchmark("gsm8k")


def test_unknown_benchmarks_and_options():
    with pytest.raises(
        UnknownBenchmarkError, match=r"'gms8k' \(did you mean 'gsm8k'\?\).*starter.*questions\.jsonl"
    ):
        load_benchmark("gms8k")
    with pytest.raises(UnknownBenchmarkError, match="give its path"):
        load_benchmark("jsonl")
    with pytest.raises(TypeError, match=r"gsm8k takes no 'prat' \(did you mean 'part'\?\)"):
        load_benchmark("gsm8k", prat="test")
    with pytest.raises(TypeError, match="comes with the package"):
        load_benchmark("starter", path="x.jsonl")


@pytest.mark.parametrize("name", sorted(BENCHMARKS))
def test_every_name_leads_to_a_loader(name: str):
    from importlib import import_module

    module, _, function = BENCHMARKS[name].partition(":")
    assert callable(getattr(import_module(module), function))


def test_the_starter_tasks_load_by_name():
    benchmark = load_benchmark("starter", split="holdout", limit=5)
    assert isinstance(benchmark, Benchmark)
    assert len(benchmark) == 5
