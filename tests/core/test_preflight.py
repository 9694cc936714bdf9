"""What a question will take, predicted and then seen."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archon_graph import Architecture, Fuser, Generator, Ranker, ScriptedModel
from tests.replies import good_model
from tests.strategies import dags, layer_lists


def test_predicts_calls_and_the_critical_path():
    """A chain of three nodes that wait for each other is three calls long, however wide it is."""
    architecture = (
        [Generator("openai:a", samples=3), Generator("openai:b")] | Ranker("openai:a") | Fuser("openai:a")
    )
    forecast = architecture.preflight("What is the capital of France?")
    assert (forecast.calls, forecast.fewest_calls, forecast.exact) == (6, 6, True)
    assert forecast.critical_path == ("generator_1", "ranker_1", "fuser_1")
    assert forecast.calls_in_a_row == 3
    assert forecast.money is None
    assert {node.node: node.calls for node in forecast.nodes} == {
        "generator_1": 3,
        "generator_2": 1,
        "ranker_1": 1,
        "fuser_1": 1,
    }


def test_tokens_grow_with_what_is_shown():
    """A fuser of ten answers reads more than one of two; max_tokens bounds what is written."""
    few, many = (Generator("openai:a", samples=n) | Fuser("openai:a") for n in (2, 10))
    assert many.preflight("q").nodes[1].prompt_tokens > few.preflight("q").nodes[1].prompt_tokens
    short = Generator("openai:a", samples=2, max_tokens=50) | Fuser("openai:a")
    assert short.preflight("q").nodes[0].completion_tokens == 100
    assert few.preflight("q" * 4000).prompt_tokens > few.preflight("q").prompt_tokens + 1000


def test_spends_nothing():
    """No model is opened, let alone called."""
    model = ScriptedModel(())
    (Generator(model, samples=3) | Fuser(model)).preflight([("system", "be brief"), ("user", "hi")])
    assert model.calls == ()


@given(dags() | layer_lists().map(Architecture.from_layers), st.integers(0, 3))
@settings(max_examples=40, deadline=None)
def test_equals_what_is_seen(architecture: Architecture, seed: int):
    """For graphs without early exit and loss, node by node."""
    architecture = architecture.with_model(good_model())
    forecast = architecture.preflight("q")
    result = architecture.run("q", seed=seed)
    assert result.losses == ()
    assert forecast.exact
    assert forecast.calls == result.usage.calls == architecture.max_calls
    assert {node.node: node.calls for node in forecast.nodes} == {
        node.node: node.usage.calls for node in result.nodes
    }
    assert set(forecast.critical_path) <= set(architecture.components)


def is_bounded(architecture: Architecture) -> None:
    """A run's calls lie between the fewest and the most that were predicted, and lead back to generators."""
    architecture = architecture.with_model(good_model())
    forecast = architecture.preflight("q")
    result = architecture.run("q")
    assert {loss.kind for loss in result.losses} <= {"unverified", "no-input"}
    assert forecast.fewest_calls <= result.usage.calls <= forecast.calls
    for candidate in result.candidates:
        seen = [candidate.id]
        while seen:
            parents = result.candidate(seen.pop()).parents
            seen += parents
            if not parents:
                break
        assert architecture.components[result.candidate(candidate.id).node].makes_candidates


@given(dags(exits=True))
@settings(max_examples=40, deadline=None)
def test_bounds_what_may_end_early(architecture: Architecture):
    """With verifiers, voters and evaluators that stop as soon as they can."""
    is_bounded(architecture)


@pytest.mark.slow
@given(dags(most=40, exits=True))
@settings(max_examples=500, deadline=None)
def test_bounds_five_hundred_large_graphs(architecture: Architecture):
    """Five hundred graphs of up to forty-one nodes: they compile, run, and preflight agrees."""
    is_bounded(architecture)
