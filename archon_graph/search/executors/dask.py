"""``DaskAsker``: the questions of a search are answered by the workers of a Dask cluster.

Each question is a task: the architecture as its configuration, the question as plain data, the scorer pickled. A
worker keeps one client for as long as it lives, so that its connections and its local models serve all questions.

The purse stays in the process that searches, and a task gets a part of it that is set aside beforehand. A worker
can never spend more than this part, whatever becomes of it:

- The part is what a question takes when no call has to be repeated. If that is too little, the question is put
  once more with twice as much; answers that were recorded by then are not paid for again.
- Dask starts a task again whose worker died. What the dead one spent is not known, and it may not even be dead but
  cut off from the network, so a task that was started before refuses to start. Its part is booked as spent,
  another part is set aside, and the question is put anew.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import json
import uuid
from collections.abc import Iterable
from dataclasses import asdict, replace
from typing import Any, TypeVar

import distributed
from dask.base import tokenize
from distributed.scheduler import KilledWorker

from archon_graph._version import __version__
from archon_graph.core import Architecture
from archon_graph.evals.asking import SPENT, Purse
from archon_graph.evals.benchmarks import Item
from archon_graph.evals.describing import now
from archon_graph.evals.log import Row
from archon_graph.evals.scorers import Score, Scorer
from archon_graph.models import Budget, ConfigurationError, Prices, Usage
from archon_graph.models.budget import Reservation
from archon_graph.search.evaluating import Asker
from archon_graph.search.executors import ExecutorError
from archon_graph.search.executors.till import Till
from archon_graph.search.executors.worker import (
    Answered,
    StartedBeforeError,
    Task,
    WorkerSettings,
    answer,
    rehearse,
)

T = TypeVar("T")

# So often may the worker of one question die before the question is taken to be what kills it.
_MOST_LOST = 3
# What a worker's row may take to come back after the time is up.
_GRACE = 10.0


class _GoneError(Exception):
    """Dask dropped a task that is still wanted."""


class _LateError(Exception):
    """The time of the purse is up, and the worker has not answered."""


class DaskAsker(Asker):
    """Has questions answered by the workers of a Dask cluster.

    Args:
        address: ``host:port`` of the scheduler.
        scorer: Says what an answer is worth.
        seed: Namespace of the samples.
        budget: The most that one question may take.
        settings: How workers treat models; by default as `Client` does, and without a cache.
        models: What every worker has to be able to open.
        timeout: Seconds to wait for the scheduler, and for a first worker.

    Raises:
        ExecutorError: No scheduler or no worker is there, or a worker cannot do what will be asked of it.
    """

    def __init__(
        self,
        address: str,
        scorer: Scorer,
        *,
        seed: int,
        budget: Budget | None,
        settings: WorkerSettings | None = None,
        models: Iterable[str] = (),
        timeout: float = 10.0,
    ) -> None:
        self._address = address
        self._scorer = scorer
        self._seed = seed
        self._budget = budget
        self._settings = WorkerSettings.here() if settings is None else settings
        self._settings_id: str = tokenize(asdict(replace(self._settings, prices=Prices())), self._settings.prices)
        self._till = Till(None)
        self._cluster = _connect(address, timeout)
        try:
            self._rehearse(list(models))
        except BaseException:
            self.close()
            raise

    async def ask(self, architecture: Architecture, item: Item, purse: Purse | None) -> Row:
        """Have a worker ask, and pay from the purse.

        Raises:
            ConfigurationError: A model cannot be used on the worker, workers died over this question time and
                again, or the cluster is gone.
        """
        if purse is not self._till.purse:
            self._till = Till(purse)
        till = self._till
        wanted = till.first_guess(architecture, item, self._settings.prices)
        before = Usage()
        lost = 0
        while (part := await till.take(wanted)) is not None:
            task = self._task(architecture, item, till.as_budget(part.held))
            try:
                answered = await self._by_a_worker(task, architecture, item, till.seconds_left())
            except BaseException as error:
                # It may all have been spent: of a question that is cut short nobody knows.
                till.book(part)
                before += till.at_worst(part.held)
                if isinstance(error, _LateError):
                    break
                if not isinstance(error, StartedBeforeError | KilledWorker):
                    raise
                lost += 1
                if lost == _MOST_LOST:
                    raise ConfigurationError(
                        f"question {item.id!r} of {architecture.name}: {lost} workers of the Dask cluster at "
                        f"{self._address} died, one after the other, while they had it; what their logs say "
                        f"(too little memory?) is to be mended first, and the same command goes on from here"
                    ) from error
                continue
            till.settle(part, answered.spent)
            row = Row.from_json(answered.row)
            if row.error == SPENT and not till.is_over:
                if not part.is_all:
                    # Calls had to be repeated. With as much as it needs, the answer is what it would be here.
                    before += Usage(**row.paid)
                    wanted = _doubled(wanted)
                    continue
                till.refuse()
            return replace(row, paid=asdict(Usage(**row.paid) + before))
        return _spent_row(architecture, item, before)

    def close(self) -> None:
        """Leave the cluster; it goes on running, and drops what it still had of this study."""
        self._cluster.close()

    def _task(self, architecture: Architecture, item: Item, part: Budget | None) -> Task:
        return Task(
            key=f"archon-graph-answer-{uuid.uuid4().hex}",
            architecture=json.dumps(architecture.to_config()),
            fingerprint=architecture.fingerprint,
            item=item.to_json(),
            scorer=self._scorer,
            seed=self._seed,
            budget=self._budget,
            part=part,
            settings=self._settings,
            settings_id=self._settings_id,
        )

    async def _by_a_worker(
        self, task: Task, architecture: Architecture, item: Item, seconds: float | None
    ) -> Answered:
        future = self._cluster.submit(answer, task, key=task.key, pure=False)
        loop: asyncio.AbstractEventLoop = self._cluster.loop.asyncio_loop
        most = None if seconds is None else seconds + _GRACE
        try:
            async with asyncio.timeout(most) as clock:
                coming = asyncio.run_coroutine_threadsafe(_result_of(future, self._cluster), loop)
                return await asyncio.wrap_future(coming)
        except TimeoutError:
            if clock.expired():
                raise _LateError from None
            raise
        except _GoneError as error:
            raise ConfigurationError(
                f"question {item.id!r} of {architecture.name}: the Dask cluster at {self._address} dropped it "
                f"({error}); once the scheduler is there again, the same command goes on from here"
            ) from error
        finally:
            # Whatever happened: a task that nobody refers to is dropped, and ended if it runs.
            future.release()

    def _rehearse(self, models: list[str]) -> None:
        found = self._cluster.run(rehearse, self._settings, self._settings_id, models, on_error="return")
        problems: dict[str, list[str]] = {}
        for worker, told in found.items():
            if isinstance(told, ImportError):
                why: str | None = f"archon-graph cannot be imported there ({told}); install it: {_INSTALL}"
            elif isinstance(told, BaseException):
                why = f"{type(told).__name__}: {told}"
            else:
                version, why = told
                if version != __version__:
                    why = f"has archon-graph {version}, and here it is {__version__}; install the same there"
            if why is not None:
                problems.setdefault(why, []).append(worker)
        if problems:
            told = "\n".join(
                f"- {', '.join(workers[:3])}{f' and {len(workers) - 3} more' if len(workers) > 3 else ''}: {why}"
                for why, workers in problems.items()
            )
            raise ExecutorError(
                f"workers of the Dask cluster at {self._address} cannot do this study, and no model was called. "
                f"Keys are looked for in a worker's own environment, and models of your own are registered by a "
                f"module that it loads first (dask worker --preload):\n{told}"
            )


_INSTALL = "pip install 'archon-graph[dask]'"


def _connect(address: str, timeout: float) -> Any:
    port = address.rpartition(":")[2]
    try:
        cluster = distributed.Client(address, timeout=timeout, set_as_default=False, name="archon-graph")
    except (OSError, ValueError) as error:
        raise ExecutorError(
            f"no Dask scheduler answers at {address} within {timeout:g} seconds ({error}). Start one there with "
            f"'dask scheduler --port {port}', and on every machine that is to work "
            f"'dask worker {address} --nthreads 8'"
        ) from error
    try:
        cluster.wait_for_workers(1, timeout=timeout)
    except TimeoutError as error:
        cluster.close()
        raise ExecutorError(
            f"the Dask scheduler at {address} has no worker, and none came within {timeout:g} seconds; start "
            f"some: 'dask worker {address} --nthreads 8'"
        ) from error
    return cluster


async def _result_of(future: Any, cluster: Any) -> Answered:
    """The result of a task; runs on the loop of Dask's client."""
    try:
        answered: Answered | None = await future
    except (asyncio.CancelledError, concurrent.futures.CancelledError) as error:
        me = asyncio.current_task()
        if me is None or not me.cancelling():
            # It was not us, so it was the cluster; as a cancellation it would look like one of ours.
            raise _GoneError(str(error) or "no reason given") from None
        raise
    if answered is None:
        raise _GoneError("the worker was told that nobody wants it")
    with contextlib.suppress(OSError):
        # The scheduler would keep it for ever. Of a task that failed it does: a word, and rare.
        await distributed.Event(future.key, client=cluster).clear()
    return answered


def _doubled(wanted: Reservation) -> Reservation:
    return Reservation(calls=2 * wanted.calls, tokens=2 * wanted.tokens, money=2 * wanted.money)


def _spent_row(architecture: Architecture, item: Item, paid: Usage) -> Row:
    """The row of a question that there was no money or no time for."""
    return Row(
        architecture=architecture.name,
        item=item.id,
        cluster=item.unit,
        score=Score.unscored(SPENT),
        answer=None,
        seconds=0.0,
        usage=asdict(Usage()),
        paid=asdict(paid),
        at=now(),
        error=SPENT,
    )
