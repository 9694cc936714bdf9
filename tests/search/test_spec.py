"""The spec of a study: read from plain data, every problem told at once with its key and the way out."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from archon_graph.evals import Benchmark
from archon_graph.models import Budget, ScriptedModel, register_model
from archon_graph.search import RacingRule, StudySpec, find_strategy
from archon_graph.search.spec import SpecError, split_data
from tests.evals.doubling import item
from tests.search.studying import GOOD, WEAK, data, part, spec


@pytest.fixture(autouse=True)
def models() -> None:
    """Those that specs name; nothing calls them."""
    for name in ("good", "weak"):
        register_model(name, ScriptedModel([], label=name))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with questions in three splits."""
    splits = ["search"] * 6 + ["selection"] * 3 + ["holdout"] * 3
    asked = [
        {"id": f"q{n}", "input": f"What is {n} doubled?", "target": 2 * n, "metadata": {"split": split}}
        for n, split in enumerate(splits, start=1)
    ]
    (tmp_path / "questions.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in asked))
    return tmp_path


def config(**settings: Any) -> dict[str, Any]:
    return {"models": [GOOD, WEAK], "benchmark": "questions.jsonl", **settings}


def problems(folder: Path, given: Any) -> list[str]:
    """What is said to be wrong with it."""
    with pytest.raises(SpecError) as error:
        StudySpec.from_config(given, folder=folder)
    first, *told = str(error.value).splitlines()
    assert first == f"{'one problem' if len(told) == 1 else f'{len(told)} problems'} in this study:"
    return [line.removeprefix("- ") for line in told]


def test_a_file_says_what_a_study_is_asked_to_do(folder: Path, monkeypatch: pytest.MonkeyPatch):
    """Paths are relative to where it lies, wherever the command is run."""
    given = config(
        space={"samples": [1, 2], "max_calls": 9},
        questions={"search": 4},
        strategy={"name": "local", "start": 3} if "start" in find_strategy("local").settings() else "local",
        racing={"alpha": 0.1},
        budget={"calls": 100, "money": 2.5},
        budget_per_question={"calls": 9},
        trials=7,
        parallel=2,
        cost="tokens",
        finalists=3,
        ablate=False,
        search_share=0.6,
        seed=4,
    )
    (folder / "study.yaml").write_text(yaml.safe_dump(given))
    monkeypatch.chdir("/")
    read = StudySpec.load(folder / "study.yaml")
    assert read.space.model_names == (GOOD, WEAK)
    assert read.space.max_calls == 9
    assert {name: len(each) for name, each in read.data.items()} == {"search": 4, "selection": 3, "holdout": 3}
    assert (read.strategy.name, read.racing) == ("local", RacingRule(alpha=0.1))
    assert read.budget == Budget(calls=100, money=2.5)
    assert read.budget_per_question == Budget(calls=9)
    names = ("trials", "parallel", "cost", "finalists", "ablate", "search_share", "seed")
    assert {name: getattr(read, name) for name in names} == {name: given[name] for name in names}


def test_what_is_written_is_read_back_as_the_same_study(folder: Path):
    read = StudySpec.from_config(config(trials=3), folder=folder)
    again = config(trials=3, space=json.loads(json.dumps(read.space.to_config())))
    assert StudySpec.from_config(yaml.safe_load(yaml.safe_dump(again)), folder=folder).identity == read.identity
    assert json.loads(json.dumps(read.describe())) == read.describe()


def test_little_has_to_be_said(folder: Path):
    read = StudySpec.from_config(config(), folder=folder)
    assert (read.strategy.name, read.racing, read.budget) == ("bayesian", RacingRule(), None)
    assert StudySpec.from_config(config(racing=False), folder=folder).racing is None
    assert StudySpec.from_config(config(benchmark={"name": "questions.jsonl"}), folder=folder).data == read.data


def test_every_problem_is_told_at_once(folder: Path):
    told = problems(
        folder,
        {
            "model": ["x"],
            "models": [GOOD],
            "benchmark": "startr",
            "space": {"sample": [1], "final": ["ranket"]},
            "strategy": "bayesien",
            "racing": {"alfa": 0.1},
            "budget": {"call": 3},
            "budget_per_question": 7,
            "trials": -1,
            "parallel": "two",
            "finalists": 0,
            "cost": "token",
            "search_share": 1.5,
            "seed": 0.5,
        },
    )
    wanted = {
        "model": ["unknown key", "did you mean 'models'?"],
        "space": ["'sample'", "did you mean 'samples'?"],
        "benchmark": ["'startr'", "did you mean 'starter'?"],
        "strategy": ["there is no strategy 'bayesien'", "did you mean 'bayesian'?"],
        "racing": ["a racing rule has no 'alfa'", "did you mean 'alpha'?"],
        "budget": ["should hold some of calls, tokens, money, seconds, got {'call': 3}"],
        "budget_per_question": ["should hold some of calls, tokens, money, seconds, got 7"],
        "trials": ["at least 0, got -1"],
        "parallel": ["at least 1, got 'two'"],
        "finalists": ["at least 1, got 0"],
        "cost": ["'token' is none of calls, tokens, money, seconds", "did you mean 'tokens'?"],
        "search_share": ["between 0 and 1, got 1.5"],
        "seed": ["a whole number, got 0.5"],
    }
    for key, parts in wanted.items():
        lines = [line for line in told if line.startswith(f"{key}: ")]
        assert lines, key
        assert all(any(each in line for line in lines) for each in parts), (key, lines)
    assert any("'ranket'" in line and "'ranker'" in line for line in told)
    assert {line.partition(":")[0] for line in told} == set(wanted)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ([1], "a study is a mapping with models and a benchmark, got list"),
        (None, "a study is a mapping with models and a benchmark, got NoneType"),
    ],
)
def test_what_is_no_mapping_is_refused(given: object, told: str):
    with pytest.raises(SpecError, match=told):
        StudySpec.from_config(given)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"benchmark": None}, "benchmark: no benchmark is given. Write benchmark: starter"),
        ({"models": None}, "space: no models are given. Write, for example, models: ["),
        ({"benchmark": {"path": "x"}}, "benchmark: has no name. Write benchmark: {name:"),
        ({"questions": {"serch": 3}}, "'serch' is none of search, selection, holdout (did you mean 'search'?)"),
        ({"questions": {"search": 0}}, "search should be a whole number of at least 1, got 0"),
        ({"questions": 3}, "questions should map splits to numbers, got int"),
        ({"racing": "yes"}, "racing: should be true, false or the settings of the rule, got 'yes'"),
        ({"budget": {"calls": -1}}, "budget: a budget of calls must be a whole number of at least 0"),
        ({"space": [1]}, "space: should map axes to values, got list"),
        ({"strategy": {"name": "grid", "speed": 3}}, "strategy: the strategy grid has no setting 'speed'"),
    ],
)
def test_one_problem_is_told_with_its_key(folder: Path, settings: dict[str, Any], told: str):
    [line] = problems(folder, config(**settings))
    assert told in line


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path):
    with pytest.raises(SpecError, match=r"nowhere.yaml cannot be read: No such file or directory"):
        StudySpec.load(tmp_path / "nowhere.yaml")
    (tmp_path / "broken.yaml").write_text("models: [a\n")
    with pytest.raises(SpecError, match=r"broken.yaml cannot be read: .*line 2"):
        StudySpec.load(tmp_path / "broken.yaml")


