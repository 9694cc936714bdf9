"""Sample, rank, fuse: the line that Archon's ablations found to help most often."""

from __future__ import annotations

from collections.abc import Sequence

from archon_graph.components import Fuser, Generator, Ranker
from archon_graph.core import Architecture, Component
from archon_graph.graphs.defaults import DEFAULT_MODEL
from archon_graph.models import ModelLike


def ensemble_rank_fuse(
    models: Sequence[ModelLike] = (DEFAULT_MODEL,),
    *,
    samples: int = 5,
    top_k: int = 3,
    ranker: ModelLike | None = None,
    fuser: ModelLike | None = None,
) -> Architecture:
    """Answers from several models, ranked; the best of them are fused into one.

    Model calls: ``samples`` for each model, + 2.

    Source: Archon (arXiv 2409.15254), section 3.

    Args:
        models: Who answers.
        samples: How many answers to draw from each.
        top_k: How many answers reach the fuser.
        ranker: Who ranks; the first model by default.
        fuser: Who fuses; the first model by default.
    """
    first = models[0]
    layers: list[Component | list[Component]] = [
        [Generator(model, samples=samples) for model in models],
        Ranker(first if ranker is None else ranker, top_k=top_k),
        Fuser(first if fuser is None else fuser),
    ]
    return Architecture.from_layers(layers, name="ensemble-rank-fuse")
