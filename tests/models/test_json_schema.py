"""Schemas with an end to everything, for models that may find none."""

from __future__ import annotations

import copy

from langchain_core.messages import HumanMessage

from archon_graph.models import Client, Request, ScriptedModel
from archon_graph.models.json_schema import bounded_schema


def test_every_string_and_array_gets_an_end():
    """At any depth; what has one keeps it, and the schema given stays as it was."""
    schema = {
        "title": "t",
        "type": "object",
        "properties": {
            "reasoning": {"type": "string"},
            "short": {"type": "string", "maxLength": 5},
            "kind": {"type": "string", "enum": ["a", "b"]},
            "list": {"type": "array", "items": {"type": "object", "properties": {"text": {"type": "string"}}}},
        },
        "required": ["reasoning"],
    }
    before = copy.deepcopy(schema)
    properties = bounded_schema(schema)["properties"]
    assert schema == before
    assert properties["reasoning"]["maxLength"] > 100
    assert properties["short"]["maxLength"] == 5
    assert properties["kind"] == {"type": "string", "enum": ["a", "b"]}
    assert properties["list"]["maxItems"] > 10
    assert "maxLength" in properties["list"]["items"]["properties"]["text"]


def test_a_property_that_is_called_type_is_no_keyword():
    """A field of that name stays a field."""
    schema = {"type": "object", "properties": {"type": {"type": "string", "maxLength": 3}}}
    assert bounded_schema(schema) == schema


async def test_half_characters_do_not_get_past_the_door():
    """Neither as text nor escaped in JSON: no file and no checkpoint could hold them."""
    model = ScriptedModel(['{"a": "x\\ud800y \\u00e9"}', "half \ud83d here"], json=True)
    client = Client()
    request = Request(model=model, messages=(HumanMessage("q"),), schema={"title": "t", "type": "object"})
    [first, second] = await client.draw(request, [0, 1])
    assert first.data == {"a": "x?y \u00e9"}
    assert second.message is not None
    assert second.message.content == "half ? here"
