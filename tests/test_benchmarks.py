"""The benchmarks run, in a small setting and whatever they measure; the tasks are right; recordings go on."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from archon_graph.models import Client
from archon_graph.models.local import lookup, path_of
from tests.models.loopback import Loopback, Sent, completion
from tests.scripts import BENCHMARKS, ROOT, load

TASKS = BENCHMARKS / "tasks" / "short.jsonl"
SMALL = {
    "overhead": ["--widths", "2", "--latency", "0.001"],
    "throughput": ["--questions", "4", "--at-once", "2"],
}
FIGURES = {"overhead": 8, "throughput": 3}
OTHERS = {
    "cache",
    "common",
    "local_speed",
    "loopback",
    "make_tables",
    "malformed",  # run by tests/embed/server
    "racing",
    "record",
    "serve",
    "sharing",
    "strategies",
    "stream",
}


def run(name: str, *options: str) -> subprocess.CompletedProcess[str]:
    """A benchmark as a user starts it."""
    command = [sys.executable, str(BENCHMARKS / f"{name}.py"), *options]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120, check=False)


@pytest.mark.parametrize("name", SMALL)
def test_a_benchmark_runs(name: str):
    """Every figure is printed with its verdict, the machine above them; missed ones are the exit status."""
    ran = run(name, "--rounds", "1", *SMALL[name])
    assert ran.stderr == ""
    machine, *lines = ran.stdout.splitlines()
    assert machine.startswith("Python 3.")
    assert " cores; medians of 1 rounds" in machine
    figures = [line for line in lines if not line.startswith("     ")]
    assert len(figures) == FIGURES[name]
    verdicts = {line[:5] for line in figures}
    assert verdicts <= {"ok   ", "OVER ", "LOW  "}
    assert ran.returncode == (0 if verdicts == {"ok   "} else 1)


def test_the_cache_loses_nothing():
    """It runs, too, and what it counts holds on any machine."""
    ran = run("cache", "--entries", "100", "--rounds", "2")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert " a hit at 100 answers: " in ran.stdout
    assert "ok   4 processes write 2,500 answers each at once: 0 lost, 0 processes failed" in ran.stdout


@pytest.mark.real_model
def test_the_speed_of_a_local_model_is_measured():
    """Both sides compute the same number of tokens."""
    if not path_of(lookup("smollm2-135m")).is_file():
        pytest.skip("no real model here; fetch one with: archon-graph models pull smollm2-135m")
    ran = run("local_speed", "--rounds", "1", "--model", "smollm2-135m", "--max-tokens", "4")
    assert ran.stderr == ""
    assert "against the runtime alone" in ran.stdout
    assert "[32] with the graph, [32] without" in ran.stdout


def test_a_missing_local_model_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """In one line, with the way out."""
    monkeypatch.setenv("ARCHON_GRAPH_MODELS", str(tmp_path))
    ran = run("local_speed", "--rounds", "1")
    assert ran.returncode == 2
    assert "archon-graph models pull coder-0.5b" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_none_is_forgotten():
    """Every benchmark stands in this file and in the folder's own page."""
    names = {path.stem for path in BENCHMARKS.glob("*.py")}
    assert names <= SMALL.keys() | OTHERS
    page = (BENCHMARKS / "README.md").read_text(encoding="utf-8")
    assert [name for name in sorted(names) if f"`{name}.py`" not in page] == []


# --- the tasks --------------------------------------------------------------------------------------------------

SOLUTIONS = """
def double(x): return x + x
def is_even(n): return n % 2 == 0
def largest(numbers): return sorted(numbers)[-1]
def backwards(text): return "".join(reversed(text))
def count_vowels(text): return sum(letter in "aeiou" for letter in text.lower())
def total(numbers): return sum(numbers)
"""


def test_the_tasks_are_whole():
    """Each has an id of its own, a question, a target and a kind; the first ones are a mixture."""
    tasks = load("record").read_tasks(TASKS)
    assert len(tasks) == len({task.id for task in tasks}) == len({task.input for task in tasks}) == 24
    assert Counter(task.kind for task in tasks) == {"arithmetic": 8, "fact": 5, "format": 5, "code": 6}
    assert all(task.id.startswith(task.kind) and task.input.strip() and task.target.strip() for task in tasks)
    assert Counter(task.kind for task in tasks[:8]) == {"arithmetic": 2, "fact": 2, "format": 2, "code": 2}


def test_targets_can_be_met():
    """Sums are numbers; a right function meets its target, and one that does nothing does not."""
    for task in load("record").read_tasks(TASKS):
        if task.kind == "arithmetic":
            assert task.target.isdecimal()
        if task.kind == "code":
            name = task.input.partition("function ")[2].partition("(")[0]
            assert name in task.target
            exec(f"{SOLUTIONS}\n{task.target}", {})  # noqa: S102 - our own text
            with pytest.raises(AssertionError):
                exec(f"def {name}(*_): pass\n{task.target}", {})  # noqa: S102


