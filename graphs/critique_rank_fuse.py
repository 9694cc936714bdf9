"""Critique, rank, fuse: strengths and weaknesses first, then a choice, then one answer."""

from __future__ import annotations

from collections.abc import Sequence

from archon_graph.components import Critic, Fuser, Generator, Ranker
from archon_graph.core import Architecture, Component
from archon_graph.graphs.defaults import DEFAULT_MODEL
from archon_graph.models import ModelLike


def critique_rank_fuse(
    models: Sequence[ModelLike] = (DEFAULT_MODEL,),
    *,
    samples: int = 5,
    top_k: int = 3,
    judge: ModelLike | None = None,
) -> Architecture:
    """Answers from several models are criticised and ranked; the best are fused with their critiques in view.

    Model calls: ``samples`` for each model, + 3.

    Source: Archon (arXiv 2409.15254), section 3.

    Args:
        models: Who answers.
        samples: How many answers to draw from each.
        top_k: How many answers reach the fuser.
        judge: Who criticises, ranks and fuses; the first model by default.
    """
    other = models[0] if judge is None else judge
    layers: list[Component | list[Component]] = [
        [Generator(model, samples=samples) for model in models],
        Critic(other),
        Ranker(other, top_k=top_k),
        Fuser(other),
    ]
    return Architecture.from_layers(layers, name="critique-rank-fuse")
