"""Strategies: which architecture to try next."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from archon_graph.core.config import nearest
from archon_graph.search.strategies.base import Observation, Strategy
from archon_graph.search.strategies.bayesian import BayesianSearch
from archon_graph.search.strategies.greedy import GreedySearch
from archon_graph.search.strategies.grid import GridSearch
from archon_graph.search.strategies.local import LocalSearch
from archon_graph.search.strategies.random_search import RandomSearch

STRATEGIES: Mapping[str, type[Strategy]] = MappingProxyType(
    {cls.name: cls for cls in (BayesianSearch, GreedySearch, GridSearch, LocalSearch, RandomSearch)}
)
"""Our strategies by name."""


def find_strategy(name: str, **settings: Any) -> Strategy:
    """The strategy of that name, with these settings.

    Raises:
        ValueError: There is no such strategy; names the nearest one.
        TypeError: It has no such setting; names those it has.
    """
    if name not in STRATEGIES:
        known = ", ".join(STRATEGIES)
        raise ValueError(f"there is no strategy {name!r}{nearest(str(name), STRATEGIES)}; there are {known}")
    return STRATEGIES[name].from_settings(settings)


__all__ = [
    "STRATEGIES",
    "BayesianSearch",
    "GreedySearch",
    "GridSearch",
    "LocalSearch",
    "Observation",
    "RandomSearch",
    "Strategy",
    "find_strategy",
]
