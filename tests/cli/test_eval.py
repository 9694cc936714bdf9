"""``archon-graph eval`` and ``archon-graph curves``: tables, resuming after any end, and every problem at once."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from archon_graph.evals import Evaluation
from archon_graph.evals.report import page as report_page
from archon_graph.models import ScriptedModel, register_model
from archon_graph.models.cache import ResponseCache
from tests.cli.command import Command, Ran
from tests.evals import doubling

ROOT = Path(__file__).parents[2]
COUNT = 6


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ScriptedModel:
    """The model ``custom:m``, in a directory with ``questions.jsonl`` and a cache of the test's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ARCHON_GRAPH_CACHE", str(tmp_path / "cache.sqlite"))
    doubling.write_benchmark(tmp_path / "questions.jsonl", COUNT)
    made = ScriptedModel(doubling.reply, json=True)
    register_model("m", made)
    return made


def evaluate(command: Command, *arguments: str, benchmark: str = "questions.jsonl") -> Ran:
    return command("eval", *arguments, "--benchmark", benchmark, "--model", "custom:m")


def test_a_table_with_intervals_and_differences(command: Command, model: ScriptedModel):
    ran = evaluate(command, "single", "self-consistency")
    assert ran.code == 0
    lines = [line.split() for line in ran.out.splitlines()]
    assert lines[0][:4] == ["score", "95", "%", "interval"]
    right = sum(doubling.is_right(number, 0) for number in range(1, COUNT + 1))
    assert lines[1][:2] == ["single", f"{right / COUNT:.3f}"]
    assert lines[2][0] == "self-consistency"
    assert re.search(r"^ self-consistency +[+-]\d\.\d{3} \[[+-]\d\.\d{3}, [+-]\d\.\d{3}\] ", ran.out, re.MULTILINE)
    assert "difference to single" in ran.out
    assert f"{8 * COUNT} calls were paid for now" in ran.out
    [log] = re.findall(r"^log: (.*)$", ran.out, re.MULTILINE)
    assert Path(log).parent == Path("evaluations")
    assert Path(log, "report.html").is_file()
    assert re.findall(r"^\d+ of 12 questions, .* calls? paid \(\? USD\), 0:\d\d left$", ran.err, re.MULTILINE)


def test_the_second_run_costs_nothing_and_says_so(command: Command, model: ScriptedModel):
    first = evaluate(command, "single", "best-of-n")
    asked = len(model.calls)
    second = evaluate(command, "single", "best-of-n")
    assert "nothing was paid for now: every answer was recorded" in second.out
    assert second.out.split("\n\n")[0] == first.out.split("\n\n")[0], "the same table"
    assert len(model.calls) == asked
    more = evaluate(command, "single", "best-of-n", "self-consistency")
    assert f"{3 * COUNT} calls were paid for now" in more.out, "what is new, and no more"
    assert len(list(Path("evaluations").iterdir())) == 2


def test_architectures_from_files_go_by_their_names(command: Command, model: ScriptedModel):
    for place in ("a/mine.yaml", "b/mine.yaml", "other.json"):
        Path(place).parent.mkdir(exist_ok=True)
        samples = 2 if place.startswith("a") else 3
        config = {
            "layers": [{"technique": "generator", "model": "custom:m", "samples": samples}, {"technique": "voter"}]
        }
        Path(place).write_text(json.dumps(config))
    ran = command(
        "eval", "a/mine.yaml", "b/mine.yaml", "other.json", "-b", "questions.jsonl", "--baseline", "other"
    )
    assert ran.code == 0
    [log] = re.findall(r"^log: (.*)$", ran.out, re.MULTILINE)
    assert Evaluation.read(log).architectures == ("a/mine.yaml", "b/mine.yaml", "other")
    assert "difference to other" in ran.out


