"""``Study``: a search in a directory; ``run_study`` makes one or goes on with it."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from archon_graph.core import Architecture
from archon_graph.evals.asking import Purse
from archon_graph.evals.checking import find_problems, raise_all
from archon_graph.evals.describing import start_record
from archon_graph.evals.log import Row
from archon_graph.models import Budget, Client, ConfigurationError, Usage
from archon_graph.models.cache import default_path
from archon_graph.models.providers import label
from archon_graph.search.evaluating import Asker, Evaluator, LocalAsker, SpentError
from archon_graph.search.finals import Finals
from archon_graph.search.findings import Findings, read_findings
from archon_graph.search.front import Entry, Front, pareto_front
from archon_graph.search.searching import Search, single_model
from archon_graph.search.spec import StudySpec
from archon_graph.search.store import REOPENED, StudyStore
from archon_graph.search.trial import Trial

DEFAULT_FOLDER = Path("studies")
"""Where studies are put that were given no place, under the working directory."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a study is."""

    phase: str
    """What is being done, in words."""
    trials: tuple[Trial, ...]
    """The trials that ended, by number."""
    wanted: int
    """Trials in all, the measured single models included."""
    answers: int
    """Answers since the start."""
    paid: Usage
    """What was paid since the start."""
    seconds: float
    """Seconds since the start."""

    @property
    def best(self) -> Trial | None:
        """The best trial so far that answered every question."""
        found = [trial for trial in self.trials if trial.status == "complete"]
        return max(found, key=lambda trial: (trial.score or 0.0, -trial.number), default=None)


class Study:
    """A study in a directory: what was found so far, also while it runs.

    Args:
        directory: Where it is.

    Raises:
        LogError: There is no study, or it cannot be read.
    """

    def __init__(self, directory: str | Path) -> None:
        self._store = StudyStore(directory)
        self.directory = self._store.directory
        """Where it is."""
        self.about = self._store.study()
        """What was searched, see `StudySpec.describe`."""
        self.findings: Findings = read_findings(self._store)
        """What was found when it was read."""
        self.stopped: Literal["budget"] | None = None
        """Why `run_study` ended early; ``None`` if it did not."""

    @property
    def trials(self) -> tuple[Trial, ...]:
        """The trials that ended, by number."""
        return self.findings.trials

    def best(
        self,
        *,
        max_calls: float | None = None,
        max_tokens: float | None = None,
        max_money: float | None = None,
        max_seconds: float | None = None,
    ) -> Architecture:
        """The architecture to take; ``study.best().save("best.yaml")`` keeps it.

        Without limits that is the winner, or before there is one the best trial. With limits it is the best trial
        that answered every search question within them, on average; what a trial cost that is not known is not
        within any limit. Of equal ones the cheapest.

        Raises:
            ConfigurationError: No trial is within the limits; names the cheapest, or the cost that is not known.
        """
        limits = {"calls": max_calls, "tokens": max_tokens, "money": max_money, "seconds": max_seconds}
        given = {unit: most for unit, most in limits.items() if most is not None}
        winner = self.findings.winner
        if not given and winner is not None:
            return winner.architecture
        complete = [trial for trial in self.trials if trial.status == "complete" and trial.cost is not None]
        within = [trial for trial in complete if all(_within(trial, unit, most) for unit, most in given.items())]
        if not within:
            raise ConfigurationError(self._nothing_within(complete, given))
        found = min(
            within,
            key=lambda trial: (-(trial.score or 0.0), trial.cost.calls if trial.cost else 0.0, trial.number),
        )
        return self.findings.entries[found.fingerprint].architecture

    def front(self, unit: str | None = None) -> Front:
        """The trials that no other one beats in both score and cost.

        Args:
            unit: ``calls``, ``tokens``, ``money`` or ``seconds``; by default what the study weighs against. The
                keys of its entries are the numbers of trials.
        """
        by = unit or str(self.about["cost"])
        return pareto_front(
            Entry(str(trial.number), trial.score, trial.cost.of(by))
            for trial in self.trials
            if trial.status == "complete" and trial.score is not None and trial.cost is not None
        )

    def _nothing_within(self, complete: list[Trial], given: dict[str, float]) -> str:
        if not complete:
            return f"no trial of {self.directory} has answered every question yet; go on with the search first"
        told = " and ".join(_amount(most, unit) for unit, most in given.items()) or "no limit"
        # Only what is in the way is told: a limit that some trial keeps is not, by itself.
        hints = []
        for unit, most in given.items():
            known = [cost for trial in complete if trial.cost and (cost := trial.cost.of(unit)) is not None]
            if not known:
                hints.append(f"how {_MUCH[unit]} a question takes is not known of any trial")
            elif min(known) > most:
                hints.append(f"the cheapest takes {_amount(min(known), unit)} a question")
        hints = hints or ["each limit is kept by some trial, and no trial keeps all of them"]
        return f"no trial of {self.directory} is within {told} a question; {', and '.join(hints)}"


