"""The fuser: one answer out of several, and what happens when the model gives none."""

from __future__ import annotations

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

from archon_graph import Fuser, Generator, ModelError, ScriptedModel
from archon_graph.core.prompt import Prompt


def fused(script: object, *, drafts: int = 2, **settings: object):
    """The result of fusing that many drafts, and the model that was asked."""
    model = ScriptedModel(script)  # type: ignore[arg-type]
    architecture = Generator(ScriptedModel(lambda call: f"draft {call.sample}"), samples=drafts) | Fuser(
        model, **settings
    )
    return architecture.run("the question"), model


def test_writes_a_candidate_with_parents():
    """Made from all that came in."""
    result, _ = fused(["together"])
    [candidate] = result.candidates
    assert (candidate.id, candidate.content) == ("fuser_1:0", "together")
    assert candidate.parents == ("generator_1:0", "generator_1:1")


def test_the_conversation_stays_as_it_is():
    """Drafts go into the system message, behind the user's own; the last message is still the user's."""
    model = ScriptedModel(["together"])
    (Generator(ScriptedModel(["draft"])) | Fuser(model)).run([SystemMessage("Be kind."), HumanMessage("hi")])
    system, user = model.calls[0].messages
    assert system.text.startswith("Be kind.\n\n")
    assert "<answer_1>\ndraft\n</answer_1>" in system.text
    assert user.text == "hi"


def test_several_fused_answers():
    """Each a sample of its own."""
    result, _ = fused(lambda call: f"fused {call.sample}", samples=3)
    assert [candidate.id for candidate in result.candidates] == ["fuser_1:0", "fuser_1:1", "fuser_1:2"]
    assert result.losses == ()


@pytest.mark.parametrize(
    "bad", ["", "  \n ", AIMessage("", additional_kwargs={"refusal": "no"}), ModelError("down", model="m")]
)
def test_falls_back_to_the_best_candidate(bad: object):
    """On an empty answer, a refusal or a model that is down, the best draft is passed on as it is."""
    result, _ = fused([bad])
    [candidate] = result.candidates
    assert (candidate.id, candidate.content) == ("generator_1:0", "draft 0")
    assert any(loss.node == "fuser_1" for loss in result.losses)


def test_one_empty_answer_of_two_is_dropped():
    """The other one is enough."""
    result, _ = fused(lambda call: "" if call.sample == 0 else "good", samples=2)
    assert [candidate.id for candidate in result.candidates] == ["fuser_1:1"]
    assert [(loss.kind, loss.sample) for loss in result.losses] == [("empty", 0)]


@pytest.mark.parametrize("garbage", ["{}", "\x00\x01", "I can't help with that.", "<answer_1>", "🤖" * 1000])
def test_garbage_is_passed_on_as_text(garbage: str):
    """What the model says is the answer; it is not for the fuser to judge it."""
    result, _ = fused([garbage])
    assert result.answer == garbage


def test_words_can_be_replaced():
    """By a prompt with the same part; a placeholder that is not known is named."""
    _, model = fused(["x"], prompt=Prompt(version="mine", parts={"task": "Merge $count drafts:\n$candidates"}))
    assert model.calls[0].messages[0].text.startswith("Merge 2 drafts:")
    with pytest.raises(ValueError, match=r"uses \$answers, which is not known here"):
        fused(["x"], prompt=Prompt(version="mine", parts={"task": "$answers"}))
