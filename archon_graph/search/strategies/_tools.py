"""What strategies share: their own source of chance, what has been seen, and points to fall back on."""

from __future__ import annotations

import hashlib
import json
import math
import random
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, TypeVar

from archon_graph.search.point import Point
from archon_graph.search.strategies.base import Observation

if TYPE_CHECKING:
    from archon_graph.search.space import SearchSpace

_T = TypeVar("_T")


def generator(*parts: int | str) -> random.Random:
    """A source of chance that is the same for equal parts, in every process and on every machine."""
    digest = hashlib.sha256(json.dumps(parts).encode()).digest()
    return random.Random(int.from_bytes(digest[:8], "big"))  # noqa: S311  nothing secret is drawn


def scores(observations: Sequence[Observation]) -> dict[Point, float]:
    """The scores there are, by point. A failed trial has none: it is no low score, it is not known."""
    return {one.point: one.score for one in observations if one.score is not None and math.isfinite(one.score)}


def seen(observations: Sequence[Observation], pending: Iterable[Point]) -> set[Point]:
    """What must not be proposed again."""
    return {one.point for one in observations} | set(pending)


def shuffled(things: Sequence[_T], chance: random.Random) -> list[_T]:
    """All of them in an order of chance."""
    return chance.sample(things, len(things))


def best_first(known: dict[Point, float]) -> list[Point]:
    """The highest score first; of equal ones, the one that was proposed first."""
    return sorted(known, key=known.__getitem__, reverse=True)


def any_points(space: SearchSpace, count: int, chance: random.Random, excluding: set[Point]) -> list[Point]:
    """So many points by chance, none of the excluded ones; fewer if no more are left."""
    if count <= 0:
        return []
    points = space.points()
    if points is None:
        return list(space.sample(chance.getrandbits(32), count, excluding))
    left = [point for point in points if point not in excluding]
    return chance.sample(left, min(count, len(left)))


def check_setting(strategy: str, setting: str, value: object, *, fits: bool, rule: str) -> None:
    """Refuse a setting that makes no sense.

    Raises:
        ValueError: It does not fit.
    """
    if not fits:
        raise ValueError(f"the setting {setting} of the strategy {strategy} has to be {rule}, and is {value!r}")
