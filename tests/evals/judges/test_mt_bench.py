"""MT-Bench's questions, from small files of our own in the published form."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from archon_graph.evals.benchmarks import BenchmarkError
from archon_graph.evals.benchmarks.mt_bench import mt_bench

WRITING = {"question_id": 1, "category": "writing", "turns": ["Write a line.", "Now shorter."]}
MATH = {"question_id": 2, "category": "math", "turns": ["1 + 1?", "Twice that?"], "reference": ["2", "4"]}
ANSWER = {"question_id": 2, "model_id": "m", "choices": [{"index": 0, "turns": ["It is 2.", "It is 4."]}]}


def lines(path: Path, *records: Any) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def test_two_turns(tmp_path: Path):
    """The second is asked once the first is answered. Only some judges are shown what is right."""
    path = lines(tmp_path / "q.jsonl", {**WRITING, "reference": ["a hint", "another"]}, MATH)
    writing, math = mt_bench(path)
    assert (writing.id, writing.input, writing.follow_ups) == ("1", "Write a line.", ("Now shorter.",))
    assert writing.metadata == {
        "question_id": 1,
        "category": "writing",
        "turns": ["Write a line.", "Now shorter."],
        "reference": None,
        "temperature": 0.7,
    }
    assert (math.metadata["reference"], math.metadata["temperature"], math.kind) == (["2", "4"], 0.0, "judged")


def test_right_answers_come_from_the_file_of_them(tmp_path: Path):
    path = lines(tmp_path / "q.jsonl", WRITING, MATH)
    writing, math = mt_bench(path, references=lines(tmp_path / "r.jsonl", ANSWER))
    assert math.metadata["reference"] == ["It is 2.", "It is 4."]
    assert writing.metadata["reference"] is None


@pytest.mark.parametrize(
    ("given", "kept"), [(["2", ""], ["2"]), (["", "4"], None), ([" "], None), (None, None), ("2", ["2"])]
)
def test_turns_without_a_right_answer(tmp_path: Path, given: Any, kept: Any):
    """Published lines have an empty text there."""
    (item,) = mt_bench(lines(tmp_path / "q.jsonl", {**MATH, "reference": given}))
    assert item.metadata["reference"] == kept


def test_all_problems_at_once(tmp_path: Path):
    path = lines(
        tmp_path / "q.jsonl",
        {**WRITING, "question_id": "1", "category": "writting"},
        {**WRITING, "turns": ["Write a line."]},
        WRITING,
        WRITING,
        {**MATH, "reference": [2]},
    )
    with pytest.raises(BenchmarkError, match=r"'writting' \(did you mean 'writing'\?\)") as caught:
        mt_bench(path)
    found = [(problem.line, problem.field) for problem in caught.value.problems]
    assert found == [(1, "question_id"), (1, "category"), (2, "turns"), (4, "id"), (5, "reference")]


def test_right_answers_that_are_missing(tmp_path: Path):
    path = lines(tmp_path / "q.jsonl", WRITING, MATH)
    with pytest.raises(
        BenchmarkError, match=r"q\.jsonl:2: question_id: 2 is of the category math, and .*r\.jsonl"
    ):
        mt_bench(path, references=lines(tmp_path / "r.jsonl", {**ANSWER, "question_id": 3}))
    one = {**ANSWER, "choices": [{"index": 0, "turns": ["It is 2."]}]}
    with pytest.raises(BenchmarkError, match=r"question 2 should have two right answers, got 1"):
        mt_bench(path, references=lines(tmp_path / "r.jsonl", one))


def test_without_a_file():
    with pytest.raises(BenchmarkError, match=r"mt_bench: path: .*got none\. Give the path of question\.jsonl"):
        mt_bench()
