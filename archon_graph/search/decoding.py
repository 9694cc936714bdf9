"""From a canonical point to its layers: how many model calls they make, what they are called, and the graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from archon_graph.answers import Extraction
from archon_graph.components import (
    CodeExecutor,
    Critic,
    Fuser,
    Generator,
    Ranker,
    Reviser,
    UnitTestEvaluator,
    UnitTestGenerator,
    Verifier,
    Voter,
)
from archon_graph.core import Architecture, Component, Prompt, find_component, load_prompt
from archon_graph.models.request import ModelLike
from archon_graph.search.axes import RANKED
from archon_graph.search.canonical import drawn, left, merged, places, ranked

EXAMPLE_TESTS = "example_tests"
"""The technique that finds the tests a question shows as examples."""


class Layer(NamedTuple):
    """One layer of the architecture of a point."""

    kind: str
    """Its technique."""
    incoming: int
    """How many candidates reach it at most."""
    keeps: int | None = None
    """How many of them it passes on at most; ``None`` if it drops none."""
    width: int = 1
    """How many components stand in it."""


def layers_of(settled: Mapping[str, Any]) -> list[Layer]:
    """The layers of a canonical point, in order."""
    count, final = drawn(settled), settled["final"]
    layers = [Layer("generator", 0, width=settled["generators"])]
    for _ in range(settled["revisions"]):
        layers += [Layer("critic", count), Layer("reviser", count)]
    wide, last = settled["fusion_layers"], merged(settled)
    fusions = [count, *[settled.get("fusers", 0)] * (wide - 1)][:wide]
    counts = [*fusions, left(settled)] if final == "fuser" else fusions
    chosen = final == "ranker" and last > 1
    critics = places(settled.get("critic", "none"), len(counts) + chosen)
    rankers = ranked(settled.get("ranker", "none"), counts)
    keeps: int = settled.get("rank_top_k", 0)

    def prepare(step: int, incoming: int) -> int:
        """The critic and the ranker before a step; how many candidates reach it."""
        if step in critics:
            layers.append(Layer("critic", incoming))
        if step not in rankers:
            return incoming
        kept = min(keeps, incoming)
        layers.append(Layer("ranker", incoming, kept))
        return kept

    for step in range(wide):
        layers.append(Layer("fuser", prepare(step, counts[step]), width=settled["fusers"]))
    layers += _evaluation(
        settled.get("evaluation", "none"), last, 1 if final == "none" else settled.get("eval_top_k")
    )
    if final == "fuser":
        layers.append(Layer("fuser", prepare(wide, left(settled))))
    elif last > 1 and final != "none":
        layers.append(Layer(final, prepare(wide, left(settled)), 1))
    return layers


def _evaluation(which: str, incoming: int, keeps: int | None) -> list[Layer]:
    kept = None if keeps is None else min(keeps, incoming)
    if which == "none":
        return []
    if which == "verifier":
        return [Layer("verifier", incoming, kept)]
    if which == "examples":
        return [Layer(EXAMPLE_TESTS, incoming), Layer("code_executor", incoming, kept)]
    name = "executable" if which == "executed" else "statements"
    return [Layer(f"unit_test_generator:{name}", incoming), Layer(f"unit_test_evaluator:{name}", incoming, kept)]


def calls_of(settled: Mapping[str, Any]) -> int:
    """The most model calls that one question takes, as `Architecture.max_calls` of the decoded point."""
    calls = drawn(settled)
    for layer in layers_of(settled)[1:]:
        each, of_each = _CALLS[layer.kind]
        calls += each * layer.width + of_each * layer.incoming
    return calls


_CALLS: Mapping[str, tuple[int, int]] = {
    "critic": (1, 0),
    "reviser": (0, 1),
    "ranker": (1, 0),
    "fuser": (1, 0),
    "voter": (0, 0),
    "verifier": (0, 2),
    "unit_test_generator:statements": (1, 0),
    "unit_test_generator:executable": (1, 0),
    "unit_test_evaluator:statements": (0, 1),
    "unit_test_evaluator:executable": (0, 1),
    EXAMPLE_TESTS: (0, 0),
    "code_executor": (0, 0),
}
"""The calls of a component, and those for each candidate that reaches it."""


@cache
def executable_tests() -> Prompt:
    """The words that ask the unit test generator for tests that can be run."""
    return load_prompt("archon_graph.search", "executable_tests")


class Decoder:
    """Makes architectures of one space's points.

    Args:
        models: Every model by label.
        ranking: Labels of the space's models, the best first.
        answers: Where a voter looks for the final answer.
    """

    def __init__(self, models: Mapping[str, ModelLike], ranking: Sequence[str], answers: Extraction) -> None:
        self._models, self._ranking, self._answers = models, ranking, answers

    def decode(self, settled: Mapping[str, Any]) -> Architecture:
        """The architecture of a canonical point."""
        layers = layers_of(settled)
        made = [self._components(layer, settled) for layer in layers]
        return Architecture.from_layers(made, name=name_of(settled, layers))

    def _components(self, layer: Layer, settled: Mapping[str, Any]) -> list[Component]:
        if layer.kind == "generator":
            return [
                Generator(
                    self._models[name],
                    samples=settled["samples"],
                    temperature=settled["temperature"],
                    prompt_style=settled["prompt_style"],
                )
                for name in self._ranking[: settled["generators"]]
            ]
        if layer.kind == "fuser":
            return [Fuser(self._writer(settled, place)) for place in range(layer.width)]
        return [self._single(layer, settled)]

    def _single(self, layer: Layer, settled: Mapping[str, Any]) -> Component:
        kind, keeps = layer.kind, layer.keeps
        made: Component
        if kind == "voter":
            made = Voter(answers=self._answers)
        elif kind == "code_executor":
            made = CodeExecutor(top_k=keeps)
        elif kind == EXAMPLE_TESTS:
            made = find_component(EXAMPLE_TESTS)()
        elif kind == "reviser":
            made = Reviser(self._writer(settled, 0))
        else:
            made = self._judging(kind, keeps, self._model(settled["judge_model"], 0))
        return made

    def _judging(self, kind: str, keeps: int | None, judge: ModelLike) -> Component:
        made: Component
        executable = kind.endswith("executable")
        if kind == "critic":
            made = Critic(judge)
        elif kind == "ranker":
            made = Ranker(judge, top_k=keeps)
        elif kind == "verifier":
            made = Verifier(judge, first_k=keeps)
        elif kind.startswith("unit_test_generator"):
            made = UnitTestGenerator(judge, prompt=executable_tests() if executable else None)
        else:
            made = UnitTestEvaluator(judge, top_k=keeps, execute=executable)
        return made

    def _writer(self, settled: Mapping[str, Any], place: int) -> ModelLike:
        return self._model(settled["fuser_model"], place)

    def _model(self, name: str, place: int) -> ModelLike:
        return self._models[self._ranking[place % len(self._ranking)] if name == RANKED else name]


_WORDS = {
    "reviser": "reviser",
    "critic": "critic",
    "verifier": "verifier",
    "voter": "voter",
    "unit_test_generator:statements": "",
    "unit_test_generator:executable": "",
    EXAMPLE_TESTS: "",
    "unit_test_evaluator:statements": "tests",
    "unit_test_evaluator:executable": "executed tests",
    "code_executor": "example tests",
}


def name_of(settled: Mapping[str, Any], layers: Sequence[Layer]) -> str:
    """What to call an architecture: ``2x3 samples, ranker 3, 2 fusers, fuser``."""
    count = "1 sample" if settled["samples"] == 1 else f"{settled['samples']} samples"
    words = [count if settled["generators"] == 1 else f"{settled['generators']}x{count}"]
    for layer in layers[1:]:
        if layer.kind == "fuser":
            words.append("fuser" if layer.width == 1 else f"{layer.width} fusers")
        elif layer.kind == "ranker":
            words.append(f"ranker {layer.keeps}")
        elif word := _WORDS[layer.kind]:
            # A verifier passes on what is correct; a number says that it stops at so many.
            words.append(word if layer.keeps is None or layer.kind == "voter" else f"{word} {layer.keeps}")
    return ", ".join(words)
