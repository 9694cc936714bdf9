"""``mutations``: every architecture that is one small change away from another one, whatever made that one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from archon_graph.components import (
    Critic,
    Fuser,
    Generator,
    Ranker,
    Reviser,
    UnitTestEvaluator,
    UnitTestGenerator,
    Verifier,
)
from archon_graph.core import Architecture, Component
from archon_graph.core.component import ModelComponent
from archon_graph.core.validation import counts_into
from archon_graph.models.providers import label
from archon_graph.models.request import ModelLike

_Layers = list[list[Component]]

# Only these stand side by side with others of their kind under the paper's rules.
_SEVERAL = (Generator, Fuser)
_KEPT = ("top_k", "first_k")
_CHOOSING = frozenset({"code_executor", "ranker", "unit_test_evaluator", "verifier", "voter"})


def mutations(architecture: Architecture, *, models: Sequence[ModelLike]) -> list[Architecture]:
    """The architectures that are one step away, each valid under the paper's rules, and each once.

    One step is one of these:

    - a node more (a generator or a fuser, of any of the models, beside one that is there) or a node less;
    - another model at one node;
    - a layer more (critic, ranker, verifier, fuser, critic and reviser, or written and judged tests) or a layer
      less; unit tests come and go in pairs;
    - one sample more or less at one node, or one candidate more or less kept (``top_k``, ``first_k``).

    What a rule of ``rules="archon"`` forbids is left out, and so is what only earns a warning that the
    architecture did not have: with several candidates at the end, for example, the answer would merely be the
    first. Left out, too, is a node that would choose among a single candidate.

    Two steps are needed where the first alone would break a rule. `SearchSpace.neighbours` keeps to the axes of a
    space, which may change several nodes at once (all samples, a whole layer of fusers); here any node changes
    alone, and what comes out may be no point of that space.

    Args:
        architecture: Where to begin; valid under ``rules="archon"``.
        models: What new nodes are given, and what nodes are changed to.

    Returns:
        The architectures in a fixed order, without the one given, each named after its change.

    Raises:
        ArchitectureError: The architecture itself breaks a rule.
    """
    known = {problem.rule for problem in architecture.validate(rules="archon")}
    idle = _idle(architecture)
    layers: _Layers = [[architecture.components[node] for node in layer] for layer in architecture.layers]
    found: dict[str, Architecture] = {architecture.fingerprint: architecture}
    for words, changed in _changes(layers, models):
        made = Architecture.from_layers(
            [[_unnamed(component) for component in layer] for layer in changed],
            name=words,
        )
        if made.fingerprint in found:
            continue
        problems = made.problems("archon")
        broken = any(problem.severity == "error" or problem.rule not in known for problem in problems)
        if not broken and _idle(made) <= idle:
            found[made.fingerprint] = made
    del found[architecture.fingerprint]
    return list(found.values())


def _idle(architecture: Architecture) -> int:
    """How many nodes choose among a single candidate, which can change no answer."""
    into = counts_into(architecture.graph)
    return sum(
        into[node] == 1 and component.technique in _CHOOSING for node, component in architecture.components.items()
    )


def _changes(layers: _Layers, models: Sequence[ModelLike]) -> Iterator[tuple[str, _Layers]]:
    """Every change in words, with the layers it leads to, whether they are valid or not."""
    for number, layer in enumerate(layers):
        for place, component in enumerate(layer):
            for words, other in _settings(component, models):
                yield words, _with_layer(layers, number, [*layer[:place], other, *layer[place + 1 :]])
            if len(layer) > 1:
                words = f"a {component.technique} less"
                yield words, _with_layer(layers, number, [*layer[:place], *layer[place + 1 :]])
        if isinstance(layer[-1], _SEVERAL):
            for model in models:
                more = replace(layer[-1], model=model)
                yield f"a {more.technique} more", _with_layer(layers, number, [*layer, more])
        for removed in (1, 2):
            gone = layers[number : number + removed]
            if _is_whole(gone) and len(layers) > removed:
                yield f"no {_names(gone)}", [*layers[:number], *layers[number + removed :]]
    for number in range(1, len(layers) + 1):
        for new in _new_layers(models):
            yield f"a {_names(new)} more", [*layers[:number], *new, *layers[number:]]


def _settings(component: Component, models: Sequence[ModelLike]) -> Iterator[tuple[str, Component]]:
    """The component with another model, or with one setting a step up or down."""
    if isinstance(component, ModelComponent):
        for model in models:
            yield f"{component.technique} by {label(model)}", replace(component, model=model)
    for setting in ("samples", *_KEPT):
        value: Any = getattr(component, setting, None)
        if isinstance(value, int):
            for step in (-1, 1):
                if value + step >= 1:
                    changed: Any = {setting: value + step}
                    yield f"{setting} {value + step}", replace(component, **changed)


def _new_layers(models: Sequence[ModelLike]) -> Iterator[_Layers]:
    for model in models:
        yield [[Critic(model)]]
        for kept in (None, 1):
            yield [[Ranker(model, top_k=kept)]]
            yield [[Verifier(model, first_k=kept)]]
            yield [[UnitTestGenerator(model)], [UnitTestEvaluator(model, top_k=kept)]]
        yield [[Fuser(model)]]
        yield [[Critic(model)], [Reviser(model)]]


def _is_whole(layers: _Layers) -> bool:
    """Whether these layers can go together: one of any kind, or the pairs that only make sense together."""
    if len(layers) < 2:
        return True
    first, second = layers[0][0], layers[1][0]
    return (first.gives_tests and second.needs_tests) or (first.gives_critiques and second.reads_critiques)


def _names(layers: _Layers) -> str:
    return " and ".join(layer[0].technique.replace("_", " ") for layer in layers)


def _unnamed(component: Component) -> Component:
    # A layer more or less shifts the numbers of the nodes.
    return component if component.name is None else replace(component, name=None)


def _with_layer(layers: _Layers, number: int, layer: list[Component]) -> _Layers:
    return [*layers[:number], layer, *layers[number + 1 :]]
