"""An architecture without its parts: always valid, always another one; and what it is called."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archon_graph import Architecture, Critic, Fuser, Generator, Ranker, UnitTestEvaluator, UnitTestGenerator
from archon_graph.components import Verifier, Voter, agreement
from archon_graph.graphs import READY_MADE
from archon_graph.search.ablation import variants, without
from archon_graph.search.naming import name_of
from tests.search.spaces import small
from tests.strategies import dags, layer_lists

MODEL = "openai:a"
architectures = st.one_of(dags(8), dags(6, exits=True), layer_lists().map(Architecture.from_layers))


def check(architecture: Architecture) -> None:
    """What holds of all variants of all architectures."""
    found = variants(architecture)
    fingerprints = [each.architecture.fingerprint for each in found]
    assert len(set(fingerprints)) == len(fingerprints)
    assert architecture.fingerprint not in fingerprints
    names = [architecture.name, *(each.architecture.name for each in found)]
    assert len(set(names)) == len(names)
    for each in found:
        each.architecture.validate()
        assert set(each.without) <= set(architecture.components)
        name = name_of(each.architecture, architecture)
        assert each.architecture.name in (name, f"{name} (without {each.what})")
        assert Architecture.from_config(each.architecture.to_config()) == each.architecture
    # Every node is spared by some variant, or is needed: by a rule, or by those that go with it.
    seen = {architecture.fingerprint, *fingerprints}
    together = {node for each in found for node in each.without}
    for node, component in architecture.components.items():
        left = without(architecture, [node])
        assert left is None or left.fingerprint in seen or node in together or component.gives_tests


@given(architectures)
@settings(max_examples=60, deadline=None)
def test_variants_of_any_architecture(architecture: Architecture):
    check(architecture)


@pytest.mark.parametrize("name", READY_MADE)
def test_variants_of_ready_made_architectures(name: str):
    architecture = READY_MADE[name]()
    check(architecture)
    if name == "single":
        assert variants(architecture) == []


def test_variants_of_a_whole_space():
    space = small(fusion_layers=[0, 1], final=["fuser", "none"], rank_top_k=[2])
    for point in space.points() or ():
        architecture = space.decode(point)
        check(architecture)
        assert name_of(architecture) == architecture.name


def test_names_are_those_of_points():
    space = small()
    for point in space.points() or ():
        architecture = space.decode(point)
        assert name_of(architecture) == architecture.name


@pytest.mark.parametrize(
    ("architecture", "name"),
    [
        (Architecture.from_layers([Generator(MODEL)]), "1 sample"),
        (Architecture.from_layers([Generator(MODEL, samples=5), Ranker(MODEL, top_k=1)]), "5 samples, ranker 1"),
        (
            Architecture.from_layers([[Generator(MODEL, samples=3), Generator("openai:b")], Fuser(MODEL)]),
            "3+1 samples, fuser",
        ),
        (
            Architecture.from_layers([[Generator(MODEL)] * 3, [Fuser(MODEL), Fuser("openai:b")], Voter()]),
            "3x1 sample, 2 fusers, voter",
        ),
        (
            Architecture.from_layers(
                [Generator(MODEL, samples=4), UnitTestGenerator(MODEL), UnitTestEvaluator(MODEL, top_k=1)]
            ),
            "4 samples, tests 1",
        ),
        (
            Architecture.from_layers([Generator(MODEL, samples=2), [Critic(MODEL), Ranker(MODEL)], Fuser(MODEL)]),
            "2 samples, critic + ranker, fuser",
        ),
        (Architecture.from_layers([UnitTestGenerator(MODEL), Generator(MODEL)]), "1 sample"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_names_can_be_read(architecture: Architecture, name: str):
    assert name_of(architecture) == name


def names_of_variants(architecture: Architecture) -> list[str]:
    return [each.architecture.name for each in variants(architecture)]


def test_variants_that_differ_in_models_alone_are_told_apart_by_them():
    whole = Architecture.from_layers([[Generator(MODEL), Generator("openai:b"), Generator("openai:c")], Voter()])
    assert names_of_variants(whole) == [
        "2x1 sample by openai:b and openai:c, voter",
        "2x1 sample by openai:a and openai:c, voter",
        "2x1 sample by openai:a and openai:b, voter",
        "3x1 sample",
    ]
    chain = Architecture.from_layers(
        [Generator(MODEL, samples=5), Ranker(MODEL, top_k=3), Ranker("openai:b", top_k=3), Fuser(MODEL)]
    )
    assert names_of_variants(chain)[:2] == [
        "5 samples, ranker 3 by openai:b, fuser",
        "5 samples, ranker 3 by openai:a, fuser",
    ]


def test_variants_that_differ_in_other_settings_are_told_apart_by_what_is_missing():
    parts = [Generator(MODEL, temperature=0.2), Generator(MODEL, temperature=0.9)]
    assert names_of_variants(Architecture.from_layers([parts, Fuser(MODEL)])) == [
        "1 sample, fuser",
        "1 sample, fuser (without generator_2)",
        "2x1 sample",
    ]


def test_readers_of_a_node_read_what_it_read_in_its_place():
    """The order in which candidates come is part of what an architecture is."""
    parts = {"a": Generator(MODEL), "b": Generator("openai:b"), "c": Generator("openai:c"), "f": Fuser(MODEL)}
    parts["last"] = Fuser(MODEL)
    edges = [("c", "last"), ("b", "f"), ("a", "f"), ("f", "last")]
    left = without(Architecture.from_edges(parts, edges), ["f"])
    assert left is not None
    assert list(left.graph.pred["last"]) == ["c", "b", "a"]
    twice = Architecture.from_edges(parts, [("b", "last"), ("b", "f"), ("a", "f"), ("c", "f"), ("f", "last")])
    left = without(twice, ["f"])
    assert left is not None
    assert list(left.graph.pred["last"]) == ["b", "a", "c"]


def test_fewer_samples_keep_the_order_of_edges():
    parts = {"a": Generator(MODEL, samples=2), "b": Generator("openai:b"), "last": Fuser(MODEL)}
    whole = Architecture.from_edges(parts, [("b", "last"), ("a", "last")])
    [fewer] = [each for each in variants(whole) if each.what == "1 more sample of a"]
    assert list(fewer.architecture.graph.pred["last"]) == ["b", "a"]


def test_one_of_several_side_by_side_is_missing_without_more():
    """Nobody reads in its place what it read: the others have read that."""
    whole = Architecture.from_layers(
        [Generator(MODEL, samples=3), [Fuser(MODEL), Fuser("openai:b")], Fuser(MODEL)]
    )
    left = without(whole, ["fuser_1"])
    assert left is not None
    assert list(left.graph.edges) == [("generator_1", "fuser_2"), ("fuser_2", "fuser_3")]
    assert left.problems("archon") == []


def test_equal_nodes_are_one_way():
    whole = Architecture.from_layers(
        [[Generator(MODEL), Generator(MODEL)], [Fuser(MODEL), Fuser(MODEL)], Fuser(MODEL)]
    )
    assert [each.without for each in variants(whole)] == [("generator_1",), ("fuser_1",), ("fuser_3",)]


def test_what_needs_tests_goes_with_them():
    whole = Architecture.from_layers(
        [Generator(MODEL, samples=2), UnitTestGenerator(MODEL), UnitTestEvaluator(MODEL), Ranker(MODEL, top_k=1)]
    )
    assert [each.what for each in variants(whole)] == [
        "unit_test_generator_1 and unit_test_evaluator_1",
        "ranker_1",
        "1 more sample of generator_1",
    ]


def test_who_keeps_more_than_comes_in_keeps_it_all():
    """All the way down, however far."""
    whole = Architecture.from_layers(
        [
            [Generator(MODEL, samples=9), Generator("openai:b")],
            Ranker(MODEL, top_k=8),
            Ranker(MODEL, top_k=7),
            Verifier(MODEL, first_k=6),
            Ranker(MODEL, top_k=1),
        ]
    )
    left = without(whole, ["generator_1"])
    assert left is not None
    kept = [getattr(part, "top_k", None) or getattr(part, "first_k", None) for part in left.components.values()]
    assert kept == [None, 1, 1, 1, 1]


def test_a_generator_that_stops_early_can_draw_one_sample():
    whole = Architecture.from_layers([Generator(MODEL, samples=5, stop_when=agreement()), Voter()])
    assert "4 more samples of generator_1" in [each.what for each in variants(whole)]


def test_the_only_generator_cannot_be_spared():
    assert without(Architecture.from_layers([Generator(MODEL), Fuser(MODEL)]), ["generator_1"]) is None
    assert without(Architecture.from_layers([Generator(MODEL)]), ["generator_1"]) is None
