"""Search spaces: how many architectures there are, which are drawn, and what is said of bad input."""

from __future__ import annotations

import json
import pickle
from collections import Counter
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.language_models import FakeListChatModel

from archon_graph import ConfigurationError, ScriptedModel
from archon_graph.core import UnsavableModelError
from archon_graph.models import register_model
from archon_graph.search.axes import NAMES
from archon_graph.search.point import Point
from archon_graph.search.space import SearchSpace
from archon_graph.search.space_problems import SpaceError
from tests.search.spaces import MODELS, combinations, small, wide

TEN = [f"openai:m{number}" for number in range(10)]


# --- what the first implementation got wrong ------------------------------------------------------------------


def test_known_failure_3_every_axis_changes_an_architecture_and_equal_ones_are_one_point():
    space = small(temperature=[0.3, 0.9], prompt_style=["direct", "re_read"], judge_model=["openai:a", "openai:b"])
    fingerprints = [space.decode(point).fingerprint for point in space.sample(0, 60)]
    assert len(set(fingerprints)) == len(fingerprints)
    # Every value of every axis that there is says something.
    space = wide()
    assert {axis.name for axis in space.axes if len(axis.values) > 1} == set(NAMES)
    points = space.sample(0, 300)
    for axis in space.axes:
        for value in axis.values:
            changed = (
                (point, space.canonical({**point, axis.name: value})) for point in points if axis.name in point
            )
            one, two = next((one, two) for one, two in changed if two is not None and two != one)
            assert space.decode(one).fingerprint != space.decode(two).fingerprint, (axis.name, value)


def test_known_failure_3_points_that_come_to_the_same_are_proposed_once():
    space = small(revisions=0, evaluation="none", final="fuser")
    raw = [space.canonical(values) for values in combinations(space)]
    assert len(raw) > len(set(raw))
    assert Counter(space.points()) == Counter(set(raw) - {None})
    assert Counter(space.sample(1, 10**6)) == Counter(space.points())


@pytest.mark.parametrize("make", [small, wide])
def test_known_failure_4_nothing_over_the_budget_is_ever_proposed(make: Any):
    space = make(max_calls=9)
    drawn = space.sample(3, 60)
    assert len(drawn) == 60
    points = [*drawn, *(space.points() or ()), *(near for point in drawn[:10] for near in space.neighbours(point))]
    assert max(map(space.calls, points)) == 9
    assert {space.decode(point).max_calls for point in drawn} <= set(range(1, 10))
    free = make()
    over = next(point for point in free.sample(3, 50) if free.calls(point) > 9)
    assert space.canonical(over) is None
    assert over not in space
    with pytest.raises(SpaceError, match="no point of this space"):
        space.decode(over)


# --- how many there are ---------------------------------------------------------------------------------------


def test_the_papers_space_counts_as_the_paper_does_but_for_what_is_explained():
    space = SearchSpace.archon(TEN)
    assert space.raw_size() == 10 * 5 * 5 * 5 * 3 * 2 * 2 == 15_000
    pairs = [(m, s) for m in range(1, 11) for s in range(1, 6) if m * s <= 24]
    assert len(pairs) * (1 + 4 * 5) * (2 * 2) * 3 == 9_576
    # Ours: for a single answer and no fusion layer, twelve of them are two graphs; and where tests keep five
    # answers before the only fuser, more than 24 answers never meet in a prompt.
    assert space.size() == 9_576 - (12 - 2) + (50 - len(pairs)) * 4 == 9_614
    within = [point for point in space.points() or () if point["generators"] * point["samples"] <= 24]
    assert len(within) == 9_566


def test_the_default_space_is_of_moderate_size():
    assert [SearchSpace(MODELS[:count]).size() for count in (1, 2, 3)] == [726, 1_614, 2_502]


def test_a_space_too_large_to_be_listed():
    space = wide()
    assert space.size() is None
    assert space.points() is None
    assert f"more than {space.enumerate_up_to:,}" in space.describe()


def test_a_space_with_hardly_anything_affordable_ends():
    space = wide(generators=[3], samples=[12], max_calls=36, enumerate_up_to=100)
    assert space.points() is None or len(space.points() or ()) <= 100
    assert space.sample(0, 3) == [] or all(space.calls(point) <= 36 for point in space.sample(0, 3))


def test_points_come_in_a_fixed_order():
    assert small().points() == small().points()


# --- drawing --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [small, wide])
def test_samples_are_different_repeatable_and_none_of_the_excluded(make: Any):
    space = make()
    first = space.sample(7, 40)
    assert len(set(first)) == 40
    assert make().sample(7, 40) == first != space.sample(8, 40)
    assert not set(space.sample(7, 40, excluding=first)) & set(first)
    assert all(point in space for point in first)


def test_every_point_is_equally_likely():
    space = small(samples=1, critic="none", ranker="none", revisions=0)
    counts = Counter(space.sample(seed)[0] for seed in range(3000))
    assert len(counts) == space.size()
    expected = 3000 / len(counts)
    assert all(expected / 2 < count < expected * 2 for count in counts.values())


