"""Self-consistency: draw many answers and keep the one most of them agree on."""

from __future__ import annotations

from archon_graph.answers import Extraction
from archon_graph.components import Generator, Voter
from archon_graph.core import Architecture
from archon_graph.graphs.defaults import DEFAULT_MODEL
from archon_graph.models import ModelLike


def self_consistency(
    model: ModelLike = DEFAULT_MODEL, *, samples: int = 8, answers: Extraction = "auto"
) -> Architecture:
    """Several answers from one model, of which the majority's final answer wins.

    For questions with one right answer (a number, a choice): nothing else can be voted on.

    Model calls: ``samples``.

    Source: self-consistency (arXiv 2203.11171).

    Args:
        model: Who answers.
        samples: How many answers to draw.
        answers: Where the final answer is looked for.
    """
    layers = [Generator(model, samples=samples), Voter(answers=answers)]
    return Architecture.from_layers(layers, name="self-consistency")
