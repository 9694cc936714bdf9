"""``BayesianSearch``: a model of the scores says which point is most worth a trial."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, get_args

import numpy as np

from archon_graph.search.point import Point
from archon_graph.search.strategies._surrogate import (
    Array,
    Surrogate,
    SurrogateName,
    fit_forest,
    fit_process,
    one_thread,
)
from archon_graph.search.strategies._tools import any_points, best_first, check_setting, generator, scores, seen
from archon_graph.search.strategies.base import Observation, Strategy

if TYPE_CHECKING:
    from archon_graph.search.space import SearchSpace

Acquisition = Literal["ei", "lcb", "pi"]

_FAR_OF = 300
"""To begin with, the farthest of so many is taken: the farthest of all are corners, which are seldom good."""
_DRAWN = 300
"""The most points to draw by chance where they cannot be listed; 0.2 ms each."""
_NEAR = 5
"""The neighbours of so many of the best points are always looked at."""


@dataclass(frozen=True)
class BayesianSearch(Strategy):
    """Bayesian optimisation with scikit-optimize's surrogates and acquisition functions.

    It begins with points that lie far from each other. From then on a surrogate, fitted to the scores, predicts
    the score of every point not tried yet, with its uncertainty, and the one with the most to gain is proposed.
    What is ranked are points of the space, never raw settings, so nothing is proposed that is invalid, too dear,
    or the same as before. Failed trials are left out: no score is made up for them. Points under way count as if
    they had scored what the model expects (a "constant liar" for each), which keeps batches apart.
    """

    name: ClassVar[str] = "bayesian"

    initial: int = 8
    """Points to begin with, before there is a model."""
    surrogate: SurrogateName = "gp"
    """The model: a Gaussian process, which takes the error of each score as its noise, or a forest of trees."""
    acquisition: Acquisition = "ei"
    """What a trial is for: expected improvement, the upper end of what is likely, or probable improvement."""
    kappa: float = 2.0
    """For "lcb": how many standard deviations up."""
    pool: int = 2000
    """The most points to predict at once; of a larger space, a choice: neighbours of the best, and by chance."""

    def __post_init__(self) -> None:
        for setting, value in (("initial", self.initial), ("pool", self.pool)):
            check_setting(self.name, setting, value, fits=value >= 1, rule="1 or more")
        check_setting(self.name, "kappa", self.kappa, fits=self.kappa >= 0, rule="0 or more")
        for setting, choice, known in (
            ("surrogate", self.surrogate, get_args(SurrogateName)),
            ("acquisition", self.acquisition, get_args(Acquisition)),
        ):
            check_setting(self.name, setting, choice, fits=choice in known, rule=f"one of {', '.join(known)}")

    def ask(
        self,
        space: SearchSpace,
        observations: Sequence[Observation],
        *,
        count: int = 1,
        seed: int = 0,
        pending: Sequence[Point] = (),
    ) -> list[Point]:
        """The points with the most to gain."""
        known, taken = scores(observations), seen(observations, pending)
        chosen: list[Point] = []
        if len(taken) < self.initial or len(known) < 2:
            wanted = max(self.initial - len(taken), 1)
            chosen = self._spread(space, min(count, wanted), seed, taken)
            taken.update(chosen)
        if len(chosen) < count and len(known) >= 2:
            chosen += self._promising(space, observations, count - len(chosen), seed, taken)
            taken.update(chosen)
        if len(chosen) < count:
            chosen += any_points(space, count - len(chosen), generator(self.name, "rest", seed, len(taken)), taken)
        return chosen

    def _spread(self, space: SearchSpace, count: int, seed: int, taken: set[Point]) -> list[Point]:
        """Points far from each other and from all that were taken: of some by chance, always the farthest."""
        taken, chosen = set(taken), []
        for _ in range(count):
            chance = generator(self.name, "spread", seed, len(taken))
            candidates = any_points(space, _FAR_OF if taken else 1, chance, taken)
            if not candidates:
                break
            far = 0
            if taken:
                between = _encoded(space, candidates)[:, None, :] - _encoded(space, list(taken))[None, :, :]
                far = _first_largest(np.abs(between).sum(axis=2).min(axis=1))
            chosen.append(candidates[far])
            taken.add(candidates[far])
        return chosen

    def _promising(
        self, space: SearchSpace, observations: Sequence[Observation], count: int, seed: int, taken: set[Point]
    ) -> list[Point]:
        """The points that the model would try next."""
        known = scores(observations)
        chance = generator(self.name, "pool", seed, len(taken))
        pool = self._pool(space, best_first(known), chance, taken)
        if not pool:
            return []
        x, y = _encoded(space, list(known)), np.array(list(known.values()), dtype=float)
        noise = _noise(observations)
        under_way = _encoded(
            space, sorted(taken - {one.point for one in observations}, key=lambda point: point.key)
        )
        candidates = _encoded(space, pool)
        chosen: list[int] = []
        with one_thread():
            for _ in range(min(count, len(pool))):
                guesses = np.vstack([under_way.reshape(-1, x.shape[1]), candidates[chosen]])
                model = self._model(x, y, noise, guesses, chance)
                value = self._value(model, candidates, x)
                value[chosen] = -np.inf
                chosen.append(_first_largest(value))
        return [pool[index] for index in chosen]

    def _pool(
        self, space: SearchSpace, best: list[Point], chance: random.Random, taken: set[Point]
    ) -> list[Point]:
        """What is ranked: every point left, or of a larger space those near the best and some by chance."""
        points = space.points()
        if points is not None and len(points) <= self.pool:
            return [point for point in points if point not in taken]
        near: dict[Point, None] = {}
        for point in best[:_NEAR]:
            near |= dict.fromkeys(space.neighbours(point))
        by_chance = self.pool
        if points is None:
            # No list to choose from. Points by chance take a while to draw and are hardly ever close to good ones,
            # so fewer of them, and some two steps away instead.
            by_chance = min(self.pool, _DRAWN)
            for point in chance.sample(list(near), min(_NEAR, len(near))):
                near |= dict.fromkeys(space.neighbours(point))
        close = [point for point in near if point not in taken][: max(self.pool // 2, 1)]
        return close + any_points(space, by_chance - len(close), chance, taken | set(close))

    def _model(self, x: Array, y: Array, noise: Array, guesses: Array, chance: random.Random) -> Surrogate:
        """What is believed, given the scores and, for trials under way, what was expected of them."""
        if self.surrogate == "gp":
            model = fit_process(x, y, noise, len(y))
        else:
            seed = chance.getrandbits(32)
            model = fit_forest(x, y, seed)
        if not len(guesses):
            return model
        xs, ys = np.vstack([x, guesses]), np.concatenate([y, model.predict(guesses)[0]])
        if self.surrogate == "gp":
            return fit_process(xs, ys, np.concatenate([noise, np.zeros(len(guesses))]), len(y))
        return fit_forest(xs, ys, seed)

    def _value(self, model: Surrogate, candidates: Array, tried: Array) -> Array:
        """What is to be gained at each candidate."""
        from skopt.acquisition import gaussian_ei, gaussian_lcb, gaussian_pi

        # The best of what the model believes, not of what was measured: that one had luck, too.
        best = float(model.predict(tried)[0].max())
        # skopt looks for the smallest value.
        lower = _Lower(model)
        if self.acquisition == "lcb":
            value = -gaussian_lcb(candidates, lower, kappa=self.kappa)
        elif self.acquisition == "pi":
            value = gaussian_pi(candidates, lower, y_opt=-best, xi=0.0)
        else:
            value = gaussian_ei(candidates, lower, y_opt=-best, xi=0.0)
        return np.asarray(value, dtype=float)


class _Lower:
    """A surrogate turned upside down, with the face that skopt's acquisition functions look at."""

    def __init__(self, model: Surrogate) -> None:
        self._model = model

    def predict(self, x: Array, **_: object) -> tuple[Array, Array]:
        mean, deviation = self._model.predict(x)
        return -mean, deviation


def _encoded(space: SearchSpace, points: Sequence[Point]) -> Array:
    """One row for each point."""
    rows = [space.encode(point) for point in points]
    return np.array(rows, dtype=float) if rows else np.empty((0, 0))


def _noise(observations: Sequence[Observation]) -> Array:
    """Variances of the scores; where an error is not known, the middle of those that are."""
    scored = scores(observations)
    errors = {one.point: one.error for one in observations if one.point in scored}
    given = [error for error in errors.values() if error is not None and math.isfinite(error)]
    middle = statistics.median(given) if given else 0.0
    known = [middle if error is None or not math.isfinite(error) else error for error in errors.values()]
    return np.array(known, dtype=float) ** 2


def _first_largest(values: Array) -> int:
    """Where the largest value stands; of those that only rounding tells apart, the first.

    Machines round differently in the last digits, and what is proposed should not depend on that.
    """
    largest = float(values.max())
    return int(np.argmax(values >= largest - 1e-6 * abs(largest)))
