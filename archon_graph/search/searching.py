"""The search itself: the single models are measured, then round after round of trials is proposed and raced.

Everything here comes out the same however often it is interrupted: a round is proposed from what all rounds
before it brought, its trials are raced against the incumbent that there was when it began, and a trial that is on
record is not made again.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import asdict
from typing import Any

from archon_graph.components import Generator
from archon_graph.core import Architecture
from archon_graph.evals.benchmarks import Item
from archon_graph.evals.log import Row
from archon_graph.evals.scorers import UNSCORED
from archon_graph.evals.scorers.base import Value
from archon_graph.evals.statistics.arrays import as_floats, as_groups, regroup
from archon_graph.evals.statistics.means import standard_error
from archon_graph.models import ModelLike, Usage
from archon_graph.models.providers import label
from archon_graph.search.evaluating import Evaluator, cost_of
from archon_graph.search.point import Point
from archon_graph.search.racing import estimate_score, question_order
from archon_graph.search.space import SearchSpace
from archon_graph.search.spec import StudySpec
from archon_graph.search.store import StudyStore
from archon_graph.search.trial import Status, Trial

OnTrial = Callable[[Trial], None]


def single_model(model: ModelLike) -> Architecture:
    """One answer of one model: what every architecture has to beat."""
    return Architecture.from_layers([Generator(model)], name=f"{label(model)} alone")


class Search:
    """The search of a study.

    Args:
        spec: What is searched.
        store: The study's directory, held for writing.
        evaluator: Has architectures answer.
        on_trial: Called when a trial ended; those on record are told of first.
    """

    def __init__(
        self, spec: StudySpec, store: StudyStore, evaluator: Evaluator, *, on_trial: OnTrial = lambda _: None
    ) -> None:
        self._spec = spec
        self._store = store
        self._evaluator = evaluator
        self._on_trial = on_trial
        items = {item.id: item for item in spec.data["search"].items}
        self._items = [items[name] for name in question_order(list(items), spec.seed)]
        self.trials: dict[int, Trial] = {}
        """The trials that ended, by number."""
        for trial in store.trials():
            self.trials[trial.number] = trial
            on_trial(trial)

    async def go(self) -> None:
        """Measure the models, and search until the trials are made or nothing new can be proposed.

        Raises:
            SpentError: The budget of the search is spent. Trials that were under way are left undone.
        """
        space = await self.rank_models()
        rounds = self._store.rounds()
        first = len(space.models) + 1
        made, number = 0, 1
        while made < self._spec.trials:
            if number <= len(rounds):
                points = rounds[number - 1]
            else:
                points = await asyncio.to_thread(self._propose, space, number, self._spec.trials - made)
                if points:
                    self._store.add_round(points)
            if not points:
                return  # every architecture of the space was tried
            await self._make_round(space, number, first + made, points)
            made += len(points)
            number += 1

    async def rank_models(self) -> SearchSpace:
        """The space with its models in measured order, best first: each is measured by one answer a question.

        Source: Archon (arXiv 2409.15254), section 3.3, takes generators best first, too.
        """
        space = self._spec.space
        singles = {label(model): single_model(model) for model in space.models}
        ends = await asyncio.gather(
            *(
                self._make_trial(number, 0, self._place(space, one), one, against=None)
                for number, one in enumerate(singles.values(), start=1)
            )
        )
        decided = self._store.decisions().get("ranking")
        if decided is None:
            # Stable: equal ones stay in the order given.
            scores = dict(zip(singles, (trial.score for trial in ends), strict=True))
            decided = sorted(
                singles, key=lambda name: -(-math.inf if scores[name] is None else scores[name] or 0.0)
            )
            self._store.decide("ranking", decided)
        return space.ranked(decided)

    def incumbent(self, before_round: int | None = None) -> Trial | None:
        """The best trial so far that answered every question; of equal ones the cheapest, then the first.

        Args:
            before_round: Only trials of earlier rounds; all by default.
        """
        found = [
            trial
            for trial in self.trials.values()
            if trial.status == "complete" and (before_round is None or trial.round < before_round)
        ]
        return min(found, key=_rank, default=None)

    def _place(self, space: SearchSpace, single: Architecture) -> Point:
        """Where a single model is in the space; an empty point if it is not."""
        points = space.points() or ()
        found = (point for point in points if space.calls(point) == 1)
        return next((point for point in found if space.decode(point) == single), Point({}))

    def _propose(self, space: SearchSpace, number: int, most: int) -> list[Point]:
        told = [trial for _, trial in sorted(self.trials.items()) if trial.point]
        seen: dict[Point, Trial] = {}
        for trial in told:
            seen.setdefault(trial.point, trial)
        return self._spec.strategy.ask(
            space,
            [trial.observation for trial in seen.values()],
            count=min(self._spec.parallel, most),
            # Another one for each round: the history alone may not have changed.
            seed=self._spec.seed * 1_000_003 + number,
        )

    async def _make_round(self, space: SearchSpace, number: int, first: int, points: Sequence[Point]) -> None:
        against = self.incumbent(before_round=number)
        works = [
            self._make_trial(first + place, number, point, space.decode(point), against=against)
            for place, point in enumerate(points)
        ]
        await _all_of(works)

    async def _make_trial(
        self, number: int, round_: int, point: Point, architecture: Architecture, *, against: Trial | None
    ) -> Trial:
        if number in self.trials:
            return self.trials[number]
        entry = self._evaluator.keep(architecture)
        rows, status = await self._race(architecture, against)
        mine = [row.score.value for row in rows]
        theirs = await self._scores_of(against) if against is not None else []
        count = len(self._items)
        raced = status == "dropped"
        if raced:
            estimate = estimate_score(mine, theirs, questions=count)
            score, error = estimate.mean, estimate.standard_error
        else:
            score, error = _complete(rows)
        trial = Trial(
            number=number,
            round=round_,
            fingerprint=entry.fingerprint,
            name=entry.name,
            point=point,
            status="failed" if score is None else status,
            score=score,
            error=error,
            scored=sum(value is not UNSCORED for value in mine),
            asked=len(rows),
            questions=count,
            against=None if against is None else against.number,
            cost=cost_of(rows),
            usage=asdict(Usage.total(Usage(**row.usage) for row in rows)),
            paid=asdict(Usage.total(Usage(**row.paid) for row in rows)),
        )
        self._store.add_trial(trial)
        self.trials[number] = trial
        self._on_trial(trial)
        return trial

    async def _race(self, architecture: Architecture, against: Trial | None) -> tuple[list[Row], Status]:
        """Answers, until the trial is shown to be worse than the incumbent."""
        rule = self._spec.racing
        if rule is None or against is None or against.fingerprint == architecture.fingerprint:
            return await self._evaluator.answers(architecture, self._items), "complete"
        theirs = await self._scores_of(against)
        rows: list[Row] = []
        while len(rows) < len(self._items):
            block = self._items[len(rows) : len(rows) + rule.block]
            rows += await self._evaluator.answers(architecture, block)
            if len(rows) < len(self._items) and rule.look([row.score.value for row in rows], theirs).dropped:
                return rows, "dropped"
        return rows, "complete"

    async def _scores_of(self, trial: Trial) -> list[Value]:
        """The scores of a trial that answered every question, from the record."""
        entry = self._store.entries()[trial.fingerprint]
        rows = await self._evaluator.answers(entry.architecture, self._items)
        return [row.score.value for row in rows]

    @property
    def items(self) -> Sequence[Item]:
        """The search questions in the order in which every trial answers them."""
        return self._items


def _rank(trial: Trial) -> tuple[float, float, int]:
    cost = math.inf if trial.cost is None else trial.cost.calls
    return (-(trial.score if trial.score is not None else -math.inf), cost, trial.number)


def _complete(rows: Sequence[Row]) -> tuple[float | None, float | None]:
    """Mean and standard error of scores, clusters of questions allowed for."""
    values, there = as_floats([row.score.value for row in rows])
    if not there.any():
        return None, None
    groups = regroup(as_groups([row.cluster for row in rows], len(rows))[there])
    return float(values[there].mean()), standard_error(values[there], groups)


async def _all_of(works: Sequence[Coroutine[Any, Any, Trial]]) -> None:
    """Run all to their end; if one fails, end the others, and raise what it raised."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
