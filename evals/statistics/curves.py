"""What more samples would bring, from one recorded pool of samples and at no further calls.

For each question there is a pool of N samples. What n of them would bring is the *mean over all subsets of n*,
and not what the first n happen to bring: it has no luck of the draw in it beyond the pool's own, and it is exact.
Draws come in random order: a tie is broken by whose sample comes first, each of the tied with the same chance.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from archon_graph.evals.scorers.base import UNSCORED, Value
from archon_graph.evals.statistics.arrays import Floats, as_floats
from archon_graph.evals.statistics.means import Estimate, estimate_mean

_LARGEST_POOL = 1_000
"""Above it, the number of subsets no longer fits into a float."""


@dataclass(frozen=True, kw_only=True)
class Pool:
    """The samples of one question."""

    values: Sequence[Value | None]
    """What each sample scores."""
    answers: Sequence[str | None] = ()
    """The final answer of each sample, in a form in which equal answers are equal; ``None`` for a sample without
    one, which does not vote. Needed for votes."""
    ranks: Sequence[float] = ()
    """What a ranker or reward model thinks of each sample, higher is better. Needed for best-of-n."""
    cluster: Hashable | None = None
    """The cluster of the question."""


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A score over the number of samples."""

    rule: str
    """How one of n samples is chosen: ``oracle``, ``vote`` or ``best-of-n``."""
    points: tuple[Estimate, ...]
    """The mean over questions for 1, 2, ... samples; the interval is over questions, which are what is drawn."""

    def __getitem__(self, n: int) -> Estimate:
        """The estimate for n samples.

        Raises:
            IndexError: The pools do not hold so many.
        """
        if not 1 <= n <= len(self.points):
            raise IndexError(f"the curve goes from 1 to {len(self.points)} samples, got {n}")
        return self.points[n - 1]

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "rule": self.rule,
            "points": [{"samples": n, **point.to_json()} for n, point in enumerate(self.points, 1)],
        }


def oracle_curve(pools: Sequence[Pool], *, level: float = 0.95) -> Curve:
    """The score of the best of n samples, chosen by whoever knows the scores: what selection can reach at most.

    For scores of 0 and 1 this is pass@n.

    Raises:
        ValueError: See `expected_best`.
    """
    return _curve("oracle", pools, lambda _pool, values: expected_best(values), level)


def best_of_n_curve(pools: Sequence[Pool], *, level: float = 0.95) -> Curve:
    """The score of the sample that the ranks put first among n.

    Raises:
        ValueError: See `expected_best_by`.
    """
    return _curve("best-of-n", pools, lambda pool, values: expected_best_by(values, pool.ranks), level)


def vote_curve(pools: Sequence[Pool], *, level: float = 0.95) -> Curve:
    """The score of the answer that most of n samples agree on.

    Raises:
        ValueError: See `expected_vote`.
    """
    return _curve("vote", pools, lambda pool, values: expected_vote(values, pool.answers), level)


def expected_best(values: Sequence[float] | Floats) -> Floats:
    """The expected largest value of n samples, for n from 1 to all of them.

    Source: order statistics of draws without replacement; for values of 0 and 1 it is the estimator of Chen et al.
    (arXiv 2107.03374).

    Raises:
        ValueError: There is no sample, more than 1000, or a value that is not finite.
    """
    return expected_best_by(values, values)


def expected_best_by(values: Sequence[float] | Floats, ranks: Sequence[float] | Floats) -> Floats:
    """The expected value of the sample with the highest rank among n, for n from 1 to all of them.

    Of samples with equal ranks, each is first with the same chance. The sample with m others below it is the best
    of n in C(m, n-1) of the C(N, n) subsets.

    Source: order statistics of draws without replacement; best-of-n as in Nakano et al. (arXiv 2112.09332).

    Raises:
        ValueError: There is no sample, more than 1000, a number that is not finite, or not one rank for each.
    """
    array, order = _checked(values), _checked(ranks)
    size = len(array)
    if len(order) != size:
        raise ValueError(f"every sample needs a rank, got {len(order)} ranks for {size} samples")
    best = np.zeros(size)
    subsets = np.zeros(size)  # C(m, n-1) for n from 1, of the m samples looked at so far
    subsets[0] = 1.0
    for rank in np.unique(order):
        group = array[order == rank]
        worth = float(group.mean())
        for _ in group:
            best += subsets * worth
            subsets[1:] += subsets[:-1].copy()
    return _cleaned(best / _binomials(size, size)[1:])


