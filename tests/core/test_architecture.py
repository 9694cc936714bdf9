"""Composing architectures: pipes, lists, layers, edges, names, fingerprints and files."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archon_graph import (
    Architecture,
    ArchitectureError,
    ConfigurationError,
    Fuser,
    Generator,
    Ranker,
    ScriptedModel,
)
from archon_graph.core import UnsavableModelError
from archon_graph.core.prompt import Prompt
from archon_graph.models import register_model
from tests.strategies import dags, layer_lists

A, B, C = "openai:a", "openai:b", "openai:c"


def test_pipe_makes_a_chain():
    """Each component reads the one before it."""
    chain = Generator(A, samples=5) | Ranker(B, top_k=3) | Fuser(C)
    assert list(chain.graph.edges) == [("generator_1", "ranker_1"), ("ranker_1", "fuser_1")]
    assert chain.layers == (("generator_1",), ("ranker_1",), ("fuser_1",))


def test_a_list_is_a_layer():
    """On either side of the pipe."""
    both = [Generator(A), Generator(B)] | Fuser(C)
    assert both.layers == (("generator_1", "generator_2"), ("fuser_1",))
    wide = Generator(A) | [Fuser(B), Fuser(C)] | Fuser(A)
    assert list(wide.graph.pred["fuser_3"]) == ["fuser_1", "fuser_2"]


def test_two_leading_lists_need_from_layers():
    """Python joins two lists with | for nobody; from_layers does."""
    made = Architecture.from_layers([[Generator(A), Generator(B)], [Fuser(A), Fuser(B)], Fuser(C)])
    assert made.layers == (("generator_1", "generator_2"), ("fuser_1", "fuser_2"), ("fuser_3",))
    assert made.graph.number_of_edges() == 6


def test_one_object_used_twice_makes_two_nodes():
    """A component holds settings, not a place."""
    generator = Generator(A)
    made = [generator, generator] | Fuser(B)
    assert made.layers[0] == ("generator_1", "generator_2")
    named = Generator(A, name="draft")
    assert ([named, named] | Fuser(B)).layers[0] == ("draft", "draft_2")


def test_a_branch_in_a_layer_may_be_a_chain():
    """Its end leads on, whatever its length."""
    made = [Generator(A), Generator(B) | Ranker(B)] | Fuser(C)
    assert list(made.graph.pred["fuser_1"]) == ["generator_1", "ranker_1"]


@given(layer_lists(), st.data())
def test_nested_chain_equals_the_flat_one(layers, data):
    """However a chain is bracketed, it is the same architecture, node names included."""
    flat = Architecture.from_layers(layers)
    cut = data.draw(st.integers(0, len(layers)))
    parts = [part for part in (layers[:cut], layers[cut:]) if part]
    nested = Architecture.from_layers([Architecture.from_layers(part) for part in parts])
    assert nested.fingerprint == flat.fingerprint
    assert list(nested.graph.edges) == list(flat.graph.edges)
    assert dict(nested.components) == dict(flat.components)


@given(layer_lists())
def test_layers_and_edges_make_the_same_architecture(layers):
    """The way it was written down does not matter."""
    layered = Architecture.from_layers(layers)
    by_edges = Architecture.from_edges(layered.components, layered.graph.edges)
    assert by_edges == layered
    assert hash(by_edges) == hash(layered)


@given(layer_lists() | dags().map(lambda architecture: architecture))
@settings(max_examples=60)
def test_a_file_gives_back_what_was_saved(tmp_path_factory, made):
    """JSON and YAML, layered or not; fingerprint, edges and names."""
    architecture = made if isinstance(made, Architecture) else Architecture.from_layers(made)
    folder = tmp_path_factory.mktemp("files")
    for ending in ("json", "yaml"):
        architecture.save(folder / f"a.{ending}")
        loaded = Architecture.load(folder / f"a.{ending}")
        assert loaded.fingerprint == architecture.fingerprint
        assert nx.utils.graphs_equal(nx.DiGraph(loaded.graph.edges), nx.DiGraph(architecture.graph.edges))
        assert list(loaded.components) == list(architecture.components)


def test_fingerprint_changes_with_what_could_change_an_answer():
    """And with nothing else."""
    base = Generator(A, samples=2) | Fuser(B)
    same = [
        Generator(A, samples=2, name="drafts") | Fuser(B),
        Architecture.from_layers([Generator(A, samples=2), Fuser(B)], name="another"),
    ]
    other = [
        Generator(A, samples=3) | Fuser(B),
        Generator(C, samples=2) | Fuser(B),
        Generator(A, samples=2, temperature=0.5) | Fuser(B),
        Generator(A, samples=2) | Fuser(B, prompt=Prompt(version="1", parts={"task": "Merge: $candidates"})),
        Generator(A, samples=2) | Ranker(B),
    ]
    assert {architecture.fingerprint for architecture in same} == {base.fingerprint}
    assert len({architecture.fingerprint for architecture in [base, *other]}) == len(other) + 1


def test_order_of_edges_counts():
    """A node sees its predecessors' candidates in the order of the edges, so it is part of the fingerprint."""
    parts = {"a": Generator(A), "b": Generator(B), "f": Fuser(C)}
    one = Architecture.from_edges(parts, [("a", "f"), ("b", "f")])
    two = Architecture.from_edges(parts, [("b", "f"), ("a", "f")])
    assert one.fingerprint != two.fingerprint
    assert list(two.graph.pred["f"]) == ["b", "a"]


