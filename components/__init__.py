"""The techniques: one file each, every one a node type that can be stacked with the others."""

from archon_graph.components.fuser import Fuser
from archon_graph.components.generator import Generator
from archon_graph.components.ranker import Ranker
from archon_graph.components.reviser import Reviser
from archon_graph.components.voter import Voter

__all__ = ["Fuser", "Generator", "Ranker", "Reviser", "Voter"]
