"""Ways through a search space: all of its points, some by chance, and those one step away."""

from __future__ import annotations

import contextlib
import itertools
import random
from collections.abc import Callable, Iterator, Sequence

from archon_graph.search.axes import NAMES, Axis
from archon_graph.search.canonical import Rules, Settled
from archon_graph.search.point import Point, Value

# Unaffordable combinations are passed over while points are listed. This many for each point that may be listed,
# and the space counts as too large to list.
_PASSED_OVER = 10
# Draws of values for each point that is wanted, before the space is gone through in an order of chance.
_TRIES = 200


class Explorer:
    """Goes through one space.

    Args:
        axes: What varies.
        rules: What combinations of values come to.
        affordable: Whether what decides the calls is within the budget.
        most: Up to how many points are listed.
    """

    def __init__(
        self, axes: Sequence[Axis], rules: Rules, affordable: Callable[[Settled], bool], most: int
    ) -> None:
        self._axes = {axis.name: axis for axis in axes}
        self._rules, self._affordable, self._most = rules, affordable, most

    def points(self) -> tuple[Point, ...] | None:
        """Every point, in a fixed order; ``None`` if there are too many, or too much has to be passed over."""
        found: list[Point] = []
        try:
            for settled in self._rules.walk(lambda name: self._axes[name].values, self._bounded()):
                found.append(Point(settled))
                if len(found) > self._most:
                    return None
        except _TooManyError:
            return None
        return tuple(found)

    def sample(
        self, chance: random.Random, count: int, taken: set[Point], points: Sequence[Point] | None
    ) -> list[Point]:
        """Different points by chance, none of those taken.

        Args:
            chance: Decides which.
            count: How many.
            taken: Points not to draw; more are added.
            points: All points, if they can be listed.
        """
        if points is not None:
            free = [point for point in points if point not in taken]
            return chance.sample(free, min(count, len(free)))
        drawn: list[Point] = []
        for _ in range(_TRIES * count):
            if len(drawn) == count:
                return drawn
            settled = self._rules.canonical(
                {name: chance.choice(axis.values) for name, axis in self._axes.items()}
            )
            if settled is not None and self._affordable(settled) and (point := Point(settled)) not in taken:
                taken.add(point)
                drawn.append(point)
        return [*drawn, *itertools.islice(self._anything_else(chance, taken), count - len(drawn))]

    def neighbours(self, point: Point) -> list[Point]:
        """The points one step away; see `SearchSpace.neighbours`."""
        alike = {name: self._rules.alike(name, point) for name in NAMES}
        found: dict[Point, None] = {}
        for name in NAMES:
            # What a change of an inactive axis leads to is the point itself.
            if name in point:
                stepped = {**alike, name: _one_step(self._axes[name], alike[name])}
                walked = self._rules.walk(stepped.__getitem__, self._affordable)
                found |= dict.fromkeys(Point(settled) for settled in walked)
        found.pop(point, None)
        return list(found)

    def _anything_else(self, chance: random.Random, taken: set[Point]) -> Iterator[Point]:
        def shuffled(name: str) -> Sequence[Value]:
            values = self._axes[name].values
            return chance.sample(values, len(values))

        with contextlib.suppress(_TooManyError):
            for settled in self._rules.walk(shuffled, self._bounded()):
                if (point := Point(settled)) not in taken:
                    yield point

    def _bounded(self) -> Callable[[Settled], bool]:
        """Whether what is settled is affordable; gives up when too much of what it is asked about is not."""
        passed_over = 0

        def fits(settled: Settled) -> bool:
            nonlocal passed_over
            affordable = self._affordable(settled)
            passed_over += not affordable
            if passed_over > _PASSED_OVER * self._most:
                raise _TooManyError
            return affordable

        return fits


class _TooManyError(Exception):
    """A space holds too many unaffordable combinations to go through."""


def _one_step(axis: Axis, values: Sequence[Value]) -> list[Value]:
    """Every value that is one step from one of these."""
    if not axis.ordered:
        return [other for other in axis.values if any(other != value for value in values)]
    ranks = [axis.values.index(value) for value in values]
    return [other for rank, other in enumerate(axis.values) if any(abs(rank - mine) == 1 for mine in ranks)]
