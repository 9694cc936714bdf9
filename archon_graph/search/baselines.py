"""``equal_cost_baselines``: what the same number of calls brings without any search."""

from __future__ import annotations

from collections.abc import Mapping

from archon_graph.core import Architecture
from archon_graph.graphs import best_of_n, self_consistency
from archon_graph.models import ModelLike
from archon_graph.search.searching import single_model

SINGLE, BEST_OF_N, SELF_CONSISTENCY = "best single model", "best-of-n", "self-consistency"
"""What they are called."""
BASELINES = (SINGLE, BEST_OF_N, SELF_CONSISTENCY)
"""All of them."""


def equal_cost_baselines(model: ModelLike, calls: int) -> Mapping[str, Architecture]:
    """The baselines that every winner is held against.

    The best single model answers once, whatever the winner costs. Best-of-n draws so many answers of it that they
    and the ranking come to the winner's calls; self-consistency draws as many answers as the winner makes calls,
    and takes what most agree on. Neither can be made of fewer than 3 and 2 calls, so against a cheaper winner they
    cost more than it does; their calls are in the report.

    Args:
        model: The best single model.
        calls: The most calls that the winner makes for a question.
    """
    return {
        SINGLE: single_model(model),
        BEST_OF_N: _named(best_of_n(model, samples=max(2, calls - 1)), BEST_OF_N),
        SELF_CONSISTENCY: _named(self_consistency(model, samples=max(2, calls)), SELF_CONSISTENCY),
    }


def _named(architecture: Architecture, name: str) -> Architecture:
    return Architecture(architecture.graph, name=f"{name} at {architecture.max_calls} calls")
