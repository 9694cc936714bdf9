"""``Entry``: one recorded answer, and the plain JSON it is kept as.

What is read back is always an `AIMessage` and plain data: no class is ever named in a file, so that a tape from
a stranger can at worst say something false.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

from langchain_core.messages import AIMessage
from pydantic import ValidationError

from archon_graph.models.cache.plain import blanked, plain, plain_items, written
from archon_graph.models.json_schema import whole_characters
from archon_graph.models.redact import blank
from archon_graph.models.request import Usage

_LISTS = ("tool_calls", "invalid_tool_calls")
_DICTS = ("additional_kwargs", "response_metadata", "usage_metadata")
_MESSAGE = frozenset({"content", "name", *_LISTS, *_DICTS})
_USAGE = {each.name: each for each in fields(Usage)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One recorded answer."""

    message: AIMessage
    """The answer as the model gave it."""
    data: Mapping[str, Any] | None
    """The answer as a JSON object, where a schema was asked for."""
    usage: Usage
    """What it cost when it was paid for."""
    model: str
    """Name of the model that answered."""


class Packed(NamedTuple):
    """An entry as JSON texts."""

    message: str
    data: str | None
    usage: str
    model: str

    @property
    def bytes(self) -> int:
        """How much room it takes."""
        return sum(len(text.encode()) for text in self if text is not None)


def pack(entry: Entry, secrets: Iterable[str] = ()) -> Packed:
    """The entry as it is kept: without the message's id and without headers, secrets blanked out.

    What a provider's package added for itself and cannot be written (an object of a class of its own among the
    metadata) is left out.

    Raises:
        NotPlainError: The answer itself is no plain data (`plain`).
    """
    secrets = list(secrets)
    message = entry.message
    form: dict[str, Any] = {"content": plain(message.content, finite=False)}
    if message.name is not None:
        form["name"] = message.name
    form |= {name: plain(value, finite=False) for name in _LISTS if (value := getattr(message, name))}
    for name in _DICTS:
        kept = plain_items(getattr(message, name) or {}, leave_out=("headers",))
        if kept:
            form[name] = kept
    data = None if entry.data is None else written(blanked(plain(entry.data, finite=False), secrets))
    spent = {name: value for name, each in _USAGE.items() if (value := getattr(entry.usage, name)) != each.default}
    return Packed(
        message=written(blanked(form, secrets)),
        data=data,
        usage=written(spent),
        model=whole_characters(blank(entry.model, secrets)),
    )


def unpack(packed: Packed) -> Entry:
    """The entry of these texts; shares nothing with any other that was read from them.

    Raises:
        ValueError: They are not what `pack` writes; the error names the field.
    """
    data = None if packed.data is None else _object(packed.data, "data")
    return Entry(
        message=_message(_object(packed.message, "message")),
        data=data,
        usage=usage_of(packed.usage),
        model=packed.model,
    )


def usage_of(text: str) -> Usage:
    """The usage in a packed entry.

    Raises:
        ValueError: It is none.
    """
    return _usage(_object(text, "usage"))


def repacked(packed: Packed, secrets: Iterable[str]) -> Packed:
    """What somebody else packed, as if it had been packed here."""
    secrets = list(secrets)
    return Packed(
        message=written(blanked(json.loads(packed.message), secrets)),
        data=None if packed.data is None else written(blanked(json.loads(packed.data), secrets)),
        usage=packed.usage,
        model=whole_characters(blank(packed.model, secrets)),
    )


def _object(text: str, name: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{name}: {error}") from None
    if not isinstance(value, dict):
        raise ValueError(f"{name}: must be an object, got {type(value).__name__}")  # noqa: TRY004 - bad data
    return value


def _message(form: dict[str, Any]) -> AIMessage:
    if unknown := sorted(form.keys() - _MESSAGE):
        raise ValueError(f"message.{unknown[0]}: no such field; known are {', '.join(sorted(_MESSAGE))}")
    if "content" not in form:
        raise ValueError("message.content: is missing")
    # The class looks into these before it sees what they are.
    for names, kind, said in ((_LISTS, list, "a list"), (_DICTS, dict, "an object")):
        for name in names:
            if name in form and not isinstance(form[name], kind):
                raise ValueError(f"message.{name}: must be {said}, got {type(form[name]).__name__}")
    try:
        message = AIMessage(**form)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        # Of a value that may be one of several types, the place names each type that was tried.
        raise ValueError(f"message.{first['loc'][0] if first['loc'] else ''}: {first['msg']}") from None
    except (TypeError, AttributeError) as error:
        raise ValueError(f"message.tool_calls: {error}") from None
    # The class completes and parses what it is given: a recorded answer is what it was.
    as_recorded: dict[str, Any] = {name: form.get(name, []) for name in _LISTS}
    as_recorded |= {name: form.get(name, {}) for name in ("additional_kwargs", "response_metadata")}
    return message.model_copy(update={**as_recorded, "usage_metadata": form.get("usage_metadata")})


def _usage(form: dict[str, Any]) -> Usage:
    for name, value in form.items():
        if name not in _USAGE:
            raise ValueError(f"usage.{name}: no such field; known are {', '.join(_USAGE)}")
        allowed = (int, float) if isinstance(_USAGE[name].default, float) else (int,)
        if not isinstance(value, allowed) or isinstance(value, bool):
            raise ValueError(f"usage.{name}: must be a number, got {value!r:.40}")  # noqa: TRY004 - bad data
    return Usage(**form)
