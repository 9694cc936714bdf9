"""What is written is read back exactly, and nothing but plain data ever is."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, AIMessageChunk
from pydantic import BaseModel

from archon_graph.models.cache import Entry
from archon_graph.models.cache.entry import Packed, pack, unpack
from archon_graph.models.cache.plain import NotPlainError
from tests.models.cache.entries import entries, entry


@given(entries)
def test_what_is_packed_is_unpacked(given_: Entry):
    back = unpack(pack(given_))
    assert back.message == given_.message.model_copy(update={"id": None})
    assert type(back.message) is AIMessage
    assert (back.data, back.usage, back.model) == (given_.data, given_.usage, given_.model)
    assert pack(back) == pack(given_)


@given(entries)
def test_what_was_unpacked_shares_nothing(given_: Entry):
    packed = pack(given_)
    one, two = unpack(packed), unpack(packed)
    one.message.additional_kwargs["added"] = "x"
    one.message.response_metadata["added"] = "x"
    one.message.tool_calls.append({"name": "x", "args": {}, "id": None})
    one.message.id = "x"
    assert unpack(packed) == two


def test_tool_calls_are_those_that_were_there_and_no_others():
    """LangChain would parse raw ones when it makes the message, and drop what it does not know of the others."""
    raw = {"tool_calls": [{"id": "1", "function": {"name": "f", "arguments": '{"a": 1}'}}]}
    unparsed = AIMessage("x").model_copy(update={"additional_kwargs": raw})
    assert unpack(pack(entry(message=unparsed))).message.tool_calls == []
    call = {"name": "f", "args": {"a": 1}, "id": "1", "type": "tool_call", "extras": {"signature": "s"}}
    parsed = AIMessage("x").model_copy(update={"tool_calls": [call]})
    assert unpack(pack(entry(message=parsed))).message.tool_calls == [call]


def test_headers_and_objects_among_the_metadata_are_left_out():
    class Parsed(BaseModel):
        x: int

    message = AIMessage(
        "x",
        response_metadata={"headers": {"authorization": "Bearer x"}, "kept": 1, "raw": object()},
        additional_kwargs={"parsed": Parsed(x=1), "kept": 2},
    )
    back = unpack(pack(entry(message=message))).message
    assert back.response_metadata == {"kept": 1}
    assert back.additional_kwargs == {"kept": 2}


def test_a_streamed_answer_is_kept_as_a_whole_one():
    chunk = AIMessageChunk("hello", response_metadata={"a": 1}, chunk_position="last")
    back = unpack(pack(entry(message=chunk))).message
    assert type(back) is AIMessage
    assert (back.content, back.response_metadata) == ("hello", {"a": 1})


def test_numbers_that_only_python_writes_and_half_characters_survive():
    message = AIMessage("\ud83c", response_metadata={"logprob": float("-inf")})
    packed = pack(entry(message=message))
    packed.message.encode()
    back = unpack(packed).message
    assert (back.content, back.response_metadata) == ("\ud83c", {"logprob": float("-inf")})


def test_an_answer_that_is_no_plain_data_is_refused():
    with pytest.raises(NotPlainError):
        pack(entry(message=AIMessage([{"type": "image", "data": b"x"}])))


@given(
    secret=st.text(st.characters(codec="utf-8"), min_size=8, max_size=20)
    .map(str.strip)
    .filter(lambda s: len(s) > 7),
    before=st.text(max_size=10),
    after=st.text(max_size=10),
)
def test_a_known_secret_is_blanked_out_wherever_it_stands(secret: str, before: str, after: str):
    text = f"{before}{secret}{after}"
    message = AIMessage(
        text,
        name=text,
        tool_calls=[{"name": "f", "args": {text: [text]}, "id": "1"}],
        additional_kwargs={"a": {"b": text}},
    )
    kept = unpack(pack(entry(message=message, data={text: text}, model=text), [secret]))
    # A value that is part of our own mark stands there whatever we do.
    if secret not in "[secret]":  # noqa: S105
        shown = [
            kept.message.content,
            kept.message.name,
            *kept.message.tool_calls[0]["args"],
            *kept.message.tool_calls[0]["args"].values(),
            kept.message.additional_kwargs["a"]["b"],
            *(kept.data or {}),
            *(kept.data or {}).values(),
            kept.model,
        ]
        assert all(secret not in str(each) for each in shown)
        assert kept.message.content == text.replace(secret, "[secret]")


def test_code_with_what_looks_like_a_key_is_left_alone():
    text = "client = OpenAI(api_key='sk-proj-abcdef1234567890')"
    assert unpack(pack(entry(message=AIMessage(text)), ["sk-something-else"])).message.content == text


def form(**changes: object) -> Packed:
    """A packed entry with one field of the message, or one text, replaced."""
    packed = pack(entry())
    if changes.keys() <= {"message", "data", "usage"}:
        return packed._replace(**changes)
    return packed._replace(message=json.dumps(json.loads(packed.message) | changes))


@pytest.mark.parametrize(
    ("broken", "field"),
    [
        (form(content=7), "message.content"),
        (form(content=[7]), "message.content"),
        (form(tool_calls=[{"name": "f"}]), "message.tool_calls"),
        (form(tool_calls="x"), "message.tool_calls"),
        (form(tool_calls=[{"name": 1, "args": {}, "id": None}]), "message.tool_calls"),
        (form(additional_kwargs=[]), "message.additional_kwargs"),
        (form(response_metadata="x"), "message.response_metadata"),
        (form(usage_metadata={"input_tokens": "many"}), "message.usage_metadata"),
        (form(name=3), "message.name"),
        (form(lc=1, type="constructor"), "message.lc"),
        (form(message="{}"), "message.content"),
        (form(message="[]"), "message"),
        (form(message='{"content": "x'), "message"),
        (form(message="[" * 100_000), "message"),
        (form(data="3"), "data"),
        (form(usage='{"calls": 1.5}'), "usage.calls"),
        (form(usage='{"money": true}'), "usage.money"),
        (form(usage='{"cals": 1}'), "usage.cals"),
    ],
)
def test_what_is_not_of_the_form_is_refused_by_its_field(broken: Packed, field: str):
    with pytest.raises(ValueError, match=field):
        unpack(broken)
