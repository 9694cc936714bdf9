"""``archon-graph search`` and ``archon-graph report``: the verdict, going on, budgets, every problem at once."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from archon_graph import Architecture
from archon_graph.cli import study_view
from archon_graph.evals.report import page as evaluation_page
from archon_graph.models import ScriptedModel, register_model
from archon_graph.search import Progress, Study, StudySpec, run_study
from tests.cli.command import Command, Ran
from tests.evals import doubling

ROOT = Path(__file__).parents[2]
SPLITS = ("search", "selection", "holdout")
SPEC: dict[str, Any] = {
    "models": ["custom:m"],
    "benchmark": "questions.jsonl",
    "space": {
        "samples": [1, 3],
        "fusion_layers": 0,
        "revisions": 0,
        "evaluation": "none",
        "final": ["ranker", "voter"],
        "max_calls": 4,
    },
    "strategy": "random",
    "trials": 2,
    "parallel": 2,
    "finalists": 1,
}


def write_study(folder: Path, count: int = 18, **settings: Any) -> Path:
    """A study and its questions as files."""
    lines = [
        {
            "id": each.id,
            "input": each.input,
            "target": each.target,
            "metadata": {"split": SPLITS[3 * place // count]},
        }
        for place, each in enumerate(doubling.benchmark(count).items)
    ]
    (folder / "questions.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    file = folder / "study.yaml"
    file.write_text(yaml.safe_dump({**SPEC, **settings}), encoding="utf-8")
    return file


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ScriptedModel:
    """The model ``custom:m``, in a directory with ``study.yaml`` and a cache of the test's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ARCHON_GRAPH_CACHE", str(tmp_path / "cache.sqlite"))
    write_study(tmp_path)
    made = ScriptedModel(doubling.reply, json=True)
    register_model("m", made)
    return made


def search(command: Command, *arguments: str) -> Ran:
    return command("search", "study.yaml", *arguments)


def test_from_the_questions_to_what_is_run(command: Command, model: ScriptedModel):
    """The verdict first, then the tables, the files, and a command that works."""
    ran = search(command)
    assert ran.code == 0
    [folder] = Path("studies").iterdir()
    study = Study(folder)
    found = study.findings
    assert ran.out.startswith(found.verdict.sentences[0])
    assert re.search(r"^ winner +\d\.\d{3} +\[", ran.out, re.MULTILINE)
    assert re.search(r"^ best single model +[+-]\d\.\d{3} \[", ran.out, re.MULTILINE)
    for gain in found.gains:
        assert gain.what in ran.out
    assert "each alone takes" in ran.out
    assert f"{len(model.calls)} calls paid (? USD)" in ran.out
    assert f"report: {folder}/report.html" in ran.out
    assert Architecture.load(folder / "best.yaml") == study.best()
    assert "search: 3 of 3 trials" in ran.err
    assert ran.err.splitlines()[-1].startswith("done: 3 of 3 trials")
    *_, last = ran.out.splitlines()
    _, verb, file, question = last.split(" ", 3)
    assert (verb, question) == ("run", '"your question"')
    answered = command("run", file, "What is 4 doubled?")
    assert answered.out.startswith("#### ")


def test_the_second_run_and_a_replay_pay_nothing(command: Command, model: ScriptedModel):
    first = search(command, "--out", "one")
    asked = len(model.calls)
    again = search(command, "--out", "one", "--resume")
    replayed = search(command, "--out", "two", "--replay")
    assert (first.code, again.code, replayed.code) == (0, 0, 0)
    assert len(model.calls) == asked
    verdict = first.out.split("\n\n")[0]
    for ran in (again, replayed):
        assert ran.out.split("\n\n")[0] == verdict
        assert "nothing was paid for now" in ran.out


def test_json_for_other_programs(command: Command, model: ScriptedModel):
    told = json.loads(search(command, "--out", "one", "--json").out)
    study = Study("one")
    assert told["verdict"]["sentences"] == list(study.findings.verdict.sentences)
    assert (told["phase"], told["stopped"]) == ("done", None)
    assert len(told["trials"]) == 3
    assert told["held_out"]["standings"][0]["architecture"] == "winner"
    assert told["paid_now"]["calls"] == len(model.calls)
    assert told["calls"]["paid"] <= told["calls"]["alone"]
    assert told["command"].startswith("archon-graph run one/")
    assert Path(told["report"]).is_file()
    assert all(Path(file).is_file() for file in told["files"].values())
    [winner] = [file for what, file in told["files"].items() if what == "winner"]
    assert Architecture.load(winner) == study.best()


