"""``name_of``: what to call an architecture that is no point of a space, in the words that points are named in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from itertools import groupby
from typing import Any

from archon_graph.components import Generator
from archon_graph.core import Architecture, Component

_WORDS = {
    "unit_test_generator": "",
    "example_tests": "",
    "unit_test_evaluator": "tests",
    "code_executor": "example tests",
}
"""Techniques that go by other words; what only writes or finds tests is told by who uses them."""


def name_of(architecture: Architecture) -> str:
    """What to call an architecture by what stands in its layers: ``2x3 samples, ranker 3, 2 fusers, fuser``.

    A point of a space is called the same by `SearchSpace.decode`. What stands side by side and is not alike is
    joined by a plus: ``3+1 samples``.
    """
    told = [_layer([architecture.components[node] for node in layer]) for layer in architecture.layers]
    return ", ".join(words for words in told if words) or "nothing"


def _layer(components: list[Component]) -> str:
    generators = [component for component in components if isinstance(component, Generator)]
    others = [_word(component) for component in components if not isinstance(component, Generator)]
    told = [_samples(generators)] if generators else []
    told += [word if count == 1 else f"{count} {word}s" for word, count in _counted(filter(None, others))]
    return " + ".join(told)


def _samples(generators: list[Generator]) -> str:
    counts = [generator.samples for generator in generators]
    alike = [(f"{len(list(group))}x", count) for count, group in groupby(counts)]
    told = "+".join(f"{'' if times == '1x' else times}{count}" for times, count in alike)
    return f"{told} {'sample' if set(counts) == {1} else 'samples'}"


def _counted(words: Iterable[str]) -> list[tuple[str, int]]:
    return [(word, len(list(group))) for word, group in groupby(words)]


def _word(component: Component) -> str:
    technique = component.technique
    word = _WORDS.get(technique, technique.replace("_", " "))
    settings: dict[str, Any] = {each.name: getattr(component, each.name) for each in fields(component)}
    if technique == "unit_test_evaluator" and settings.get("execute"):
        word = f"executed {word}"
    # Of a vote, one answer is what is expected.
    keeps = None if technique == "voter" else settings.get("top_k") or settings.get("first_k")
    return f"{word} {keeps}" if word and keeps else word
