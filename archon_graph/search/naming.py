"""``name_of``: what to call an architecture that is no point of a space, in the words that points are named in."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import fields
from itertools import groupby
from typing import Any

from archon_graph.components import Generator
from archon_graph.core import Architecture, Component, ModelComponent
from archon_graph.models.providers import label

_WORDS = {
    "unit_test_generator": "",
    "example_tests": "",
    "unit_test_evaluator": "tests",
    "code_executor": "example tests",
}
"""Techniques that go by other words; what only writes or finds tests is told by who uses them."""


def name_of(architecture: Architecture, whole: Architecture | None = None) -> str:
    """What to call an architecture by what stands in its layers: ``2x3 samples, ranker 3, 2 fusers, fuser``.

    A point of a space is called the same by `SearchSpace.decode`. What stands side by side and is not alike is
    joined by a plus: ``3+1 samples``.

    Args:
        architecture: What is to be called something.
        whole: What it is a part of. Where one of several that have different models is gone, those that are left
            are told by their models: ``3 samples by openai:b``.
    """
    thinned = set() if whole is None else _thinned(architecture, whole)
    told = [_layer([architecture.components[node] for node in layer], thinned) for layer in architecture.layers]
    return ", ".join(words for words in told if words) or "nothing"


def _thinned(architecture: Architecture, whole: Architecture) -> set[str]:
    """The techniques of which a node of the whole is gone, and whose nodes had different models there."""
    models: dict[str, set[str]] = {}
    for component in whole.components.values():
        models.setdefault(component.technique, set()).update(_models([component]))
    gone = {part.technique for node, part in whole.components.items() if node not in architecture.components}
    return {technique for technique in gone if len(models[technique]) > 1}


def _layer(components: Sequence[Component], thinned: Collection[str]) -> str:
    def by(named: Sequence[Component]) -> str:
        return f" by {' and '.join(_models(named))}" if named[0].technique in thinned else ""

    generators = [component for component in components if isinstance(component, Generator)]
    others = [component for component in components if not isinstance(component, Generator) and _word(component)]
    told = [f"{_samples(generators)}{by(generators)}"] if generators else []
    for word, group in groupby(others, key=_word):
        alike = list(group)
        told.append(f"{word if len(alike) == 1 else f'{len(alike)} {word}s'}{by(alike)}")
    return " + ".join(told)


def _models(components: Iterable[Component]) -> list[str]:
    """The models of these, each once."""
    asking = (component.model for component in components if isinstance(component, ModelComponent))
    return list(dict.fromkeys(label(model) for model in asking))


def _samples(generators: Sequence[Generator]) -> str:
    counts = [generator.samples for generator in generators]
    alike = [(f"{len(list(group))}x", count) for count, group in groupby(counts)]
    told = "+".join(f"{'' if times == '1x' else times}{count}" for times, count in alike)
    return f"{told} {'sample' if set(counts) == {1} else 'samples'}"


def _word(component: Component) -> str:
    technique = component.technique
    word = _WORDS.get(technique, technique.replace("_", " "))
    settings: dict[str, Any] = {each.name: getattr(component, each.name) for each in fields(component)}
    if technique == "unit_test_evaluator" and settings.get("execute"):
        word = f"executed {word}"
    # Of a vote, one answer is what is expected.
    keeps = None if technique == "voter" else settings.get("top_k") or settings.get("first_k")
    return f"{word} {keeps}" if word and keeps else word
