"""``RandomSearch``: any point, each as likely as the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, ClassVar

from archon_graph.search.point import Point
from archon_graph.search.strategies._tools import any_points, generator, seen, shuffled
from archon_graph.search.strategies.base import Observation, Strategy

if TYPE_CHECKING:
    from archon_graph.search.space import SearchSpace


@dataclass(frozen=True)
class RandomSearch(Strategy):
    """Proposes the points of the space in an order of chance, without a look at the scores.

    Every architecture is as likely as any other: the order is one of canonical points, so one that many raw
    settings lead to is not drawn more often. Where the space can be enumerated the seed fixes the whole order, and
    asking for four at once proposes what asking four times does.
    """

    name: ClassVar[str] = "random"

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
        points = space.points()
        if points is None:
            return any_points(space, count, generator(self.name, seed, len(known)), known)
        order = shuffled(points, generator(self.name, seed))
        return list(islice((point for point in order if point not in known), count))
