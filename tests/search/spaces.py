"""Search spaces to test with, and an independent reading of what their values mean."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

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
from archon_graph.core import Architecture, Component, load_prompt
from archon_graph.search.point import Value
from archon_graph.search.space import SearchSpace

MODELS = ["openai:a", "openai:b", "together:c"]


def small(**settings: Any) -> SearchSpace:
    """Every rule has something to do in it, and it can be gone through value by value."""
    given: dict[str, Any] = {
        "generators": [1, 2],
        "samples": [1, 3],
        "temperature": [None],
        "revisions": [0, 1],
        "fusion_layers": [0, 1, 2],
        "fusers": [2],
        "evaluation": ["none", "verifier", "tests"],
        "final": ["fuser", "ranker", "none"],
        "critic": ["none", "first", "every"],
        "ranker": ["first", "none"],
        "rank_top_k": [2, 4],
    }
    return SearchSpace(MODELS[:2], **{**given, **settings})


def wide(**settings: Any) -> SearchSpace:
    """Everything varies; far too large to be listed."""
    given: dict[str, Any] = {
        "generators": [1, 2, 3],
        "samples": [1, 2, 5, 12],
        "temperature": [None, 0.0, 0.7],
        "prompt_style": ["direct", "plan_first"],
        "revisions": [0, 1, 2],
        "fusion_layers": [0, 1, 2, 3],
        "fusers": [2, 3, 8],
        "evaluation": ["none", "verifier", "tests"],
        "final": ["ranker", "fuser", "none", "voter"],
        "eval_top_k": [2, 5, 9],
        "critic": ["none", "first", "every"],
        "ranker": ["none", "first", "every"],
        "rank_top_k": [1, 2, 3, 6],
        "judge_model": ["ranked", "openai:b", "openai:a", "other:judge"],
        "fuser_model": ["openai:a", "ranked", "together:c"],
        "enumerate_up_to": 2_000,
    }
    return SearchSpace(MODELS, **{**given, **settings})


def combinations(space: SearchSpace) -> Iterator[dict[str, Value]]:
    """Every raw combination of values."""
    names = [axis.name for axis in space.axes]
    for values in itertools.product(*(axis.values for axis in space.axes)):
        yield dict(zip(names, values, strict=True))


def built(space: SearchSpace, values: Mapping[str, Any]) -> Architecture | None:
    """The architecture of raw values, built step by step, counting with the components themselves.

    ``None`` if the rules have anything to say of it, be it a warning, or all of its samples would be the same.
    """
    ranking = list(space.model_names)
    v = values

    def writers(count: int) -> list[str]:
        if v["fuser_model"] == "ranked":
            return list(itertools.islice(itertools.cycle(ranking), count))
        return [v["fuser_model"]] * count

    judge = ranking[0] if v["judge_model"] == "ranked" else v["judge_model"]
    layers: list[list[Component]] = [
        [
            Generator(model, samples=v["samples"], temperature=v["temperature"], prompt_style=v["prompt_style"])
            for model in ranking[: v["generators"]]
        ]
    ]

    def count() -> int:
        incoming = 0
        for layer in layers:
            incoming = sum(component.candidates_out(incoming) for component in layer)
        return incoming

    if v["temperature"] == 0 and v["samples"] > 1:
        return None
    for _ in range(v["revisions"]):
        layers += [[Critic(judge)], [Reviser(writers(1)[0])]]
    steps = 0

    def prepare(*, fusion: bool) -> None:
        nonlocal steps
        wanted = {"none": False, "first": steps == 0, "every": True}
        steps += 1
        if wanted[v["critic"]]:
            layers.append([Critic(judge)])
        if fusion and wanted[v["ranker"]] and count() > 1:
            layers.append([Ranker(judge, top_k=min(v["rank_top_k"], count()))])

    for _ in range(v["fusion_layers"]):
        prepare(fusion=True)
        layers.append([Fuser(model) for model in writers(v["fusers"])])
    if count() > 1 and v["evaluation"] != "none":
        kept = 1 if v["final"] == "none" else min(v["eval_top_k"], count())
        if v["evaluation"] == "verifier":
            layers.append([Verifier(judge, first_k=1 if v["final"] == "none" else None)])
        elif v["evaluation"] == "tests":
            layers += [[UnitTestGenerator(judge)], [UnitTestEvaluator(judge, top_k=kept)]]
        elif v["evaluation"] == "executed":
            prompt = load_prompt("archon_graph.search", "executable_tests")
            layers += [
                [UnitTestGenerator(judge, prompt=prompt)],
                [UnitTestEvaluator(judge, top_k=kept, execute=True)],
            ]
        else:
            from archon_graph.components.example_tests import ExampleTests

            layers += [[ExampleTests()], [CodeExecutor(top_k=kept)]]
    if v["final"] == "fuser":
        prepare(fusion=True)
        layers.append([Fuser(writers(1)[0])])
    elif count() > 1 and v["final"] == "ranker":
        prepare(fusion=False)
        layers.append([Ranker(judge, top_k=1)])
    elif count() > 1 and v["final"] == "voter":
        layers.append([Voter(answers=space.answers)])
    architecture = Architecture.from_layers(layers)
    return None if architecture.problems("archon") else architecture
