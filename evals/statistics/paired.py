"""Differences between architectures on the same questions: paired, so that a question's difficulty cancels."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from itertools import combinations
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr  # type: ignore[import-untyped,unused-ignore]

from archon_graph.evals.statistics.arrays import (
    Clusters,
    Floats,
    Values,
    as_floats,
    as_groups,
    check_level,
    regroup,
)
from archon_graph.evals.statistics.means import standard_error, t_quantile, z_quantile

PairedMethod = Literal["auto", "bonett-price", "t"]


@dataclass(frozen=True, kw_only=True)
class Difference:
    """By how much one side's mean is above the other's, on the questions that both have a score for."""

    first: str
    """Name of the side that is compared."""
    second: str
    """Name of the side that it is compared with."""
    mean: float | None
    """Mean of first minus second; ``None`` if no question has both scores."""
    low: float | None
    """Lower end of the interval for this comparison by itself; ``None`` if there are too few questions to tell."""
    high: float | None
    """Upper end of that interval."""
    level: float
    """Its confidence level."""
    wins: int
    """Questions on which the first side's score is higher."""
    losses: int
    """Questions on which it is lower."""
    ties: int
    """Questions on which both scores are equal."""
    clusters: int
    """How many clusters the questions come from; as many as questions if each stands alone."""
    unscored: int
    """Questions left out because a side has no score for them."""
    p_value: float | None
    """How often a difference at least as large would come about if there was none (two-sided)."""
    method: str
    """How interval and p-value were computed."""
    comparisons: int = 1
    """Size of the family of comparisons that this one is part of."""
    family_low: float | None = None
    """Lower end of the interval that holds together with those of the whole family."""
    family_high: float | None = None
    """Upper end of that interval."""
    family_p_value: float | None = None
    """The p-value, adjusted for the whole family."""

    @property
    def n(self) -> int:
        """How many questions the difference is of."""
        return self.wins + self.losses + self.ties

    @property
    def tied(self) -> bool:
        """Whether the family's interval holds 0, or is unknown: the data does not tell the two sides apart."""
        low, high = self.family_low, self.family_high
        return low is None or high is None or low <= 0.0 <= high

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {**asdict(self), "n": self.n, "tied": self.tied}

    def __str__(self) -> str:
        if self.mean is None:
            return "no common score"
        between = "" if self.low is None or self.high is None else f" [{self.low:+.3f}, {self.high:+.3f}]"
        return f"{self.mean:+.3f}{between}"


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """All differences that were looked at, and what that means for them."""

    differences: tuple[Difference, ...]
    """One for each pair that was compared."""
    statement: str
    """In words, how many comparisons there were and which interval and p-value allows for that."""


def paired_difference(
    first: Values,
    second: Values,
    *,
    clusters: Clusters | None = None,
    level: float = 0.95,
    method: PairedMethod = "auto",
    names: tuple[str, str] = ("first", "second"),
) -> Difference:
    """The mean difference of paired scores, with an interval and a p-value.

    ``auto`` takes ``bonett-price`` if all scores are 0 or 1 and no two questions share a cluster, else ``t``.

    - ``bonett-price``: for scores of 0 and 1, the adjusted Wald interval of Bonett and Price (J. Educ. Behav.
      Stat. 37, 2012). It has a width even when both sides agree on every question of a small set; Student's t
      claims certainty there, and covers far less than it says when few questions differ (46 % instead of 95 %
      for 12 questions where one side alone is right with a chance of 5 %). The p-value is McNemar's, exact
      (Psychometrika 12, 1947): a sign test on the questions that differ, ties left out.
    - ``t``: Student's t on the differences, with the cluster-robust standard error and one degree of freedom less
      than there are clusters (Miller, arXiv 2411.00640). Two equal arrays have a difference of 0 with no width.

    Args:
        first: Scores of one side, one for each question.
        second: Scores of the other side, for the same questions in the same order.
        clusters: For each question its cluster.
        level: Confidence level.
        method: How to compute the interval.
        names: What the sides are called.

    Raises:
        ValueError: The sides have different lengths, a score is not finite, ``bonett-price`` gets other scores
            than 0 and 1 or questions that share a cluster, or the level is none.
    """
    check_level(level)
    (one, one_there), (other, other_there) = as_floats(first), as_floats(second)
    if len(one) != len(other):
        raise ValueError(
            f"paired scores are of the same questions, got {len(one)} of {names[0]} and {len(other)} of {names[1]}"
        )
    there = one_there & other_there
    x, y = one[there], other[there]
    groups = regroup(as_groups(clusters, len(one))[there])
    size = len(x)
    count = len(np.unique(groups))
    simple = bool(np.isin(x, (0.0, 1.0)).all() and np.isin(y, (0.0, 1.0)).all()) and count == size
    if method == "bonett-price" and not simple:
        raise ValueError("Bonett and Price's interval is for scores of 0 and 1 without clusters; use method='t'")
    wins, losses = int((x > y).sum()), int((x < y).sum())
    chosen = method if method != "auto" else "bonett-price" if simple else "t"
    ends: tuple[float, float] | None = None
    p_value: float | None = None
    if size and chosen == "bonett-price":
        ends = _bonett_price(wins, losses, size, level)
        p_value = sign_test(wins, losses)
    elif size:
        ends, p_value = _student(x - y, groups, level)
    return Difference(
        first=names[0],
        second=names[1],
        mean=float(np.mean(x - y)) if size else None,
        low=None if ends is None else ends[0],
        high=None if ends is None else ends[1],
        level=level,
        wins=wins,
        losses=losses,
        ties=size - wins - losses,
        clusters=count,
        unscored=int(len(one) - size),
        p_value=p_value,
        method="Bonett-Price, McNemar"
        if chosen == "bonett-price"
        else "t, cluster-robust"
        if count < size
        else "t",
        family_low=None if ends is None else ends[0],
        family_high=None if ends is None else ends[1],
        family_p_value=p_value,
    )


