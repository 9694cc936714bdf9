"""JSON schemas that a stranger wrote: checked before any of our code follows them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from archon_graph.embed.server.errors import bad_request
from archon_graph.embed.server.plain import count_parts

# A check takes some microseconds for each, in the event loop that serves everybody.
_MOST_PARTS = 5_000
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
# Each names a place that a library could try to fetch, or to resolve others against.
_NAMES = ("$schema", "$id", "id", "$anchor", "$dynamicAnchor")


def check_schema(schema: Mapping[str, Any], where: str) -> None:
    """See that a schema keeps to itself.

    Args:
        schema: The schema.
        where: The parameter it stands in.

    Raises:
        RequestError: It is too large, or refers to another document: whoever validates with it would fetch that,
            from inside of our network or from our disk.
    """
    if count_parts(schema) > _MOST_PARTS:
        raise bad_request(f"the schema in {where} holds more than {_MOST_PARTS:,} values; simplify it", where)
    for part in _objects(schema):
        for name in _REFERENCES:
            target = part.get(name)
            # A property may have this name; then a schema stands here.
            if isinstance(target, str) and not target.startswith("#"):
                raise bad_request(
                    f"the schema in {where} refers to another document ({target[:80]!r}); put what it refers to "
                    f"into its $defs, and refer to '#/$defs/...'",
                    where,
                )
        for name in _NAMES:
            value = part.get(name)
            if value is not None and not isinstance(value, str | dict):
                raise bad_request(f"{name} of the schema in {where} must be a text", where)


def _objects(schema: Any) -> Iterator[Mapping[str, Any]]:
    left = [schema]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            yield value
            left.extend(value.values())
        elif isinstance(value, list):
            left.extend(value)