def test_everything_wrong_is_told_at_once_and_nothing_is_called(command: Command, model: ScriptedModel):
    Path("broken.yaml").write_text("layers: [{technique: rankr}]")
    Path("lines.jsonl").write_text('{"input": "What?"}\n{"input": \n{"input": "a", "target": "1", "id": "x"}\n')
    ran = command(
        "eval", "singel", "broken.yaml", "single", "-b", "lines.jsonl", "-m", "custom:nobody", "--baseline", "best"
    )
    assert ran.code == 2
    assert "5 problems, and nothing was called" in ran.err
    for told in (
        "'singel' is neither a ready-made architecture nor a file (did you mean 'single'?)",
        "no technique is called 'rankr' (did you mean 'ranker'?)",
        "lines.jsonl:1: ",
        "lines.jsonl:2: ",
        "the baseline 'best' is none of the architectures",
        "no model is registered as 'nobody'",
    ):
        assert told in ran.err
    assert ran.out == ""
    assert model.calls == ()
    assert not Path("evaluations").exists()
    assert not Path("cache.sqlite-wal").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            # The condition hides nothing of the data.
            ["single", "--benchmark", "lines.jsonl", "--where", "level", "--split", "serch"],
            ["--where takes KEY=VALUE", "lines.jsonl:1: "],
        ),
        (
            ["single", "--benchmark", "questions.jsonl", "--where", "level", "--split", "serch"],
            ["--where takes KEY=VALUE", "did you mean 'search'?"],
        ),
        (
            ["single", "--benchmark", "questions.jsonl", "--where", "level=5", "--split", "serch"],
            ["no item of questions has the metadata 'level'", "did you mean 'search'?"],
        ),
        (
            # Nor does the one architecture hide anything of the model.
            ["singel", "--benchmark", "questions.jsonl", "--model", "custom:nobody"],
            ["did you mean 'single'?", "no model is registered as 'nobody'"],
        ),
        (
            ["singel", "--benchmark", "questions.jsonl", "--max-money", "1", "--where", "level"],
            ["did you mean 'single'?", "--model: ", "cannot be kept for certain", "--where takes KEY=VALUE"],
        ),
    ],
)
def test_one_mistake_hides_no_other(command: Command, model: ScriptedModel, arguments: list[str], told: list[str]):
    Path("lines.jsonl").write_text('{"input": "What?"}\n')
    ran = command("eval", *arguments, *([] if "--model" in arguments else ["--model", "custom:m"]))
    assert (ran.code, ran.out) == (2, "")
    for each in told:
        assert each in ran.err
    count = 3 if "--max-money" in arguments else 2
    assert f"{count} problems, and nothing was called" in ran.err
    assert model.calls == ()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--benchmark", "startr"], "did you mean 'starter'?"),
        (["--benchmark", "questions.jsonl", "--split", "serch"], "did you mean 'search'?"),
        (
            ["--benchmark", "questions.jsonl", "--where", "level=5"],
            "no item of questions has the metadata 'level'",
        ),
        (
            ["--benchmark", "questions.jsonl", "--where", "level"],
            "--where takes KEY=VALUE, such as level=5, got 'level'",
        ),
        (["--benchmark", "nowhere.jsonl"], "nowhere.jsonl"),
        (["--benchmark", "questions.jsonl", "--no-cache", "--cache-file", "x"], "give one of them"),
        (["--benchmark", "questions.jsonl", "--tape", "run.jsonl"], "a tape is only read"),
        (["--benchmark", "questions.jsonl", "--cache-file", "questions.jsonl"], "questions.jsonl"),
        (["--benchmark", "questions.jsonl", "--max-tokens", "1000"], "cannot be kept for certain"),
        (["--benchmark", "questions.jsonl", "--max-money-per-question", "1"], "cannot be kept for certain"),
        (["single", "--benchmark", "questions.jsonl"], "single is given twice"),
    ],
)
def test_what_is_wrong_is_told_before_any_call(
    command: Command, model: ScriptedModel, arguments: list[str], told: str
):
    ran = command("eval", "single", *arguments, "--model", "custom:m")
    assert (ran.code, ran.out) == (2, "")
    assert told in ran.err
    assert model.calls == ()


