"""Ready-made architectures: functions that take models and give an `Architecture`.

Each is known to the command line by its name with hyphens: ``archon-graph run best-of-n "question"``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from archon_graph.core import Architecture
from archon_graph.graphs.best_of_n import best_of_n
from archon_graph.graphs.ensemble_rank_fuse import ensemble_rank_fuse
from archon_graph.graphs.mixture_of_agents import mixture_of_agents
from archon_graph.graphs.single import single

READY_MADE: Mapping[str, Callable[[], Architecture]] = MappingProxyType(
    {
        function.__name__.replace("_", "-"): function
        for function in (single, best_of_n, ensemble_rank_fuse, mixture_of_agents)
    }
)
"""The ready-made architectures by name; called without arguments they use `DEFAULT_MODEL`."""

__all__ = ["READY_MADE", "best_of_n", "ensemble_rank_fuse", "mixture_of_agents", "single"]
