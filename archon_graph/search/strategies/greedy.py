"""``GreedySearch``: one axis at a time, keeping the best value of each."""

from __future__ import annotations

import math
import random
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from itertools import count as counting
from typing import TYPE_CHECKING, ClassVar

from archon_graph.search.point import Point, Value
from archon_graph.search.strategies._tools import any_points, generator, scores, seen, shuffled
from archon_graph.search.strategies.base import Observation, Strategy

if TYPE_CHECKING:
    from archon_graph.search.space import SearchSpace

Walk = Generator[Point, float | None, None]
"""Yields a point it wants to know about, and is sent the score, or ``None`` where there is none (yet)."""


@dataclass(frozen=True)
class GreedySearch(Strategy):
    """Tries every value of one axis, keeps the best, and goes on with the next axis.

    It begins at a point of chance and takes the axes in an order of chance. When a whole round over the axes has
    improved nothing, it begins again at another point. A trial that failed is passed over.

    The walk is done anew at each `ask`, on the scores that are known by then; the first points it lacks a score
    for are the ones it proposes. While trials are under way it goes on as if they had not improved anything.
    """

    name: ClassVar[str] = "greedy"

    def ask(
        self,
        space: SearchSpace,
        observations: Sequence[Observation],
        *,
        count: int = 1,
        seed: int = 0,
        pending: Sequence[Point] = (),
    ) -> list[Point]:
        """The next points of the walk."""
        known, taken = scores(observations), seen(observations, pending)
        chosen: list[Point] = []
        walk = self.walk(space, seed)
        point = next(walk, None)
        while point is not None and len(chosen) < count:
            if point not in taken:
                taken.add(point)
                chosen.append(point)
            try:
                point = walk.send(known.get(point))
            except StopIteration:
                point = None
        return chosen

    def walk(self, space: SearchSpace, seed: int = 0) -> Walk:
        """The walk itself, for those who can give it a score at once."""
        visited: set[Point] = set()
        for number, start in enumerate(_starts(space, seed, visited)):
            yield from _climb(space, start, generator(self.name, "axes", seed, number), visited)


def _starts(space: SearchSpace, seed: int, visited: set[Point]) -> Iterator[Point]:
    """Points of chance to begin at, none of those visited by then; ends when there are no others."""
    points = space.points()
    if points is not None:
        chance = generator("greedy", seed)
        while len(visited) < len(points):
            start = chance.choice(points)
            if start not in visited:
                yield start
        return
    for number in counting():
        found = any_points(space, 1, generator("greedy", seed, number), visited)
        if not found:
            return
        yield from found


def _climb(space: SearchSpace, here: Point, chance: random.Random, visited: set[Point]) -> Walk:
    """One axis after the other, round and round, until a whole round improves nothing."""
    axes = shuffled(space.axes, chance)
    # What an axis is set to while it has no say, so that it has a value when it gets one.
    values: dict[str, Value] = {axis.name: axis.values[0] for axis in axes} | dict(here)
    visited.add(here)
    score = yield here
    best = -math.inf if score is None else score
    improved = True
    while improved:
        improved = False
        for axis in axes:
            for value in axis.values:
                point = space.canonical(values | {axis.name: value})
                if point is None or point == here:
                    continue
                visited.add(point)
                score = yield point
                if score is not None and score > best:
                    best, here, improved = score, point, True
            values |= here
