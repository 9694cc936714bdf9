"""``LocalSearch``: small changes to the best found so far."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from archon_graph.search.point import Point
from archon_graph.search.strategies._tools import any_points, best_first, check_setting, generator, scores, seen
from archon_graph.search.strategies.base import Observation, Strategy

if TYPE_CHECKING:
    from archon_graph.search.space import SearchSpace


@dataclass(frozen=True)
class LocalSearch(Strategy):
    """Mutates one of the best points found so far by a single step.

    After some points of chance it takes one of the best few and proposes a neighbour of it that was not tried yet;
    when those have none left, the next best get their turn. Now and then it proposes a point of chance, so that a
    hill it began on is not the only one it ever sees.
    """

    name: ClassVar[str] = "local"

    initial: int = 8
    """Points of chance to begin with."""
    best: int = 3
    """How many of the best points are mutated."""
    explore: float = 0.1
    """Share of the proposals that are points of chance."""

    def __post_init__(self) -> None:
        for setting, value in (("initial", self.initial), ("best", self.best)):
            check_setting(self.name, setting, value, fits=value >= 1, rule="1 or more")
        check_setting(self.name, "explore", self.explore, fits=0 <= self.explore <= 1, rule="a share from 0 to 1")

    def ask(
        self,
        space: SearchSpace,
        observations: Sequence[Observation],
        *,
        count: int = 1,
        seed: int = 0,
        pending: Sequence[Point] = (),
    ) -> list[Point]:
        """Neighbours of the best."""
        parents, taken = best_first(scores(observations)), seen(observations, pending)
        chosen: list[Point] = []
        for _ in range(count):
            chance = generator(self.name, seed, len(taken))
            exploring = len(taken) < self.initial or chance.random() < self.explore
            found = [] if exploring else self._mutated(space, parents, chance, taken)
            found = found or any_points(space, 1, chance, taken)
            if not found:
                break
            taken.update(found)
            chosen += found
        return chosen

    def _mutated(
        self, space: SearchSpace, parents: list[Point], chance: random.Random, taken: set[Point]
    ) -> list[Point]:
        """A neighbour that is new, of one of the best that have some."""
        families = []
        for parent in parents:
            if new := [point for point in space.neighbours(parent) if point not in taken]:
                families.append(new)
            if len(families) == self.best:
                break
        return [chance.choice(chance.choice(families))] if families else []
