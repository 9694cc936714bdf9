"""``Point``: one place in a search space, the value of every axis that has a say there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

Value = bool | int | float | str | None
"""What an axis can be set to: plain data."""


@dataclass(frozen=True, init=False, eq=False)
class Point(Mapping[str, Value]):
    """The values of the axes, by name; immutable, hashable, plain data.

    A *canonical* point holds only axes that change its architecture: whoever has no ranker has no ``rank_top_k``.
    Two canonical points are equal exactly if they decode to equal architectures. Made by a `SearchSpace`.
    """

    _values: Mapping[str, Value]

    def __init__(self, values: Mapping[str, Value]) -> None:
        object.__setattr__(self, "_values", dict(sorted(values.items())))

    def __getitem__(self, axis: str) -> Value:
        return self._values[axis]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    @cached_property
    def key(self) -> str:
        """Twelve hexadecimal digits, equal for equal points, on every machine."""
        text = json.dumps(self._values, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Point) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __repr__(self) -> str:
        return f"Point({', '.join(f'{name}={value!r}' for name, value in self._values.items())})"

    def to_json(self) -> dict[str, Any]:
        """The values as plain data."""
        return dict(self._values)
