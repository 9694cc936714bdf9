"""The architecture that the Archon paper shows as its example: five layers deep."""

from __future__ import annotations

from collections.abc import Sequence

from archon_graph.components import Critic, Fuser, Generator, Ranker, Verifier
from archon_graph.core import Architecture, Component
from archon_graph.graphs.defaults import DEFAULT_MODEL
from archon_graph.models import ModelLike


def archon_example(
    models: Sequence[ModelLike] = (DEFAULT_MODEL,) * 10,
    *,
    judge: ModelLike | None = None,
    top_k: int = 5,
    fusers: int = 6,
) -> Architecture:
    """Ten generators, a critic, a ranker, six fusers, a verifier, and a fuser that writes the answer.

    Model calls: one for each generator, + 2, + ``fusers``, + 2 for each fused answer, + 1.

    Source: Archon (arXiv 2409.15254), the example architecture of its overview figure.

    Args:
        models: Who answers.
        judge: Who does everything else; the first model by default.
        top_k: How many answers the ranker keeps.
        fusers: How many fusers work side by side.
    """
    other = models[0] if judge is None else judge
    layers: list[Component | list[Component]] = [
        [Generator(model) for model in models],
        Critic(other),
        Ranker(other, top_k=min(top_k, len(models))),
        [Fuser(other) for _ in range(fusers)],
        Verifier(other),
        Fuser(other),
    ]
    return Architecture.from_layers(layers, name="archon-example")