def test_parts_of_a_benchmark(command: Command, model: ScriptedModel):
    """The same few questions each time, whatever the seed of the samples."""
    lines = [
        {
            "id": f"q{number}",
            "input": f"What is {number} doubled?",
            "target": 2 * number,
            "metadata": {"level": number % 2},
        }
        for number in range(1, 21)
    ]
    Path("levels.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    asked = []
    for seed in ("0", "1"):
        options = ("--where", "level=1", "--limit", "4", "--seed", seed, "--out", seed)
        assert evaluate(command, "single", *options, benchmark="levels.jsonl").code == 0
        asked.append([item.id for item in Evaluation.read(seed).items])
    assert asked[0] == asked[1]
    assert len(asked[0]) == 4
    assert all(int(name[1:]) % 2 for name in asked[0])
    assert len(model.calls) == 8, "another seed draws anew"


def test_json_for_other_programs(command: Command, model: ScriptedModel):
    ran = evaluate(command, "single", "best-of-n", "--json")
    data = json.loads(ran.out)
    assert [each["architecture"] for each in data["standings"]] == ["single", "best-of-n"]
    assert data["differences"][0]["comparisons"] == 1
    assert (data["missing"], data["stopped"], data["paid"]["calls"]) == (0, None, 6 * COUNT)
    assert Path(data["report"]).parent == Path(data["log"])


def test_a_budget_for_all_ends_it_and_it_can_be_gone_on_with(command: Command, model: ScriptedModel):
    ran = evaluate(command, "single", "--max-calls", "4", "--concurrency", "2")
    assert ran.code == 1
    assert "stopped: the budget of 4 calls is spent; 2 questions are left, and the same command goes on" in ran.err
    assert "The evaluation is not finished: " in ran.out or "unscored" in ran.out
    assert len(model.calls) == 4
    assert evaluate(command, "single", "--max-calls", "4").code == 0
    assert len(model.calls) == COUNT


def test_a_budget_of_a_question(command: Command, model: ScriptedModel):
    ran = evaluate(
        command, "self-consistency", "--max-calls-per-question", "2", "--max-seconds-per-question", "60"
    )
    assert ran.code == 0
    assert f"{COUNT} questions cut short by the budget of a question" in ran.out
    assert len(model.calls) == 2 * COUNT


def test_no_cache_keeps_nothing_but_the_log(command: Command, model: ScriptedModel, tmp_path: Path):
    assert evaluate(command, "single", "--no-cache", "--out", "one").code == 0
    assert not (tmp_path / "cache.sqlite").exists()
    assert evaluate(command, "single", "--no-cache", "--out", "one").code == 0
    assert len(model.calls) == COUNT
    assert evaluate(command, "single", "--no-cache", "--out", "two").code == 0
    assert len(model.calls) == 2 * COUNT


def test_replayed_from_what_is_recorded(command: Command, model: ScriptedModel):
    first = evaluate(command, "single", "--cache-file", "own.sqlite", "--out", "one")
    again = evaluate(command, "single", "--cache-file", "own.sqlite", "--replay", "--out", "two")
    assert (first.code, again.code) == (0, 0)
    assert len(model.calls) == COUNT
    missed = evaluate(command, "best-of-n", "--cache-file", "own.sqlite", "--replay", "--out", "three")
    assert missed.code == 1
    assert "own.sqlite" in missed.err


def test_calls_that_fail_leave_questions_unscored(command: Command, model: ScriptedModel):
    register_model("gone", ScriptedModel(["#### 2"]))
    ran = command("eval", "single", "-b", "questions.jsonl", "-m", "custom:gone", "--concurrency", "1")
    assert ran.code == 0
    assert "5 questions unscored, left out and not counted as wrong" in ran.out
    assert "ran out" in ran.out


def test_without_the_report_extra_the_table_is_there(
    command: Command, model: ScriptedModel, monkeypatch: pytest.MonkeyPatch
):
    """It is only an error if the report was asked for, and then before anything is called."""
    monkeypatch.setattr(report_page, "find_spec", lambda _: None)
    refused = evaluate(command, "single", "--html", "out.html")
    assert refused.code == 2
    assert "archon-graph[report]" in refused.err
    assert model.calls == ()
    ran = evaluate(command, "single")
    assert ran.code == 0
    assert "no report: an HTML report needs an optional dependency" in ran.err
    assert "report:" not in ran.out


def test_the_report_goes_where_it_is_told_to(command: Command, model: ScriptedModel):
    ran = evaluate(command, "single", "--html", "site/index.html")
    assert "report: site/index.html" in ran.out
    assert "What is 1 doubled?" in Path("site/index.html").read_text()


# --- curves ---------------------------------------------------------------------------------------------


def test_curves_from_a_log(command: Command, model: ScriptedModel):
    evaluate(command, "single", "self-consistency", "--out", "log")
    asked = len(model.calls)
    ran = command("curves", "log")
    assert ran.code == 0
    assert ran.out.startswith(f"self-consistency: generator_1, {COUNT} questions\n")
    assert re.search(r"^ samples +one +vote +oracle", ran.out, re.MULTILINE)
    assert re.search(r"^ +8 +0\.\d{3} \[", ran.out, re.MULTILINE)
    assert "What more samples would bring" in Path("log/report.html").read_text()
    again = command("curves", "log", "--json", "--html", "other.html", "--architecture", "self-consistency")
    [curves] = json.loads(again.out)
    assert len(curves["curves"]["oracle"]["points"]) == 8
    assert Path("other.html").is_file()
    assert len(model.calls) == asked


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nowhere"], "holds no evaluation"),
        (["log"], "nothing to draw a curve of"),
        (["log", "--architecture", "singel"], "did you mean 'single'?"),
        (["log", "--baseline", "x"], "the baseline 'x' is none of the architectures"),
    ],
)
def test_curves_that_cannot_be_drawn(command: Command, model: ScriptedModel, arguments: list[str], told: str):
    evaluate(command, "single", "--out", "log")
    ran = command("curves", *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert told in ran.err


# --- ended from outside ---------------------------------------------------------------------------------


class Slow:
    """The command in a process of its own, with a model that takes its time and whose calls are counted."""

    def __init__(self, folder: Path, *, questions: int, seconds: float) -> None:
        self.folder = folder
        self.calls = folder / "calls"
        self.calls.touch()
        self._seconds = seconds
        self._started: list[subprocess.Popen[str]] = []
        doubling.write_benchmark(folder / "questions.jsonl", questions)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        asked = ["eval", *arguments, "-b", "questions.jsonl", "-m", "custom:m", "--concurrency", "4"]
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.evals.doubling", str(self.calls), str(self._seconds), *asked],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), "ARCHON_GRAPH_CACHE": str(self.folder / "cache.sqlite")},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._started.append(process)
        return process

    def end(self) -> None:
        """Leave no process behind."""
        for process in self._started:
            process.kill()
            process.communicate()

    def made(self) -> list[str]:
        """Every call that was made so far."""
        return self.calls.read_text().splitlines()

    def wait_for(self, calls: int, process: subprocess.Popen[str]) -> None:
        ends = time.monotonic() + 60
        while len(self.made()) < calls:
            assert process.poll() is None, "it came to its end too early"
            assert time.monotonic() < ends
            time.sleep(0.01)

    def committed(self) -> int:
        with ResponseCache(self.folder / "cache.sqlite") as cache:
            return cache.stats().entries


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[Callable[..., Slow]]:
    """Makes such a command, and ends what was started."""
    made: list[Slow] = []

    def make(**settings: Any) -> Slow:
        made.append(Slow(tmp_path, **settings))
        return made[-1]

    yield make
    for each in made:
        each.end()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="nothing kills a process so suddenly here")
