"""The search itself: the single models are measured, then round after round of trials is proposed and raced.

Everything here comes out the same however often it is interrupted: a round is proposed from what all rounds
before it brought, its trials are raced against the incumbent that there was when it began, and a trial that is on
record is not made again. The exception is one with a question that has no score, because calls failed or the
scorer did: that says nothing of the architecture, so the next start asks again.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Literal

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
from archon_graph.search.evaluating import Evaluator, UnansweredError, cost_of, side_by_side
from archon_graph.search.point import Point
from archon_graph.search.racing import estimate_score, question_order
from archon_graph.search.space import SearchSpace
from archon_graph.search.spec import StudySpec
from archon_graph.search.store import StudyStore
from archon_graph.search.strategies.base import Observation
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
        self._again: set[int] = set()
        self._places: dict[str, Point] | None = None
        for trial in store.trials():
            self.trials[trial.number] = trial
            if trial.scored < trial.asked:
                self._again.add(trial.number)
            on_trial(trial)

    async def go(self) -> Literal["trials", "exhausted"]:
        """Measure the models, and search.

        Returns:
            Why it is over: the ``trials`` that were wanted are made, or the space is ``exhausted``.

        Raises:
            SpentError: The budget of the search is spent. Trials that were under way are left undone.
            UnansweredError: Calls fail, question after question, or a model answers nothing at all.
        """
        space = await self.rank_models()
        rounds = self._store.rounds()
        first = len(space.models) + 1
        made, number = 0, 1
        while made < self._spec.trials:
            if number <= len(rounds):
                points = rounds[number - 1]
            else:
                points = await asyncio.to_thread(self._propose, space, number)
                if points:
                    self._store.add_round(points)
            if not points:
                return "exhausted"
            # A whole round is proposed also where fewer trials are wanted: with more of them later on, it goes on
            # as if that many had been wanted from the start.
            await self._make_round(space, number, first + made, points[: self._spec.trials - made])
            made += len(points)
            number += 1
        return "trials"

    def restore(self) -> None:
        """Record the architectures of all trials that are on record, where the file of architectures lost some."""
        ranking = self._store.decisions().get("ranking")
        known = self._store.entries()
        if ranking is None or all(trial.fingerprint in known for trial in self.trials.values()):
            return
        space = self._spec.space.ranked(ranking)
        for _, trial in sorted(self.trials.items()):
            model = self._spec.space.models[trial.number - 1] if trial.round == 0 else None
            self._evaluator.keep(space.decode(trial.point) if model is None else single_model(model))

    async def rank_models(self) -> SearchSpace:
        """The space with its models in measured order, best first: each is measured by one answer a question.

        Source: Archon (arXiv 2409.15254), section 3.3, takes generators best first, too.
        """
        space = self._spec.space
        singles = {label(model): single_model(model) for model in space.models}
        ends = await side_by_side(
            self._make_trial(number, 0, Point({}), one, against=None)
            for number, one in enumerate(singles.values(), start=1)
        )
        scores = dict(zip(singles, (trial.score for trial in ends), strict=True))
        decided = self._store.decisions().get("ranking")
        if decided is None:
            silent = [name for name, score in scores.items() if score is None]
            if silent:
                # No ranking could be made of that, and no architecture with it could be judged.
                why = " ".join((await self._why_unscored(singles[silent[0]])).split())
                raise UnansweredError(
                    f"no question that {', '.join(silent)} was asked has a score: {why}. Mend that, and the same "
                    f"command goes on from here; or take it out of the models"
                )
            # Stable: equal ones stay in the order given.
            decided = sorted(singles, key=lambda name: -(scores[name] or 0.0))
            self._store.decide("ranking", decided)
        return space.ranked(decided)

    async def _why_unscored(self, architecture: Architecture) -> str:
        rows = await self._evaluator.answers(architecture, self._items)
        return next((row.error or row.score.detail for row in rows if not row.score.scored), "it has no reason")

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

    def _places_of_singles(self, space: SearchSpace) -> dict[str, Point]:
        """Where in the space, with its models in this order, single models are, by fingerprint."""
        if self._places is None:
            self._places = {
                space.decode(point).fingerprint: point
                for point in space.points() or ()
                if point["generators"] == point["samples"] == 1 and space.calls(point) == 1
            }
        return self._places

    def _propose(self, space: SearchSpace, number: int) -> list[Point]:
        places = self._places_of_singles(space)
        seen: dict[Point, Observation] = {}
        for _, trial in sorted(self.trials.items()):
            if trial.round >= number:
                continue  # its round is not on record any more; it is proposed again, and finds its trials there
            point = trial.point or places.get(trial.fingerprint)
            if point is not None:
                seen.setdefault(point, replace(trial.observation, point=point))
        return self._spec.strategy.ask(
            space,
            list(seen.values()),
            count=self._spec.parallel,
            # Another one for each round: the history alone may not have changed.
            seed=self._spec.seed * 1_000_003 + number,
        )

    async def _make_round(self, space: SearchSpace, number: int, first: int, points: Sequence[Point]) -> None:
        against = self.incumbent(before_round=number)
        works = [
            self._make_trial(first + place, number, point, space.decode(point), against=against)
            for place, point in enumerate(points)
        ]
        await side_by_side(works)

    async def _make_trial(
        self, number: int, round_: int, point: Point, architecture: Architecture, *, against: Trial | None
    ) -> Trial:
        entry = self._evaluator.keep(architecture)
        if number in self.trials and number not in self._again:
            return self.trials[number]
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
        self._again.discard(number)
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