def test_everything_wrong_with_a_file_is_told_at_once(command: Command, model: ScriptedModel):
    wrong = {
        "benchmrk": "questions.jsonl",
        "benchmark": "startr",
        "space": {"sampels": [1], "final": ["votr"]},
        "strategy": "bayesain",
        "trials": -1,
        "cost": "money!",
        "racing": {"alfa": 1},
        "budget": {"dollars": 1},
    }
    Path("study.yaml").write_text(yaml.safe_dump(wrong), encoding="utf-8")
    ran = search(command, "--executor", "spark", "--tape", "run.jsonl")
    assert (ran.code, ran.out) == (2, "")
    for told in (
        "benchmrk: unknown key (did you mean 'benchmark'?)",
        "no models are given",
        "did you mean 'starter'?",
        "did you mean 'bayesian'?",
        "trials: should be a whole number of at least 0",
        "cost: 'money!' is none of",
        "alfa",
        "dollars",
        "executor 'spark': should be local, or dask://host:port",
        "a tape is only read",
    ):
        assert told in ran.err, told
    assert "nothing was called" in ran.err
    assert model.calls == ()
    assert not Path("studies").exists()


def test_axes_are_checked_too(command: Command, model: ScriptedModel, tmp_path: Path):
    write_study(tmp_path, space={"sampels": [1], "final": ["votr"]})
    ran = search(command)
    assert ran.code == 2
    assert "did you mean 'samples'?" in ran.err
    assert "did you mean 'voter'?" in ran.err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nowhere.yaml"], "nowhere.yaml cannot be read"),
        (["study.yaml", "--resume"], "--resume: there is no study to go on with"),
        (["study.yaml", "--resume", "--out", "nothing"], "Leave --resume out to begin one"),
        (["study.yaml", "--no-cache", "--cache-file", "x"], "give one of them"),
        (["study.yaml", "--executor", "dask://"], "names no host"),
        (["study.yaml", "--max-cost", "1"], "cannot be kept for certain"),
        (["unknown_model.yaml"], "no model is registered as 'nobody'"),
        (["shared.yaml"], "give all of them a split, or none"),
    ],
)
def test_what_is_wrong_is_told_before_any_call(
    command: Command, model: ScriptedModel, arguments: list[str], told: str
):
    Path("unknown_model.yaml").write_text(yaml.safe_dump({**SPEC, "models": ["custom:nobody"]}))
    Path("mixed.jsonl").write_text(
        '{"input": "a", "target": "1", "metadata": {"split": "search"}}\n{"input": "b", "target": "2"}\n'
    )
    Path("shared.yaml").write_text(yaml.safe_dump({**SPEC, "benchmark": "mixed.jsonl"}))
    ran = command("search", *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert told in ran.err
    assert model.calls == ()


def test_another_study_in_the_directory_is_refused(command: Command, model: ScriptedModel):
    assert search(command, "--out", "one").code == 0
    ran = search(command, "--out", "one", "--seed", "7")
    assert ran.code == 2
    assert "one holds another study" in ran.err


def test_a_budget_ends_it_and_a_larger_one_goes_on(command: Command, model: ScriptedModel):
    ran = search(command, "--out", "one", "--max-calls", "20")
    assert ran.code == 1
    assert "stopped: the budget is spent; with a larger one the same command goes on from here" in ran.err
    assert len(model.calls) <= 20
    # What was found by then is told, and in a report.
    assert Study("one").findings.verdict.sentences[0] in ran.out
    assert Path("one/report.html").is_file()
    assert command("report", "one").code == 0
    more = search(command, "--out", "one", "--max-calls", "1000", "--resume")
    assert more.code == 0
    assert Study("one").findings.phase == "done"


def test_more_trials_go_on_with_it(command: Command, model: ScriptedModel):
    search(command, "--out", "one", "--trials", "1")
    assert len(Study("one").trials) == 2
    assert search(command, "--out", "one", "--trials", "2").code == 0
    assert len(Study("one").trials) == 3


def test_where_every_call_fails_that_is_told(command: Command, model: ScriptedModel):
    register_model("m", ScriptedModel([]))
    ran = search(command, "--out", "one", "--concurrency", "1")
    assert ran.code == 1
    assert "stopped: " in ran.err
    assert "ran out" in ran.err
    assert "The search is not over." in ran.out


def test_without_the_report_extra_the_rest_is_there(
    command: Command, model: ScriptedModel, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(evaluation_page, "find_spec", lambda _: None)
    ran = search(command, "--out", "one")
    assert ran.code == 0
    assert "no report: an HTML report needs an optional dependency" in ran.err
    assert "report:" not in ran.out
    assert Path("one/best.yaml").is_file()
    refused = command("report", "one", "--html", "out.html")
    assert refused.code == 2
    assert "archon-graph[report]" in refused.err


# --- the picture while it runs ------------------------------------------------------------------------


def test_the_picture_tells_how_far_it_is(model: ScriptedModel):
    console = Console(width=100, force_terminal=True, color_system=None)
    spec = StudySpec.load("study.yaml")
    view = study_view.StudyView(spec, console)
    with console.capture() as drawn:
        console.print(view)
    assert "looking at what is there" in drawn.get()
    seen: list[Progress] = []

    def tell(progress: Progress) -> None:
        view.tell(progress)
        seen.append(progress)

    asyncio.run(run_study(spec, out="one", on_progress=tell))
    with console.capture() as drawn:
        console.print(view)
    text = drawn.get()
    assert "3 of 3 trials" in text
    assert "best so far: " in text
    assert "calls paid (? USD)" in text
    assert re.search(r"^ +1 +0\.\d{3} +━+ +custom:m alone", text, re.MULTILINE)
    assert len(seen) > 10


# --- report -------------------------------------------------------------------------------------------


def test_a_report_is_written_anew(command: Command, model: ScriptedModel):
    first = search(command, "--out", "one")
    asked = len(model.calls)
    Path("one/report.html").unlink()
    ran = command("report", "one", "--html", "site/index.html")
    assert ran.code == 0
    assert ran.out.split("\n\n")[0] == first.out.split("\n\n")[0]
    assert "report: site/index.html" in ran.out
    assert "nothing was paid" not in ran.out, "nothing was started"
    assert Path("site/index.html").is_file()
    assert not Path("one/report.html").exists()
    assert json.loads(command("report", "one", "--json").out)["paid_now"] is None
    assert len(model.calls) == asked


def test_the_best_within_a_budget(command: Command, model: ScriptedModel):
    search(command, "--out", "one")
    ran = command("report", "one", "--max-calls", "1", "--save", "cheap.yaml")
    assert ran.code == 0
    assert "picked: custom:m alone" in ran.err
    assert Architecture.load("cheap.yaml") == Study("one").best(max_calls=1)
    assert command("report", "one", "--save", "best.json").code == 0
    assert Architecture.load("best.json") == Study("one").best()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nowhere"], "nowhere holds neither a study nor an evaluation"),
        (["one", "--max-calls", "0.5"], "the cheapest takes 1 call a question"),
        (["one", "--max-money", "1"], "how much money a question takes is not known of any trial"),
        (["one", "--save", "best.txt"], "its ending has to be .yaml or .json"),
        (["log", "--max-calls", "3"], "only of a study something can be picked"),
    ],
)
def test_what_cannot_be_reported(command: Command, model: ScriptedModel, arguments: list[str], told: str):
    if arguments[0] == "one":
        search(command, "--out", "one")
    if arguments[0] == "log":
        command("eval", "single", "-b", "questions.jsonl", "-m", "custom:m", "--out", "log")
    ran = command("report", *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert told in ran.err


def test_an_evaluation_is_reported_as_one(command: Command, model: ScriptedModel):
    first = command("eval", "single", "-b", "questions.jsonl", "-m", "custom:m", "--out", "log")
    ran = command("report", "log", "--html", "again.html")
    assert ran.code == 0
    assert ran.out.split("\n\n")[0] == first.out.split("\n\n")[0]
    assert Path("again.html").read_bytes() == Path("log/report.html").read_bytes()
    assert json.loads(command("report", "log", "--json").out)["standings"][0]["architecture"] == "single"


# --- ended from outside -------------------------------------------------------------------------------


@pytest.mark.skipif(os.name == "nt", reason="interrupts are other things there")
def test_interrupted_it_says_how_to_go_on(tmp_path: Path):
    """And goes on from there."""
    write_study(tmp_path)
    calls = tmp_path / "calls"
    calls.touch()

    def start(seconds: float, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.evals.doubling",
                str(calls),
                str(seconds),
                "search",
                "study.yaml",
                *arguments,
            ],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT), "ARCHON_GRAPH_CACHE": str(tmp_path / "cache.sqlite")},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    process = start(0.5, "--out", "one", "--concurrency", "2")
    try:
        ends = time.monotonic() + 120
        while len(calls.read_text().splitlines()) < 8:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < ends
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 130
        assert "stopped; what is done is recorded, and the same command goes on from there" in err
        assert "archon-graph report one" in err
        assert "Traceback" not in err
        before = calls.read_text().splitlines()
        process = start(0, "--out", "one", "--resume")
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        assert "archon-graph run one/" in out
        # What was under way when it was interrupted is asked again, and nothing else.
        made = calls.read_text().splitlines()
        assert len(made) - len(set(made)) <= 2 * 3
        assert len(before) >= 8
    finally:
        process.kill()
        process.communicate()


def test_help_names_every_option(command: Command, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "200")
    told = set(re.findall(r"--[a-z-]+", command("search", "--help").out))
    assert {"--cache-file", "--concurrency", "--executor", "--json", "--max-calls", "--max-money", "--out"} <= told
    assert {"--max-cost", "--no-cache", "--replay", "--resume", "--seed", "--tape", "--trials"} <= told
    told = set(re.findall(r"--[a-z-]+", command("report", "--help").out))
    assert {"--html", "--json", "--max-calls", "--max-money", "--max-seconds", "--max-tokens", "--save"} <= told
