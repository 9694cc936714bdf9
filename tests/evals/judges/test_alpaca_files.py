"""AlpacaEval's evaluation set, submissions and annotations, as files."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from archon_graph.evals.benchmarks import BenchmarkError
from archon_graph.evals.benchmarks.alpaca_eval import alpaca_eval
from archon_graph.evals.judges.alpaca_files import (
    Annotation,
    ModelOutput,
    read_annotations,
    read_submission,
    write_annotations,
    write_submission,
)

RECORD = {"dataset": "own", "instruction": "Name a bird.", "output": "A wren.", "generator": "base"}


def dump(path: Path, records: list[Any]) -> Path:
    path.write_text(json.dumps(records), encoding="utf-8")
    return path


def test_the_evaluation_set(tmp_path: Path):
    """Instructions as they stand, and the baseline's outputs beside them."""
    exact = {**RECORD, "instruction": " Say $x {y}.\n", "output": " "}
    path = dump(tmp_path / "set.json", [RECORD, exact])
    benchmark = alpaca_eval(path)
    assert [item.id for item in benchmark] == ["alpaca_eval/1", "alpaca_eval/2"]
    assert [(item.input, item.kind) for item in benchmark] == [
        (RECORD["instruction"], "preference"),
        (exact["instruction"], "preference"),
    ]
    assert benchmark.items[0].metadata == {
        "dataset": "own",
        "baseline": "A wren.",
        "baseline_model": "base",
        "index": 0,
    }
    assert benchmark.items[1].metadata["baseline"] == " "
    other = [
        {**each, "output": f"other {place}", "generator": "new"} for place, each in enumerate((exact, RECORD))
    ]
    items = alpaca_eval(path, outputs=dump(tmp_path / "other.json", other)).items
    assert [item.metadata["baseline"] for item in items] == ["other 1", "other 0"]
    assert {item.metadata["baseline_model"] for item in items} == {"new"}
    assert [item.metadata["index"] for item in items] == [0, 1]


def test_all_problems_of_an_evaluation_set_at_once(tmp_path: Path):
    wrong = {"instruction": "Go.", "ouput": "x", "generator": 3, "dataset": "own"}
    with pytest.raises(BenchmarkError) as caught:
        alpaca_eval(
            dump(tmp_path / "set.json", [RECORD, wrong, RECORD]),
            outputs=dump(tmp_path / "other.json", [{**RECORD, "instruction": "Name a fish."}]),
        )
    said = str(caught.value)
    for part in (
        "set.json:2: output: is missing (did you mean 'ouput'?)",
        "set.json:2: generator: should be a text, got a number: 3",
        "set.json:3: instruction: 'Name a bird.' stands at record 1 already",
        "other.json: instruction: no output to alpaca_eval/1, 'Name a bird.'",
    ):
        assert part in said
    with pytest.raises(BenchmarkError, match="read from a file, got none"):
        alpaca_eval()


def test_submissions_there_and_back(tmp_path: Path):
    outputs = [
        ModelOutput(instruction=f"Q{number}\u2028", output=text, generator="mine", dataset="own")
        for number, text in enumerate(["an answer", "", "\U0001f426"])
    ]
    path = tmp_path / "outputs.json"
    write_submission(path, outputs)
    assert read_submission(path) == outputs
    assert [*json.loads(path.read_text(encoding="utf-8"))[0]] == ["instruction", "output", "generator", "dataset"]
    assert [item.metadata["baseline"] for item in alpaca_eval(path)] == ["an answer", "", "\U0001f426"]


def test_annotations_there_and_back(tmp_path: Path):
    """With what a provider returned, from which the preference follows; a column of others is no harm."""
    raw = {"logprobs": {"content": [{"top_logprobs": [{"token": "m", "logprob": -0.5}]}]}, "text": "m"}
    full = {
        **{name: f"some {name}" for name in ("instruction", "output_1", "generator_1", "output_2", "generator_2")},
        "dataset": "own",
        "annotator": "judge",
        "preference": 1.0,
        "price_per_example": 0.01,
        "time_per_example": 1.5,
        "raw_completion": raw,
    }
    bare = {**full, "instruction": "other", "preference": None, "raw_completion": None, "price_per_example": None}
    path = tmp_path / "annotations.json"
    first, second = read_annotations(dump(path, [{**full, "index": 7}, bare]))
    assert first == Annotation(**full)
    assert first.top_logprobs == [("m", -0.5)]
    assert (second.preference, second.top_logprobs) == (None, None)
    write_annotations(path, [first, second])
    assert json.loads(path.read_text(encoding="utf-8")) == [full, bare]


def test_all_problems_of_a_file_at_once(tmp_path: Path):
    records = [
        {"instruction": "Q", "output": "a", "generator": "mine", "dataset": None},
        {"instruction": "Q", "output": "b", "generator": "other"},
        {"instruction": " ", "outptu": "c", "generator": None},
        {"instruction": "R", "output": "\ud83d", "generator": "mine"},
    ]
    with pytest.raises(BenchmarkError) as caught:
        read_submission(dump(tmp_path / "outputs.json", records))
    said = str(caught.value)
    for part in (
        "outputs.json:2: instruction: 'Q' is answered at record 1 already",
        "outputs.json:2: generator: is 'other', and 'mine' before",
        "outputs.json:3: instruction: is empty",
        "outputs.json:3: output: is missing (did you mean 'outptu'?)",
        "outputs.json:3: generator: should be a text, got null",
        "outputs.json:4: output: holds half a character, \\ud83d, at place 0",
    ):
        assert part in said


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"preference": 0.7}, "preference: is on another scale: 0.7"),
        ({"preference": True}, "preference: should be a number, got true or false"),
        ({"time_per_example": math.inf}, "time_per_example: is no price and no time: inf"),
        ({"raw_completion": {1}}, "raw_completion: cannot be written as JSON"),
        ({"raw_completion": math.nan}, "raw_completion: cannot be written as JSON"),
        ({"raw_completion": "\ud83d"}, "raw_completion: cannot be written as JSON"),
    ],
    ids=repr,
)
def test_nothing_is_written_of_records_with_problems(tmp_path: Path, changed: dict[str, Any], said: str):
    path = tmp_path / "annotations.json"
    made = {name: name for name in ("instruction", "output_1", "generator_1", "output_2", "generator_2")}
    with pytest.raises(BenchmarkError, match=said):
        write_annotations(path, [Annotation(**{**made, **changed})])
    with pytest.raises(BenchmarkError, match="no record to write"):
        write_annotations(path, [])
    assert not path.exists()
