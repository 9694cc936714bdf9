"""The ready-made architectures: valid, documented, predicted, and answering."""

from __future__ import annotations

import inspect

import pytest

from archon_graph.graphs import READY_MADE
from tests.graphs.names import NAMES
from tests.replies import good_model

CALLS = {
    "single": 1,
    "best-of-n": 6,
    "self-consistency": 8,
    "ensemble-rank-fuse": 7,
    "critique-rank-fuse": 8,
    "sample-verify": 15,
    "unit-test-select": 11,
    "example-test-select": 5,
    "mixture-of-agents": 7,
    "archon-example": 31,
}


@pytest.mark.parametrize("name", NAMES)
def test_keeps_every_rule(name: str):
    """The paper's too, and without a warning."""
    assert READY_MADE[name]().validate("archon") == []


@pytest.mark.parametrize("name", NAMES)
def test_answers_with_the_predicted_calls(name: str):
    """On a model that replies as asked; without loss; early exits within their bounds."""
    architecture = READY_MADE[name]().with_model(good_model())
    forecast = architecture.preflight("q")
    assert forecast.calls == architecture.max_calls == CALLS[name]
    result = architecture.run("q")
    assert result.answer
    assert [loss for loss in result.losses if loss.kind != "unverified"] == []
    assert forecast.fewest_calls <= result.usage.calls <= forecast.calls
    if forecast.exact and not any(node.technique == "verifier" for node in result.nodes):
        assert result.usage.calls == forecast.calls


@pytest.mark.parametrize("name", NAMES)
def test_says_what_it_does_and_costs(name: str):
    """In its docstring; and it can be called without arguments."""
    doc = inspect.getdoc(READY_MADE[name]) or ""
    assert doc.split("\n\n")[0].endswith(".")
    assert "Model calls:" in doc
    assert READY_MADE[name]().name == name


def test_all_are_here():
    """The table above names every one."""
    assert set(CALLS) == set(READY_MADE)
