"""The rules about a graph: each by its id, all at once, before any call."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings

from archon_graph import Architecture, ArchitectureError, Fuser, Generator, Ranker, ScriptedModel
from archon_graph.core.validation import find_problems
from tests.strategies import dags, layer_lists

RESOURCES = Path(__file__).parent.parent / "resources"
M = "openai:a"


def rules_of(architecture: Architecture) -> dict[str, str]:
    """Rule and place of everything a graph breaks."""
    return {problem.rule: problem.where for problem in architecture.problems()}


def test_five_problems_in_one_error():
    """A cycle, a dead end, an unknown technique, a ranker in the first layer and top_k too large: all five."""
    with pytest.raises(ArchitectureError) as caught:
        Architecture.load(RESOURCES / "five_problems.yaml")
    found = {problem.rule: problem.where for problem in caught.value.problems}
    assert found == {
        "cycle": "chicken",
        "dead-end": "spare",
        "unknown-technique": "nodes.judge",
        "first-layer": "early",
        "top-k": "best",
    }
    text = str(caught.value)
    assert "5 problems in" in text
    assert "five_problems.yaml" in text
    assert "did you mean 'ranker'?" in text
    assert "chicken -> egg -> chicken" in text
    assert "top_k is 3, and only 2 candidates come in" in text


def test_all_of_it_before_any_call():
    """In Python too, where the unknown technique cannot be written."""
    model = ScriptedModel(lambda call: "never")
    architecture = Architecture.from_edges(
        {
            "early": Ranker(model),
            "draft": Generator(model, samples=2),
            "best": Ranker(model, top_k=3),
            "spare": Fuser(model),
            "a": Fuser(model),
            "b": Fuser(model),
            "last": Fuser(model),
        },
        [
            ("early", "last"),
            ("draft", "best"),
            ("draft", "spare"),
            ("best", "a"),
            ("a", "b"),
            ("b", "a"),
            ("b", "last"),
            ("best", "last"),
        ],
    )
    with pytest.raises(ArchitectureError) as caught:
        architecture.run("question")
    assert {problem.rule for problem in caught.value.problems} == {"cycle", "dead-end", "first-layer", "top-k"}
    assert model.calls == ()


@pytest.mark.parametrize(
    ("architecture", "rule", "where"),
    [
        (Architecture.from_layers([]), "empty", "the architecture"),
        (Ranker(M) | Fuser(M), "first-layer", "ranker_1"),
        (Generator(M) | Ranker(M, top_k=2), "top-k", "ranker_1"),
        (Generator(M, name="end") | Fuser(M), "bad-name", "end"),
        (Generator(M, name="two words") | Fuser(M), "bad-name", "two words"),
        (Generator(M, name="join_1") | Fuser(M), "bad-name", "join_1"),
        (Generator(M, samples=33) | Fuser(M), "many-candidates", "fuser_1"),
        (Generator(M, samples=2) | Ranker(M), "several-answers", "ranker_1"),
    ],
)
def test_each_rule(architecture: Architecture, rule: str, where: str):
    """Broken alone, it is reported alone."""
    assert rules_of(architecture) == {rule: where}


def test_self_loop_is_a_cycle():
    """Of one node."""
    looping = Architecture.from_edges({"g": Generator(M), "f": Fuser(M)}, [("g", "f"), ("f", "f")])
    assert rules_of(looping)["cycle"] == "f"


def test_behind_a_cycle_is_unreachable():
    """What only a circle leads to never runs."""
    architecture = Architecture.from_edges(
        {"g": Generator(M), "a": Fuser(M), "b": Fuser(M), "c": Fuser(M), "last": Fuser(M)},
        [("g", "last"), ("a", "b"), ("b", "a"), ("b", "c"), ("c", "last")],
    )
    found = rules_of(architecture)
    assert found["cycle"] == "a"
    assert {problem.where for problem in architecture.problems() if problem.rule == "unreachable"} == {"c"}


def test_warnings_do_not_stop_a_run():
    """They are returned, for the reader."""
    architecture = Generator(ScriptedModel(lambda call: "x"), samples=2).alone()
    [warning] = architecture.validate()
    assert (warning.rule, warning.severity) == ("several-answers", "warning")
    assert architecture.run("q").answer == "x"


@given(dags() | layer_lists().map(Architecture.from_layers))
@settings(max_examples=80)
def test_valid_graphs_break_no_rule(architecture: Architecture):
    """What the strategies build is valid, so no rule may complain of more than advice."""
    assert [problem for problem in find_problems(architecture.graph) if problem.severity == "error"] == []


def test_every_rule_is_in_the_module_table():
    """The table a reader looks rules up in holds every id the code can report."""
    import re

    from archon_graph.components import ranker
    from archon_graph.core import component, validation

    table = set(re.findall(r"^\| ``([a-z-]+)`` \|", validation.__doc__ or "", flags=re.MULTILINE))
    used: set[str] = set()
    for module in (validation, component, ranker):
        used |= set(re.findall(r'rule="([a-z-]+)"', Path(module.__file__).read_text(encoding="utf-8")))
    assert used == table
