"""What an evaluation says: means, costs, paired differences, and the verdict in words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from archon_graph.evals import Evaluation, Summary, compare_architectures
from archon_graph.models import ConfigurationError, Usage
from tests.evals.made import evaluation

R, W, U = 1.0, 0.0, None


def said(made: Evaluation, **settings: Any) -> str:
    return "\n".join(compare_architectures(made, **settings).verdict)


def test_paired_differences_that_are_known_by_hand():
    """Three better, one worse, six equal: +0.2, and McNemar's exact p is 2 (1 + 4) / 16."""
    summary = compare_architectures(
        evaluation({"base": [W, W, W, R, R, R, R, R, W, W], "other": [R, R, R, W, R, R, R, R, W, W]})
    )
    [difference] = summary.differences
    assert (difference.first, difference.second) == ("other", "base")
    assert difference.mean == pytest.approx(0.2)
    assert (difference.wins, difference.losses, difference.ties) == (3, 1, 6)
    assert difference.p_value == pytest.approx(0.625)
    assert [standing.score.mean for standing in summary.standings] == [0.5, 0.7]


def test_clusters_widen_the_interval():
    """Two clusters of two: the differences 1, 1, 0, 0 have a robust error of 0.5 and one degree of freedom."""
    scores = {"base": [W, W, W, W], "other": [R, R, W, W]}
    [difference] = compare_architectures(evaluation(scores, clusters=["x", "x", "y", "y"])).differences
    assert difference.clusters == 2
    assert difference.low == pytest.approx(0.5 - 12.7062 * 0.5, abs=1e-3)
    assert compare_architectures(evaluation(scores)).differences[0].clusters == 4


def test_what_is_unscored_or_missing_is_left_out_of_both_sides():
    summary = compare_architectures(evaluation({"base": [R, W, R, U, ...], "other": [R, R, U, R, R]}))
    base, other = summary.standings
    assert (base.score.mean, base.score.n, base.score.unscored, base.questions) == (pytest.approx(2 / 3), 3, 1, 4)
    assert (other.score.mean, other.score.n, other.score.unscored, other.questions) == (1.0, 4, 1, 5)
    [difference] = summary.differences
    assert (difference.n, difference.mean) == (2, 0.5)


def test_costs_are_for_each_question_and_as_recorded():
    usage = {
        "cheap": Usage(calls=1, prompt_tokens=10, completion_tokens=10, money=0.25, seconds=1.0),
        "dear": Usage(calls=6, prompt_tokens=100, completion_tokens=50, money=1.0, seconds=9.0),
        "unknown": Usage(calls=2, prompt_tokens=1, unmetered_calls=1, unpriced_calls=2),
    }
    cheap, dear, unknown = compare_architectures(
        evaluation({"cheap": [R, W], "dear": [R, R], "unknown": [R, R]}, usage=usage)
    ).standings
    assert (cheap.calls, cheap.tokens, cheap.money, cheap.seconds) == (1, 20, 0.25, 1.0)
    assert (dear.calls, dear.tokens, dear.money, dear.seconds) == (6, 150, 1.0, 9.0)
    assert (unknown.calls, unknown.tokens, unknown.money) == (2, None, None)


def test_a_question_that_is_asked_again_costs_when_it_is_answered():
    """What a failed attempt took says nothing of what an answer takes."""
    made = evaluation({"a": [R, U]})
    failed = made.rows[1].to_json() | {"answer": None, "usage": {"calls": 99}}
    made = Evaluation(
        directory=made.directory,
        run=made.run,
        items=made.items,
        rows=(made.rows[0], type(made.rows[0]).from_json(failed)),
        paid=Usage(),
    )
    [standing] = compare_architectures(made).standings
    assert (standing.questions, standing.answered, standing.calls) == (2, 1, 1.0)


def test_the_baseline_is_the_first_or_the_one_that_is_named():
    made = evaluation({"a": [R, W], "b": [R, R], "c": [W, W]})
    assert [each.second for each in compare_architectures(made).differences] == ["a", "a"]
    named = compare_architectures(made, baseline="c")
    assert [(each.first, each.second) for each in named.differences] == [("a", "c"), ("b", "c")]
    with pytest.raises(ConfigurationError, match=r"'cc' is none of the architectures \(did you mean 'c'\?\)"):
        compare_architectures(made, baseline="cc")


