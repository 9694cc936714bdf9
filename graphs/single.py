"""One model, one answer: the baseline that every other architecture has to beat."""

from __future__ import annotations

from archon_graph.components import Generator
from archon_graph.core import Architecture
from archon_graph.graphs.defaults import DEFAULT_MODEL
from archon_graph.models import ModelLike


def single(model: ModelLike = DEFAULT_MODEL) -> Architecture:
    """One answer from one model, as it is.

    Model calls: 1.

    Args:
        model: Who answers.
    """
    return Architecture.from_layers([Generator(model)], name="single")