def test_a_broken_line_is_named(tmp_path: Path):
    """File, line and what a task is."""
    broken = tmp_path / "broken.jsonl"
    broken.write_text(TASKS.read_text(encoding="utf-8").splitlines()[0] + '\n{"id": 1}\n', encoding="utf-8")
    with pytest.raises(ValueError, match=r"broken\.jsonl, line 2: a task is an object with id, input"):
        load("record").read_tasks(broken)


# --- recording --------------------------------------------------------------------------------------------------


class Provider:
    """A provider on loopback that counts samples, and may stand still from some request on."""

    def __init__(self) -> None:
        self.samples = 0
        self.stands_still_at: int | None = None
        self.still = threading.Event()
        self.go_on = threading.Event()
        self._lock = threading.Lock()
        self.server = Loopback(self._answer)

    def _answer(self, sent: Sent, number: int) -> dict:
        if self.stands_still_at is not None and number >= self.stands_still_at:
            self.still.set()
            self.go_on.wait(30)
        count = sent.body.get("n") or 1
        with self._lock:
            first, self.samples = self.samples, self.samples + count
        body = completion()
        [choice] = body["choices"]
        body["choices"] = [
            {**choice, "index": place, "message": {"role": "assistant", "content": f"answer {first + place}"}}
            for place in range(count)
        ]
        return body


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    """Where ``openai:`` specs lead."""
    provider = Provider()
    monkeypatch.setenv("OPENAI_BASE_URL", provider.server.url)
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    yield provider
    provider.go_on.set()
    provider.server.close()


def command(folder: Path, *more: str) -> list[str]:
    """Two samples of each question, and two architectures."""
    graphs = ["--graph", "single", "--graph", "ensemble-rank-fuse"]
    files = ["--cache", str(folder / "cache.sqlite"), "--tape", str(folder / "tape.jsonl.gz")]
    return [str(TASKS), "--model", "openai:served", "--samples", "2", "--limit", "3", *graphs, *files, *more]


# Of each question: two samples, one of which is the single answer too, one ranking and one fusion.
PAID, DRAWN = 3 * (2 + 1 + 1), 3 * (2 + 1 + 4)


def test_a_recording_is_paid_once(provider: Provider, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Runs share samples; the same command again pays nothing; more questions pay for themselves alone."""
    record = load("record")
    assert record.main(command(tmp_path)) == 0
    assert provider.samples == PAID
    assert f"9 runs: {PAID} calls paid, {DRAWN - PAID} cached" in capsys.readouterr().out
    assert record.main(command(tmp_path)) == 0
    assert provider.samples == PAID
    assert f"9 runs: 0 calls paid, {DRAWN} cached" in capsys.readouterr().out
    assert record.main(command(tmp_path, "--limit", "4")) == 0
    assert provider.samples == PAID + 4


@pytest.mark.parametrize("hashes_only", [False, True])
def test_a_tape_replays_the_runs(provider: Provider, tmp_path: Path, hashes_only: bool):
    """Every run of the command, from the tape alone; with digests only, no question can be read on it."""
    record = load("record")
    line = command(tmp_path, *(["--hashes-only"] if hashes_only else []))
    assert record.main(line) == 0
    provider.server.close()
    client = Client(cache=tmp_path / "tape.jsonl.gz", replay="strict")
    runs = record.planned(record.arguments().parse_args(line))
    for run in runs:
        result = asyncio.run(run.architecture.arun(run.task.input, client=client))
        assert result.answer.startswith("answer ")
        assert all(call["cached"] for call in result.trace)
    assert len(runs) == 9


def test_a_killed_recording_goes_on(provider: Provider, tmp_path: Path):
    """What was written down before the kill is not asked for again: only the calls then in flight are."""
    provider.stands_still_at = 4
    script = str(BENCHMARKS / "record.py")
    with subprocess.Popen([sys.executable, script, *command(tmp_path, "--at-once", "1")], cwd=ROOT) as process:
        assert provider.still.wait(60)
        process.kill()
    committed = provider.samples
    assert 0 < committed < PAID
    provider.stands_still_at = None
    provider.go_on.set()
    assert load("record").main(command(tmp_path)) == 0
    in_flight = 2
    assert PAID <= provider.samples <= PAID + in_flight


def test_a_run_that_fails_is_said(provider: Provider, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """The others are recorded, and the exit status tells."""
    provider.server.answer = lambda sent, number: completion("")
    assert load("record").main(command(tmp_path, "--graph", "single")) == 1
    said = capsys.readouterr()
    assert "failed: openai:served single arithmetic-1: " in said.err
    assert "runs failed" in said.out


def test_what_cannot_be_recorded_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """A missing key, before anything is asked; a file that is no cache, which is left as it is."""
    record = load("record")
    assert record.main(command(tmp_path)) == 2
    assert "OPENAI_API_KEY" in capsys.readouterr().err
    (tmp_path / "cache.sqlite").write_text("mine", encoding="utf-8")
    assert record.main(command(tmp_path)) == 2
    assert (tmp_path / "cache.sqlite").read_text(encoding="utf-8") == "mine"


def test_tasks_are_one_json_object_a_line():
    """As other programs read them."""
    for line in TASKS.read_text(encoding="utf-8").splitlines():
        assert list(json.loads(line)) == ["id", "input", "target", "kind"]
