"""``AskTell`` keeps the history of a search, whatever order it comes in."""

from __future__ import annotations

import math
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archon_graph.search.asking import AskTell
from archon_graph.search.point import Point
from archon_graph.search.space import SearchSpace
from archon_graph.search.strategies import GreedySearch, LocalSearch, RandomSearch
from archon_graph.search.testing.strategy_conformance import made_up_score, small_space, tiny_space


@cache
def space() -> SearchSpace:
    return small_space()


@pytest.mark.parametrize(
    "strategy", [GreedySearch(), LocalSearch(initial=3), RandomSearch()], ids=lambda one: one.name
)
@settings(max_examples=20, deadline=None)
@given(order=st.permutations(range(6)), twice=st.lists(st.integers(0, 5), max_size=4))
def test_the_order_of_telling_does_not_matter(strategy, order, twice):
    """What it proposes next is the same, also if some trials are told of twice, with another score."""
    straight, other = AskTell(strategy, space(), seed=2), AskTell(strategy, space(), seed=2)
    points = straight.ask(6)
    assert other.ask(6) == points
    for point in points:
        straight.tell(point, made_up_score(point), 0.02)
    for place in order:
        other.tell(points[place], made_up_score(points[place]), 0.02)
    for place in twice:
        other.tell(points[place], 0.999)
    assert other.observations == straight.observations
    assert other.best == straight.best
    assert other.ask(3) == straight.ask(3)


def test_what_is_under_way_is_not_proposed_again():
    asking = AskTell(RandomSearch(), space())
    first = asking.ask(4)
    assert asking.pending == first
    assert not set(asking.ask(4)) & set(first)


def test_it_says_the_best_of_those_with_a_score():
    asking = AskTell(RandomSearch(), space())
    assert asking.best is None
    one, two, three = asking.ask(3)
    asking.tell(one, None)
    assert asking.best is None
    asking.tell(three, 0.7)
    asking.tell(two, 0.7, 0.01)
    assert asking.best.point == two
    assert asking.best.error == 0.01


def test_a_failed_trial_stays_failed():
    asking = AskTell(RandomSearch(), space())
    [point] = asking.ask()
    asking.tell(point, None)
    asking.tell(point, 0.9)
    assert [one.score for one in asking.observations] == [None]


def test_points_known_from_elsewhere_can_be_told_of():
    asking = AskTell(RandomSearch(), space())
    known = space().points()[5]
    asking.tell(known, 0.4)
    assert asking.best.point == known
    assert known not in asking.ask(space().size())


def test_numbers_of_numpy_become_plain():
    import numpy as np

    asking = AskTell(RandomSearch(), space())
    [point] = asking.ask()
    asking.tell(point, np.float64(0.5), np.float32(0.25))
    [one] = asking.observations
    assert (type(one.score), type(one.error)) == (float, float)


def test_it_ends_when_every_point_was_proposed():
    asking = AskTell(GreedySearch(), tiny_space())
    assert len(asking.ask(100)) == tiny_space().size()
    assert asking.ask() == []


def test_bad_words_are_refused_with_a_way_out():
    asking = AskTell(RandomSearch(), space())
    [point] = asking.ask()
    with pytest.raises(
        ValueError, match=r"a score is a finite number, got nan for Point.* of a failed trial say None"
    ):
        asking.tell(point, math.nan)
    with pytest.raises(ValueError, match="an error is a finite number from 0, got -1 for Point"):
        asking.tell(point, 0.5, -1)
    with pytest.raises(ValueError, match="only points of the space can be told of"):
        asking.tell(Point({"samples": 77}), 0.5)
    assert asking.pending == [point]
