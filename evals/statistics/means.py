"""The mean of scores, with an interval for the mean over all questions of the kind, not only those asked."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit  # type: ignore[import-untyped,unused-ignore]

from archon_graph.evals.statistics.arrays import (
    Clusters,
    Floats,
    Values,
    as_floats,
    as_groups,
    check_level,
    group_sums,
    regroup,
)

MeanMethod = Literal["auto", "wilson", "t", "bootstrap"]

_RESAMPLES = 10_000
_CHUNK = 500


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean and its interval."""

    mean: float | None
    """``None`` if nothing was scored."""
    low: float | None
    """Lower end of the interval; ``None`` if there are too few values (or clusters) to tell."""
    high: float | None
    """Upper end of the interval."""
    level: float
    """How often such an interval holds the true mean."""
    n: int
    """How many values the mean is of."""
    clusters: int
    """How many clusters they come from; as many as values if each stands alone."""
    unscored: int
    """How many values were left out because there is no score."""
    method: str
    """How the interval was computed."""

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)

    def __str__(self) -> str:
        if self.mean is None:
            return "no score"
        between = "" if self.low is None or self.high is None else f" [{self.low:.3f}, {self.high:.3f}]"
        return f"{self.mean:.3f}{between}" + (f" ({self.unscored} unscored)" if self.unscored else "")


def estimate_mean(
    values: Values,
    *,
    clusters: Clusters | None = None,
    level: float = 0.95,
    method: MeanMethod = "auto",
    bounds: tuple[float, float] | None = None,
    seed: int = 0,
) -> Estimate:
    """The mean of the scored values, with an interval.

    ``auto`` takes ``wilson`` if all values are 0 or 1, else ``t``.

    - ``wilson``: Wilson's score interval (J. Am. Stat. Assoc. 22, 1927), which has a width even when all answers
      are right. With clusters, on the effective number of values (Korn and Graubard, Survey Methodology 24, 1998;
      with Wilson's interval: Dean and Pagano, J. Surv. Stat. Methodol. 3, 2015).
    - ``t``: Student's t on the standard error of the mean; with clusters on the cluster-robust one (Liang and
      Zeger, Biometrika 73, 1986; for model evaluations: Miller, arXiv 2411.00640), with one degree of freedom
      less than there are clusters.
    - ``bootstrap``: percentiles of the means of 10,000 resamples, of whole clusters if there are any (Efron and
      Tibshirani, An introduction to the bootstrap, 1993, chapter 13; Field and Welsh, J. R. Stat. Soc. B 69,
      2007).

    Args:
        values: The scores, one for each question.
        clusters: For each value the cluster of its item.
        level: Confidence level.
        method: How to compute the interval.
        bounds: Least and largest possible score: the interval is cut there.
        seed: Seed of the bootstrap's draws.

    Raises:
        ValueError: A value is not finite, ``wilson`` gets other values than 0 and 1, or the level is none.
    """
    check_level(level)
    array, there = as_floats(values)
    x = array[there]
    groups = regroup(as_groups(clusters, len(array))[there])
    size, count = len(x), len(np.unique(groups))
    binary = bool(np.isin(x, (0.0, 1.0)).all())
    if method == "wilson" and not binary:
        raise ValueError("Wilson's interval is for scores of 0 and 1 only; use method='t' or 'bootstrap'")
    chosen = method if method != "auto" else "wilson" if binary else "t"
    mean = float(np.mean(x)) if size else None
    ends: tuple[float, float] | None = None
    if mean is not None:
        if chosen == "wilson":
            ends = _wilson(mean, x, groups, level)
        elif chosen == "t":
            ends = _student(mean, x, groups, level)
        else:
            ends = _bootstrap(x, groups, level, seed)
    if ends is not None and bounds is not None:
        ends = (max(ends[0], bounds[0]), min(ends[1], bounds[1]))
    return Estimate(
        mean=mean,
        low=None if ends is None else ends[0],
        high=None if ends is None else ends[1],
        level=level,
        n=size,
        clusters=count,
        unscored=int(len(array) - size),
        method=_named(chosen, clustered=count < size),
    )


def standard_error(x: Floats, groups: NDArray[np.intp]) -> float | None:
    """Cluster-robust standard error of the mean; ``None`` for fewer than two clusters.

    With every value a cluster by itself it is the usual s / sqrt(n). Source: Liang and Zeger 1986, with the factor
    G / (G - 1) of Cameron and Miller (J. Hum. Resour. 50, 2015).
    """
    sums, sizes = group_sums(x - x.mean(), groups)
    count = len(sums)
    if count < 2:
        return None
    return math.sqrt(count / (count - 1) * float(sums @ sums)) / float(sizes.sum())


def t_quantile(level: float, degrees: int) -> float:
    """The number of standard errors to each side for a two-sided interval."""
    return float(stdtrit(degrees, (1.0 + level) / 2.0))


def z_quantile(level: float) -> float:
    """The same for a normal distribution."""
    return float(ndtri((1.0 + level) / 2.0))


def _wilson(p: float, x: Floats, groups: NDArray[np.intp], level: float) -> tuple[float, float] | None:
    n = _effective_size(p, x, groups, level)
    if n is None:
        return None
    z2 = z_quantile(level) ** 2
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = math.sqrt(z2) / (1 + z2 / n) * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    # Rounding must not put the mean outside when all answers are right, or all are wrong.
    return max(0.0, min(p, centre - half)), min(1.0, max(p, centre + half))


def _effective_size(p: float, x: Floats, groups: NDArray[np.intp], level: float) -> float | None:
    """How many independent values would tell as much."""
    n, count = len(x), int(groups.max()) + 1
    if count == n:
        return float(n)
    error = standard_error(x, groups)
    if error is None:
        return None
    if error == 0.0 or p in (0.0, 1.0):
        # Nothing tells how much the values of a cluster have in common: as much as they can.
        return float(count)
    design_effect = error**2 / (p * (1 - p) / (n - 1))
    shrink = (t_quantile(level, n - 1) / t_quantile(level, count - 1)) ** 2
    return max(1.0, min(float(n), n / design_effect * shrink))


def _student(mean: float, x: Floats, groups: NDArray[np.intp], level: float) -> tuple[float, float] | None:
    error = standard_error(x, groups)
    if error is None:
        return None
    half = t_quantile(level, int(groups.max())) * error
    return mean - half, mean + half


def _bootstrap(x: Floats, groups: NDArray[np.intp], level: float, seed: int) -> tuple[float, float] | None:
    sums, sizes = group_sums(x, groups)
    count = len(sums)
    if count < 2:
        return None
    random = np.random.default_rng(seed)
    share = np.full(count, 1.0 / count)
    means = []
    for _ in range(_RESAMPLES // _CHUNK):
        drawn = random.multinomial(count, share, size=_CHUNK)
        means.append(drawn @ sums / (drawn @ sizes))
    low, high = np.quantile(np.concatenate(means), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _named(method: str, *, clustered: bool) -> str:
    if method == "wilson":
        return "Wilson, effective size by clusters" if clustered else "Wilson"
    if method == "t":
        return "t, cluster-robust" if clustered else "t"
    return "cluster bootstrap" if clustered else "bootstrap"
