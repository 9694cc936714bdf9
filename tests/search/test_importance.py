"""What the axes matter: found where it is there, not seen where it is not, and nothing said of too little."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from archon_graph.search.importance import FEWEST_FOR_FOREST, axis_importance
from archon_graph.search.point import Point
from archon_graph.search.trial import Trial


def trial(number: int, point: Mapping[str, Any], score: float | None, **settings: Any) -> Trial:
    """A trial that answered ten questions."""
    given: dict[str, Any] = {
        "number": number,
        "round": 1,
        "fingerprint": f"f{number}",
        "name": f"trial {number}",
        "point": Point(point),
        "status": "complete" if score is not None else "failed",
        "score": score,
        "error": 0.1,
        "scored": 10,
        "asked": 10,
        "questions": 10,
        "against": None,
        "cost": None,
        "usage": {},
        "paid": {},
    }
    return Trial(**{**given, **settings})


def trials(count: int, score: Callable[[Mapping[str, Any], random.Random], float]) -> list[Trial]:
    """So many trials by chance, with the score that a point is given."""
    chance = random.Random(0)
    made = []
    for number in range(1, count + 1):
        point: dict[str, Any] = {
            "samples": chance.choice([1, 3, 5]),
            "final": chance.choice(["fuser", "ranker", "voter"]),
            "fusion_layers": chance.choice([0, 1, 2]),
            "temperature": None,
        }
        if point["fusion_layers"]:
            point["fusers"] = chance.choice([2, 4])
        made.append(trial(number, point, score(point, chance)))
    return made


@pytest.mark.parametrize("count", [0, 1, 3])
def test_too_few_trials_say_nothing(count: int):
    found = axis_importance(trials(count, lambda point, _: point["samples"] / 5))
    assert (found.method, found.axes) == ("none", ())
    [told] = found.told
    assert told.startswith(f"From {count} trial")


def test_where_nothing_varies_there_is_nothing_to_say():
    same = [trial(number, {"samples": 3, "final": "fuser"}, 0.5) for number in range(1, 9)]
    assert axis_importance(same).method == "none"


def test_a_few_trials_are_compared_by_their_means():
    made = [
        trial(number, {"samples": samples, "final": final}, score)
        for number, (samples, final, score) in enumerate(
            [(1, "fuser", 0.2), (1, "voter", 0.4), (3, "fuser", 0.6), (3, "voter", 0.6), (5, "voter", 1.0)],
            start=1,
        )
    ]
    found = axis_importance(made)
    assert (found.method, found.explained, found.trials) == ("means", None, 5)
    samples, final = found.axes
    assert (samples.axis, final.axis) == ("samples", "final")
    # The one trial with 5 samples is shown, and no yardstick.
    assert samples.spread == pytest.approx(0.3)
    assert [(each.value, each.trials) for each in samples.values] == [("5", 1), ("3", 2), ("1", 2)]
    assert final.spread == pytest.approx(2 / 3 - 0.4)
    assert samples.about.startswith("How many answers")
    assert "too few" in found.told[0]
    assert "about 0.100" in found.told[0]


def test_a_forest_finds_the_axis_that_matters():
    found = axis_importance(trials(60, lambda point, chance: point["samples"] / 5 + chance.gauss(0, 0.05)))
    assert found.method == "forest"
    assert found.explained is not None
    assert found.explained > 0.7
    first, *others = found.axes
    assert first.axis == "samples"
    assert first.share is not None
    assert first.share > 0.8
    assert all(each.share is not None and each.share < 0.1 for each in others)
    assert {each.axis for each in found.axes} == {"samples", "final", "fusion_layers", "fusers"}


def test_a_choice_matters_as_well_as_a_scale():
    found = axis_importance(trials(60, lambda point, _: float(point["final"] == "voter")))
    assert found.axes[0].axis == "final"
    assert found.axes[0].values[0].value == "voter"


def test_an_axis_that_is_not_there_says_nothing_of_what_decides_that():
    """Without a layer of fusers their number has no say; that they are not there is the other axis's merit."""
    found = axis_importance(trials(60, lambda point, _: float(point["fusion_layers"] == 0)))
    shares = {each.axis: each.share for each in found.axes}
    assert found.axes[0].axis == "fusion_layers"
    assert shares["fusers"] == pytest.approx(0.0, abs=0.05)
    fusers = next(each for each in found.axes if each.axis == "fusers")
    assert fusers.values[0].value == "not there"
    assert fusers.spread == 0.0


def test_noise_is_said_to_be_noise():
    found = axis_importance(trials(40, lambda _, chance: chance.random()))
    assert found.method == "means"
    assert found.explained is not None
    assert found.explained <= 0.0
    assert all(each.share is None for each in found.axes)
    assert "no better than the mean" in found.told[0]


def test_equal_scores_need_no_forest():
    assert axis_importance(trials(30, lambda *_: 0.5)).method == "means"


def test_only_trials_that_can_tell_something_count():
    made = trials(FEWEST_FOR_FOREST, lambda point, _: point["samples"] / 5)
    useless = [
        trial(101, {}, 0.1),  # a model alone, without a place in the space
        trial(102, {"samples": 1}, None),
        trial(103, made[0].point, 0.9, fingerprint=made[0].fingerprint),
    ]
    assert axis_importance([*made, *useless]) == axis_importance(made)


def test_it_comes_out_the_same_each_time():
    made = trials(30, lambda point, chance: point["samples"] / 5 + chance.gauss(0, 0.2))
    assert axis_importance(made).to_json() == axis_importance(made).to_json()