def test_one_architecture_is_described():
    told = said(evaluation({"single": [R] * 30 + [W] * 10}))
    assert told == "single scores 0.750 on 40 questions, 95 % interval 0.598 to 0.858."


def test_a_clear_winner_is_told_with_its_cost():
    usage = {"base": Usage(calls=1, prompt_tokens=10), "best": Usage(calls=5, prompt_tokens=30)}
    first = said(evaluation({"base": [W] * 30 + [R] * 10, "best": [R] * 40}, usage=usage)).splitlines()[0]
    assert first.startswith("best is better than base: +0.750 [+0.")
    assert first.endswith(", with 5.0 times the calls and 3.0 times the tokens.")


def test_nothing_better_and_all_dearer_means_the_baseline():
    """A single model wins: save your money."""
    usage = {
        "single": Usage(calls=1, money=0.1),
        "twice": Usage(calls=2, money=0.2),
        "bad": Usage(calls=9, money=0.9),
    }
    made = evaluation({"single": [R, W] * 20, "twice": [R, W] * 19 + [R, R], "bad": [W, W] * 20}, usage=usage)
    lines = said(made).splitlines()
    assert lines[0] == (
        "Nothing is shown to be better than single on 40 questions. Everything else costs more: single is the one "
        "to take, as far as this can tell."
    )
    assert lines[1].startswith("twice is not told apart from single: +0.025 [")
    assert lines[1].endswith("with 2.0 times the calls and 2.0 times the money.")
    assert lines[2].startswith("bad is worse than single: -0.500 [-0.")
    assert lines[3].startswith("With so many questions, a difference of less than about 0.")


def test_nothing_better_and_something_cheaper_is_no_praise_of_the_baseline():
    usage = {"dear": Usage(calls=9), "cheap": Usage(calls=1)}
    first = said(evaluation({"dear": [R, W] * 20, "cheap": [R, W] * 20}, usage=usage)).splitlines()[0]
    assert first == "Nothing is shown to be better than dear on 40 questions."


def test_several_better_ones_are_not_ranked_among_each_other():
    told = said(evaluation({"base": [W] * 40, "x": [R] * 39 + [W], "y": [R] * 40})).splitlines()
    assert told[0].startswith("y is better than base")
    assert told[1].startswith("x is better than base")
    assert told[2] == "Those were compared with the baseline, and not with each other."


def test_what_is_not_finished_or_not_scored_is_said():
    told = said(evaluation({"a": [R, U, ...], "b": [R, W, R]}))
    assert "The evaluation is not finished: 5 of 6 questions are done" in told
    assert "a: 1 question unscored, left out and not counted as wrong" in told
    assert "The first: made up" in told


@pytest.mark.parametrize(
    ("scores", "told"),
    [
        ({"a": [U, U]}, "a has no score yet."),
        ({"a": [...], "b": [...]}, "Nothing can be compared"),
        ({"a": [R, U], "b": [U, R]}, "Nothing can be compared"),
        ({"a": [R]}, "a scores 1.000 on 1 question, 95 % interval 0.207 to 1.000."),
        ({"a": [0.5]}, "a scores 0.500 on 1 question."),
    ],
)
def test_next_to_nothing_is_described_too(scores: Any, told: str):
    assert said(evaluation(scores)).startswith(told)


def test_the_summary_is_plain_data():
    summary: Summary = compare_architectures(evaluation({"a": [R, W, U], "b": [R, R, R], "c": [W, W, ...]}))
    data = json.loads(json.dumps(summary.to_json(), allow_nan=False))
    assert data["baseline"] == "a"
    assert [each["architecture"] for each in data["standings"]] == ["a", "b", "c"]
    assert data["standings"][0]["score"]["unscored"] == 1
    assert [each["first"] for each in data["differences"]] == ["b", "c"]
