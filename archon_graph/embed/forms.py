"""Reads what a caller wants of an answer, from the arguments that LangChain and OpenAI have for it."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from archon_graph.core import AnswerForm
from archon_graph.models import ConfigurationError

FORM_ARGUMENTS = (
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "response_format",
    "temperature",
    "top_p",
    "max_tokens",
)
"""Arguments of a call that say what the answer shall be like."""
_ANY_OBJECT = {"type": "object"}


def read_form(arguments: Mapping[str, Any], stop: Sequence[str] | None = None) -> AnswerForm:
    """The form that the arguments of a call ask for.

    Args:
        arguments: Any of `FORM_ARGUMENTS`, as OpenAI's API has them; others are an error.
        stop: Strings that end the answer.

    Raises:
        ConfigurationError: An argument is not known, or cannot be understood.
    """
    unknown = [name for name in arguments if name not in FORM_ARGUMENTS]
    if unknown:
        nearest = difflib.get_close_matches(unknown[0], FORM_ARGUMENTS, n=1)
        hint = f" (did you mean {nearest[0]!r}?)" if nearest else ""
        raise ConfigurationError(
            f"a call of an architecture takes no argument {unknown[0]!r}{hint}; it takes "
            f"{', '.join(FORM_ARGUMENTS)}, stop and seed. Settings of single models belong into the architecture"
        )
    choice = _choice(arguments.get("tool_choice"))
    tools = tuple(arguments.get("tools") or ()) if choice != "none" else ()
    schema, strict = _schema(arguments.get("response_format"))
    return AnswerForm(
        tools=tools,
        tool_choice=None if choice == "none" else choice,
        parallel_tool_calls=arguments.get("parallel_tool_calls") if tools else None,
        schema=schema,
        strict=strict,
        stop=(stop,) if isinstance(stop, str) else tuple(stop or ()),
        temperature=arguments.get("temperature"),
        top_p=arguments.get("top_p"),
        max_tokens=arguments.get("max_tokens"),
    )


def _choice(value: Any) -> str | None:
    """``any``, ``none``, the name of a tool, or ``None``."""
    if value in (None, "auto", False):
        return None
    if value in ("any", "required", True):
        return "any"
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        function = value.get("function")
        name = function.get("name") if isinstance(function, Mapping) else value.get("name")
        if isinstance(name, str) and name:
            return name
    raise ConfigurationError(
        f"tool_choice must be 'auto', 'none', 'any', 'required', a tool's name or "
        f"{{'type': 'function', 'function': {{'name': ...}}}}, got {value!r:.80}"
    )


def _schema(value: Any) -> tuple[Mapping[str, Any] | None, bool]:
    if value is None:
        return None, False
    if isinstance(value, Mapping):
        kind = value.get("type")
        if kind == "text":
            return None, False
        if kind == "json_object":
            return _ANY_OBJECT, False
        given = value.get("json_schema")
        if kind == "json_schema" and isinstance(given, Mapping) and isinstance(given.get("schema"), Mapping):
            named = {"title": given["name"]} if isinstance(given.get("name"), str) else {}
            return {**named, **given["schema"]}, bool(given.get("strict"))
    raise ConfigurationError(
        f"response_format must be {{'type': 'text'}}, {{'type': 'json_object'}} or {{'type': 'json_schema', "
        f"'json_schema': {{'name': ..., 'schema': {{...}}}}}}, got {value!r:.80}"
    )
