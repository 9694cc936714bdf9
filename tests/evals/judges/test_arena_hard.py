"""Arena-Hard's figures of 2025."""

from __future__ import annotations

from typing import Any

import pytest

from archon_graph.evals.judges.arena_files import read_arena_judgments
from archon_graph.evals.judges.arena_hard import score_2025, scores_2025
from archon_graph.evals.judges.battles import battles_of
from tests.evals.shared import SHARED, needs_shared

TURNED = {"A>>B": "B<<A", "A>B": "B<A", "A=B": "B=A", "B>A": "A<B", "B>>A": "A<<B"}


@pytest.mark.parametrize(("label", "turned"), TURNED.items())
def test_labels_weigh_as_in_2024_and_may_be_turned(label: str, turned: str):
    """In the first game A is the baseline."""
    wanted = battles_of(label, swapped=False) + battles_of(label, swapped=True)
    assert wanted
    for first in (label, turned):
        assert scores_2025(first, label) == scores_2025(first, turned) == wanted


@pytest.mark.parametrize("label", [None, "", "A>>A", "AB", "a>b"])
def test_a_question_with_a_game_without_a_label_is_left_out(label: str | None):
    assert scores_2025(label, "A>B") == scores_2025("A>B", label) == []
    figures = score_2025([(label, "A>>B"), ("B>A", "A=B")])
    assert (figures.questions, figures.dropped, figures.mean) == (1, 1, 75.0)


def test_the_score_is_the_mean_of_the_samples():
    """Close to the plain mean, inside its interval, and the same in every run."""
    labels = [("B>>A", "A>B"), ("A>B", "B>>A"), ("A=B", "A=B"), ("B>A", "A>B")] * 25
    figures = score_2025(labels)
    assert figures.mean == pytest.approx(100 * (3 + 1 + 0.5 + 0.5 + 1 + 1) / 12)
    assert figures.score != figures.mean
    assert figures.score == pytest.approx(figures.mean, abs=1.5)
    assert figures.low is not None
    assert figures.high is not None
    assert figures.low < figures.mean < figures.high
    # 300 scores with a standard deviation of about 0.47: 1.645 * 0.47 / sqrt(300) on either side.
    assert figures.high - figures.low == pytest.approx(9.0, abs=2.0)
    assert score_2025(labels) == figures
    assert score_2025(labels, seed=1) != figures


def test_no_question_has_no_score():
    assert score_2025([]).to_json() == {
        "score": None,
        "low": None,
        "high": None,
        "mean": None,
        "questions": 0,
        "dropped": 0,
    }


@pytest.mark.parametrize(
    ("labels", "settings"),
    [([("A>B",)], {}), (["AB"], {}), ([("A>B", "A>B")], {"rounds": 0}), ([], {"level": 1.0})],
)
def test_what_is_no_record_of_games(labels: Any, settings: dict[str, Any]):
    with pytest.raises(ValueError, match="got"):
        score_2025(labels, **settings)


@needs_shared
def test_recorded_labels():
    """Where every game has a label, and no sign is turned, the plain mean is the win rate of 2024."""
    recorded = read_arena_judgments(SHARED / "replay" / "arena_hard_auto" / "raw_judgments.jsonl")
    labels = [(row.games[0].score, row.games[1].score) for row in recorded]
    figures = score_2025(labels)
    assert (figures.questions, figures.dropped) == (77, 2)
    battles = [
        battle
        for games in labels
        if None not in games
        for swapped, label in zip((False, True), games, strict=True)
        for battle in battles_of(label, swapped=swapped)
    ]
    assert figures.mean == pytest.approx(100 * sum(battles) / len(battles))
