"""MixEval: files of our own in its form, its rule parsers, and its figures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archon_graph.core import Prompt
from archon_graph.evals.benchmarks import BenchmarkError, Item, UnknownBenchmarkError
from archon_graph.evals.benchmarks.mixeval import mixeval, mixeval_hard
from archon_graph.evals.scorers import UNSCORED, Score
from archon_graph.evals.scorers.mixeval_figures import mixeval_figures
from archon_graph.evals.scorers.mixeval_rules import MixEvalRules, choose, readings, says
from tests.evals.items import item

SHORT = {
    "problem_type": "free-form",
    "context": None,
    "prompt": "Which bird cannot fly?",
    "target": ["Ostrich", "the emu"],
    "benchmark_name": "TriviaQA",
}
READ = {**SHORT, "context": "The mill had 3 wheels.", "prompt": "How many?", "target": ["3", "3"]}
READ["benchmark_name"] = "DROP"
SUM = {**SHORT, "prompt": "What is 2 + 2?", "target": ["4"], "benchmark_name": "GSM8k"}
PICK = {
    "problem_type": "multiple-choice",
    "context": "The mill had 3 wheels.",
    "prompt": "What had wheels?",
    "options": ["a barn", "the mill"],
    "target": [1],
    "benchmark_name": "SIQA",
}
OPTIONS = ["a red barn", "the old mill", "nothing at all"]


def written(folder: Path, free: Any = None, choice: Any = None) -> Path:
    """A folder in the form of the release."""
    (folder / "free-form.json").write_text(json.dumps({"0": SHORT, "7": READ, "8": SUM} if free is None else free))
    (folder / "multiple-choice.json").write_text(json.dumps({"0": PICK} if choice is None else choice))
    return folder


@pytest.mark.parametrize(("load", "name"), [(mixeval, "mixeval"), (mixeval_hard, "mixeval_hard")])
def test_a_folder_has_both_parts(tmp_path: Path, load: Any, name: str):
    benchmark = load(written(tmp_path))
    assert benchmark.name == name
    assert isinstance(benchmark.scorer, MixEvalRules)
    assert [one.id for one in benchmark] == ["free-form/0", "free-form/7", "free-form/8", "multiple-choice/0"]
    short, read, _, pick = benchmark
    assert (short.kind, short.target) == ("mixeval_free_form", ("Ostrich", "the emu"))
    assert (pick.kind, pick.target, pick.metadata["options"]) == ("mixeval_choice", "B", ["a barn", "the mill"])
    assert pick.metadata["benchmark_name"] == "SIQA"
    assert pick.metadata["problem_type"] == "multiple-choice"
    assert (short.metadata["context"], read.metadata["context"]) == (None, "The mill had 3 wheels.")
    assert read.metadata["question"] == "How many?"


def test_the_question_comes_with_its_context_its_options_and_a_request(tmp_path: Path):
    """Three benchmarks are asked to reason; all others are not."""
    prompt = Prompt(
        version="mine",
        parts={
            "free_form": "$question (short)",
            "free_form_steps": "$question (steps)",
            "choice": "$question|$choices",
        },
    )
    assert [one.input for one in mixeval(written(tmp_path), prompt=prompt)] == [
        "Which bird cannot fly? (short)",
        "The mill had 3 wheels.\nHow many? (short)",
        "What is 2 + 2? (steps)",
        "The mill had 3 wheels.\nWhat had wheels?|A. a barn\nB. the mill",
    ]
    for one in mixeval(tmp_path):
        assert one.metadata["question"] in str(one.input)
    assert mixeval(tmp_path).fingerprint != mixeval(tmp_path, prompt=prompt).fingerprint


def test_one_part_or_one_file_alone(tmp_path: Path):
    written(tmp_path)
    assert [one.id for one in mixeval(tmp_path, part="multiple-choice")] == ["multiple-choice/0"]
    assert len(mixeval(tmp_path / "free-form.json")) == 3
    with pytest.raises(BenchmarkError, match="no multiple-choice record"):
        mixeval(tmp_path / "free-form.json", part="multiple-choice")
    with pytest.raises(
        UnknownBenchmarkError, match=r"mixeval_hard has no part 'freeform' \(did you mean 'free-form'"
    ):
        mixeval_hard(tmp_path, part="freeform")  # type: ignore[arg-type]


def test_questions_on_one_text_share_a_cluster(tmp_path: Path):
    """And so do questions with the same words: the release has many of them twice."""
    again = {**SHORT, "target": ["Emu"]}
    short, read, repeated, pick = mixeval(written(tmp_path, {"0": SHORT, "1": READ, "2": again}))
    assert read.cluster == pick.cluster
    assert short.cluster == repeated.cluster
    assert short.cluster != read.cluster


@pytest.mark.parametrize("word", ["None", " null ", "", None])
def test_what_counts_as_no_context(tmp_path: Path, word: str | None):
    one = mixeval(written(tmp_path, {"0": {**SHORT, "context": word}}), part="free-form").items[0]
    assert one.metadata["context"] is None


@pytest.mark.parametrize(
    ("record", "field"),
    [
        ({**SHORT, "problem_type": "freeform"}, "problem_type"),
        ({**SHORT, "prompt": None}, "prompt"),
        ({**SHORT, "target": []}, "target"),
        ({**SHORT, "target": [3]}, "target"),
        ({**SHORT, "benchmark_name": 3}, "benchmark_name"),
        ({**SHORT, "context": ["a"]}, "context"),
        ({**PICK, "target": [2]}, "target"),
        ({**PICK, "target": [True]}, "target"),
        ({**PICK, "target": "B"}, "target"),
        ({**PICK, "options": "a barn"}, "options"),
        ({**PICK, "options": None}, "options"),
        ([], None),
    ],
)
def test_a_bad_record_is_named(tmp_path: Path, record: Any, field: str | None):
    written(tmp_path, {"0": SHORT, "1": record})
    with pytest.raises(BenchmarkError) as caught:
        mixeval(tmp_path)
    (problem,) = caught.value.problems
    assert (Path(problem.file).name, problem.line, problem.field) == ("free-form.json", 2, field)
    assert problem.way_out


def test_all_problems_of_both_files_are_told_at_once(tmp_path: Path):
    written(tmp_path, {"0": {**SHORT, "prompt": ""}}, {"0": {**PICK, "target": [9]}})
    with pytest.raises(BenchmarkError) as caught:
        mixeval(tmp_path)
    assert {problem.field for problem in caught.value.problems} == {"prompt", "target"}
    (tmp_path / "multiple-choice.json").unlink()
    with pytest.raises(BenchmarkError, match=r"multiple-choice\.json: the file cannot be read"):
        mixeval(tmp_path)


@pytest.mark.parametrize(
    ("answer", "letter"),
    [
        ("B", "B"),
        ("B.", "B"),
        ("!B'", "B"),
        ("'B!'", None),
        ("It is\nC\nA", "C"),
        ("I take (B), not A.", "B"),
        ("**C. nothing at all", "C"),
        ("take **A for one", "A"),
        ("Answer: C** I think", "C"),
        ("A horse said B", "A"),
        ("There is nothing at all in the old mill", "C"),
        ("the old mill", None),
        ("**B**", None),
        ("**B.**", None),
        ("D", None),
        ("b", None),
        ("AB or BA", None),
        ("", None),
    ],
)
def test_letters_are_read_by_the_authors_rule(answer: str, letter: str | None):
    """The earliest of 13 ways to write one; else, in an answer of some words, the earliest text of an option."""
    assert choose(answer, OPTIONS) == letter


@pytest.mark.parametrize(
    "way",
    [
        " {} ",
        " {}\n",
        "\n{} ",
        "\n{}\n",
        " {}. ",
        " {}.\n",
        "\n{}. ",
        "\n{}.\n",
        "({})",
        "**{} ",
        " {}**",
        "**{}. ",
        " {}.**",
    ],
)
def test_each_of_the_13_ways_is_known(way: str):
    """And the one that comes first counts, whichever letters follow."""
    assert choose("x" + way.format("C") + "x", OPTIONS) == "C"
    assert choose("x" + way.format("C") + "x (A) and so on", OPTIONS) == "C"
    assert choose("x (A) x" + way.format("C") + "x", OPTIONS) == "A"


@pytest.mark.parametrize(
    ("answer", "targets", "found"),
    [
        ("The bird is the Ostrich.", ["ostrich"], "the ostrich"),
        ("Ostrich", ["ostrich"], "ostrich"),
        ("The Ostrich is a bird.", ["ostrich"], None),
        ("It is not the ostrich", ["ostrich"], "not the ostrich"),
        ("The answer is 1,200 pounds.", ["1200"], 1200.0),
        ("The answer is 1,200.50 pounds.", ["1200.5"], None),
        ("x = 7", ["7"], 7.0),
        ("x = 7\nDone", ["7"], 7.0),
        ("So it is 7 and\nthe rest is silence", ["7"], 7.0),
        ("a = 7\nthe rest is silence", ["7"], None),
        ("It is 3e2.", ["300"], 300.0),
        ("It is 1.004", ["1"], 1.0),
        ("It is 1.006", ["1"], None),
        ("Result: B", ["b"], "result: b"),
        ("the answer B is bb", ["b"], None),
        ("this is a b c", ["b"], "a b c"),
        ("it is .", ["."], None),
        ("Oslo it is !", ["oslo"], "oslo it is !"),
        ("", ["x"], None),
    ],
)
def test_short_answers_are_read_by_the_authors_rule(answer: str, targets: list[str], found: str | float | None):
    """Leniently, and yet not seldom too strictly: only what comes last in a line is looked at."""
    assert says(answer, targets) == found


@given(st.lists(st.sampled_from([*"ABab.*() \n,-1e5=", "is ", "answer ", "é", "١", "\ud800"])).map("".join))
def test_no_answer_makes_the_rules_raise(answer: str):
    assert choose(answer, OPTIONS) in (None, "A", "B", "C")
    assert readings(answer)
    assert says(answer, [answer, "1"]) is None or answer.strip()


@pytest.mark.parametrize(
    "answer",
    ["1" * 200_000 + "x", "1,111" * 50_000 + "x", "1.1" * 70_000, "is " * 70_000, "(A" * 100_000, "-." * 100_000],
)
def test_long_answers_are_read(answer: str):
    """In one pass: with more work for each place, this would run for minutes."""
    assert says(answer, ["nowhere"]) is None
    assert choose(answer, OPTIONS) is None


async def test_the_scorer_reads_both_kinds(tmp_path: Path):
    short, read, summed, pick = mixeval(written(tmp_path))
    scorer = MixEvalRules()
    asked = [
        (short, "an emu, the emu"),
        (read, "3"),
        (summed, "So it is 5."),
        (pick, "B"),
        (pick, "A"),
        (pick, " "),
    ]
    scores = [await scorer.score(one, answer) for one, answer in asked]
    assert [score.value for score in scores] == [1.0, 1.0, 0.0, 1.0, 0.0, 0.0]
    assert [score.extracted for score in scores] == ["an emu, the emu", "3", None, "B", "A", None]
    unread = await scorer.score(pick, "**B**")
    assert (unread.value, unread.extracted) == (0.0, None)
    assert "at random" in unread.detail
    assert scorer.figures([(pick, scores[3]), (pick, scores[4])])["SIQA"] == 0.5


async def test_what_the_rules_are_not_for_is_unscored():
    assert not (await MixEvalRules().score(item("x"), "x")).scored
    assert not (await MixEvalRules().score(item(kind="mixeval_choice"), "x")).scored


def of(part: str, benchmark: str, *values: float | None) -> list[tuple[Item, Score]]:
    one = item("x", problem_type=part, benchmark_name=benchmark)
    return [(one, Score.unscored("?") if value is None else Score(value=value)) for value in values]


def test_figures_are_rounded_in_each_part_and_weighted():
    """Rounded to 3 decimals first; 0.333 * 3 and 1.0 * 2 of 5 answers make 0.5998, and not 0.6."""
    scored = [*of("free-form", "DROP", 1.0, 0.0), *of("free-form", "AGIEval", 0.0)]
    scored += of("multiple-choice", "AGIEval", 1.0, 1.0)
    figures = mixeval_figures(scored)
    assert figures == {
        "overall": pytest.approx(0.5998),
        "free-form": 0.333,
        "multiple-choice": 1.0,
        "AGIEval": pytest.approx(2 / 3),
        "DROP": 0.5,
    }
    assert [*figures][:3] == ["overall", "free-form", "multiple-choice"]


def test_figures_of_one_part_leave_out_what_is_unscored():
    figures = mixeval_figures(of("free-form", "BBH", 0.7, None, 0.2))
    assert figures == {"overall": 0.45, "free-form": 0.45, "BBH": 0.45, "unscored": 1}
    assert mixeval_figures([]) == {}
    assert mixeval_figures(of("free-form", "BBH", None)) == {"unscored": 1}
    assert Score.unscored("?").value is UNSCORED
