"""Paired differences: what the questions have in common cancels, and many looks are paid for."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from archon_graph.evals.scorers import UNSCORED
from archon_graph.evals.statistics import compare, paired_difference
from archon_graph.evals.statistics.paired import holm, sign_test

SCORES = st.lists(st.floats(0, 1), min_size=2, max_size=40)
PAIRS = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=2, max_size=40)
BINARY_PAIRS = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=2, max_size=40)


def sides(pairs):
    return [float(one) for one, _ in pairs], [float(other) for _, other in pairs]


@given(SCORES)
def test_equal_arrays_differ_by_zero_with_no_width(values: list[float]):
    """By Student's t, which knows nothing but the differences."""
    found = paired_difference(values, values, method="t")
    assert (found.mean, found.low, found.high, found.p_value) == (0.0, 0.0, 0.0, 1.0)
    assert (found.wins, found.losses, found.ties) == (0, 0, len(values))


@given(st.lists(st.sampled_from([0.0, 1.0]), min_size=1, max_size=60))
def test_agreement_on_a_few_questions_is_no_certainty(values: list[float]):
    """The interval lies around 0, has a width, and is narrower for more questions."""
    found = paired_difference(values, values)
    more = paired_difference(values * 2, values * 2)
    assert (found.mean, found.p_value) == (0.0, 1.0)
    assert found.low is not None
    assert found.low == -found.high < more.low < 0.0  # type: ignore[operator]


@given(PAIRS | BINARY_PAIRS, st.floats(0.5, 0.999))
def test_the_other_way_round_is_the_negative(pairs, level: float):
    one, other = sides(pairs)
    there = paired_difference(one, other, level=level)
    back = paired_difference(other, one, level=level)
    assert there.mean == pytest.approx(-back.mean)
    assert there.low == pytest.approx(-back.high)
    assert (there.wins, there.ties) == (back.losses, back.ties)
    assert there.p_value == pytest.approx(back.p_value)
    assert there.low - 1e-9 <= there.mean <= there.high + 1e-9


@given(PAIRS, st.floats(-1, 1))
def test_what_questions_have_in_common_cancels(pairs, shift: float):
    """How hard a question is changes both scores, and not their difference."""
    one, other = sides(pairs)
    hard = [shift * place for place in range(len(one))]
    plain = paired_difference(one, other, method="t")
    shifted = paired_difference(np.array(one) + hard, np.array(other) + hard, method="t")
    assert shifted.mean == pytest.approx(plain.mean, abs=1e-9)
    assert shifted.low == pytest.approx(plain.low, abs=1e-6)


@given(PAIRS)
def test_the_t_interval_is_scipys(pairs):
    one, other = sides(pairs)
    if np.ptp(np.subtract(one, other)) < 1e-6:
        return
    found = paired_difference(one, other, method="t")
    reference = stats.ttest_rel(one, other)
    assert found.p_value == pytest.approx(reference.pvalue, abs=1e-9)
    assert found.low == pytest.approx(reference.confidence_interval().low, abs=1e-9)


def test_bonett_and_prices_formula():
    """By hand: 20 questions, 10 won, 2 lost."""
    one = [1.0] * 10 + [0.0] * 10
    other = [0.0] * 10 + [1.0] * 2 + [0.0] * 8
    found = paired_difference(one, other)
    half = 1.959964 * math.sqrt((11 / 22 + 3 / 22 - (8 / 22) ** 2) / 22)
    assert found.mean == 0.4
    assert found.low == pytest.approx(8 / 22 - half, abs=1e-6)
    assert found.high == pytest.approx(8 / 22 + half, abs=1e-6)
    assert found.method == "Bonett-Price, McNemar"


@given(st.integers(0, 60), st.integers(0, 60))
def test_the_sign_test_is_scipys(wins: int, losses: int):
    reference = 1.0 if wins + losses == 0 else stats.binomtest(wins, wins + losses).pvalue
    assert sign_test(wins, losses) == pytest.approx(reference)


def test_pairs_without_both_scores_are_left_out_and_counted():
    found = paired_difference([1, UNSCORED, 0, 1, UNSCORED], [0, 1, None, 1, UNSCORED])
    assert (found.n, found.unscored, found.wins, found.ties, found.mean) == (2, 3, 1, 1, 0.5)