def test_fingerprint_is_the_same_in_a_fresh_process():
    """Hash randomisation does not reach it."""
    code = (
        "from archon_graph import *;"
        "a, b, c = 'openai:a', 'openai:b', 'openai:c';"
        "print(([Generator(a, samples=2), Generator(b)] | Ranker(c) | Fuser(c)).fingerprint)"
    )
    here = ([Generator(A, samples=2), Generator(B)] | Ranker(C) | Fuser(C)).fingerprint
    for seed in ("1", "2"):
        run = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed},
        )
        assert run.stdout.strip() == here


def test_from_edges_names_every_missing_node():
    """Both ends of every edge are looked at before anything is said."""
    with pytest.raises(ArchitectureError) as caught:
        Architecture.from_edges({"draft": Generator(A)}, [("darft", "fuser"), ("draft", "fuser")])
    assert [problem.rule for problem in caught.value.problems] == ["unknown-node"] * 3
    assert "did you mean 'draft'?" in str(caught.value)


def test_an_instance_without_a_name_runs_but_cannot_be_saved(tmp_path: Path):
    """The error says so and what to do; registered, the same architecture saves and loads."""
    model = ScriptedModel(lambda call: "hi")
    architecture = Generator(model).alone()
    assert architecture.run("q").answer == "hi"
    with pytest.raises(UnsavableModelError, match="register_model"):
        architecture.save(tmp_path / "a.yaml")
    assert not (tmp_path / "a.yaml").exists()
    spec = register_model("mine", model)
    architecture.save(tmp_path / "a.yaml")
    loaded = Architecture.load(tmp_path / "a.yaml")
    assert loaded.components["generator_1"].model == spec == "custom:mine"
    assert loaded.run("q").answer == "hi"


def test_a_subclass_without_a_technique_of_its_own_cannot_be_saved():
    """A file would load the class it was derived from, silently."""

    class Shouting(Generator):
        pass

    with pytest.raises(ConfigurationError, match="technique"):
        (Shouting(A) | Fuser(A)).to_config()


def test_config_holds_only_what_was_set():
    """Defaults stay out of files, so that a file says what its author meant."""
    config = (Generator(A, samples=5) | Ranker(B, top_k=3) | Fuser(C)).to_config()
    assert config == {
        "archon_graph": 1,
        "name": "architecture",
        "layers": [
            {"technique": "generator", "model": A, "samples": 5},
            {"technique": "ranker", "model": B, "top_k": 3},
            {"technique": "fuser", "model": C},
        ],
    }
    assert json.loads(json.dumps(config)) == config


def test_with_model_replaces_every_model():
    """And leaves the original as it was."""
    original = Generator(A, samples=2) | Ranker(B) | Fuser(C)
    changed = original.with_model("local:coder-0.5b")
    assert {component.model for component in changed.components.values()} == {"local:coder-0.5b"}
    assert [component.model for component in original.components.values()] == [A, B, C]


def test_architectures_are_immutable():
    """The graph is frozen and components are too."""
    architecture = Generator(A) | Fuser(B)
    with pytest.raises(nx.NetworkXError):
        architecture.graph.add_node("x")
    with pytest.raises(AttributeError):
        architecture.components["fuser_1"].samples = 2  # type: ignore[misc]


@pytest.mark.parametrize("part", [None, 3, "generator", [3], [None]])
def test_only_components_can_be_composed(part):
    """Anything else is a TypeError that shows what was given."""
    with pytest.raises(TypeError):
        Generator(A) | part


def test_an_empty_layer_is_refused():
    """It would cut the graph in two."""
    with pytest.raises(ArchitectureError, match="empty list"):
        Generator(A) | []


@pytest.mark.parametrize(
    ("cls", "settings"),
    [
        (Generator, {"samples": 0}),
        (Ranker, {"top_k": 0}),
        (Generator, {"temperature": -1}),
        (Generator, {"sample": 3}),
        (Fuser, {"max_tokens": "many"}),
        (Generator, {"prompt": {"version": "1", "parts": {"tusk": "x"}}}),
        (Ranker, {"prompt": {"version": "1", "parts": {"tusk": "x"}}}),
    ],
)
def test_settings_are_checked_when_a_component_is_made(cls, settings):
    """Not in the middle of a run that was paid for."""
    with pytest.raises(ValueError):  # noqa: PT011 - pydantic's own error, whose words are not ours
        cls(A, **settings)
