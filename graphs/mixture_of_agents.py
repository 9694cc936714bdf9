"""Mixture of agents: layers of fusers, each seeing all answers of the layer before."""

from __future__ import annotations

from collections.abc import Sequence

from archon_graph.components import Fuser, Generator
from archon_graph.core import Architecture
from archon_graph.graphs.defaults import DEFAULT_MODEL
from archon_graph.models import ModelLike


def mixture_of_agents(
    models: Sequence[ModelLike] = (DEFAULT_MODEL,) * 3,
    *,
    layers: int = 2,
    aggregator: ModelLike | None = None,
) -> Architecture:
    """Every model answers; then, layer by layer, every model rewrites what the layer before it wrote.

    Model calls: one for each model and layer, + 1 for the aggregator.

    Source: Mixture-of-Agents (arXiv 2406.04692).

    Args:
        models: Who answers and rewrites.
        layers: How many layers before the aggregator, the answering one included.
        aggregator: Who writes the final answer; the first model by default.
    """
    if layers < 1:
        raise ValueError(f"a mixture of agents has at least 1 layer before the aggregator, got {layers}")
    answering = [Generator(model) for model in models]
    rewriting = [[Fuser(model) for model in models] for _ in range(layers - 1)]
    final = Fuser(models[0] if aggregator is None else aggregator)
    return Architecture.from_layers([answering, *rewriting, final], name="mixture-of-agents")