def test_clusters_are_one_draw():
    """Ten copies of each question leave the interval as it was."""
    one, other = [0.9, 0.4, 0.7, 0.2], [0.5, 0.5, 0.4, 0.1]
    labels = [place for place in range(4) for _ in range(10)]
    once = paired_difference(one, other)
    ten = paired_difference(np.repeat(one, 10), np.repeat(other, 10), clusters=labels)
    assert ten.low == pytest.approx(once.low)
    assert ten.p_value == pytest.approx(once.p_value)
    assert (ten.clusters, ten.method) == (4, "t, cluster-robust")
    binary = paired_difference([1.0, 0.0] * 5, [0.0, 0.0] * 5, clusters=[n // 2 for n in range(10)])
    assert binary.method == "t, cluster-robust"
    # Every cluster is won by as much: only their number tells anything.
    assert binary.p_value == sign_test(5, 0)


@pytest.mark.parametrize("values", [[], [UNSCORED], [0.5]])
def test_too_little_to_tell(values):
    found = paired_difference(values, values)
    assert (found.low, found.p_value) == (None, None)
    assert found.tied


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="2 of mine and 1 of yours"):
        paired_difference([1, 0], [1], names=("mine", "yours"))
    with pytest.raises(ValueError, match="method='t'"):
        paired_difference([0.5, 0], [1, 0], method="bonett-price")
    with pytest.raises(ValueError, match="confidence level"):
        paired_difference([1, 0], [1, 0], level=1.0)
    with pytest.raises(KeyError, match="no scores of the baseline 'c'"):
        compare({"a": [1], "b": [0]}, baseline="c")


def test_a_family_of_comparisons_says_how_large_it_is():
    scores = {"single": [0, 0, 1, 0] * 8, "vote": [1, 0, 1, 0] * 8, "best": [1, 1, 1, 0] * 8}
    found = compare(scores, baseline="single")
    assert [(one.first, one.second) for one in found.differences] == [("vote", "single"), ("best", "single")]
    for one in found.differences:
        assert one.comparisons == 2
        assert one.family_low < one.low <= one.mean <= one.high < one.family_high  # type: ignore[operator]
        assert one.p_value <= one.family_p_value  # type: ignore[operator]
        assert not one.tied
    assert "2 comparisons (each with single)" in found.statement
    assert "Bonferroni" in found.statement
    assert "Holm" in found.statement
    every = compare(scores)
    assert len(every.differences) == 3
    assert "3 comparisons (every pair)" in every.statement
    # What is alone needs no allowance.
    (alone,) = compare({"single": scores["single"], "vote": scores["vote"]}).differences
    assert (alone.family_low, alone.family_p_value) == (alone.low, alone.p_value)
    assert compare({"single": [1]}).differences == ()


def test_tied_means_that_the_familys_interval_holds_zero():
    found = compare({"a": [1, 0, 1, 0, 1], "b": [1, 0, 0, 0, 1]})
    assert found.differences[0].tied
    assert found.differences[0].to_json()["tied"] is True


@given(st.lists(st.floats(0, 1) | st.none(), max_size=8))
def test_holms_adjustment(p_values: list[float | None]):
    """Keeps the order, never lowers, stays within Bonferroni's, and takes the smallest times their number."""
    adjusted = holm(p_values)
    pairs = [(p, q) for p, q in zip(p_values, adjusted, strict=True) if p is not None and q is not None]
    assert [p is None for p in p_values] == [q is None for q in adjusted]
    for p, q in pairs:
        assert p <= q <= min(1.0, p * len(p_values))
        assert all(q <= other_q for other_p, other_q in pairs if p < other_p)
    if pairs:
        smallest = min(pairs)
        assert smallest[1] == min(1.0, smallest[0] * len(p_values))


def test_holm_on_a_known_example():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@pytest.mark.parametrize(("only_one", "only_other"), [(0.05, 0.0), (0.1, 0.1), (0.1, 0.02)])
@pytest.mark.parametrize("size", [12, 50])
def test_intervals_cover_what_they_say_on_few_questions_too(only_one: float, only_other: float, size: int):
    """Where one side alone is right on few questions, Student's t covers 0.46 to 0.92."""
    random = np.random.default_rng(3)
    counts = random.multinomial(size, [only_one, only_other, 1 - only_one - only_other], size=600)
    held = 0
    for wins, losses, rest in counts:
        found = paired_difference(
            [1.0] * wins + [0.0] * (losses + rest), [0.0] * wins + [1.0] * losses + [0.0] * rest
        )
        held += found.low <= only_one - only_other <= found.high  # type: ignore[operator]
    assert held / 600 > 0.93
