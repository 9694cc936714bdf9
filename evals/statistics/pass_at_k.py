"""pass@k: how likely at least one of k samples is right, estimated from n samples without bias."""

from __future__ import annotations

import math
from collections.abc import Sequence

from archon_graph.evals.statistics.arrays import Clusters
from archon_graph.evals.statistics.means import Estimate, estimate_mean


def pass_at_k(n: int, c: int, k: int) -> float:
    """1 - C(n-c, k) / C(n, k): the share of the subsets of k samples that hold a right one.

    Computed with whole numbers and divided once, so that the result is the nearest float for any n.

    Source: Chen et al., Evaluating large language models trained on code (arXiv 2107.03374), equation 1.

    Args:
        n: Samples drawn.
        c: Those of them that are right.
        k: Samples that one would draw.

    Raises:
        ValueError: Not 0 <= c <= n and 1 <= k <= n: with fewer than k samples there is no unbiased estimate.
    """
    if not 0 <= c <= n:
        raise ValueError(f"the right ones are some of the samples, got {c} of {n}")
    if not 1 <= k <= n:
        raise ValueError(
            f"pass@k needs 1 <= k <= samples, got k={k} with {n} samples; draw more, or take a smaller k"
        )
    every = math.comb(n, k)
    return (every - math.comb(n - c, k)) / every


def estimate_pass_at_k(
    counts: Sequence[tuple[int, int]], k: int, *, clusters: Clusters | None = None, level: float = 0.95
) -> Estimate:
    """The mean of pass@k over questions, with an interval, see `estimate_mean`.

    Args:
        counts: For each question how many samples were drawn, and how many of them are right.
        k: Samples that one would draw.
        clusters: For each question its cluster.
        level: Confidence level.

    Raises:
        ValueError: A question has fewer than k samples.
    """
    values = [pass_at_k(n, c, k) for n, c in counts]
    return estimate_mean(values, clusters=clusters, level=level, bounds=(0.0, 1.0))
