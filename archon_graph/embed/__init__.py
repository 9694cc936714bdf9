"""Architectures inside other software: as a LangChain chat model, and behind an OpenAI-compatible endpoint."""

from archon_graph.embed.chat import ArchonChat

__all__ = ["ArchonChat"]
