"""Ready-made architectures: functions that take models and give an `Architecture`.

Each is known to the command line by its name with hyphens: ``archon-graph run best-of-n "question"``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from archon_graph.core import Architecture
from archon_graph.graphs.archon_example import archon_example
from archon_graph.graphs.best_of_n import best_of_n
from archon_graph.graphs.critique_rank_fuse import critique_rank_fuse
from archon_graph.graphs.ensemble_rank_fuse import ensemble_rank_fuse
from archon_graph.graphs.example_test_select import example_test_select
from archon_graph.graphs.mixture_of_agents import mixture_of_agents
from archon_graph.graphs.sample_verify import sample_verify
from archon_graph.graphs.self_consistency import self_consistency
from archon_graph.graphs.single import single
from archon_graph.graphs.unit_test_select import unit_test_select

READY_MADE: Mapping[str, Callable[[], Architecture]] = MappingProxyType(
    {
        function.__name__.replace("_", "-"): function
        for function in (
            single,
            best_of_n,
            self_consistency,
            ensemble_rank_fuse,
            critique_rank_fuse,
            sample_verify,
            unit_test_select,
            example_test_select,
            mixture_of_agents,
            archon_example,
        )
    }
)
"""The ready-made architectures by name; called without arguments they use `DEFAULT_MODEL`."""

__all__ = [
    "READY_MADE",
    "archon_example",
    "best_of_n",
    "critique_rank_fuse",
    "ensemble_rank_fuse",
    "example_test_select",
    "mixture_of_agents",
    "sample_verify",
    "self_consistency",
    "single",
    "unit_test_select",
]
