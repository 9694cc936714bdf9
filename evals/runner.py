"""``evaluate``: architectures on a benchmark: every question to each of them, scored and logged.

Questions go item by item, so that all architectures are done with the same ones if it ends early. What is in
the log is not done again, and what is in the cache is not paid for again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from archon_graph.core import Architecture
from archon_graph.evals.asking import SPENT, Purse, answer_item, judge_failed, paid_for_judging
from archon_graph.evals.benchmarks import Benchmark, Item
from archon_graph.evals.checking import find_problems, raise_all
from archon_graph.evals.describing import default_name, describe, now
from archon_graph.evals.log import EvaluationLog, LogError, Row
from archon_graph.evals.scorers import Score
from archon_graph.evals.scoring import score_answer
from archon_graph.models import Budget, Client, Usage
from archon_graph.models.cache import default_path

# So many questions in a row without an answer because calls failed, and a model is taken to be gone: what is left
# for its architecture would only cost time, and is asked at the next start. Failures come faster than answers, so
# with many questions at once there may be many before the first answer.
_MOST_UNANSWERED, _MOST_UNANSWERED_PER_WORKER = 20, 5

DEFAULT_FOLDER = Path("evaluations")
"""Where logs are put that were given no place, under the working directory."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far an evaluation is."""

    done: int
    """Questions done, those of an earlier start included; each architecture's count by themselves."""
    total: int
    """Questions in all."""
    paid: Usage
    """What was paid since the start."""
    seconds_left: float | None
    """Estimate of the time left, from what was done since the start; ``None`` before anything was."""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What came of it."""

    directory: Path
    """Where its log is."""
    run: Mapping[str, Any]
    """What was evaluated, see `describe`."""
    items: tuple[Item, ...]
    """The questions."""
    rows: tuple[Row, ...]
    """Every question of every architecture that was done, by architecture in the order given, then by item."""
    paid: Usage
    """What was paid since the start; what earlier starts paid is not in it."""
    stopped: Literal["budget", "errors"] | None = None
    """Why it ended early: its budget was spent, or the calls of an architecture did not come through any more, and
    no more of its questions were asked; ``None`` if it did not."""

    @property
    def architectures(self) -> tuple[str, ...]:
        """The names of the architectures, in the order given."""
        return tuple(entry["name"] for entry in self.run["architectures"])

    @property
    def missing(self) -> int:
        """How many questions were not done yet."""
        return len(self.architectures) * len(self.items) - len(self.rows)

    @property
    def left(self) -> int:
        """How many questions the next start takes up: those not done yet, and those that are unscored."""
        return self.missing + sum(not row.score.scored for row in self.rows)

    def of(self, architecture: str) -> list[Row]:
        """The rows of one architecture, by item."""
        return [row for row in self.rows if row.architecture == architecture]

    @classmethod
    def read(cls, directory: str | Path) -> Evaluation:
        """An evaluation from its log, which may still be written to.

        Raises:
            LogError: There is none, or it cannot be read.
        """
        log = EvaluationLog(directory)
        run, items = log.run(), log.items()
        names = {entry["name"]: place for place, entry in enumerate(run["architectures"])}
        ids = {item.id: place for place, item in enumerate(items)}
        rows = log.rows()
        for row in rows:
            if row.architecture not in names or row.item not in ids:
                raise LogError(
                    f"{log.directory} holds an answer of {row.architecture!r} to {row.item!r}, and its evaluation "
                    f"has none such; was a file of another one put there?"
                )
        rows.sort(key=lambda row: (names[row.architecture], ids[row.item]))
        return cls(directory=log.directory, run=run, items=tuple(items), rows=tuple(rows), paid=Usage())


async def evaluate(
    architectures: Mapping[str, Architecture],
    benchmark: Benchmark,
    *,
    out: str | Path | None = None,
    client: Client | None = None,
    concurrency: int = 8,
    budget: Budget | None = None,
    total: Budget | None = None,
    seed: int = 0,
    on_progress: Callable[[Progress], None] = lambda _: None,
) -> Evaluation:
    """Put every question of a benchmark to every architecture.

    An answer without text is wrong; a question is *unscored* if calls failed and no answer came, or if the scorer
    could not do its work. When the evaluation is started again, what is unscored is tried again: an answer that is
    there is only scored.

    Model calls: those of every architecture for every question, but for what is in the log or in the cache.

    Args:
        architectures: What is evaluated, by name.
        benchmark: The questions, and how answers are scored.
        out: Directory of the log; one that holds the same evaluation is gone on with. By default one in
            `DEFAULT_FOLDER`, whose name is made of what is evaluated.
        client: What to draw through; by default one that keeps answers in the user's own cache.
        concurrency: Most questions at once; those of each architecture count by themselves.
        budget: The most that one question may take. With a cache, what is recorded costs nothing.
        total: The most that may be paid from this start on; on the cap it ends, and can be gone on with later.
        seed: Namespace of the samples: another seed gives independent ones.
        on_progress: Called after every question.

    Raises:
        ConfigurationError: An architecture breaks a rule, a model cannot be used, an answer could not be scored, a
            cap could not be kept, or the directory holds another evaluation. Nothing was called.
        ValueError: There is no architecture, or ``concurrency`` is less than 1.
    """
    if not architectures:
        raise ValueError("there is no architecture to evaluate; give at least one")
    if concurrency < 1:
        raise ValueError(f"concurrency is the most questions at once, at least 1, got {concurrency}")
    through = client if client is not None else Client(cache=default_path())
    try:
        budgets = [each for each in (budget, total) if each is not None]
        raise_all(await find_problems(architectures, benchmark, through, budgets=budgets, total=total))
        about = await asyncio.to_thread(
            describe, architectures, benchmark, seed=seed, budget=budget, concurrency=concurrency
        )
        log = EvaluationLog(out if out is not None else DEFAULT_FOLDER / default_name(about))
        with log.writing(about, benchmark.items):
            run = _Run(
                architectures,
                benchmark,
                log,
                client=through,
                budget=budget,
                total=total,
                seed=seed,
                on_progress=on_progress,
            )
            await run.go(concurrency)
    finally:
        if client is None:
            through.close()
    return replace(Evaluation.read(log.directory), paid=run.paid, stopped=run.stopped)


class _Run:
    """One start of an evaluation."""

    def __init__(
        self,
        architectures: Mapping[str, Architecture],
        benchmark: Benchmark,
        log: EvaluationLog,
        *,
        client: Client,
        budget: Budget | None,
        total: Budget | None,
        seed: int,
        on_progress: Callable[[Progress], None],
    ) -> None:
        self._architectures = architectures
        self._benchmark = benchmark
        self._log = log
        self._purse = None if total is None else Purse(total)
        self._client = client if self._purse is None else client.within(self._purse)
        self._budget = budget
        self._seed = seed
        self._on_progress = on_progress
        self._started = time.monotonic()
        self._total = len(architectures) * len(benchmark)
        self._done = self._done_now = 0
        self._unanswered = dict.fromkeys(architectures, 0)
        self._most_unanswered = _MOST_UNANSWERED
        self.paid = Usage()
        self.stopped: Literal["budget", "errors"] | None = None

    async def go(self, concurrency: int) -> None:
        """Do what is not in the log yet, so many questions at a time."""
        before = {(row.architecture, row.item): row for row in self._log.rows()}
        todo = [
            (name, item, row)
            for item in self._benchmark.items
            for name in self._architectures
            if (row := before.get((name, item.id))) is None or not row.score.scored
        ]
        self._done = self._total - len(todo)
        self._tell()
        self._most_unanswered = max(_MOST_UNANSWERED, _MOST_UNANSWERED_PER_WORKER * concurrency)
        queue = iter(todo)
        # Workers and not a task for each question: thousands of waiting ones would only take memory.
        await _side_by_side(self._work(queue) for _ in range(concurrency))
        if self._done == self._total:
            self.stopped = None  # whatever was spent by then, it was enough

    async def _work(self, todo: Iterator[tuple[str, Item, Row | None]]) -> None:
        for name, item, before in todo:
            if self._unanswered[name] >= self._most_unanswered:
                continue
            if before is not None and before.answer is not None:
                score = await self._score(item, before)
                spent = not score.scored and self._purse is not None and self._purse.is_empty
                judging = paid_for_judging(score)
                row = replace(
                    before,
                    score=score,
                    error=SPENT if spent else None,
                    paid=asdict(Usage(**before.paid) + judging),
                    at=now(),
                )
                self.paid += judging
                if row.score != before.score:
                    self._log.append(row)
            else:
                row = await self._ask(name, item)
                self._log.append(row)
                self.paid += Usage(**row.paid)
            came = row.score.scored or (row.answer is not None and not judge_failed(row.score))
            self._unanswered[name] = 0 if came else self._unanswered[name] + 1
            if row.error != SPENT:
                self._done += 1
                self._done_now += 1
            if self._purse is not None and self._purse.is_empty:
                self.stopped = "budget"
            elif self._unanswered[name] >= self._most_unanswered:
                self.stopped = "errors"
            self._tell()
            if self.stopped == "budget":
                return

    async def _ask(self, name: str, item: Item) -> Row:
        return await answer_item(
            name,
            self._architectures[name],
            item,
            self._benchmark.scorer,
            client=self._client,
            seed=self._seed,
            budget=self._budget,
            purse=self._purse,
        )

    async def _score(self, item: Item, row: Row) -> Score:
        *earlier, answer = row.answers
        return await score_answer(self._benchmark.scorer, item, answer, earlier=earlier, client=self._client)

    def _tell(self) -> None:
        each = (time.monotonic() - self._started) / self._done_now if self._done_now else None
        left = None if each is None else each * (self._total - self._done)
        self._on_progress(Progress(done=self._done, total=self._total, paid=self.paid, seconds_left=left))


async def _side_by_side(workers: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Run all to their end; if one fails, end the others, and raise what it raised as it is."""
    tasks = [asyncio.create_task(worker) for worker in workers]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