# --- neighbours -----------------------------------------------------------------------------------------------


def test_neighbours_are_what_changing_one_axis_of_any_combination_leads_to():
    space = small(revisions=0, evaluation=["none", "tests"], generators=1)
    axes = {axis.name: axis for axis in space.axes}
    expected: dict[Point, set[Point]] = {point: set() for point in space.points() or ()}
    for values in combinations(space):
        one = space.canonical(values)
        for name, axis in axes.items():
            place = axis.values.index(values[name])
            for rank, value in enumerate(axis.values):
                two = space.canonical(values | {name: value})
                if one and two and one != two and (not axis.ordered or abs(rank - place) == 1):
                    expected[one].add(two)
    for point, near in expected.items():
        found = space.neighbours(point)
        assert len(set(found)) == len(found)
        assert set(found) == near


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10**6), st.sampled_from([None, 12, 30]))
def test_whoever_is_a_neighbour_has_it_as_a_neighbour(seed: int, max_calls: int | None):
    space = wide(max_calls=max_calls)
    [point] = space.sample(seed)
    near = space.neighbours(point)
    assert point not in near
    for other in near[:: max(1, len(near) // 5)]:
        assert other in space
        assert point in space.neighbours(other)


def test_steps_lead_from_anywhere_to_everywhere():
    space = SearchSpace(MODELS[:2], samples=[1, 3], max_calls=15)
    points = set(space.points() or ())
    start = next(iter(points))
    reached, frontier = {start}, [start]
    while frontier:
        new = set(space.neighbours(frontier.pop())) - reached
        reached |= new
        frontier += new
    assert reached == points


# --- encoding -------------------------------------------------------------------------------------------------


def test_encoded_points_are_numbers_from_0_to_1_and_tell_points_apart():
    space = small()
    rows = {space.encode(point) for point in space.points() or ()}
    assert len(rows) == space.size()
    assert {len(row) for row in rows} == {len(space.encoded_names)}
    assert {number for row in rows for number in row} == {0.0, 0.5, 1.0}


def test_an_inactive_axis_is_encoded_as_such():
    space = small(fusers=[2, 4])
    alone = space.canonical({"fusion_layers": 0, "final": "fuser"})
    assert alone is not None
    encoded = dict(zip(space.encoded_names, space.encode(alone), strict=True))
    assert encoded["fusers inactive"] == 1
    assert encoded["fusers"] == 0
    assert encoded["rank_top_k inactive"] == 1
    assert encoded["final=fuser"] == 1
    assert "prompt_style=direct" not in encoded


# --- models ---------------------------------------------------------------------------------------------------


def test_a_measured_order_decides_who_is_the_best():
    space = SearchSpace(MODELS, judge_model=["ranked", "openai:a", "other:judge"])
    turned = space.ranked(["together:c", "openai:a", "openai:b"])
    point = turned.canonical({"generators": 2, "samples": 1, "final": "ranker", "judge_model": "ranked"})
    assert point is not None
    models = [component.model for component in turned.decode(point).components.values()]
    assert models == ["together:c", "openai:a", "together:c"]
    assert turned.models == ("together:c", "openai:a", "openai:b")
    assert turned.fingerprint != space.fingerprint == turned.ranked(MODELS).fingerprint
    assert [axis.values for axis in turned.axes] == [axis.values for axis in space.axes]


def test_an_order_has_to_name_every_model_once():
    with pytest.raises(SpaceError) as caught:
        SearchSpace(MODELS).ranked(["openai:a", "openai:bb", "openai:a"])
    rules = Counter(problem.rule for problem in caught.value.problems)
    assert rules == {"unknown-model": 1, "bad-order": 3}
    assert "did you mean 'openai:b'?" in str(caught.value)


def test_chat_models_and_their_names():
    chat = ScriptedModel(["yes"])
    space = SearchSpace([chat, "openai:b"], judge_model=chat, final="ranker")
    point = space.canonical({"generators": 2})
    assert point is not None
    assert space.decode(point).components["ranker_1"].model is chat  # type: ignore[attr-defined]
    with pytest.raises(UnsavableModelError, match="register_model"):
        space.to_config()
    spec = register_model("judge-of-this-test", chat)
    assert SearchSpace([chat]).to_config()["models"] == [spec]


# --- plain data -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [small, wide, lambda: SearchSpace.archon(TEN, max_calls=30)])
def test_a_space_survives_plain_data(make: Any):
    space = make()
    again = SearchSpace.from_config(json.loads(json.dumps(space.to_config())))
    assert again == space
    assert again.axes == space.axes
    assert again.max_calls == space.max_calls


def test_a_space_from_a_file(tmp_path: Any):
    path = tmp_path / "space.yaml"
    path.write_text(
        "models: ['openai:a', 'openai:b']\nsamples: [1, 2]\ntemperature: [null, 0.7]\nfinal: fuser\n"
        "critic: [false, true]\nmax_calls:\n"
    )
    space = SearchSpace.load(path)
    axes = {axis.name: axis.values for axis in space.axes}
    assert axes["samples"] == (1, 2)
    assert axes["temperature"] == (None, 0.7)
    assert axes["final"] == ("fuser",)
    assert axes["critic"] == ("none", "every")
    assert axes["generators"] == (1, 2)
    path.write_text("preset: archon\nmodels: ['openai:a', 'openai:b']\nsamples: 2\n")
    assert SearchSpace.load(path) == SearchSpace.archon(["openai:a", "openai:b"], samples=2)


def test_everything_wrong_is_said_at_once():
    with pytest.raises(SpaceError) as caught:
        SearchSpace.from_config(
            {
                "models": ["openai:a", "openai:a", 3],
                "sample": 2,
                "preset": "archonn",
                "generators": [1, 7],
                "samples": [0, True, "many"],
                "temperature": [-1, 0, 0.0],
                "evaluation": ["verifer", "none"],
                "fusers": [1, 2],
                "critic": "evry",
                "final": [],
                "fuser_model": [4],
                "max_calls": 0,
                "most_candidates": 64,
                "answers": "nmber",
                "rules": "none",
            }
        )
    found = [(problem.rule, problem.where) for problem in caught.value.problems]
    assert sorted(found) == sorted(
        [
            ("unknown-key", "sample"),
            ("unknown-preset", "preset"),
            ("twice", "models[1]"),
            ("bad-models", "models[2]"),
            ("too-few-models", "generators[1]"),
            ("bad-values", "samples[0]"),
            ("bad-values", "samples[1]"),
            ("bad-values", "samples[2]"),
            ("bad-values", "temperature[0]"),
            ("twice", "temperature[2]"),
            ("bad-values", "evaluation[0]"),
            ("bad-values", "fusers[0]"),
            ("bad-values", "critic[0]"),
            ("bad-values", "final"),
            ("bad-models", "fuser_model[0]"),
            ("bad-setting", "max_calls"),
            ("bad-setting", "most_candidates"),
            ("bad-setting", "answers"),
            ("bad-setting", "rules"),
        ]
    )
    text = str(caught.value)
    assert "did you mean 'samples'?" in text
    assert "did you mean 'verifier'?" in text
    assert isinstance(caught.value, ConfigurationError)
    again = pickle.loads(pickle.dumps(caught.value))  # noqa: S301
    assert again.problems == caught.value.problems


def test_two_different_models_of_one_name_are_refused():
    chats = [FakeListChatModel(responses=["a"]), FakeListChatModel(responses=["b"])]
    with pytest.raises(SpaceError, match="register_model"):
        SearchSpace(chats)
    with pytest.raises(SpaceError, match="both called"):
        SearchSpace(chats[:1], judge_model=chats[1])


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("models: [", "broken-file"),
        ("- a", "bad-config"),
        ("samples: 2", "bad-models"),
        ("models: []", "bad-models"),
        ("models: ['openai:a']\narchon_graph_space: 2", "bad-format"),
    ],
)
def test_a_broken_file(tmp_path: Any, text: str, rule: str):
    path = tmp_path / "space.yaml"
    path.write_text(text)
    with pytest.raises(SpaceError, match=r"space\.yaml") as caught:
        SearchSpace.load(path)
    assert [problem.rule for problem in caught.value.problems] == [rule]


