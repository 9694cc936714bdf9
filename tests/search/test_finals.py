"""Finalists, and the baselines that the winner is held against."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archon_graph.models import Usage
from archon_graph.search import Cost, Point, RacingRule, Trial
from archon_graph.search.baselines import BEST_OF_N, SELF_CONSISTENCY, SINGLE, equal_cost_baselines
from archon_graph.search.finals import finalists_of
from archon_graph.search.racing import estimate_score
from archon_graph.search.store import StudyStore
from tests.scripts import load
from tests.search.studying import Models, spec, study


def trial(number: int, score: float | None, **settings: Any) -> Trial:
    """A trial with this score, called by its number."""
    usage = asdict(Usage())
    made: dict[str, Any] = {
        "number": number,
        "round": 1,
        "fingerprint": f"t{number}",
        "name": f"t{number}",
        "point": Point({}),
        "status": "failed" if score is None else "complete",
        "score": score,
        "error": 0.1,
        "scored": 10,
        "asked": 10,
        "questions": 10,
        "against": None,
        "cost": Cost(calls=settings.pop("calls", 1.0), tokens=None, money=None, seconds=1.0),
        "usage": usage,
        "paid": usage,
    }
    return Trial(**{**made, **settings})


@given(st.lists(st.tuples(st.none() | st.floats(0, 1), st.booleans()), max_size=12), st.integers(1, 5))
def test_known_failure_2_the_best_are_kept(ends: list[tuple[float | None, bool]], most: int):
    """None that is left out did better than one that is in, whether it was stopped or not."""
    trials = [
        trial(number, score, **({"status": "dropped"} if dropped and score is not None else {}))
        for number, (score, dropped) in enumerate(ends, start=1)
    ]
    chosen = set(finalists_of(trials, most, None))
    known = [each for each in trials if each.score is not None]
    assert len(chosen) == min(most, len(known))
    inside = [each.score or 0.0 for each in known if each.fingerprint in chosen]
    outside = [each.score or 0.0 for each in known if each.fingerprint not in chosen]
    assert min(inside, default=1.0) >= max(outside, default=0.0)


def test_of_equal_ones_the_cheapest_then_the_first():
    trials = [trial(1, 0.5, calls=3), trial(2, 0.5, calls=2), trial(3, 0.5, calls=2), trial(4, 0.6, calls=9)]
    assert finalists_of(trials, 3, None) == ["t4", "t2", "t3"]


def test_a_trial_that_was_stopped_takes_part_by_its_estimate():
    """It was behind on these questions, which the best one can be as well."""
    trials = [trial(1, 0.9), trial(2, 0.7), trial(3, 0.8, status="dropped", asked=10, questions=40, against=1)]
    assert finalists_of(trials, 2, None) == ["t1", "t3"]
    assert finalists_of(trials, 3, None) == ["t1", "t3", "t2"]
    assert finalists_of([trial(1, None, status="failed"), *trials], 1, None) == ["t1"]


def test_a_whole_score_is_better_than_an_estimate_of_the_same_architecture():
    trials = [trial(1, 0.3), trial(2, 0.5), trial(3, 0.9, status="dropped", fingerprint="t1")]
    assert finalists_of(trials, 1, None) == ["t2"]
    assert finalists_of(trials, 2, None) == ["t2", "t1"]


def test_the_truly_best_is_a_finalist_more_often_for_it():
    """Studies of 40 trials, raced one after the other against the best so far, with 120 questions."""
    racing, random, questions, studies = load("racing"), np.random.default_rng(4), 120, 200
    accuracies = racing.spread(random, studies, 0.35, 0.60, 0.62)
    scores, every, incumbents = (
        racing.scores(random, accuracies, questions),
        np.arange(studies),
        np.zeros(studies, int),
    )
    ended: list[list[Trial]] = [[] for _ in every]
    for number in range(scores.shape[1]):
        mine, theirs = scores[:, number], scores[every, incumbents]
        asked = RacingRule().race(mine, theirs) if number else np.full(studies, questions)
        for place, seen in enumerate(asked):
            told = estimate_score(mine[place, :seen].tolist(), theirs[place].tolist(), questions=questions).mean
            status = "complete" if seen == questions else "dropped"
            ended[place].append(trial(number, told, status=status))
        better = mine.mean(axis=1) > theirs.mean(axis=1)
        incumbents = np.where((asked == questions) & better, number, incumbents)
    best = [f"t{number}" for number in accuracies.argmax(axis=1)]

    def found(status: set[str]) -> float:
        kept = [[each for each in trials if each.status in status] for trials in ended]
        pairs = zip(best, kept, strict=True)
        return float(np.mean([name in finalists_of(trials, 5, None) for name, trials in pairs]))

    with_stopped, finished = found({"complete", "dropped"}), found({"complete"})
    assert with_stopped > finished + 0.05
    assert with_stopped > 0.8, (with_stopped, finished)


def test_equal_architectures_are_one_finalist():
    assert finalists_of([trial(1, 0.9), trial(2, 0.9, fingerprint="t1"), trial(3, 0.1)], 2, None) == ["t1", "t3"]


def test_the_best_single_model_can_always_win():
    trials = [trial(1, 0.1), trial(2, 0.9), trial(3, 0.8)]
    assert finalists_of(trials, 2, "t1") == ["t2", "t3", "t1"]
    assert finalists_of(trials, 2, "t3") == ["t2", "t3"]
    assert finalists_of(trials, 2, "t9") == ["t2", "t3"], "one that has no trial cannot"


@pytest.mark.parametrize("calls", [*range(3, 20), 50])
def test_baselines_make_as_many_calls_as_the_winner(calls: int):
    made = equal_cost_baselines("openai:a", calls)
    assert {name: each.max_calls for name, each in made.items()} == {
        SINGLE: 1,
        BEST_OF_N: calls,
        SELF_CONSISTENCY: calls,
    }
    assert made[BEST_OF_N].name == f"best-of-n at {calls} calls"
    for each in made.values():
        assert not [problem for problem in each.problems() if problem.severity == "error"]


@pytest.mark.parametrize("calls", [1, 2])
def test_against_a_cheaper_winner_they_are_as_small_as_they_can_be(calls: int):
    made = equal_cost_baselines("openai:a", calls)
    assert (made[BEST_OF_N].max_calls, made[SELF_CONSISTENCY].max_calls) == (3, 2)


async def test_the_pruned_winner_does_no_worse_and_its_name_can_be_read(tmp_path: Path):
    """Nodes go that add nothing, one by one, as long as what is left does as well as all of it."""
    Models()
    ended = await study(tmp_path)
    found, store = ended.findings, StudyStore(ended.directory)
    decided = store.decisions()
    assert found.winner is not None
    assert found.pruned is not None
    assert found.pruned.calls < found.winner.calls
    assert found.pruned.name == "3 samples by custom:good, ranker 1"
    assert not any("without" in entry.name for entry in found.entries.values())
    rows, items = store.rows(), store.items("selection")

    def total(fingerprint: str) -> float:
        return sum(float(rows[fingerprint, item.id].score.value) for item in items)  # type: ignore[arg-type]

    assert total(found.pruned.fingerprint) >= total(found.winner.fingerprint)
    removed = decided["pruned"]["without"]
    assert set(removed) < set(found.winner.architecture.components)
    assert [gain.what for gain in found.gains] == [each["what"] for each in decided["variants"]]
    for gain, each in zip(found.gains, decided["variants"], strict=True):
        assert gain.difference.mean == pytest.approx(
            (total(found.winner.fingerprint) - total(each["fingerprint"])) / len(items)
        )
        assert gain.useless == (total(each["fingerprint"]) >= total(found.winner.fingerprint))


async def test_without_ablation_nothing_is_taken_apart(tmp_path: Path):
    Models()
    ended = await study(tmp_path, spec(ablate=False))
    assert (ended.findings.phase, ended.findings.gains, ended.findings.pruned) == ("done", (), None)
    assert "variants" not in StudyStore(ended.directory).decisions()