_MUCH = {"calls": "many calls", "tokens": "many tokens", "money": "much money", "seconds": "many seconds"}


def _amount(value: float, unit: str) -> str:
    """So much of a cost, in words."""
    name = "USD" if unit == "money" else unit.removesuffix("s") if value == 1 else unit
    return f"{value:,.10g} {name}"


def _within(trial: Trial, unit: str, most: float) -> bool:
    cost = None if trial.cost is None else trial.cost.of(unit)
    return cost is not None and cost <= most


async def run_study(
    spec: StudySpec,
    *,
    out: str | Path | None = None,
    client: Client | None = None,
    asker: Asker | None = None,
    concurrency: int = 8,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> Study:
    """Search, choose, and report on held-out questions; a study that is there is gone on with.

    More trials, or more of a budget that ended the search, make a search that was over go on: finalists are chosen
    anew, and the verdict tells that held-out questions were looked at before.

    Model calls: those of every architecture that is tried, but for what is recorded: architectures that share a
    part pay for it once, and a second run of the same study pays nothing.

    Args:
        spec: What is searched.
        out: The study's directory; by default one in `DEFAULT_FOLDER` whose name is made of what is searched.
        client: What to draw through; by default one that keeps answers in the user's own cache.
        asker: Puts the questions, where that is not to be done in this process.
        concurrency: Most questions at once.
        on_progress: Called when something happened.

    Raises:
        ConfigurationError: A model cannot be used, an answer could not be scored, a cap could not be kept, or the
            directory holds another study. Nothing was called.
        UnansweredError: Calls fail, question after question.
    """
    if concurrency < 1:
        raise ConfigurationError(f"concurrency is the most questions at once, at least 1, got {concurrency}")
    through = client if client is not None else Client(cache=default_path())
    try:
        await _check(spec, through)
        store = StudyStore(out if out is not None else DEFAULT_FOLDER / default_name(spec))
        start = await asyncio.to_thread(start_record, concurrency=concurrency)
        about = {"identity": spec.identity, **spec.describe(), "starts": [start]}
        with store.writing(about, spec.data):
            work = _Work(
                spec, store, _asker(spec, through, asker), concurrency=concurrency, on_progress=on_progress
            )
            await work.go()
    finally:
        if asker is not None:
            asker.close()
        if client is None:
            through.close()
    study = Study(store.directory)
    study.stopped = work.stopped
    return study


def default_name(spec: StudySpec) -> str:
    """A name for the directory of a study, which the same study finds again."""
    text = json.dumps(spec.identity, sort_keys=True, default=str)
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", spec.data["search"].name).strip(".-") or "study"
    return f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


async def _check(spec: StudySpec, client: Client) -> None:
    """Everything that can be known before the first call: models, caps, and whether answers can be scored."""
    singles = {f"{label(model)} alone": single_model(model) for model in spec.space.models}
    # A point with as much of everything as there is: its models and techniques are those of all points.
    points = spec.space.sample(0, 1)
    if not points:
        raise ConfigurationError(
            "the space holds no architecture that is valid and within max_calls; raise max_calls, or widen an axis"
        )
    singles |= {spec.space.decode(point).name: spec.space.decode(point) for point in spec.space.sample(0, 8)}
    budgets = [each for each in (spec.budget, spec.budget_per_question) if each is not None]
    problems = []
    for split, part in spec.data.items():
        problems += await find_problems(
            singles if split == "search" else {}, part, client, budgets=budgets, total=spec.budget
        )
    raise_all(problems)


def _asker(spec: StudySpec, client: Client, asker: Asker | None) -> Asker:
    if asker is not None:
        return asker
    scorer = spec.data["search"].scorer
    return LocalAsker(client, scorer, seed=spec.seed, budget=spec.budget_per_question)


def _wants_more(searched: Mapping[str, Any], trials: int, limits: Budget | None) -> bool:
    """Whether a search that is over goes on, because what ended it does not end it any more.

    Args:
        searched: How it ended, and the limits it had.
        trials: The trials wanted now.
        limits: What it may spend now.
    """
    if searched["end"] == "trials":
        return bool(trials > searched["trials"])
    if searched["end"] == "exhausted" or searched["budget"] is None:
        return False
    now = dict.fromkeys(searched["budget"]) if limits is None else asdict(limits)
    return any(
        before is not None and (now[unit] is None or now[unit] > before)
        for unit, before in searched["budget"].items()
    )


class _Work:
    """One start of a study."""

    def __init__(
        self,
        spec: StudySpec,
        store: StudyStore,
        asker: Asker,
        *,
        concurrency: int,
        on_progress: Callable[[Progress], None],
    ) -> None:
        self._spec = spec
        self._store = store
        self._started = time.monotonic()
        self._on_progress = on_progress
        self._phase = "search"
        self._answers = 0
        self._trials: dict[int, Trial] = {}
        self._evaluator = Evaluator(store, asker, concurrency=concurrency, on_answer=self._answered)
        self.stopped: Literal["budget"] | None = None

    async def go(self) -> None:
        search = Search(self._spec, self._store, self._evaluator, on_trial=self._ended)
        search.restore()
        if not await self._search(search):
            self.stopped = "budget"
            self._tell("the search's share of the budget is spent before the models are measured")
            return
        self._evaluator.purse = self._purse(1.0)
        finals = Finals(self._spec, self._store, self._evaluator, search, on_phase=self._tell)
        try:
            await finals.go()
        except SpentError:
            self.stopped = "budget"
        self._tell("done" if self.stopped is None else "the budget is spent")

    async def _search(self, search: Search) -> bool:
        """Search, unless that is over; say whether there is somebody to choose among."""
        decided = self._store.decisions()
        limits = self._spec.budget_of(self._spec.search_share)
        if "searched" in decided:
            searched = decided["searched"]
            if _wants_more(searched, self._spec.trials, limits):
                self._store.decide(REOPENED, {"trials": self._spec.trials})
            elif len(search.trials) >= searched["made"] and len(self._store.rounds()) >= searched["rounds"]:
                return True
            # Or else files were damaged: what they lost is worked out again.
        self._evaluator.purse = self._purse(self._spec.search_share)
        try:
            end: str = await search.go()
        except SpentError:
            # What is left of the budget was kept for what follows.
            end = "budget"
            self._tell("the search's share of the budget is spent")
            if "ranking" not in self._store.decisions():
                return False
        if "searched" not in self._store.decisions():
            told = {
                "end": end,
                "trials": self._spec.trials,
                "budget": None if limits is None else asdict(limits),
                "made": len(search.trials),
                "rounds": len(self._store.rounds()),
            }
            self._store.decide("searched", told)
        return True

    def _purse(self, share: float) -> Purse | None:
        """What may still be paid of this share of the budget, what earlier starts paid taken off."""
        budget, spent = self._spec.budget_of(share), self._evaluator.spent
        if budget is None:
            return None
        tokens = spent.prompt_tokens + spent.completion_tokens
        elapsed = time.monotonic() - self._started
        return Purse(
            Budget(
                calls=None if budget.calls is None else max(0, budget.calls - spent.calls),
                tokens=None if budget.tokens is None else max(0, budget.tokens - tokens),
                money=None if budget.money is None else max(0.0, budget.money - spent.money),
                # Of each start by itself: between them, time passes that nobody used.
                seconds=None if budget.seconds is None else max(0.0, budget.seconds - elapsed),
            )
        )

    def _answered(self, _: Row) -> None:
        self._answers += 1
        self._tell(self._phase)

    def _ended(self, trial: Trial) -> None:
        self._trials[trial.number] = trial
        self._tell(self._phase)

    def _tell(self, phase: str) -> None:
        self._phase = phase
        self._on_progress(
            Progress(
                phase=phase,
                trials=tuple(self._trials[number] for number in sorted(self._trials)),
                wanted=self._spec.trials + len(self._spec.space.models),
                answers=self._answers,
                paid=self._evaluator.paid,
                seconds=time.monotonic() - self._started,
            )
        )