def test_a_missing_file(tmp_path: Any):
    (tmp_path / "space.yaml").touch()
    with pytest.raises(SpaceError, match=r"did you mean 'space\.yaml'"):
        SearchSpace.load(tmp_path / "spaces.yaml")


def test_values_that_no_axis_has_are_told_from_combinations_that_cannot_be():
    space = small()
    assert space.canonical({"samples": 3, "final": "none"}) is None
    with pytest.raises(SpaceError) as caught:
        space.canonical({"sampels": 3, "samples": 4})
    assert [problem.rule for problem in caught.value.problems] == ["unknown-axis", "unknown-value"]
    assert Point({"samples": 4}) not in space
    assert "samples" not in space


def test_values_stand_in_order():
    space = SearchSpace(MODELS, samples=[5, 1, 3], ranker=["every", "none"], temperature=[1, 0.5])
    axes = {axis.name: axis for axis in space.axes}
    assert axes["samples"].values == (1, 3, 5)
    assert axes["ranker"].values == ("none", "every")
    assert axes["temperature"] == axes["temperature"].__class__(
        "temperature", (0.5, 1.0), ordered=True, about=axes["temperature"].about
    )
    assert not any(axis.ordered for axis in space.axes if axis.name in {"final", "evaluation", "judge_model"})
    assert all(one < two for one, two in pairwise(axes["samples"].values))  # type: ignore[operator]


def test_a_description_says_what_varies():
    text = SearchSpace(MODELS, samples=[1, 2], temperature=None, max_calls=20).describe()
    assert "of at most 20 model calls a question" in text.splitlines()[0]
    assert "samples" in text
    assert "temperature provider's own" in text.splitlines()[-1]
    assert "openai:a" in repr(SearchSpace(MODELS))
