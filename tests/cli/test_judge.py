"""``archon-graph eval --judge`` and ``archon-graph answers``: judged on the command line, and files for others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from archon_graph.evals.benchmarks import load_benchmark
from archon_graph.evals.benchmarks.model_answers import read_model_answers
from archon_graph.evals.judges.alpaca_files import read_submission
from archon_graph.models import ScriptedCall, ScriptedModel, register_model
from tests.cli.command import Command, Ran

NAMES = ("moss", "rust", "dew", "fog")


def write(name: str, records: list[Any]) -> str:
    Path(name).write_text("".join(f"{json.dumps(record)}\n" for record in records), encoding="utf-8")
    return name


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Open questions, a model that answers them, and a judge that likes what is long."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ARCHON_GRAPH_CACHE", str(tmp_path / "cache.sqlite"))
    write("open.jsonl", [{"id": name, "input": f"What is {name}?", "kind": "open"} for name in NAMES])
    write("short.jsonl", [{"id": name, "answer": "no"} for name in NAMES])

    def answer(call: ScriptedCall) -> Any:
        return f"an answer, take {call.sample}"

    def judge(call: ScriptedCall) -> Any:
        if "Answer of B" not in call.prompt:
            return "Rating: [[7]]"
        asked = str(call.messages[-1].text)
        return "[[A>B]]" if asked.index("an answer") < asked.index("\n\nno") else "[[B>A]]"

    register_model("m", ScriptedModel(answer, json=True))
    register_model("judge", ScriptedModel(judge))


def evaluate(command: Command, *options: str, benchmark: str = "open.jsonl") -> Ran:
    return command("eval", "single", "--benchmark", benchmark, "--model", "custom:m", "--out", "log", *options)


def test_grades(command: Command):
    ran = evaluate(command, "--judge", "custom:judge")

    assert ran.code == 0
    assert "single  0.700" in ran.out
    assert "single: average 7" in ran.out
    assert "custom:judge gave 4 verdicts, 0 of them unreadable" in ran.out
    assert "8 calls were paid for now" in ran.out


def test_against_answers_in_a_file(command: Command):
    ran = evaluate(command, "--judge", "custom:judge", "--against", "short.jsonl")

    assert ran.code == 0
    assert "single  1.000" in ran.out
    assert "single: win_rate 100" in ran.out
    assert "of 4 pairs in both orders 0 flipped" in ran.out


def test_against_what_an_evaluation_left(command: Command):
    evaluate(command, "--judge", "custom:judge")
    ran = command(
        *("eval", "single", "--benchmark", "open.jsonl", "--model", "custom:m", "--out", "second"),
        *("--judge", "custom:judge", "--against", "log"),
    )

    # The same answers: a tie, and no judge is asked.
    assert "single  0.500" in ran.out
    assert "nothing was paid for now" in ran.out


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--against", "short.jsonl"], "--against is for a judge; name one"),
        (["--judge", "custom:judge", "--against", "nowhere.jsonl"], "nowhere.jsonl: the file cannot be read"),
        (["--judge", "custom:judge", "--against", "."], "holds no evaluation"),
        (["--judge", "custom:judge", "--protocol", "pairwize"], "did you mean 'pairwise'"),
        (["--judge", "custom:judge", "--protocol", "pairwise"], "there is no answer to compare with"),
        (["--judge", "custom:judge", "--protocol", "rating", "--against", "short.jsonl"], "rates answers by them"),
        (["--judge", "custom:judge", "--protocol", "mixeval"], "mixeval is for MixEval's questions"),
        (["--judge", "custom:jugde"], "the judge"),
        (["--judge", "custom:judge", "--references", "other.jsonl"], "a right answer to none"),
        (["--judge", "custom:judge", "--against", "half.jsonl"], "holds no answer to 2 of 4 questions"),
        (["--judge", "custom:judge", "--against", "twice.jsonl"], "'moss' is answered already"),
        (["--judge", "custom:judge", "--against", "wrong.jsonl"], "choices: should hold the turns"),
        ([], "no rule scores items of the kind 'open'"),
    ],
)
def test_what_is_wrong_is_told_before_any_call(command: Command, options: list[str], told: str):
    write("other.jsonl", [{"id": "else", "answer": "x"}])
    write("half.jsonl", [{"id": name, "answer": "x"} for name in NAMES[:2]])
    write("twice.jsonl", [{"id": "moss", "answer": "x"}] * 2)
    write("wrong.jsonl", [{"question_id": "moss", "choices": [{"turns": 5}]}])

    ran = evaluate(command, *options)

    assert ran.code == 2, ran
    assert told in ran.err
    assert "Traceback" not in ran.err
    assert not Path("log").exists()


class TestAnswers:
    """Recorded answers in files for others."""

    def test_ours_can_be_compared_with(self, command: Command):
        evaluate(command, "--judge", "custom:judge")
        ran = command("answers", "log", "--out", "mine.jsonl")

        assert (ran.code, ran.out) == (0, "4 answers are in mine.jsonl\n")
        lines = [json.loads(line) for line in Path("mine.jsonl").read_text().splitlines()]
        assert lines == [{"id": name, "answer": "an answer, take 0"} for name in NAMES]

    def test_for_alpaca_eval(self, command: Command):
        evaluate(command, "--judge", "custom:judge")
        command("answers", "log", "--form", "alpaca_eval", "--name", "stack", "--out", "out.json")

        outputs = read_submission("out.json")
        assert [one.instruction for one in outputs] == [f"What is {name}?" for name in NAMES]
        assert {(one.output, one.generator) for one in outputs} == {("an answer, take 0", "stack")}

    @pytest.mark.parametrize("form", ["mt_bench", "arena_hard"])
    def test_for_the_tools_of_the_arena(self, command: Command, form: str):
        evaluate(command, "--judge", "custom:judge")
        command("answers", "log", "--form", form, "--out", "out.jsonl")

        answers = read_model_answers("out.jsonl")
        assert answers.model == "single"
        assert answers.by_question == dict.fromkeys(NAMES, ("an answer, take 0",))
        [first, *_] = Path("out.jsonl").read_text().splitlines()
        assert set(json.loads(first)) == {"question_id", "answer_id", "model_id", "choices", "tstamp"}

    def test_two_turns_of_mt_bench(self, command: Command):
        records = [{"question_id": 81, "category": "writing", "turns": ["Write of a ford.", "Shorter."]}]
        write("bench.jsonl", records)
        ran = evaluate(command, "--judge", "custom:judge", "--path", "bench.jsonl", benchmark="mt_bench")
        assert ran.code == 0, ran.err

        command("answers", "log", "--form", "mt_bench", "--out", "out.jsonl")

        [line] = Path("out.jsonl").read_text().splitlines()
        record = json.loads(line)
        assert record["question_id"] == 81
        assert record["choices"] == [{"index": 0, "turns": ["an answer, take 0"] * 2}]
        assert (
            load_benchmark("mt_bench", path="bench.jsonl").items[0].id
            in read_model_answers("out.jsonl").by_question
        )

    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            (["nowhere", "--out", "x"], "nowhere"),
            (["log", "--out", "no/such/folder.jsonl"], "cannot be written"),
            (["log", "--out", "."], "cannot be written"),
            (["log", "--out", "x", "--architecture", "singel"], "did you mean 'single'"),
        ],
    )
    def test_what_is_wrong(self, command: Command, arguments: list[str], told: str):
        evaluate(command, "--judge", "custom:judge")
        ran = command("answers", *arguments)

        assert ran.code == 2
        assert told in ran.err
        assert "Traceback" not in ran.err
