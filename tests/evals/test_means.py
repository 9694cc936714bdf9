"""Means with intervals: the published formulas, and how often the intervals hold the truth."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from archon_graph.evals.scorers import UNSCORED
from archon_graph.evals.statistics import Estimate, estimate_mean

BINARY = st.lists(st.sampled_from([0.0, 1.0]), min_size=1, max_size=60)
SCORES = st.lists(st.floats(0, 1), min_size=2, max_size=60)
LEVELS = st.floats(0.5, 0.999)


@given(BINARY, LEVELS)
def test_right_and_wrong_have_wilsons_interval(values: list[float], level: float):
    """As scipy computes it."""
    found = estimate_mean(values, level=level)
    reference = stats.binomtest(int(sum(values)), len(values)).proportion_ci(level, method="wilson")
    assert found.method == "Wilson"
    assert found.low == pytest.approx(reference.low, abs=1e-12)
    assert found.high == pytest.approx(reference.high, abs=1e-12)


@given(SCORES, LEVELS)
def test_other_scores_have_students_interval(values: list[float], level: float):
    """As scipy computes it."""
    found = estimate_mean(values, level=level, method="t")
    error = stats.sem(values)
    low = high = np.mean(values)
    if error > 0:
        low, high = stats.t.interval(level, len(values) - 1, np.mean(values), error)
    assert found.low == pytest.approx(low, abs=1e-9)
    assert found.high == pytest.approx(high, abs=1e-9)


@given(SCORES | BINARY, LEVELS, st.sampled_from(["auto", "t", "bootstrap"]), st.data())
def test_every_interval_holds_its_mean(values: list[float], level: float, method, data):
    """With clusters or without."""
    labels = data.draw(st.none() | st.lists(st.sampled_from("abc"), min_size=len(values), max_size=len(values)))
    found = estimate_mean(values, clusters=labels, level=level, method=method)
    assert found.mean == pytest.approx(np.mean(values))
    if found.low is not None and found.high is not None:
        assert found.low - 1e-9 <= found.mean <= found.high + 1e-9


@given(SCORES | BINARY, st.floats(0.5, 0.98))
def test_more_confidence_is_a_wider_interval(values: list[float], level: float):
    narrow, wide = estimate_mean(values, level=level), estimate_mean(values, level=level + 0.01)
    if narrow.low is not None and wide.low is not None:
        assert wide.low <= narrow.low + 1e-12


@given(SCORES | BINARY, st.integers(1, 5))
def test_unscored_is_left_out_and_counted(values: list[float], lost: int):
    """It is not zero."""
    with_lost = estimate_mean([*values, *[UNSCORED] * lost])
    without = estimate_mean(values)
    assert (with_lost.mean, with_lost.low, with_lost.high) == (without.mean, without.low, without.high)
    assert (with_lost.unscored, with_lost.n) == (lost, len(values))
    assert estimate_mean([*values, *[None] * lost]) == with_lost


@given(SCORES)
def test_clusters_of_one_are_no_clusters(values: list[float]):
    """Named or not."""
    assert estimate_mean(values, clusters=range(len(values))) == estimate_mean(values)
    assert estimate_mean(values, clusters=[None] * len(values)) == estimate_mean(values)


def test_a_question_asked_ten_times_tells_no_more_than_once():
    """Copies in one cluster leave the interval as it was, but for the t quantile, which they leave, too."""
    values = [0.1, 0.4, 0.9, 0.3, 0.7]
    copies = [value for value in values for _ in range(10)]
    labels = [place for place in range(5) for _ in range(10)]
    once, ten = estimate_mean(values), estimate_mean(copies, clusters=labels)
    assert ten.mean == pytest.approx(once.mean)
    assert ten.low == pytest.approx(once.low)
    assert ten.high == pytest.approx(once.high)
    assert (ten.n, ten.clusters, ten.method) == (50, 5, "t, cluster-robust")
    naive = estimate_mean(copies)
    assert naive.low is not None
    assert ten.low is not None
    assert naive.low > ten.low


def test_a_known_cluster_robust_error():
    """By hand: residual sums -1, 1, 0 over clusters of 2, 2 and 1; 3/2 * 2 / 25."""
    values, labels = [0.0, 0.0, 1.0, 1.0, 0.5], ["a", "a", "b", "b", "c"]
    found = estimate_mean(values, clusters=labels, method="t")
    assert found.mean == 0.5
    assert found.low is not None
    error = math.sqrt(3 / 2 * 2 / 25)
    assert (found.mean - found.low) / error == pytest.approx(stats.t.ppf(0.975, 2))


@pytest.mark.parametrize(
    ("values", "clusters"),
    [([], None), ([UNSCORED], None), ([0.5], None), ([1.0, 0.0], ["a", "a"]), ([0.5, 0.2], ["a", "a"])],
)
def test_too_little_to_tell_has_no_interval(values: list[float], clusters: list[str] | None):
    found = estimate_mean(values, clusters=clusters)
    assert (found.low, found.high) == (None, None)
    assert "[" not in str(found)


def test_all_right_is_not_certainty():
    """Neither for a few questions, nor for a few clusters of many."""
    few = estimate_mean([1.0] * 5)
    assert few.low == pytest.approx(0.5655, abs=1e-4)
    assert few.high == 1.0
    clustered = estimate_mean([1.0] * 50, clusters=[n // 10 for n in range(50)])
    assert clustered.low == pytest.approx(0.5655, abs=1e-4)


def test_the_bootstrap_is_repeatable_and_near_the_others():
    random = np.random.default_rng(0)
    values = random.uniform(size=200)
    found = estimate_mean(values, method="bootstrap")
    assert found == estimate_mean(values, method="bootstrap")
    assert found != estimate_mean(values, method="bootstrap", seed=1)
    reference = estimate_mean(values, method="t")
    assert found.low == pytest.approx(reference.low, abs=0.005)
    assert found.high == pytest.approx(reference.high, abs=0.005)
    copies, labels = np.repeat(values[:40], 5), np.repeat(np.arange(40), 5)
    clustered = estimate_mean(copies, clusters=labels.tolist(), method="bootstrap")
    assert clustered.low == pytest.approx(estimate_mean(values[:40], method="bootstrap").low, abs=0.01)


def test_bounds_cut_the_interval():
    values = [0.9, 1.0, 0.95, 1.0]
    assert estimate_mean(values).high > 1.0  # type: ignore[operator]
    assert estimate_mean(values, bounds=(0, 1)).high == 1.0


@pytest.mark.parametrize("values", [[0.5, float("nan")], [float("inf")], np.array([np.nan])])
def test_nan_is_no_score(values: list[float]):
    with pytest.raises(ValueError, match="finite"):
        estimate_mean(values)


def test_bad_arguments_are_named():
    with pytest.raises(TypeError, match="place 1"):
        estimate_mean([1.0, "0"])  # type: ignore[list-item]
    with pytest.raises(ValueError, match=r"0\.95 for 95"):
        estimate_mean([1.0, 0.0], level=95)
    with pytest.raises(ValueError, match="1 labels for 2 values"):
        estimate_mean([1.0, 0.0], clusters=["a"])
    with pytest.raises(ValueError, match="method='t'"):
        estimate_mean([0.5, 0.0], method="wilson")


def test_an_estimate_as_data_and_in_words():
    found = estimate_mean([1, 0, 1, 1, UNSCORED])
    assert str(found) == "0.750 [0.301, 0.954] (1 unscored)"
    assert Estimate(**found.to_json()) == found
    assert str(estimate_mean([])) == "no score"


def coverage(draw, true: float, rounds: int = 600, **options) -> float:
    """How often the interval holds the true mean."""
    random = np.random.default_rng(1)
    held = 0
    for _ in range(rounds):
        values, labels = draw(random)
        found = estimate_mean(values, clusters=labels, **options)
        held += found.low is not None and found.high is not None and found.low <= true <= found.high
    return held / rounds


def test_intervals_cover_what_they_say():
    """Within the noise of 600 rounds (0.95 +- 0.018); clusters ignored would cover about 0.6."""

    def plain(random):
        return random.binomial(1, 0.3, size=40).astype(float), None

    def clustered(random):
        chances = random.beta(0.6, 1.4, size=30)
        return random.binomial(1, np.repeat(chances, 8)).astype(float), [n // 8 for n in range(240)]

    def fractions(random):
        means = random.beta(0.6, 1.4, size=30)
        return np.clip(np.repeat(means, 8) + random.uniform(-0.05, 0.05, 240), None, None), [
            n // 8 for n in range(240)
        ]

    assert coverage(plain, 0.3) > 0.92
    assert coverage(clustered, 0.3) > 0.92
    assert coverage(fractions, 0.3) > 0.92
    assert coverage(lambda random: (clustered(random)[0], None), 0.3) < 0.75
