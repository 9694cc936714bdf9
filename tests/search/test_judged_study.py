"""A study whose score is a judge's: the share of wins against a baseline's answers."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from archon_graph import ScriptedModel
from archon_graph.models import Client, ScriptedCall, register_model
from archon_graph.search import StudySpec, run_study
from archon_graph.search.spec import SpecError
from tests.replies import good_reply

QUESTIONS = 80
BASELINE, FUSED = 4, 9


def quality(text: str) -> int:
    return int(re.findall(r"quality (\d)", text)[-1])


def writer(call: ScriptedCall) -> Any:
    """Answers below the baseline's, but for what is fused."""
    if call.schema is not None:
        return good_reply(call)
    return f"quality {FUSED}" if "quality" in call.prompt else f"quality {call.sample % 3}"


def judge(call: ScriptedCall) -> Any:
    """The better one, fairly."""
    a, b = (quality(part) for part in re.split("## Answer of [AB]", str(call.messages[-1].text))[1:])
    return "[[A=B]]" if a == b else "[[A>B]]" if a > b else "[[B>>A]]"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Questions, the baseline's answers, and a study of them."""
    names = [f"q{number}" for number in range(QUESTIONS)]
    lines = [{"id": name, "input": f"Write about {name}.", "kind": "open"} for name in names]
    answers = [{"id": name, "answer": f"quality {BASELINE}"} for name in names]
    for file, records in (("questions.jsonl", lines), ("baseline.jsonl", answers)):
        (tmp_path / file).write_text("".join(f"{json.dumps(record)}\n" for record in records))
    register_model("writer", ScriptedModel(writer, json=True))
    study = {
        "models": ["custom:writer"],
        "space": {"samples": [1, 3], "revisions": 0, "final": ["fuser", "ranker"], "fusion_layers": 0},
        "strategy": {"name": "random"},
        "trials": 12,
        "benchmark": {
            "name": "questions.jsonl",
            "judge": {"model": "custom:judge", "protocol": "pairwise", "against": "baseline.jsonl"},
        },
    }
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
    return tmp_path


async def test_the_winner_is_who_beats_the_baseline_most(folder: Path):
    calls: Counter[str] = Counter()

    def counted(call: ScriptedCall) -> Any:
        calls[call.prompt] += 1
        return judge(call)

    register_model("judge", ScriptedModel(counted))
    spec = StudySpec.load(folder / "study.yaml")
    study = await run_study(spec, out=folder / "study", client=Client(cache=folder / "cache.sqlite"))

    found = study.findings
    assert found.winner is not None
    assert found.held_out is not None
    summary = found.held_out.summary
    winner = next(each for each in summary.standings if each.architecture == "winner")
    assert winner.score.mean == 1.0, "what is fused beats the baseline"
    assert winner.judging.calls == 2 * winner.questions
    assert winner.audit is not None
    assert winner.audit.flips == 0
    assert found.trials[0].score == 0.0, "a single sample never does"
    assert next(each.mean for each in found.held_out.differences.values()) == 1.0
    assert set(calls.values()) == {1}, "equal answers are judged once, whoever gave them"

    again = await run_study(spec, out=folder / "study", client=Client(cache=folder / "cache.sqlite"))
    assert again.findings.winner == found.winner
    assert set(calls.values()) == {1}


async def test_racing_stops_who_loses_to_the_baseline(folder: Path):
    register_model("judge", ScriptedModel(judge))
    spec = StudySpec.load(folder / "study.yaml")
    study = await run_study(spec, out=folder / "study", client=Client(cache=folder / "cache.sqlite"))

    dropped = [trial for trial in study.findings.trials if trial.status == "dropped"]
    assert dropped
    assert all(trial.asked < trial.questions and (trial.score or 0.0) < 0.5 for trial in dropped)


def test_what_is_wrong_with_the_judge_is_told_with_all_else(folder: Path):
    text = (folder / "study.yaml").read_text().replace("protocol: pairwise", "protocol: pairwize")
    (folder / "study.yaml").write_text(text.replace("trials: 12", "trialz: 12"))

    with pytest.raises(SpecError) as caught:
        StudySpec.load(folder / "study.yaml")

    assert "did you mean 'pairwise'" in str(caught.value)
    assert "did you mean 'trials'" in str(caught.value)


@pytest.mark.parametrize(
    ("judging", "told"),
    [
        ({"modell": "custom:judge"}, "did you mean 'model'"),
        ({"protocol": "rating"}, "a judge needs a model"),
        ({"model": "custom:judge", "against": "nowhere.jsonl"}, "nowhere.jsonl"),
    ],
)
def test_a_judge_that_is_none(folder: Path, judging: dict[str, Any], told: str):
    data = yaml.safe_load((folder / "study.yaml").read_text())
    data["benchmark"]["judge"] = judging
    (folder / "study.yaml").write_text(yaml.safe_dump(data))

    with pytest.raises(SpecError, match=told):
        StudySpec.load(folder / "study.yaml")
