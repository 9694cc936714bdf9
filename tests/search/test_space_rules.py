"""Canonical points against what the graphs say of themselves."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archon_graph.search.point import Point, Value
from archon_graph.search.space import SearchSpace
from tests.search.spaces import MODELS, built, combinations, small, wide

WIDE = wide()
COMBINATIONS = st.fixed_dictionaries({axis.name: st.sampled_from(axis.values) for axis in WIDE.axes})
"""Raw values of the wide space."""


@settings(deadline=None, max_examples=150)
@given(COMBINATIONS)
def test_a_point_is_the_architecture_that_its_values_say(values: dict[str, Value]):
    expected, point = built(WIDE, values), WIDE.canonical(values)
    assert (point is None) == (expected is None)
    if point is not None and expected is not None:
        decoded = WIDE.decode(point)
        assert decoded.fingerprint == expected.fingerprint
        assert decoded.validate(rules="archon") == []
        assert WIDE.calls(point) == decoded.max_calls


@settings(deadline=None, max_examples=200)
@given(COMBINATIONS)
def test_a_canonical_point_is_its_own_and_holds_no_more_than_it_needs(values: dict[str, Value]):
    point = WIDE.canonical(values)
    if point is not None:
        assert WIDE.canonical(point) == point
        assert point in WIDE
        assert Point({**point, "samples": 99}) not in WIDE


@settings(deadline=None, max_examples=100)
@given(COMBINATIONS, st.data())
def test_two_combinations_are_one_point_exactly_if_they_are_one_architecture(
    values: dict[str, Value], data: st.DataObject
):
    name = data.draw(st.sampled_from(sorted(values)))
    other = values | {name: data.draw(COMBINATIONS)[name]}
    one, two = WIDE.canonical(values), WIDE.canonical(other)
    if one is not None and two is not None:
        assert (one == two) == (WIDE.decode(one).fingerprint == WIDE.decode(two).fingerprint)
        assert (one == two) == (WIDE.encode(one) == WIDE.encode(two))


# Between them they have every axis vary against those that it has to do with.
SMALL: dict[str, dict[str, Any]] = {
    "places": {"generators": [1, 2], "revisions": 0, "evaluation": ["none", "tests"]},
    "ends": {
        "critic": ["none", "every"],
        "ranker": "none",
        "fusion_layers": [0, 2],
        "final": ["voter", "ranker", "none", "fuser"],
    },
    "only fixed places": {"critic": "every", "ranker": "first", "samples": [1, 2]},
    "kept": {
        "samples": [1, 2, 5],
        "critic": "none",
        "ranker": ["every", "first"],
        "rank_top_k": [1, 2, 3, 9],
        "eval_top_k": [2, 3, 7],
        "evaluation": "tests",
        "fusion_layers": [0, 1],
        "revisions": 0,
    },
    "roles": {
        "judge_model": ["openai:b", "ranked", "openai:a"],
        "fuser_model": ["ranked", "openai:a", "openai:b"],
        "samples": 1,
        "critic": ["none", "first"],
        "ranker": "none",
        "evaluation": ["none", "verifier"],
        "fusion_layers": [0, 1],
    },
    "sampling": {
        "temperature": [None, 0.0, 1.0],
        "prompt_style": ["direct", "re_read"],
        "critic": "none",
        "ranker": "none",
        "samples": [1, 40],
        "fusion_layers": [0, 1],
        "evaluation": ["none", "verifier"],
    },
}


@pytest.mark.parametrize("which", SMALL)
def test_every_combination_of_a_small_space(which: str):
    space = small(**SMALL[which])
    points: dict[Point, str] = {}
    fingerprints = defaultdict(set)
    for values in combinations(space):
        point = space.canonical(values)
        if point is None:
            assert built(space, values) is None, values
            continue
        if point not in points:
            decoded = space.decode(point)
            assert decoded.validate(rules="archon") == []
            assert decoded.max_calls == space.calls(point)
            points[point] = decoded.fingerprint
        expected = built(space, values)
        assert expected is not None, values
        assert points[point] == expected.fingerprint, values
        fingerprints[expected.fingerprint].add(point)
    assert all(len(same) == 1 for same in fingerprints.values())
    assert set(space.points() or ()) == set(points)
    assert space.size() == len(points) < space.raw_size()


def test_combinations_that_run_programs():
    pytest.importorskip("archon_graph.components.example_tests")
    space = small(
        evaluation=["none", "executed", "examples"], critic="none", ranker="none", revisions=0, eval_top_k=[2, 3]
    )
    for values in combinations(space):
        point, expected = space.canonical(values), built(space, values)
        assert (point is None) == (expected is None)
        if point is not None and expected is not None:
            assert space.decode(point).fingerprint == expected.fingerprint
            assert space.calls(point) == expected.max_calls


def test_one_model_makes_ranked_and_its_own_name_the_same():
    space = SearchSpace(MODELS[:1], fuser_model=["ranked", MODELS[0]], judge_model=[MODELS[0], "ranked"])
    points = space.points() or ()
    assert {point["fuser_model"] for point in points if "fuser_model" in point} == {"ranked"}
    assert {point["judge_model"] for point in points if "judge_model" in point} == {MODELS[0]}