def compare(
    scores: Mapping[str, Values],
    *,
    baseline: str | None = None,
    clusters: Clusters | None = None,
    level: float = 0.95,
) -> Comparison:
    """Compare each architecture with a baseline, or without one every pair of them.

    Whoever looks at many differences finds large ones by chance. So each comes with an interval and a p-value that
    hold for all of them at once: intervals by Bonferroni (Dunn, J. Am. Stat. Assoc. 56, 1961), p-values by Holm
    (Scand. J. Stat. 6, 1979).

    Args:
        scores: For each architecture its scores, all for the same questions in the same order.
        baseline: Name of the one that the others are compared with.
        clusters: For each question its cluster.
        level: Confidence level, of each interval by itself and of the family's intervals together.

    Raises:
        KeyError: There is no such baseline.
        ValueError: See `paired_difference`.
    """
    if baseline is not None and baseline not in scores:
        raise KeyError(f"no scores of the baseline {baseline!r}; there are those of {', '.join(scores)}")
    pairs = (
        [*combinations(scores, 2)]
        if baseline is None
        else [(name, baseline) for name in scores if name != baseline]
    )
    count = len(pairs)
    found = []
    for first, second in pairs:
        names, sides = (first, second), (scores[first], scores[second])
        single = paired_difference(*sides, clusters=clusters, level=level, names=names)
        wide = paired_difference(*sides, clusters=clusters, level=1 - (1 - level) / count, names=names)
        found.append(replace(single, comparisons=count, family_low=wide.low, family_high=wide.high))
    adjusted = holm([one.p_value for one in found])
    differences = tuple(replace(one, family_p_value=p) for one, p in zip(found, adjusted, strict=True))
    return Comparison(differences=differences, statement=_statement(count, baseline, level))


def sign_test(wins: int, losses: int) -> float:
    """Exact two-sided p-value that wins and losses are equally likely; ties have no say.

    Source: Conover, Practical nonparametric statistics, 1999, section 3.4; on right and wrong answers it is the
    exact form of McNemar's test.
    """
    total, fewer = wins + losses, min(wins, losses)
    tail = sum(math.comb(total, count) for count in range(fewer + 1))
    return min(1.0, float(Fraction(2 * tail, 2**total)))


def holm(p_values: list[float | None]) -> list[float | None]:
    """P-values adjusted so that the chance of any false alarm in the family is kept. Source: Holm 1979.

    A comparison without a p-value has none afterwards, and still counts as one of the family.
    """
    order = sorted(
        (place for place, p in enumerate(p_values) if p is not None), key=lambda place: p_values[place] or 0.0
    )
    adjusted: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * (p_values[place] or 0.0)))
        adjusted[place] = largest
    return adjusted


def _bonett_price(wins: int, losses: int, size: int, level: float) -> tuple[float, float]:
    one, other = (wins + 1) / (size + 2), (losses + 1) / (size + 2)
    half = z_quantile(level) * math.sqrt((one + other - (one - other) ** 2) / (size + 2))
    mean = (wins - losses) / size
    # At low levels the shrunken centre could leave the difference itself outside.
    return max(-1.0, min(mean, one - other - half)), min(1.0, max(mean, one - other + half))


def _student(
    differences: Floats, groups: NDArray[np.intp], level: float
) -> tuple[tuple[float, float] | None, float | None]:
    mean, error = float(differences.mean()), standard_error(differences, groups)
    if error is None:
        return None, None
    degrees = int(groups.max())
    half = t_quantile(level, degrees) * error
    if error > 0.0:
        p_value = 2 * float(stdtr(degrees, -abs(mean) / error))
    else:
        # All clusters differ by the same: no spread to judge it by, but their number tells something.
        p_value = 1.0 if mean == 0.0 else sign_test(degrees + 1, 0)
    return (mean - half, mean + half), p_value


def _statement(count: int, baseline: str | None, level: float) -> str:
    percent = f"{100 * level:g} %"
    what = "every pair" if baseline is None else f"each with {baseline}"
    if count < 2:
        return f"{count} comparison ({what}); nothing to adjust for. The interval holds with {percent} confidence."
    return (
        f"{count} comparisons ({what}). Each interval by itself holds with {percent} confidence; the family's "
        f"intervals (Bonferroni) hold all together with {percent}; its p-values (Holm) allow for {count} looks."
    )
