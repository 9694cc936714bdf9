"""Structured output: the final answer keeps to the schema, whatever the answers on the way are like."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from langchain_core.exceptions import OutputParserException
from pydantic import BaseModel
from typing_extensions import TypedDict

from archon_graph import Critic, Fuser, Generator, Ranker, ScriptedModel
from archon_graph.core import AnswerForm, NoAnswerError
from archon_graph.models import ConfigurationError, ScriptedCall


class City(BaseModel):
    """A city."""

    name: str
    people: int


class CityDict(TypedDict):
    """A city."""

    name: str
    people: int


GOOD = {"name": "Lyon", "people": 522_000}
# Everything that a model gets wrong about a schema.
BROKEN = [
    "Lyon has many people.",
    "",
    '{"name": "Lyon"}',
    '{"name": "Lyon", "people": "many"}',
    '{"name": "Lyon", "people": 5',
    "[1, 2]",
    "null",
    '```json\n{"name": 3, "people": 3}\n```',
    "{" * 2000,
    ConnectionError("gone"),
]
TOLD = [
    "Here it is:\n```json\n" + json.dumps(GOOD) + "\n```\nAnything else?",
    json.dumps(GOOD),
    f"\n {json.dumps(GOOD)}\n",
]


def mixed(seed: int) -> Any:
    """Answers of which about half are broken; at least one draft is good."""
    chance = random.Random(seed)
    lucky = chance.randrange(4)

    def say(call: ScriptedCall) -> Any:
        if "impartial judge" in call.prompt:
            return chance.choice(["[1] > [2]", "no idea", '{"ranking": [2, 1]}'])
        if "draft answers" not in call.prompt and call.sample == lucky:
            return chance.choice(TOLD)
        return chance.choice([*BROKEN, *TOLD])

    return say


@pytest.mark.parametrize("json_mode", [False, True])
async def test_a_schema_holds_through_fusion_in_every_one_of_100_runs(json_mode: bool):
    parsed = []
    for seed in range(100):
        model = ScriptedModel(mixed(seed), json=json_mode)
        line = (
            Generator(model, samples=4)
            | Critic(model)
            | Fuser(model, samples=2)
            | Ranker(model, top_k=1)
            | Fuser(model)
        )
        parsed.append(await line.as_chat_model().with_structured_output(City).ainvoke("Tell me of a city."))
    assert parsed == [City(**GOOD)] * 100


@pytest.mark.parametrize("schema", [City, CityDict, City.model_json_schema()])
@pytest.mark.parametrize("method", ["json_schema", "function_calling", "json_mode"])
async def test_every_kind_of_schema_and_method(schema: Any, method: Any):
    def say(call: ScriptedCall) -> Any:
        if method != "function_calling":
            return json.dumps(GOOD)
        name = call.tools[0]["function"]["name"]
        assert call.tool_choice == name
        from langchain_core.messages import AIMessage

        return AIMessage("", tool_calls=[{"name": name, "args": GOOD, "id": "1"}])

    chat = Generator(ScriptedModel(say)).alone().as_chat_model()
    found = await chat.with_structured_output(schema, method=method).ainvoke("q")
    assert found == (City(**GOOD) if schema is City else GOOD)


async def test_a_model_is_held_to_the_schema_or_told_of_it():
    for json_mode in (True, False):
        model = ScriptedModel([json.dumps(GOOD)], json=json_mode)
        await Generator(model).alone().as_chat_model().with_structured_output(City).ainvoke("q")
        [call] = model.calls
        assert (call.schema is not None) == json_mode
        assert ("JSON schema" in call.prompt) != json_mode


async def test_raw_answers_and_errors():
    chat = Generator(ScriptedModel(['{"name": "Lyon"}', json.dumps(GOOD)])).alone().as_chat_model()
    line = chat.with_structured_output(City, method="json_mode", include_raw=True)
    found = await line.ainvoke("q")
    assert found["raw"].text == '{"name": "Lyon"}'
    assert found["parsed"] is None
    assert isinstance(found["parsing_error"], OutputParserException)
    found = await line.ainvoke("q")
    assert (found["parsed"], found["parsing_error"]) == (City(**GOOD), None)


async def test_where_no_answer_keeps_to_it_that_is_an_error():
    chat = Generator(ScriptedModel(["no", "never"]), samples=2).alone().as_chat_model()
    with pytest.raises(NoAnswerError, match="does not have the form asked for: it is not JSON"):
        await chat.with_structured_output(City).ainvoke("q")


def test_what_is_no_schema_is_an_error():
    with pytest.raises(ConfigurationError, match=r"schema of the answer is not a JSON schema: at type: 'strin'"):
        AnswerForm(schema={"type": "strin"})
    with pytest.raises(ConfigurationError, match="'parameters' of the tool 'f' is not a JSON schema"):
        AnswerForm(tools=({"type": "function", "function": {"name": "f", "parameters": {"type": 3}}},))


@pytest.mark.parametrize(
    "form",
    ["json", {"type": "json"}, {"type": "json_schema"}, {"type": "json_schema", "json_schema": {"schema": 3}}],
)
async def test_a_response_format_that_is_none_is_an_error(form: Any):
    model = ScriptedModel(["text"])
    with pytest.raises(ConfigurationError, match="response_format must be"):
        await Generator(model).alone().as_chat_model().ainvoke("q", response_format=form)
    assert not model.calls


async def test_json_alone_is_streamed_whole():
    """A piece of it would be no JSON, and it is not known before its end whether it keeps to the schema."""
    chat = Generator(ScriptedModel([json.dumps(GOOD)])).alone().as_chat_model()
    pieces = [str(piece.text) async for piece in chat.astream("q", response_format={"type": "json_object"})]
    assert pieces == [json.dumps(GOOD)]
