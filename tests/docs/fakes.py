"""Models that stand where the pages name real ones: they say something fitting, without key, file or network."""

from __future__ import annotations

import re
from typing import Any

import pytest
from langchain_core.messages import AIMessage

from archon_graph import ScriptedModel
from archon_graph.models import Sampling, ScriptedCall, client, local, providers
from archon_graph.models.providers import Opened
from tests.evals import doubling
from tests.replies import good_reply

_OURS = {"ranking", "critiques", "verdict", "tests", "results"}


def reply(call: ScriptedCall) -> Any:
    """What is asked for: a call of the first tool, an object of the schema, a technique's reply, an answer."""
    if call.tools and call.tool_choice != "none" and not any(message.type == "tool" for message in call.messages):
        tool = call.tools[0]["function"]
        arguments = of_schema(tool["parameters"])
        return AIMessage("", tool_calls=[{"name": tool["name"], "args": arguments, "id": f"call_{call.sample}"}])
    if call.schema and call.schema.get("title") not in _OURS:
        return of_schema(call.schema)
    if "[[A=B]]" in call.prompt:
        return "They are as good as each other: [[A=B]]"
    if not call.schema and (asked := re.search(r"What is (\d+) doubled", call.prompt)):
        return doubling.answer(int(asked[1]), call.sample)
    return good_reply(call)


def of_schema(schema: Any, defined: Any = None) -> Any:
    """The smallest thing that keeps to a JSON schema."""
    defined = defined or schema.get("$defs", {})
    if "$ref" in schema:
        return of_schema(defined[schema["$ref"].rpartition("/")[2]], defined)
    if "enum" in schema:
        return schema["enum"][0]
    if "anyOf" in schema:
        return of_schema(schema["anyOf"][0], defined)
    simple = {"string": "a text", "integer": 1, "number": 1.0, "boolean": True, "null": None, "array": []}
    if schema.get("type") in simple:
        return simple[schema["type"]]
    return {name: of_schema(part, defined) for name, part in schema.get("properties", {}).items()}


def use_fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Open these in the place of every model that is named by provider, and look for no file and no key."""

    def opened(provider: str, name: str, spec: str, sampling: Sampling, *_: Any) -> Opened:
        chat = ScriptedModel(reply, json=True, label=spec)
        return Opened(spec=spec, chat=chat, json_mode="scripted", takes_seed=True, max_tokens=1024)

    # The client of the process remembers what it opened, and would hand these to other tests.
    monkeypatch.setattr(client, "_default", None)
    monkeypatch.setattr(providers, "_open_local", lambda *given: opened("local", *given))
    monkeypatch.setattr(providers, "_open_provider", opened)
    monkeypatch.setattr(local, "check", lambda _: None)
