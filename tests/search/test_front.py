"""The front: nothing on it is beaten, everything off it is, and what is not known is not free."""

from __future__ import annotations

import json
import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archon_graph.search.front import Entry, best_within, pareto_front

# Busy machines are slow at times.
steady = settings(deadline=None)
# Few values, so that ties are common.
NUMBERS = st.sampled_from([0.0, 0.25, 0.5, 1.0]) | st.floats(0, 1)
COSTS = st.none() | st.sampled_from([0.0, 1.0, 2.0, 5.0]) | st.floats(0, 10)
ENTRIES = st.lists(st.tuples(NUMBERS, COSTS), max_size=14).map(
    lambda pairs: [Entry(f"a{n:02}", *pair) for n, pair in enumerate(pairs)]
)


def beats(one: Entry, other: Entry) -> bool:
    return (
        one.quality >= other.quality
        and one.cost <= other.cost
        and (one.quality, one.cost) != (other.quality, other.cost)
    )


@steady
@given(ENTRIES)
def test_the_front_is_what_nothing_beats(entries: list[Entry]):
    """Those and no others; all entries are accounted for."""
    front = pareto_front(entries)
    known = [one for one in entries if one.cost is not None]
    expected = {one.key for one in known if not any(beats(other, one) for other in known)}
    assert set(front.keys) == expected
    assert len(front.entries) + front.dominated + len(front.unknown) == len(entries)
    assert list(front.unknown) == [one.key for one in entries if one.cost is None]


@steady
@given(ENTRIES, st.randoms())
def test_the_order_of_the_entries_does_not_matter(entries: list[Entry], random):
    shuffled = list(entries)
    random.shuffle(shuffled)
    assert pareto_front(shuffled) == pareto_front(entries)
    assert best_within(shuffled, 3.0) == best_within(entries, 3.0)


@steady
@given(ENTRIES)
def test_the_front_rises(entries: list[Entry]):
    """And it is its own front."""
    front = pareto_front(entries)
    points = [(one.cost, one.quality) for one in front.entries]
    assert points == sorted(points)
    assert sorted({quality for _, quality in points}) == [q for _, q in sorted(set(points))]
    assert pareto_front(front.entries).entries == front.entries


@steady
@given(ENTRIES, st.floats(0, 10))
def test_the_best_within_a_budget_is_on_the_front(entries: list[Entry], limit: float):
    best = best_within(entries, limit)
    affordable = [one for one in entries if one.cost is not None and one.cost <= limit]
    if best is None:
        assert affordable == []
    else:
        assert best in affordable
        assert best in pareto_front(entries).entries
        assert best.quality == max(one.quality for one in affordable)


@steady
@given(ENTRIES, NUMBERS, st.floats(0, 10), st.floats(0.1, 12))
def test_the_hypervolume_grows_with_the_front(entries: list[Entry], quality: float, cost: float, corner: float):
    """One more entry makes it no smaller, and larger by what it adds; it never leaves the corner."""
    before = pareto_front(entries).hypervolume(cost=corner)
    after = pareto_front([*entries, Entry("new", quality, cost)]).hypervolume(cost=corner)
    assert after >= before - 1e-9
    assert 0.0 <= before <= corner * 1.0 + 1e-9
    alone = pareto_front([Entry("new", quality, cost)]).hypervolume(cost=corner)
    assert alone == pytest.approx(max(0.0, corner - cost) * quality)
    assert after <= before + alone + 1e-9


@steady
@given(ENTRIES)
def test_the_hypervolume_is_the_mean_best_over_budgets(entries: list[Entry]):
    """Added up over the steps of the budget."""
    corner = 6.0
    steps = sorted({0.0, corner, *(one.cost for one in entries if one.cost is not None and one.cost < corner)})
    expected = 0.0
    for start, end in pairwise(steps):
        best = best_within(entries, start)
        expected += (end - start) * (best.quality if best else 0.0)
    assert pareto_front(entries).hypervolume(cost=corner) == pytest.approx(expected)


def test_what_is_not_known_is_not_free():
    entries = [Entry("unpriced", 0.9, None), Entry("free", 0.3, 0.0), Entry("dear", 0.8, 2.0)]
    front = pareto_front(entries)
    assert front.keys == ("free", "dear")
    assert front.unknown == ("unpriced",)
    assert best_within(entries, math.inf) == entries[2]
    assert best_within(entries[:1], math.inf) is None
    assert front.hypervolume(cost=4.0) == pytest.approx(4 * 0.3 + 2 * 0.5)
    assert front.hypervolume(cost=4.0, quality=0.5) == pytest.approx(2 * 0.3)
    assert json.loads(json.dumps(front.to_json()))["unknown"] == ["unpriced"]


def test_equal_entries_are_all_there_and_the_first_key_is_taken():
    twins = [Entry("b", 0.5, 1.0), Entry("a", 0.5, 1.0), Entry("c", 0.5, 2.0)]
    assert pareto_front(twins).keys == ("a", "b")
    assert pareto_front(twins).dominated == 1
    assert best_within(twins, 5.0) == twins[1]
    assert pareto_front([]).entries == ()


def test_bad_numbers_are_named():
    with pytest.raises(ValueError, match="the quality of 'a' is a finite number, got nan"):
        Entry("a", math.nan, 1.0)
    for cost in (-1.0, math.inf, math.nan):
        with pytest.raises(ValueError, match="the cost of 'a' is a finite number from 0"):
            Entry("a", 0.5, cost)
    with pytest.raises(ValueError, match="a limit of cost is a number"):
        best_within([], math.nan)
    with pytest.raises(ValueError, match="corner of a hypervolume is finite"):
        pareto_front([]).hypervolume(cost=math.inf)
