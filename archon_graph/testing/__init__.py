"""Conformance kits: inherit them in your tests to see that what you wrote keeps the laws. They need pytest."""

from archon_graph.testing._bench import ComponentFactory, GoodReply
from archon_graph.testing.component_conformance import ComponentConformance

__all__ = ["ComponentConformance", "ComponentFactory", "GoodReply"]
