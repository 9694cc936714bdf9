"""Plain data, the only kind that is ever written: texts, numbers, truth values, ``None``, lists and dicts."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

from archon_graph.models.redact import blank as blank_text


class NotPlainError(ValueError):
    """A value has no form in JSON that it could be read back from."""


def plain(value: Any, *, finite: bool = True) -> Any:
    """A copy of the value in plain data; nothing in it is shared with the original.

    Args:
        value: Texts, numbers, truth values, ``None``, and lists, tuples and mappings of such.
        finite: Whether infinities and NaN are refused, which Python's JSON knows and nobody else's.

    Raises:
        NotPlainError: Something else is in it, or a key that is no text.
    """
    try:
        return _plain(value, finite)
    except RecursionError as error:
        raise NotPlainError("nested too deeply") from error


def _plain(value: Any, finite: bool) -> Any:  # noqa: FBT001 - the public one names it
    # Subclasses (a StrEnum, a number of numpy's) become what they are subclasses of.
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return value if type(value) is str else str.__str__(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        if finite and not math.isfinite(value):
            raise NotPlainError(f"{value} is no number in JSON")
        return float(value)
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise NotPlainError(f"the key {key!r} is no text")
        return {str.__str__(key): _plain(item, finite) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, finite) for item in value]
    raise NotPlainError(f"{type(value).__name__} is no plain data")


def plain_items(mapping: Mapping[Any, Any], *, leave_out: Iterable[str] = ()) -> dict[str, Any]:
    """Those items of a mapping that are plain data."""
    kept = {}
    for key, value in mapping.items():
        if isinstance(key, str) and key not in leave_out:
            try:
                kept[key] = plain(value, finite=False)
            except NotPlainError:
                continue
    return kept


def canonical(value: Any) -> str:
    """The one JSON text of plain data: keys sorted, no spaces, characters as they are.

    Whole floats keep their point: ``1`` and ``1.0`` are sent as different texts, so they are told apart.

    Raises:
        NotPlainError: It is no plain data.
    """
    return json.dumps(plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest_of(text: str) -> str:
    """The sha256 of a text, in hex; half characters have one, too."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def written(data: Any) -> str:
    """Plain data as JSON in the order it is in, in a text that can be written down."""
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        # Half a character has no bytes, but JSON can name it.
        return json.dumps(data, separators=(",", ":"))
    return text


def blanked(value: Any, secrets: Iterable[str]) -> Any:
    """Plain data with these values blanked out of all its texts and keys."""
    secrets = list(secrets)
    if not secrets:
        return value
    if isinstance(value, str):
        return blank_text(value, secrets)
    if isinstance(value, Mapping):
        return {blank_text(key, secrets): blanked(item, secrets) for key, item in value.items()}
    return [blanked(item, secrets) for item in value] if isinstance(value, list) else value