# --- honest data ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (
            {"selection": [12, 101]},
            "data: search and selection share 1 questions (or questions of one cluster), 'q12'",
        ),
        (
            {"holdout": [3, 4, 201]},
            "data: search and holdout share 2 questions (or questions of one cluster), 'q3'",
        ),
        (
            {"holdout": [101]},
            "data: selection and holdout share 1 questions (or questions of one cluster), 'q101'",
        ),
    ],
)
def test_known_failure_5_splits_that_share_questions_are_refused(settings: dict[str, Any], told: str):
    with pytest.raises(SpecError) as error:
        spec(data=data(**settings))
    [line] = str(error.value).splitlines()[1:]
    assert told in line
    assert line.endswith("Give each question to one split")


def test_known_failure_5_splits_that_share_clusters_are_refused():
    """Questions that stand or fall together are one question, as far as honesty goes."""
    parts = data()
    parts["search"] = Benchmark(name="doubling", items=(item(1, cluster="twins"), item(2)))
    parts["holdout"] = Benchmark(name="doubling", items=(item(201, cluster="twins"),))
    with pytest.raises(
        SpecError, match=r"search and holdout share 1 questions \(or questions of one cluster\), 'q201'"
    ):
        spec(data=parts)


def test_all_splits_are_needed_and_every_problem_is_told():
    parts = {name: each for name, each in data(selection=[1]).items() if name != "holdout"}
    with pytest.raises(SpecError) as error:
        spec(data=parts, trials=-1)
    assert str(error.value).startswith("3 problems in this study:")
    assert "the split 'holdout' is missing; a study needs search, selection, holdout" in str(error.value)


def test_a_benchmark_falls_into_splits_that_never_overlap():
    whole = part(range(1, 200))
    parts = split_data(whole, {"search": 20})
    assert len(parts["search"]) == 20
    assert spec(data=parts).data == parts
    assert split_data(whole, {"search": 20})["search"].items == parts["search"].items


# --- limits -----------------------------------------------------------------------------------------------------


def test_limits_may_be_changed_and_it_stays_the_same_study():
    given = spec(trials=4, budget=Budget(calls=10, tokens=99))
    assert given.with_limits() == given
    more = given.with_limits(trials=9, calls=20, money=1.5)
    assert (more.trials, more.budget) == (9, Budget(calls=20, tokens=99, money=1.5))
    assert more.identity == given.identity
    assert spec().with_limits(trials=0).budget is None
    assert spec().with_limits(calls=5).budget == Budget(calls=5)


def test_a_share_of_the_budget():
    assert spec().budget_of(0.5) is None
    given = spec(budget=Budget(calls=11, tokens=100, money=3.0, seconds=60.0))
    assert given.budget_of(0.5) == Budget(calls=5, tokens=50, money=1.5, seconds=30.0)
    assert given.budget_of(1.0) == given.budget


@pytest.mark.parametrize(
    "other",
    [{"seed": 1}, {"parallel": 3}, {"finalists": 9}, {"racing": None}, {"budget_per_question": Budget(calls=9)}],
    ids=lambda value: next(iter(value)),
)
def test_what_could_change_the_outcome_makes_another_study(other: dict[str, Any]):
    assert replace(spec(), **other).identity != spec().identity
