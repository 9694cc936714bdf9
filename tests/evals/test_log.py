"""The log: whole lines or none, one evaluation, one writer, no secrets."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

from archon_graph.evals import EvaluationLog, Item, LogError, Row, Score
from archon_graph.evals.log import digest
from tests.evals.doubling import item
from tests.evals.made import row, run

# Anything that Python can hold in a text, halves of characters included.
texts = st.text(st.characters(codec=None))


@pytest.fixture
def log(tmp_path: Path) -> EvaluationLog:
    return EvaluationLog(tmp_path / "log")


def filled(log: EvaluationLog, count: int = 3) -> EvaluationLog:
    """The log with so many rows of one architecture."""
    with log.writing(run(["a"]), [item(number) for number in range(1, count + 1)]):
        for number in range(1, count + 1):
            log.append(row("a", f"q{number}", 1.0))
    return log


def answers(log: EvaluationLog) -> Path:
    return log.directory / "answers.jsonl"


@given(
    answer=st.none() | texts,
    detail=texts,
    value=st.none() | st.floats(0, 1),
    content=texts | st.lists(st.fixed_dictionaries({"type": st.just("text"), "text": texts})),
)
def test_a_row_comes_back_as_it_was(tmp_path_factory: Any, answer: Any, detail: str, value: Any, content: Any):
    log = EvaluationLog(tmp_path_factory.mktemp("log"))
    made = row("a", "q1", value, answer=answer, error=detail, result={"candidates": [{"content": content}]})
    log.append(made)
    log.append(row("a", "q2", 0.0))
    assert log.rows()[0] == made
    assert log.rows()[0].score.scored == (value is not None)


@pytest.mark.parametrize(
    "asked",
    [
        Item(id="a", input="What?", target="1", kind="exact"),
        Item(id="b", input="What?", target=("1", "one"), metadata={"level": 5}, cluster="c", kind="numeric"),
        Item(id="c", input="Write it.", tests=("assert f() == 1", "assert f(2)"), kind="code"),
        Item(
            id="d",
            input=(SystemMessage("Be short."), HumanMessage([{"type": "text", "text": "Hi"}]), AIMessage("Yes?")),
            kind="open",
        ),
    ],
    ids=lambda asked: asked.id,
)
def test_questions_come_back_as_they_were(log: EvaluationLog, asked: Item):
    with log.writing(run(["a"]), [asked]):
        pass
    [read] = log.items()
    assert read.to_json() == asked.to_json()
    assert read.fingerprint == asked.fingerprint


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lost=st.integers(0, 2_000))
def test_cut_anywhere_the_whole_lines_are_there(tmp_path_factory: Any, lost: int):
    """As a kill leaves it: what is whole counts, the rest is taken away before anything is added."""
    log = filled(EvaluationLog(tmp_path_factory.mktemp("log")))
    content = answers(log).read_bytes()
    kept = content[: max(0, len(content) - lost)]
    answers(log).write_bytes(kept)
    whole = kept.count(b"\n")
    assert [each.item for each in log.rows()] == [f"q{number}" for number in range(1, whole + 1)]
    with log.writing(run(["a"]), []):
        assert answers(log).read_bytes() == content[: kept.rfind(b"\n") + 1]
        log.append(row("a", "q9", 0.0))
    assert [each.item for each in log.rows()] == [*(f"q{number}" for number in range(1, whole + 1)), "q9"]


def test_of_several_rows_for_one_question_the_last_counts(log: EvaluationLog):
    filled(log)
    log.append(row("a", "q2", 0.0))
    log.append(row("b", "q2", None))
    assert {(each.architecture, each.item): each.score.to_json()["value"] for each in log.rows()} == {
        ("a", "q1"): 1.0,
        ("a", "q2"): 0.0,
        ("a", "q3"): 1.0,
        ("b", "q2"): None,
    }


def test_a_line_that_is_whole_and_broken_is_named(log: EvaluationLog):
    lines = answers(filled(log)).read_text().splitlines(keepends=True)
    answers(log).write_text("".join([lines[0], lines[1][:50] + "\n", lines[2]]))
    with pytest.raises(LogError, match=r"answers\.jsonl:2: this line cannot be read .*take it out"):
        log.rows()


@pytest.mark.parametrize("line", ["[]", "{}", "null", '{"score": 3}', '{"score": {"value": 1}, "more": 1}'])
def test_a_line_of_something_else_is_named(log: EvaluationLog, line: str):
    filled(log)
    answers(log).write_text(f"{line}\n")
    with pytest.raises(LogError, match=r"answers\.jsonl:1"):
        log.rows()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda identity: identity.update(seed=1), r"- seed: 0, and now 1$"),
        (lambda identity: identity.update(budget="3 calls"), r'- budget: null, and now "3 calls"$'),
        (lambda identity: identity["architectures"].update(b="1"), r'- architectures: .*, and now .*"b": "1"'),
    ],
    ids=["seed", "budget", "architectures"],
)
def test_another_evaluation_is_refused(log: EvaluationLog, change: Callable[[Any], None], told: str):
    filled(log)
    before = {file.name: file.read_bytes() for file in log.directory.iterdir()}
    other = run(["a"])
    change(other["identity"])
    with pytest.raises(LogError, match=f"holds another evaluation(?s:.*)\n{told}"), log.writing(other, []):
        pytest.fail("it was opened")
    assert {file.name: file.read_bytes() for file in log.directory.iterdir()} == before


def test_what_does_not_change_an_answer_may_differ(log: EvaluationLog):
    """Versions, and how many questions at once; each start is on record."""
    filled(log)
    later = run(["a"])
    later["starts"][0]["concurrency"] = 9
    with log.writing(later, []):
        pass
    assert [start["concurrency"] for start in log.run()["starts"]] == [1, 9]
    assert len(log.items()) == 3


def test_two_writers_are_one_too_many(log: EvaluationLog):
    with (
        log.writing(run(["a"]), []),
        pytest.raises(LogError, match="another process is writing"),
        EvaluationLog(log.directory).writing(run(["a"]), []),
    ):
        pytest.fail("it was opened twice")
    with log.writing(run(["a"]), []):
        pass


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "cannot be read"),
        ("[]", "form is None"),
        ('{"form": 99}', "form is 99"),
        (None, "archon-graph eval makes"),
    ],
)
def test_what_is_no_log_is_refused(log: EvaluationLog, content: str | None, told: str):
    log.directory.mkdir()
    if content is not None:
        (log.directory / "run.json").write_text(content)
    with pytest.raises(LogError, match=told):
        log.run()


def test_answers_without_what_was_evaluated_are_not_taken_over(log: EvaluationLog):
    filled(log)
    (log.directory / "run.json").unlink()
    with pytest.raises(LogError, match=r"holds answers\.jsonl and no run\.json"), log.writing(run(["a"]), []):
        pytest.fail("it was opened")
    assert len(log.rows()) == 3


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path):
    (tmp_path / "file").write_text("")
    log = EvaluationLog(tmp_path / "file" / "log")
    with pytest.raises(LogError, match=r"nothing can be written to .*file"), log.writing(run(["a"]), []):
        pytest.fail("it was opened")


def test_secrets_are_blanked_out_and_names_of_fields_are_not(log: EvaluationLog, monkeypatch: pytest.MonkeyPatch):
    """Also where a secret is a word that the log uses itself."""
    monkeypatch.setenv("PLANTED_KEY", "tangerine-walrus")
    monkeypatch.setenv("PLANTED_TOKEN", "candidates")
    told = run(["a"])
    told["starts"][0]["command"] = ["eval", "tangerine-walrus"]
    with log.writing(told, [Item(id="q1", input="Say tangerine-walrus.", kind="open")]):
        log.append(row("a", "q1", 1.0, answer="tangerine-walrus", result={"candidates": ["two candidates"]}))
        log.keep_candidate("s", "q1", digest("x"), Score(value=1.0, extracted="tangerine-walrus"))
    written = "".join(file.read_text() for file in log.directory.iterdir())
    assert "walrus" not in written
    [kept] = log.rows()
    assert kept.answer == "[secret]"
    assert kept.result == {"candidates": ["two [secret]"]}
    with log.writing(told, []):
        pass


def test_scores_of_candidates_belong_to_a_scorer(log: EvaluationLog):
    log.directory.mkdir()
    right, wrong = Score(value=1.0), Score(value=0.0, detail="no")
    with log.keeping_candidates():
        log.keep_candidate("one", "q1", digest("x"), right)
        log.keep_candidate("other", "q1", digest("x"), wrong)
    with (log.directory / "candidates.jsonl").open("a") as file:
        file.write('{"torn')
    assert log.candidate_scores("one") == {("q1", digest("x")): right}
    with log.keeping_candidates():
        log.keep_candidate("one", "q1", digest("y"), wrong)
    assert log.candidate_scores("one") == {("q1", digest("x")): right, ("q1", digest("y")): wrong}
    assert json.loads((log.directory / "candidates.jsonl").read_text().splitlines()[1])["scorer"] == "other"


def test_a_row_tells_its_losses():
    made: Row = row("a", "q1", 1.0, result={"losses": [{"kind": "error"}], "stopped": "budget"})
    assert ([loss["kind"] for loss in made.losses], made.stopped) == (["error"], "budget")
    assert (row("a", "q1", 1.0).losses, row("a", "q1", 1.0).stopped) == ((), None)
