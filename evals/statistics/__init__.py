"""What scores amount to: means, paired differences and curves, each with an interval and the name of its method.

Pure functions on arrays: nothing is read, drawn from a model or kept, and the same numbers give the same result.
A value may be `UNSCORED` (in JSON ``null``): it is left out, and counted beside the result.
"""

from archon_graph.evals.statistics.curves import (
    Curve,
    Pool,
    best_of_n_curve,
    best_sample,
    expected_best,
    expected_best_by,
    expected_vote,
    majority_sample,
    oracle_curve,
    vote_curve,
)
from archon_graph.evals.statistics.means import Estimate, estimate_mean
from archon_graph.evals.statistics.paired import Comparison, Difference, compare, paired_difference
from archon_graph.evals.statistics.pass_at_k import estimate_pass_at_k, pass_at_k

__all__ = [
    "Comparison",
    "Curve",
    "Difference",
    "Estimate",
    "Pool",
    "best_of_n_curve",
    "best_sample",
    "compare",
    "estimate_mean",
    "estimate_pass_at_k",
    "expected_best",
    "expected_best_by",
    "expected_vote",
    "majority_sample",
    "oracle_curve",
    "paired_difference",
    "pass_at_k",
    "vote_curve",
]
