"""Select by unit tests: write down what a good answer must do, and keep the answer that does most of it."""

from __future__ import annotations

from archon_graph.components import Generator, UnitTestEvaluator, UnitTestGenerator
from archon_graph.core import Architecture
from archon_graph.graphs.defaults import DEFAULT_MODEL
from archon_graph.models import ModelLike


def unit_test_select(
    model: ModelLike = DEFAULT_MODEL, *, samples: int = 5, tests: int = 5, judge: ModelLike | None = None
) -> Architecture:
    """Several answers from one model, judged by unit tests that were written for the question.

    Model calls: ``samples`` + 1, + 1 for each answer.

    Source: Archon (arXiv 2409.15254), section 3.

    Args:
        model: Who answers.
        samples: How many answers to draw.
        tests: How many tests to write.
        judge: Who writes and applies the tests; the same model by default.
    """
    other = model if judge is None else judge
    layers = [
        Generator(model, samples=samples),
        UnitTestGenerator(other, count=tests),
        UnitTestEvaluator(other, top_k=1),
    ]
    return Architecture.from_layers(layers, name="unit-test-select")
