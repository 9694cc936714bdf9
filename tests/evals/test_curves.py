"""Curves from a pool: exact expectations over all subsets, checked against counting them one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import permutations
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archon_graph.evals.scorers import UNSCORED
from archon_graph.evals.statistics import (
    Pool,
    best_of_n_curve,
    best_sample,
    estimate_pass_at_k,
    expected_best,
    expected_best_by,
    expected_vote,
    majority_sample,
    oracle_curve,
    pass_at_k,
    vote_curve,
)

VALUE = st.sampled_from([0.0, 0.5, 1.0])
ANSWER = st.sampled_from(["x", "y", "z", None])
SAMPLES = st.lists(st.tuples(VALUE, ANSWER, st.integers(0, 2)), min_size=1, max_size=6)


def counted(size: int, n: int, choose: Callable[[Sequence[int]], int], values: Sequence[float]) -> float:
    """The mean value of what is chosen, over all ways to draw n samples one after the other."""
    draws = [*permutations(range(size), n)]
    return sum(values[choose(draw)] for draw in draws) / len(draws)


@given(SAMPLES)
def test_curves_are_the_mean_over_all_draws(samples):
    """The best, the best by rank, and the vote: first of the draw on ties, and on a draw without any answer."""
    values = [value for value, _, _ in samples]
    answers = [answer for _, answer, _ in samples]
    ranks = [float(rank) for _, _, rank in samples]

    def by(key: Sequence[float]) -> Callable[[Sequence[int]], int]:
        return lambda draw: draw[best_sample([key[place] for place in draw])]

    def vote(draw: Sequence[int]) -> int:
        won = majority_sample([answers[place] for place in draw])
        return draw[0 if won is None else won]

    size = len(values)
    for n in range(1, size + 1):
        assert expected_best(values)[n - 1] == pytest.approx(counted(size, n, by(values), values))
        assert expected_best_by(values, ranks)[n - 1] == pytest.approx(counted(size, n, by(ranks), values))
        # An answer is worth the mean of those who gave it: over all orders, what its first member is worth.
        assert expected_vote(values, answers)[n - 1] == pytest.approx(counted(size, n, vote, values))


@given(st.lists(st.tuples(VALUE, ANSWER, st.floats(-5, 5)), min_size=1, max_size=40))
def test_laws_of_curves(samples):
    """The oracle never falls, and is above the others; one sample is the mean; no curve leaves the values."""
    values = [value for value, _, _ in samples]
    oracle = expected_best(values)
    vote = expected_vote(values, [answer for _, answer, _ in samples])
    ranked = expected_best_by(values, [rank for _, _, rank in samples])
    assert (np.diff(oracle) >= -1e-9).all()
    for curve in (vote, ranked):
        assert (curve <= oracle + 1e-9).all()
        assert (curve >= min(values) - 1e-9).all()
        assert curve[0] == pytest.approx(np.mean(values))
    assert oracle[-1] == max(values)


@given(st.integers(1, 60), st.data())
def test_the_oracle_on_right_and_wrong_is_pass_at_k(n: int, data):
    c = data.draw(st.integers(0, n))
    assert expected_best([1.0] * c + [0.0] * (n - c)) == pytest.approx(
        [pass_at_k(n, c, k) for k in range(1, n + 1)]
    )


@given(SAMPLES, st.randoms(use_true_random=False))
def test_the_order_of_the_pool_has_no_say(samples, random):
    shuffled = [*samples]
    random.shuffle(shuffled)
    one, other = ([v for v, _, _ in pool] for pool in (samples, shuffled))
    assert expected_best(one) == pytest.approx(expected_best(other))
    votes = [expected_vote([v for v, _, _ in pool], [a for _, a, _ in pool]) for pool in (samples, shuffled)]
    assert votes[0] == pytest.approx(votes[1])


def test_a_large_pool_with_a_known_vote():
    """Three of five right, and the wrong ones agree: the vote is right unless both wrong outvote one right."""
    curve = expected_vote([1.0] * 3 + [0.0] * 2, ["r"] * 3 + ["w"] * 2)
    assert curve == pytest.approx([3 / 5, 3 / 5, 7 / 10, (2 * 1.0 + 3 * 0.5) / 5, 1.0])
    many = expected_vote([1.0] * 60 + [0.0] * 40, ["r"] * 60 + [str(n % 20) for n in range(40)])
    assert many[-1] == 1.0
    assert (np.diff(many[::2]) >= -1e-9).all()


@given(st.integers(1, 200), st.data())
def test_pass_at_k_never_falls_and_is_exact(n: int, data):
    """In k, and in the number of right samples."""
    c = data.draw(st.integers(0, n))
    k = data.draw(st.integers(1, n))
    found = pass_at_k(n, c, k)
    assert found == float(1 - Fraction(comb(n - c, k), comb(n, k)))
    assert 0.0 <= found <= 1.0
    if k < n:
        assert found <= pass_at_k(n, c, k + 1)
    if c < n:
        assert found <= pass_at_k(n, c + 1, k)
    assert pass_at_k(n, c, 1) == c / n


def test_pass_at_k_agrees_with_the_published_product():
    """1 - prod(1 - k / i), as the authors compute it, also where factorials overflow a float."""
    for n, c, k in [(6, 3, 1), (200, 17, 10), (200, 17, 100), (1000, 1, 500), (10_000, 3, 1000)]:
        product = 1.0 - np.prod(1.0 - k / np.arange(n - c + 1, n + 1))
        assert pass_at_k(n, c, k) == pytest.approx(product)
    assert pass_at_k(6, 3, 1) == 0.5


def test_pass_at_k_over_questions():
    found = estimate_pass_at_k([(4, 4), (4, 0), (6, 3)], 1)
    assert found.mean == 0.5
    assert found.n == 3
    with pytest.raises(ValueError, match="k=5 with 4 samples; draw more"):
        estimate_pass_at_k([(4, 1), (6, 3)], 5)


@pytest.mark.parametrize(("n", "c", "k"), [(4, 5, 1), (4, -1, 1), (4, 2, 0), (4, 2, 5), (0, 0, 1)])
def test_pass_at_k_that_cannot_be_estimated_is_refused(n: int, c: int, k: int):
    with pytest.raises(ValueError, match="got"):
        pass_at_k(n, c, k)


def test_curves_over_questions_have_intervals():
    """Over questions, up to the smallest pool."""
    pools = [
        Pool(values=[1.0, 0.0, 1.0], answers=["a", "b", "a"], ranks=[0.1, 0.9, 0.5]),
        Pool(values=[0.0, 0.0], answers=["a", None], ranks=[1, 2]),
        Pool(values=[1.0, 1.0], answers=["a", "a"], ranks=[1, 2]),
    ]
    oracle, vote, best = oracle_curve(pools), vote_curve(pools), best_of_n_curve(pools)
    assert [len(curve.points) for curve in (oracle, vote, best)] == [2, 2, 2]
    assert oracle[2].mean == pytest.approx((1 + 0 + 1) / 3)
    assert vote[1].mean == best[1].mean == oracle[1].mean == pytest.approx((2 / 3 + 0 + 1) / 3)
    assert best[2].mean == pytest.approx((1 / 3 + 0 + 1) / 3)
    assert oracle[1].low is not None
    assert oracle[1].n == 3
    assert [point["samples"] for point in vote.to_json()["points"]] == [1, 2]
    with pytest.raises(IndexError, match="from 1 to 2 samples, got 3"):
        oracle[3]


def test_clusters_of_questions_count_as_one():
    alike = [Pool(values=[1.0, 0.0], cluster=n // 5) for n in range(20)]
    alike += [Pool(values=[0.0, 0.0], cluster=9) for n in range(5)]
    assert oracle_curve(alike)[1].clusters == 5


def test_a_question_with_an_unscored_sample_is_left_out_and_counted():
    pools = [Pool(values=[1.0, 1.0]), Pool(values=[0.0, UNSCORED]), Pool(values=[0.0, None])]
    point = oracle_curve(pools)[2]
    assert (point.mean, point.n, point.unscored) == (1.0, 1, 2)


def test_without_questions_there_is_no_curve():
    assert oracle_curve([]).points == ()


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: expected_best([]),
        lambda: expected_best([float("nan")]),
        lambda: expected_best([[1.0]]),
        lambda: expected_best([0.0] * 1001),
        lambda: expected_best_by([1.0], []),
        lambda: expected_vote([1.0], []),
        lambda: vote_curve([Pool(values=[1.0])]),
        lambda: best_of_n_curve([Pool(values=[1.0])]),
    ],
)
def test_pools_that_are_none_are_refused(wrong):
    with pytest.raises(ValueError, match=r"pool holds|every sample needs"):
        wrong()


def test_the_vote_on_a_whole_pool_is_the_voters():
    """The largest group's first member; of equal groups the first."""
    assert majority_sample(["a", "b", "b", None]) == 1
    assert majority_sample(["b", "a", "a", "b"]) == 0
    assert majority_sample([None, None]) is None
    assert majority_sample([]) is None
    assert best_sample([1.0, 3.0, 3.0]) == 1
