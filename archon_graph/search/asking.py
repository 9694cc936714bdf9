"""``AskTell``: a strategy with the history it needs, for those who run the trials themselves."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from archon_graph.search.point import Point
from archon_graph.search.strategies.base import Observation, Strategy

if TYPE_CHECKING:
    from archon_graph.search.space import SearchSpace


class AskTell:
    """Keeps what was proposed and what came of it, so that a strategy can be asked for more.

        asking = AskTell(find_strategy("bayesian"), space)
        for _ in range(20):
            [point] = asking.ask()
            asking.tell(point, score=my_score(space.decode(point)))
        asking.best

    Scores may be told in any order and while other trials are under way. Not safe to be used by several threads at
    once; a `Study` is.

    Args:
        strategy: What proposes.
        space: Where it looks.
        seed: Which of the many possible searches this is.
    """

    def __init__(self, strategy: Strategy, space: SearchSpace, seed: int = 0) -> None:
        self.strategy = strategy
        """What proposes."""
        self.space = space
        """Where it looks."""
        self.seed = seed
        """Which of the many possible searches this is."""
        self._told: dict[Point, Observation | None] = {}  # in the order of proposals; None while under way

    def ask(self, count: int = 1) -> list[Point]:
        """The next points to try; fewer than wanted only if the space has no more.

        Asked again before anything is told, it proposes others: what was proposed counts as under way.
        """
        points = self.strategy.ask(
            self.space, self.observations, count=count, seed=self.seed, pending=self.pending
        )
        self._told.update(dict.fromkeys(points))
        return points

    def tell(self, point: Point, score: float | None, error: float | None = None) -> None:
        """Say what came of a trial; a second word on the same point changes nothing.

        Args:
            point: One that was proposed, or any other of the space that you know the score of.
            score: How good it is, more is better; ``None`` if the trial failed.
            error: Standard error of the score; ``None`` if it is not known.

        Raises:
            ValueError: The point is none of the space, or a number is not finite. Of a failed trial say ``None``.
        """
        if self._told.get(point) is not None:
            return
        if point not in self.space:
            raise ValueError(
                f"only points of the space can be told of, and {point} is none; see SearchSpace.canonical"
            )
        if score is not None and not math.isfinite(score):
            raise ValueError(f"a score is a finite number, got {score} for {point}; of a failed trial say None")
        if error is not None and not (math.isfinite(error) and error >= 0):
            raise ValueError(f"an error is a finite number from 0, got {error} for {point}; one not known is None")
        plain = (None if number is None else float(number) for number in (score, error))
        self._told[point] = Observation(point=point, score=next(plain), error=next(plain))

    @property
    def observations(self) -> list[Observation]:
        """What was told, in the order in which the points were proposed."""
        return [told for told in self._told.values() if told is not None]

    @property
    def pending(self) -> list[Point]:
        """What was proposed and not told of yet, in the order in which it was proposed."""
        return [point for point, told in self._told.items() if told is None]

    @property
    def best(self) -> Observation | None:
        """The one with the highest score, of equal ones the first proposed; ``None`` if there is no score yet."""
        scored = [(told.score, told) for told in self.observations if told.score is not None]
        return max(scored, key=lambda pair: pair[0])[1] if scored else None
