"""Mutations: small changes to any architecture under the paper's rules."""

from __future__ import annotations

from functools import cache

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archon_graph import Architecture, ArchitectureError, Critic, Fuser, Generator, Ranker, Verifier
from archon_graph.graphs import archon_example
from archon_graph.search.mutation import mutations
from tests.search.spaces import MODELS, wide

EXAMPLE = archon_example(MODELS, top_k=2, fusers=2)


@cache
def _near_the_example() -> set[str]:
    return _fingerprints(mutations(EXAMPLE, models=["openai:a", "openai:b"]))


def _fingerprints(architectures: list[Architecture]) -> set[str]:
    return {architecture.fingerprint for architecture in architectures}


@settings(deadline=None, max_examples=4)
@given(st.integers(0, 10**6))
def test_every_mutation_is_valid_new_and_there_once(seed: int):
    space = wide(max_calls=15)
    [point] = space.sample(seed)
    architecture = space.decode(point)
    found = mutations(architecture, models=MODELS[:2])
    assert found
    assert len({architecture.fingerprint, *_fingerprints(found)}) == len(found) + 1
    for mutant in found[:: max(1, len(found) // 10)]:
        assert mutant.validate(rules="archon") == []
        assert nx.is_directed_acyclic_graph(mutant.graph)
        assert mutant.name


@pytest.mark.parametrize(
    "expected",
    [
        # A node less, a node more, another model.
        archon_example(MODELS[:2], top_k=2, fusers=2),
        archon_example([*MODELS, "openai:a"], top_k=2, fusers=2),
        archon_example(["openai:a", "openai:b", "openai:b"], top_k=2, fusers=2),
        # A candidate less kept.
        archon_example(MODELS, top_k=1, fusers=2),
        # A layer less, a layer more.
        [
            [Generator(model) for model in MODELS],
            Ranker("openai:a", top_k=2),
            [Fuser("openai:a"), Fuser("openai:a")],
            Verifier("openai:a"),
            Fuser("openai:a"),
        ],
        [
            [Generator(model) for model in MODELS],
            Critic("openai:a"),
            Ranker("openai:a", top_k=2),
            [Fuser("openai:a"), Fuser("openai:a")],
            Verifier("openai:a"),
            Critic("openai:b"),
            Fuser("openai:a"),
        ],
        # A sample more.
        [
            [Generator(MODELS[0], samples=2), *(Generator(model) for model in MODELS[1:])],
            Critic("openai:a"),
            Ranker("openai:a", top_k=2),
            [Fuser("openai:a"), Fuser("openai:a")],
            Verifier("openai:a"),
            Fuser("openai:a"),
        ],
    ],
)
def test_what_one_step_is(expected: Architecture | list[object]):
    there = expected if isinstance(expected, Architecture) else Architecture.from_layers(expected)  # type: ignore[arg-type]
    back = mutations(there, models=["openai:a", "openai:b", "together:c"])
    assert there.fingerprint in _near_the_example()
    assert EXAMPLE.fingerprint in _fingerprints(back)


def test_no_mutation_merely_takes_the_first_or_chooses_among_one():
    found = mutations(Generator("openai:a").alone(), models=["openai:a", "openai:b"])
    techniques = sorted("-".join(component.technique for component in one.components.values()) for one in found)
    assert techniques == [
        "generator",
        *["generator-critic-reviser"] * 2,
        *["generator-fuser"] * 2,
    ]


def test_an_architecture_that_breaks_a_rule_is_refused():
    with pytest.raises(ArchitectureError, match="archon-critic"):
        mutations(Generator("openai:a") | Critic("openai:a"), models=MODELS)
