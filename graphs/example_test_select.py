"""Select by the question's own examples: run each program, and keep the one that does what the question shows."""

from __future__ import annotations

from archon_graph.components import CodeExecutor, ExampleTests, Generator
from archon_graph.core import Architecture
from archon_graph.graphs.defaults import DEFAULT_MODEL
from archon_graph.models import ModelLike


def example_test_select(model: ModelLike = DEFAULT_MODEL, *, samples: int = 5) -> Architecture:
    """Several programs from one model; the one that passes most of the examples in the question is kept.

    For coding questions. Programs run in the sandbox, and so only where it works (docs/sandbox.md).

    Model calls: ``samples``.

    Source: filtering as in AlphaCode (arXiv 2203.07814), section 4.5.

    Args:
        model: Who answers.
        samples: How many answers to draw.
    """
    layers = [Generator(model, samples=samples), ExampleTests(), CodeExecutor(top_k=1)]
    return Architecture.from_layers(layers, name="example-test-select")
