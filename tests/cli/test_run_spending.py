"""``archon-graph run`` under a budget, with a cache, from a tape; and the table of what was paid."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from archon_graph.cli.run import _money
from archon_graph.models import ScriptedModel, Usage, register_model
from tests.cli.command import Command

LINE = """layers:
- {technique: generator, model: 'custom:m', samples: 3}
- {technique: fuser, model: 'custom:m'}
"""


@pytest.fixture
def model() -> ScriptedModel:
    """The model ``custom:m``, whose calls can be counted."""
    made = ScriptedModel(lambda call: f"{'fused' if 'draft' in call.prompt else 'draft'} {call.sample}")
    register_model("m", made)
    return made


@pytest.fixture
def graph(tmp_path: Path) -> str:
    """A file with three drafts and a fusion, of ``custom:m``."""
    file = tmp_path / "graph.yaml"
    file.write_text(LINE)
    return str(file)


def test_a_cap_on_calls(command: Command, model: ScriptedModel, graph: str):
    """The best answer so far on standard output; beside it what stopped the run and what was not done."""
    ran = command("run", graph, "q", "--max-calls", "2")
    assert (ran.code, ran.out) == (0, "draft 0\n")
    stopped, drafts, fusion = ran.err.splitlines()
    assert stopped == "stopped: the budget of 2 calls is spent; this is the best so far"
    assert drafts.startswith("lost: generator_1 sample ")
    assert fusion.startswith("lost: fuser_1 sample 0: not sent to custom:m")
    assert len(model.calls) == 2
    data = json.loads(command("run", graph, "q", "--max-calls", "2", "--json").out)
    assert (data["stopped"], data["usage"]["calls"]) == ("budget", 2)


def test_a_cap_that_is_not_reached_is_not_mentioned(command: Command, model: ScriptedModel, graph: str):
    ran = command("run", graph, "q", "--max-calls", "4", "--max-seconds", "60")
    assert (ran.code, ran.out, ran.err) == (0, "fused 0\n", "")


def test_no_answer_within_the_budget(command: Command, model: ScriptedModel, graph: str):
    ran = command("run", graph, "q", "--max-calls", "0")
    assert (ran.code, ran.out) == (1, "")
    assert "within the budget of 0 calls" in ran.err
    assert model.calls == ()


@pytest.mark.parametrize("option", ["--max-tokens", "--max-money"])
def test_a_cap_that_cannot_be_kept_is_refused(command: Command, model: ScriptedModel, graph: str, option: str):
    """Before any call: nothing bounds the answers."""
    ran = command("run", graph, "q", option, "1000")
    assert (ran.code, ran.out) == (2, "")
    assert "max_tokens" in ran.err
    assert model.calls == ()


@pytest.mark.parametrize("option", ["--max-calls", "--max-tokens", "--max-money", "--max-seconds"])
def test_a_cap_below_zero_is_refused(command: Command, model: ScriptedModel, graph: str, option: str):
    assert command("run", graph, "q", option, "-1").code == 2


def test_a_cache_pays_once(
    command: Command, model: ScriptedModel, graph: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """By name or by the environment; the table says what was paid now."""
    file = tmp_path / "answers.sqlite"
    monkeypatch.setenv("ARCHON_GRAPH_CACHE", str(file))
    first = command("run", graph, "q", "--cache", "--details")
    assert "paid now" not in first.out
    second = command("run", graph, "q", "--cache-file", str(file), "--details")
    assert "4 calls, 0 paid now" in second.out
    assert len(model.calls) == 4
    third = command("run", graph, "q", "--replay")
    assert (third.code, third.out) == (0, "fused 0\n")
    missed = command("run", graph, "another question", "--replay")
    assert (missed.code, missed.out) == (1, "")
    assert len(model.calls) == 4


def test_a_tape_answers_without_a_model(
    command: Command, model: ScriptedModel, graph: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Recorded, exported, replayed."""
    cache, tape = str(tmp_path / "answers.sqlite"), str(tmp_path / "tape.jsonl")
    command("run", graph, "q", "--cache-file", cache)
    assert command("cache", "export", tape, "--path", cache).code == 0
    ran = command("run", graph, "q", "--replay", "--tape", tape, "--json")
    data = json.loads(ran.out)
    assert (data["answer"], data["usage"]["calls"], data["paid"]["calls"]) == ("fused 0", 4, 0)
    assert len(model.calls) == 4


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--cache", "--cache-file", "x"], "--cache and --cache-file"),
        (["--cache-file", "x", "--tape", "y.jsonl", "--replay"], "--cache-file and --tape"),
        (["--tape", "y.jsonl"], "--replay"),
        (["--tape", "y.jsonl", "--replay"], "y.jsonl"),
    ],
)
def test_options_that_contradict_each_other(
    command: Command,
    model: ScriptedModel,
    graph: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    says: str,
):
    monkeypatch.chdir(tmp_path)
    ran = command("run", graph, "q", *options)
    assert (ran.code, ran.out) == (2, "")
    assert says in ran.err
    assert model.calls == ()


def test_keys_of_an_env_file_here_are_found(command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """In the folder that the command is given in; without it, the key is missing."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    missing = command("run", "single", "q", "-m", "openai:x")
    assert missing.code == 2
    assert "OPENAI_API_KEY" in missing.err
    (tmp_path / ".env").write_text("OPENAI_API_KEY=sk-proj-Zq81LmN0pRsT4uVw\n")
    ran = command("run", "single", "q", "-m", "openai:x", "--max-seconds", "0")
    assert ran.code == 1
    assert "within the budget of 0 seconds" in ran.err
    assert "Zq81LmN0" not in ran.err


@pytest.mark.parametrize(
    ("usage", "shown"),
    [
        (Usage(), "0"),
        (Usage(calls=2, money=0.0123), "0.0123"),
        (Usage(calls=2, money=0.0000000123), "0.0000000123"),
        (Usage(calls=2, money=12.3456), "12.3"),
        (Usage(calls=2, unpriced_calls=2), "?"),
        (Usage(calls=2, money=0.5, unpriced_calls=1), "0.5 + ?"),
        (Usage(calls=2, unpriced_calls=1), "0 + ?"),
    ],
)
def test_money_that_is_not_known_is_not_zero(usage: Usage, shown: str):
    assert _money(usage) == shown