def expected_vote(values: Sequence[float] | Floats, answers: Sequence[str | None]) -> Floats:
    """The expected value of a plurality vote among n samples, for n from 1 to all of them.

    The answer with most votes wins; of tied ones, each with the same chance; a sample without an answer does not
    vote. If none of the n has an answer, the first of them is taken. The value of an answer is the mean of those
    that gave it. The mean over all subsets is counted, not drawn: for each number of winning votes, the ways to
    draw at most so many of each answer.

    Source: self-consistency (Wang et al., arXiv 2203.11171); draws without replacement from each answer's
    samples follow the multivariate hypergeometric distribution.

    Raises:
        ValueError: There is no sample, more than 1000, a value that is not finite, or not one answer for each.
    """
    array = _checked(values)
    size = len(array)
    if len(answers) != size:
        raise ValueError(f"every sample needs an answer or None, got {len(answers)} for {size} samples")
    groups: dict[str, list[float]] = {}
    silent: list[float] = []
    for value, answer in zip(array.tolist(), answers, strict=True):
        (silent if answer is None else groups.setdefault(answer, [])).append(value)
    sizes = [len(group) for group in groups.values()]
    worths = [math.fsum(group) / len(group) for group in groups.values()]
    won = np.zeros(size + 1)
    for votes in range(1, max(sizes, default=0) + 1):
        won += _won_with(votes, sizes, worths, len(silent), size)
    if silent:
        won += _binomials(len(silent), size) * (math.fsum(silent) / len(silent))
    # No sample at all is no draw.
    return _cleaned(won[1:] / _binomials(size, size)[1:])


def majority_sample(answers: Sequence[str | None]) -> int | None:
    """The place of the sample that a vote on all of them keeps: the first of the largest group.

    Of groups of equal size, the one whose first member came first; as `Voter` decides. ``None`` if nobody votes.

    Source: self-consistency (Wang et al., arXiv 2203.11171).
    """
    places: dict[str, list[int]] = {}
    for place, answer in enumerate(answers):
        if answer is not None:
            places.setdefault(answer, []).append(place)
    return max(places.values(), key=len)[0] if places else None


def best_sample(ranks: Sequence[float]) -> int:
    """The place of the highest rank; of equal ones the first.

    Source: best-of-n as in Nakano et al. (arXiv 2112.09332).
    """
    return max(range(len(ranks)), key=lambda place: ranks[place])


def _won_with(votes: int, sizes: Sequence[int], worths: Sequence[float], silent: int, size: int) -> Floats:
    """For each number of samples drawn: over all subsets, the summed worth of winners that have so many votes.

    ``ways[t, d]`` counts the ways to draw d samples from the answers seen so far so that t of them have just so
    many votes, and no other has more; ``worth[t, d]`` sums over these ways the worths of the t.
    """
    most_tied = sum(one >= votes for one in sizes)
    ways = np.zeros((most_tied + 1, size + 1))
    worth = np.zeros_like(ways)
    ways[0, 0] = 1.0
    for count, value in zip(sizes, worths, strict=True):
        fewer = [float(math.comb(count, drawn)) for drawn in range(min(count, votes - 1) + 1)]
        next_ways, next_worth = _shifted(ways, fewer), _shifted(worth, fewer)
        if count >= votes:
            tie = float(math.comb(count, votes))
            next_ways[1:, votes:] += tie * ways[:-1, : size + 1 - votes]
            next_worth[1:, votes:] += tie * (
                worth[:-1, : size + 1 - votes] + value * ways[:-1, : size + 1 - votes]
            )
        ways, worth = next_ways, next_worth
    # Each of t tied answers wins with the same chance.
    total = (worth[1:] / np.arange(1, most_tied + 1)[:, None]).sum(axis=0)
    return np.asarray(np.convolve(total, _binomials(silent, size))[: size + 1])


def _shifted(table: Floats, factors: Sequence[float]) -> Floats:
    """The table after one more answer of which d samples were drawn in ``factors[d]`` ways."""
    result = np.zeros_like(table)
    width = table.shape[1]
    for drawn, factor in enumerate(factors[:width]):
        result[:, drawn:] += factor * table[:, : width - drawn]
    return result


def _binomials(size: int, upto: int) -> Floats:
    """C(size, n) for n from 0 to ``upto``."""
    return np.array([float(math.comb(size, n)) for n in range(upto + 1)])


def _cleaned(expected: Floats) -> Floats:
    """Without the noise of rounding: a sample that is always right has a value of 1, and not a hair less."""
    return np.asarray(np.round(expected, 12))


def _checked(values: Sequence[float] | Floats) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise ValueError(f"a pool holds one number for each sample, got an array of shape {array.shape}")
    if not 1 <= len(array) <= _LARGEST_POOL:
        raise ValueError(f"a pool holds from 1 to {_LARGEST_POOL} samples, got {len(array)}")
    if not np.isfinite(array).all():
        raise ValueError("a pool holds finite numbers only; leave out questions with unscored samples")
    return array


def _curve(rule: str, pools: Sequence[Pool], expect: Callable[[Pool, Floats], Floats], level: float) -> Curve:
    """The curve up to the smallest pool; a question with an unscored sample is left out and counted."""
    length = min((len(pool.values) for pool in pools), default=0)
    expected: list[Floats | None] = []
    for pool in pools:
        values, there = as_floats(pool.values)
        expected.append(expect(pool, values) if there.all() else None)
    clusters = [pool.cluster for pool in pools]
    points = []
    for n in range(length):
        values_at = [UNSCORED if one is None else float(one[n]) for one in expected]
        points.append(estimate_mean(values_at, clusters=clusters, level=level))
    return Curve(rule=rule, points=tuple(points))
