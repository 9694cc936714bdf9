"""The kit that checks a search strategy: inherit its tests to see that yours keeps the laws. It needs pytest."""

from archon_graph.search.testing.strategy_conformance import StrategyConformance

__all__ = ["StrategyConformance"]
