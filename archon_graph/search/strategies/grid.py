"""``GridSearch``: every point in turn, coarse before fine."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from archon_graph.search.point import Point
from archon_graph.search.strategies._tools import any_points, generator, seen
from archon_graph.search.strategies.base import Observation, Strategy

if TYPE_CHECKING:
    from archon_graph.search.space import SearchSpace

_PATIENCE = 20_000
"""Raw points in a row that lead to nothing new, after which points by chance are the better use of time."""


@dataclass(frozen=True)
class GridSearch(Strategy):
    """Proposes every point of the space in a fixed order, coarse before fine.

    The space's own order would spend a small budget in one corner of it. So the list of points is halved again
    and again (its first point, the middle one, the quarters, ...), and whatever the budget, what was tried is
    spread over the whole list. Neither scores nor the seed change the order.
    """

    name: ClassVar[str] = "grid"

    def ask(
        self,
        space: SearchSpace,
        observations: Sequence[Observation],
        *,
        count: int = 1,
        seed: int = 0,
        pending: Sequence[Point] = (),
    ) -> list[Point]:
        """The next points of the order."""
        known = seen(observations, pending)
        chosen: list[Point] = []
        missed = 0
        for point in _order(space):
            if len(chosen) == count:
                break
            if point is not None and point not in known:
                known.add(point)
                chosen.append(point)
                missed = 0
                continue
            missed += 1
            if missed > _PATIENCE and space.points() is None:
                chosen += any_points(space, count - len(chosen), generator(self.name, seed, len(known)), known)
                break
        return chosen


def _order(space: SearchSpace) -> Iterator[Point | None]:
    """Points coarse before fine; ``None`` for raw values that are no point."""
    points = space.points()
    if points is not None:
        for index in _halving(len(points)):
            yield points[index]
        return
    axes = space.axes
    for index in _halving(math.prod(len(axis.values) for axis in axes)):
        values, rest = {}, index
        for axis in reversed(axes):
            rest, digit = divmod(rest, len(axis.values))
            values[axis.name] = axis.values[digit]
        yield space.canonical(values)


def _halving(size: int) -> Iterator[int]:
    """Every number below ``size`` once: 0, the middle, the quarters, ... (bits reversed, after van der Corput)."""
    bits = max(size - 1, 0).bit_length()
    for number in range(1 << bits):
        index = int(format(number, f"0{bits}b")[::-1], 2) if bits else 0
        if index < size:
            yield index
