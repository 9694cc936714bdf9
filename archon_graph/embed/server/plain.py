"""JSON that a stranger wrote, as data that the rest of the program can work with.

What JSON allows and Python, its libraries or the next server do not survive is refused here once: texts that are
no Unicode, numbers without end, and structures so deep or so many-parted that walking them is an attack.
"""

from __future__ import annotations

import math
from typing import Any

from pydantic_core import from_json

from archon_graph.embed.server.errors import bad_request

_DEEPEST = 64
_MOST_PARTS = 100_000
# Python writes no longer ones by default, and no schema or argument needs them.
_LARGEST = 10**100


def read_json(body: bytes) -> dict[str, Any]:
    """A request's body as an object.

    Raises:
        RequestError: It is no JSON object, or holds what cannot be handed on.
    """
    try:
        data = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        # It repeats nothing of the body but says where.
        raise bad_request(f"the body is not JSON: {error}") from None
    if not isinstance(data, dict):
        raise bad_request(f"the body must be a JSON object, got {_KINDS.get(type(data), 'something else')}")
    _check(data)
    return data


_KINDS = {
    list: "a list",
    str: "a text",
    int: "a number",
    float: "a number",
    bool: "a truth value",
    type(None): "null",
}


def count_parts(data: Any) -> int:
    """How many values there are in JSON data, itself included."""
    count, left = 0, [data]
    while left:
        value = left.pop()
        count += 1
        if isinstance(value, dict):
            left.extend(value.values())
        elif isinstance(value, list):
            left.extend(value)
    return count


def _check(data: dict[str, Any]) -> None:
    level: list[Any] = [data]
    parts = depth = 0
    while level:
        depth += 1
        if depth > _DEEPEST:
            raise bad_request(f"the body is nested deeper than {_DEEPEST} levels")
        below: list[Any] = []
        for value in level:
            inside = value.values() if isinstance(value, dict) else value
            parts += len(value)
            if parts > _MOST_PARTS:
                raise bad_request(f"the body holds more than {_MOST_PARTS:,} values")
            for part in inside:
                if isinstance(part, dict | list):
                    below.append(part)
                elif isinstance(part, float) and not math.isfinite(part):
                    raise bad_request("the body holds a number that is too large")
                elif isinstance(part, int) and not -_LARGEST < part < _LARGEST:
                    raise bad_request("the body holds a number of more than 100 digits")
        level = below