def test_killed_and_started_again_it_repeats_no_committed_answer(slow: Callable[..., Slow], tmp_path: Path):
    """Twice; then it comes to its end, and the run after that asks for nothing."""
    run = slow(questions=30, seconds=0.01)
    archs = ("single", "best-of-n")
    total = 30 * (5 + 1)
    for part in (total // 3, 2 * total // 3):
        process = run.start(*archs)
        run.wait_for(part, process)
        process.kill()
        process.communicate(timeout=30)
        assert process.returncode == -signal.SIGKILL
    kept, before = run.committed(), run.made()
    assert kept >= total // 3
    process = run.start(*archs)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert len(run.made()) - len(before) == total - kept
    # What was under way when it was killed is asked again, and nothing else.
    repeated = [call for call, times in Counter(run.made()).items() if times > 1]
    assert len(repeated) <= 2 * 4 * 5
    assert f"{total - kept:,} calls were paid for now" in out

    done = run.made()
    process = run.start(*archs)
    out, _ = process.communicate(timeout=60)
    assert "nothing was paid for now: every answer was recorded" in out
    assert run.made() == done
    [log] = (tmp_path / "evaluations").iterdir()
    evaluation = Evaluation.read(log)
    assert (evaluation.left, len(evaluation.rows), len(evaluation.run["starts"])) == (0, 60, 4)
    assert all(
        row.score.value == float(doubling.is_right(int(row.item[1:]), 0)) for row in evaluation.of("single")
    )


@pytest.mark.skipif(os.name == "nt", reason="interrupts are other things there")
def test_interrupted_it_says_how_to_go_on(slow: Callable[..., Slow]):
    run = slow(questions=30, seconds=0.05)
    process = run.start("single")
    run.wait_for(8, process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "stopped; what is done is recorded, and the same command goes on from there" in err
    assert "Traceback" not in err
    before = len(run.made())
    process = run.start("single")
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert len(run.made()) - before <= 30 - 4


def test_two_at_once_into_one_log_are_one_too_many(slow: Callable[..., Slow], tmp_path: Path):
    """Who came second is refused; who came first is none the worse, and when it is gone the log is free."""
    run = slow(questions=3, seconds=60)
    first = run.start("single", "--out", "log")
    run.wait_for(1, first)
    second = run.start("single", "--out", "log")
    _, err = second.communicate(timeout=60)
    assert second.returncode == 2
    assert "another process is writing to log" in err
    assert first.poll() is None
    run.end()
    after = slow(questions=3, seconds=0).start("single", "--out", "log")
    after.communicate(timeout=60)
    assert after.returncode == 0
    assert Evaluation.read(tmp_path / "log").left == 0


def told_options(command: Command) -> Any:
    return set(re.findall(r"--[a-z-]+", command("eval", "--help").out))


def test_help_names_every_option(command: Command, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert {
        "--baseline",
        "--benchmark",
        "--cache-file",
        "--concurrency",
        "--html",
        "--json",
        "--limit",
        "--max-calls",
        "--max-calls-per-question",
        "--max-money",
        "--model",
        "--no-cache",
        "--out",
        "--replay",
        "--seed",
        "--split",
        "--where",
    } <= told_options(command)
