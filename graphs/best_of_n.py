"""Best of n: draw several answers and keep the one a ranker likes best."""

from __future__ import annotations

from archon_graph.components import Generator, Ranker
from archon_graph.core import Architecture
from archon_graph.graphs.defaults import DEFAULT_MODEL
from archon_graph.models import ModelLike


def best_of_n(
    model: ModelLike = DEFAULT_MODEL, *, samples: int = 5, ranker: ModelLike | None = None
) -> Architecture:
    """Several answers from one model, of which a ranker keeps the best.

    Model calls: ``samples`` + 1.

    Args:
        model: Who answers.
        samples: How many answers to draw.
        ranker: Who ranks; the same model by default.
    """
    judge = model if ranker is None else ranker
    layers = [Generator(model, samples=samples), Ranker(judge, top_k=1)]
    return Architecture.from_layers(layers, name="best-of-n")
