"""Points as architectures: what they are called, how they are built, and that they run."""

from __future__ import annotations

from typing import Any

import pytest

from archon_graph import Architecture
from archon_graph.graphs import archon_example, best_of_n, critique_rank_fuse, self_consistency, single
from archon_graph.search.decoding import executable_tests
from archon_graph.search.space import SearchSpace
from tests.replies import good_model
from tests.search.spaces import MODELS, small, wide


def _decoded(space: SearchSpace, **values: Any) -> Architecture:
    point = space.canonical(values)
    assert point is not None
    return space.decode(point)


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"generators": 1, "samples": 1, "final": "none"}, "1 sample"),
        ({"generators": 2, "samples": 2, "final": "voter"}, "2x2 samples, voter"),
        (
            {"samples": 5, "revisions": 1, "fusion_layers": 2, "fusers": 2, "critic": "every", "ranker": "first"},
            "5 samples, critic, reviser, critic, ranker 3, 2 fusers, critic, 2 fusers, critic, fuser",
        ),
        ({"samples": 5, "evaluation": "tests", "final": "none"}, "5 samples, tests 1"),
        ({"samples": 5, "evaluation": "verifier", "final": "ranker"}, "5 samples, verifier, ranker 1"),
    ],
)
def test_names_can_be_read(values: dict[str, Any], name: str):
    given = {"final": "fuser", "critic": "none", "ranker": "none", "evaluation": "none", "rank_top_k": 3}
    assert _decoded(wide(), **(given | values)).name == name


def test_ready_made_graphs_are_points_of_a_space():
    space = SearchSpace(
        MODELS,
        samples=[1, 3, 5],
        final=["fuser", "ranker", "voter", "none"],
        evaluation=["none", "verifier"],
        fusers=6,
        fuser_model=MODELS[0],
        critic=["none", "first", "every"],
    )
    off = {"final": "none", "evaluation": "none", "critic": "none", "ranker": "none", "fusion_layers": 0}
    rank = {"critic": "first", "ranker": "first", "rank_top_k": 3}
    pairs = [
        (single(MODELS[0]), off),
        (self_consistency(MODELS[0], samples=5), off | {"samples": 5, "final": "voter"}),
        (best_of_n(MODELS[0], samples=5), off | {"samples": 5, "final": "ranker"}),
        (
            critique_rank_fuse(MODELS[:1], samples=5, top_k=3),
            off | rank | {"samples": 5, "final": "fuser"},
        ),
        (
            archon_example(MODELS, top_k=3, fusers=6),
            off | rank | {"generators": 3, "final": "fuser", "fusion_layers": 1, "evaluation": "verifier"},
        ),
    ]
    for architecture, values in pairs:
        assert _decoded(space, **values).fingerprint == architecture.fingerprint


def test_fusers_take_the_best_models_or_the_one_they_are_given():
    space = SearchSpace(MODELS, fusers=4, fusion_layers=1, final="fuser", fuser_model=["ranked", "x:y"])
    for role, wide_layer in {
        "ranked": [*MODELS, MODELS[0]],
        "x:y": ["x:y"] * 4,
    }.items():
        fusers = [
            component.model  # type: ignore[attr-defined]
            for component in _decoded(space, fuser_model=role).components.values()
            if component.technique == "fuser"
        ]
        assert fusers == [*wide_layer, wide_layer[0]]


@pytest.mark.parametrize("make", [small, wide])
def test_decoded_points_are_valid_and_can_be_drawn_compiled_and_saved(make: Any):
    space = make()
    for point in space.sample(11, 12):
        architecture = space.decode(point)
        assert architecture.validate(rules="archon") == []
        assert "flowchart" in architecture.draw_mermaid()
        assert architecture.compile() is not None
        assert Architecture.from_config(architecture.to_config()) == architecture


async def test_decoded_points_answer():
    space = SearchSpace(
        [good_model()], final=["fuser", "ranker", "voter", "none"], critic=["none", "every"], max_calls=40
    )
    for point in space.sample(5, 12):
        result = await space.decode(point).arun("What is 6 x 7?")
        assert result.answer
        assert len(result.candidates) == 1 or point["evaluation"] == "verifier"
        assert result.usage.calls <= space.calls(point)


def test_tests_to_be_run_are_asked_for_in_other_words():
    pytest.importorskip("archon_graph.components.example_tests")
    space = SearchSpace(MODELS, evaluation=["tests", "executed"], final="none", samples=3)
    judged, executed = (_decoded(space, evaluation=which).components for which in ("tests", "executed"))
    assert judged["unit_test_generator_1"].prompt is None  # type: ignore[attr-defined]
    assert executed["unit_test_generator_1"].prompt == executable_tests()  # type: ignore[attr-defined]
    assert executed["unit_test_evaluator_1"].execute  # type: ignore[attr-defined]
    assert "assert" in executable_tests().render("reply_text", count=5)
