"""The generator: independent answers to the conversation as it stands."""

from __future__ import annotations

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

from archon_graph import Generator, NoAnswerError, ScriptedModel


def test_samples_have_their_own_ids_in_order():
    """Node and sample index."""
    result = Generator(ScriptedModel(lambda call: f"a{call.sample}"), samples=3).alone().run("q")
    assert [(c.id, c.content) for c in result.candidates] == [
        ("generator_1:0", "a0"),
        ("generator_1:1", "a1"),
        ("generator_1:2", "a2"),
    ]
    assert all(candidate.parents == () for candidate in result.candidates)


def test_an_empty_answer_is_dropped_and_recorded():
    """The others keep their own ids."""
    model = ScriptedModel(lambda call: " " if call.sample == 1 else "text")
    result = Generator(model, samples=3).alone().run("q")
    assert [candidate.id for candidate in result.candidates] == ["generator_1:0", "generator_1:2"]
    [loss] = result.losses
    assert (loss.kind, loss.sample) == ("empty", 1)


def test_nothing_but_empty_answers_is_no_answer():
    """And the error says why."""
    with pytest.raises(NoAnswerError, match="empty answer"):
        Generator(ScriptedModel(lambda call: ""), samples=2).alone().run("q")


def test_the_conversation_is_sent_as_it_is():
    """Message for message: system, images, tool calls and their results."""
    image = {"type": "image", "base64": "aGk=", "mime_type": "image/png"}
    conversation = [
        SystemMessage("Be kind."),
        HumanMessage([{"type": "text", "text": "look"}, image]),
        AIMessage("", tool_calls=[{"name": "see", "args": {}, "id": "1"}]),
        ToolMessage("a cat", tool_call_id="1"),
    ]
    model = ScriptedModel(["ok"])
    Generator(model).alone().run(conversation)
    sent = model.calls[0].messages
    assert [message.type for message in sent] == ["system", "human", "ai", "tool"]
    assert [message.content for message in sent] == [message.content for message in conversation]
    assert sent[2].tool_calls == conversation[2].tool_calls


@pytest.mark.parametrize("style", ["chain_of_thought", "re_read", "plan_first"])
def test_a_prompt_style_adds_a_sentence_to_the_system_message(style: str):
    """Behind the user's own; the question itself is sent as it is."""
    model = ScriptedModel(["ok", "ok"])
    Generator(model, prompt_style=style).alone().run([SystemMessage("Be kind."), HumanMessage("q")])
    Generator(model).alone().run([SystemMessage("Be kind."), HumanMessage("q")])
    styled, direct = (call.messages for call in model.calls)
    assert styled[0].text.startswith("Be kind.\n\n")
    assert len(styled[0].text) > len(direct[0].text) == len("Be kind.")
    assert styled[1].text == direct[1].text == "q"
