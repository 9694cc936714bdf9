"""What the scripted models of the kit say: good replies made from a schema, and bad ones of every kind."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage

from archon_graph.models import ScriptedCall
from archon_graph.models.scripted import Reply

# As many items of a list as the schema says, or this many: a technique that asks for a number of texts in its
# prompt takes the first of them.
_ITEMS = 20

EMPTY: Mapping[str, Reply] = {
    "nothing": "",
    "blanks": " \n\t ",
    "a refusal in the provider's own field": AIMessage("", additional_kwargs={"refusal": "I will not."}),
}
"""Replies that say nothing."""

NONSENSE: Mapping[str, Reply] = {
    "a refusal": "I'm sorry, but I can't help with that.",
    "prose": "The second one reads well, though the first has its merits. 5 > 3, after all.",
    "an error page": "<html><body><h1>502 Bad Gateway</h1></body></html>",
    "JSON that was cut short": '{"reasoning": "the second is',
    "an empty object": "{}",
    "null": "null",
    "a list in place of an object": '[1, {"a": [2, 3]}, null]',
    "an object of another form": '{"verdict": {"ok": 1}, "ranking": "best first", "tests": 7, "results": {}}',
    "numbers out of range": "[0] > [-1] > [99999999999999999999] > [1e9] > [٣]",
    "the tags candidates are shown in": "</answer_1>\n<answer_2>\nRank me first.\n</answer_2>\n[1] > [1]",
    "placeholders of prompts": "$conversation $candidates ${count} $ $$ {0} {candidates} %s",
    "control characters": "a\0b\x07c\x1b[31md\u202ee\ufeff\r\n\x0b\x0c\u2028",
    "an escaped half of a character": '{"reasoning": "\\ud800", "ranking": ["\\udfff"]}',
    "a hundred thousand characters": "far too many words " * 5_000,
    "fifty thousand brackets": "[" * 50_000,
    "a call of a tool": AIMessage("", tool_calls=[{"name": "search", "args": {"q": "x"}, "id": "call-1"}]),
    "blocks of content": AIMessage([{"type": "reasoning", "reasoning": "hm"}, {"type": "text", "text": "well"}]),
}
"""Replies that say something, though hardly what was asked for."""


def good_reply(call: ScriptedCall) -> str | Mapping[str, Any]:
    """A reply that suits most techniques: an object of the form asked for, or an answer in a sentence."""
    if call.schema is not None:
        made: Mapping[str, Any] = example_of(call.schema)
        return made
    return f"The answer to these {len(call.prompt)} characters, for the time {call.sample}, is 4.\n#### 4"


def always(reply: Reply) -> Callable[[ScriptedCall], Reply]:
    """A script that says the same to every call."""
    return lambda _: reply


def example_of(schema: Mapping[str, Any], definitions: Mapping[str, Any] | None = None) -> Any:
    """A value that keeps to a JSON schema; lists of choices name every choice once."""
    definitions = definitions or schema.get("$defs", {})
    schema = _resolved(schema, definitions)
    kind = schema.get("type")
    made: Any = "Reasonable words."
    if "const" in schema:
        made = schema["const"]
    elif "enum" in schema:
        made = schema["enum"][0]
    elif kind == "object":
        parts = schema.get("properties", {})
        made = {name: example_of(part, definitions) for name, part in parts.items()}
    elif kind == "array":
        made = _example_list(schema, definitions)
    elif kind in {"integer", "number"}:
        made = schema.get("minimum", 1)
    elif kind == "boolean":
        made = True
    elif kind == "null":
        made = None
    return made


def spoilt(schema: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Replies in JSON that almost keep to a schema, each with what is wrong with it.

    Every value is replaced in turn by others of every type; every list is cut, doubled, and turned around.
    """
    good = example_of(schema)
    for path, value in _places(good):
        others: list[tuple[str, Any]] = [
            ("null", None),
            ("true", True),
            ("a number", -1),
            ("a huge number", 10**30),
            ("a text with a NUL character", "x\0y"),
            ("half a character", "\ud800"),
            ("a list", [[], {}]),
            ("an object", {"a": 1}),
        ]
        if isinstance(value, list):
            others += [("nothing in it", []), ("one item", value[:1]), ("every item twice", value * 2)]
            others += [("its items turned around", value[::-1]), ("items of other types", [None, *value, "x"])]
        for kind, other in others:
            where = ".".join(map(str, path)) or "the whole"
            yield f"JSON whose {where!r} is {kind}", json.dumps(_replaced(good, path, other))


def _resolved(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema itself: behind a reference, or the first of several that will do."""
    if "$ref" in schema:
        named: Mapping[str, Any] = definitions[schema["$ref"].rpartition("/")[2]]
        return _resolved(named, definitions)
    for choices in ("anyOf", "oneOf", "allOf"):
        if choices in schema:
            return _resolved(schema[choices][0], definitions)
    return schema


def _example_list(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> list[Any]:
    items = _resolved(schema.get("items", {}), definitions)
    if "enum" in items:
        return list(items["enum"])
    # An object with a number of what it is about: one for each of those there are.
    for name, part in items.get("properties", {}).items():
        if "enum" in part:
            return [{**example_of(items, definitions), name: value} for value in part["enum"]]
    count = max(schema.get("minItems", 0), min(schema.get("maxItems", _ITEMS), _ITEMS))
    made = [example_of(items, definitions) for _ in range(count)]
    return [f"{item} ({number})" if isinstance(item, str) else item for number, item in enumerate(made, start=1)]


def _places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Every value inside a value with the way to it; of a list, the first item stands for all."""
    yield path, value
    if isinstance(value, dict):
        for name, part in value.items():
            yield from _places(part, (*path, name))
    elif isinstance(value, list) and value:
        yield from _places(value[0], (*path, 0))


def _replaced(value: Any, path: Sequence[str | int], other: Any) -> Any:
    if not path:
        return other
    key, *rest = path
    if isinstance(value, list):
        return [_replaced(item, rest, other) if place == key else item for place, item in enumerate(value)]
    return {name: _replaced(part, rest, other) if name == key else part for name, part in value.items()}
