"""The reviser: each candidate rewritten, none lost."""

from __future__ import annotations

import pytest

from archon_graph import Generator, ModelError, ScriptedModel
from archon_graph.components.reviser import Reviser


def revised(reply: object, *, drafts: int = 3):
    """The result of rewriting that many drafts."""
    model = ScriptedModel(reply)  # type: ignore[arg-type]
    generator = Generator(ScriptedModel(lambda call: f"draft {call.sample}"), samples=drafts)
    return (generator | Reviser(model)).run("the question"), model


def number_of(call) -> int:
    """Which draft a call is about."""
    return int(call.messages[0].text.rsplit("draft ", 1)[1][0])


def test_each_candidate_is_rewritten_in_its_place():
    """With the one it was made from as its parent."""
    result, model = revised(lambda call: f"better {number_of(call)}")
    assert [candidate.content for candidate in result.candidates] == ["better 0", "better 1", "better 2"]
    assert [candidate.parents for candidate in result.candidates] == [
        ("generator_1:0",),
        ("generator_1:1",),
        ("generator_1:2",),
    ]
    assert [candidate.id for candidate in result.candidates] == ["reviser_1:0", "reviser_1:1", "reviser_1:2"]
    assert model.calls[0].messages[-1].text == "the question"


@pytest.mark.parametrize("bad", ["", "  ", ModelError("down", model="m"), ValueError("hiccup")])
def test_a_bad_rewrite_keeps_the_candidate(bad: object):
    """In its place among the others; and it is recorded."""
    result, _ = revised(lambda call: bad if number_of(call) == 1 else "better")
    assert [candidate.content for candidate in result.candidates] == ["better", "draft 1", "better"]
    assert [loss.node for loss in result.losses] == ["reviser_1"]


def test_a_reviser_that_is_down_keeps_them_all():
    """The line goes on with what it had."""
    result, _ = revised(lambda call: ModelError("down", model="m"))
    assert [candidate.content for candidate in result.candidates] == ["draft 0", "draft 1", "draft 2"]
    assert result.usage.calls == 6
