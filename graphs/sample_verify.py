"""Sample and verify: draw answers until one stands up to written checking."""

from __future__ import annotations

from archon_graph.components import Generator, Verifier
from archon_graph.core import Architecture
from archon_graph.graphs.defaults import DEFAULT_MODEL
from archon_graph.models import ModelLike


def sample_verify(
    model: ModelLike = DEFAULT_MODEL, *, samples: int = 5, verifier: ModelLike | None = None
) -> Architecture:
    """Several answers from one model; the first that a verifier holds correct is the answer.

    Model calls: ``samples``, + 2 for each answer that is verified until one passes.

    Args:
        model: Who answers.
        samples: How many answers to draw.
        verifier: Who verifies; the same model by default.
    """
    layers = [Generator(model, samples=samples), Verifier(model if verifier is None else verifier, first_k=1)]
    return Architecture.from_layers(layers, name="sample-verify")
