"""``Writer``: one thread that does all writing to a cache, many answers to a transaction.

A thread of `concurrent.futures`: at the normal end of the process it is waited for until its queue is empty,
so nothing that was queued is lost.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from archon_graph.models.cache.database import ERRORS, connect, transaction

T = TypeVar("T")
# Most pieces of work in one transaction, and seconds between two, so that none waits for long.
_BATCH, _BREATH = 200, 0.001


class _Job(NamedTuple):
    work: Callable[[sqlite3.Connection], Any]
    done: Callable[[Any, BaseException | None], None]
    alone: bool


class Writer:
    """Writes to one file, in the order in which it is told to.

    Args:
        path: The file.
        afterwards: Called in the writing thread after each batch.
    """

    def __init__(self, path: Path, afterwards: Callable[[sqlite3.Connection], None]) -> None:
        self._path = path
        self._afterwards = afterwards
        self._jobs: deque[_Job] = deque()
        self._connection: sqlite3.Connection | None = None
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="archon-graph-cache")
        self._writing = threading.Lock()

    def put(
        self,
        work: Callable[[sqlite3.Connection], Any],
        done: Callable[[Any, BaseException | None], None],
        *,
        alone: bool = False,
    ) -> None:
        """Queue a piece of work.

        Args:
            work: What is to be done, inside a transaction that it may share with others; where another fails
                in it, it is done again in one of its own.
            done: Told the outcome or the error, in the writing thread, once it is committed.
            alone: Whether it is done outside of any transaction.
        """
        self._jobs.append(_Job(work, done, alone))
        self._soon(self._drain)

    def call(self, work: Callable[[sqlite3.Connection], T], *, alone: bool = False) -> T:
        """Do a piece of work and wait for it."""
        future: Future[T] = Future()

        def done(outcome: Any, error: BaseException | None) -> None:
            if error is None:
                future.set_result(outcome)
            else:
                future.set_exception(error)

        self.put(work, done, alone=alone)
        return future.result()

    def close(self) -> None:
        """Write what is queued, and close the file."""
        self._soon(self._disconnect)
        try:
            self._executor.shutdown(wait=True)
        except RuntimeError:
            # The thread cannot wait for itself: it dropped the last reference to the cache. It goes on to the
            # end of its queue.
            self._executor.shutdown(wait=False)

    def hold(self) -> None:
        """Wait until nothing is being written, and see that nothing is."""
        self._writing.acquire()

    def let_go(self) -> None:
        """Go on writing."""
        self._writing.release()

    def put_away(self) -> None:
        """Close the file without writing what is queued: in a child of `os.fork`, whose parent will."""
        if self._connection is not None:
            self._connection.close()

    def _soon(self, step: Callable[[], None]) -> None:
        try:
            self._executor.submit(step)
        except RuntimeError:
            # Closed, or the process is ending and its threads have ended: there is nobody else to do it.
            step()

    def _drain(self) -> None:
        """Write all that is queued by now: the first of many finds the others' jobs there, too."""
        with self._writing:
            while batch := self._next_batch():
                self._commit(batch)
                if self._connection is not None:
                    # It tidies up: what it cannot do now, it does another time.
                    with contextlib.suppress(*ERRORS):
                        self._afterwards(self._connection)
                if self._jobs:
                    # Processes that wait for the file look now and then whether it is free: it has to be.
                    time.sleep(_BREATH)

    def _next_batch(self) -> list[_Job]:
        """Jobs that may share a transaction, or one that is done alone."""
        batch: list[_Job] = []
        while self._jobs and len(batch) < _BATCH:
            if self._jobs[0].alone and batch:
                break
            batch.append(self._jobs.popleft())
            if batch[0].alone:
                break
        return batch

    def _commit(self, batch: list[_Job]) -> None:
        if not batch:
            return
        try:
            if self._connection is None:
                self._connection = connect(self._path, writes=True)
            with contextlib.nullcontext() if batch[0].alone else transaction(self._connection):
                outcomes = [job.work(self._connection) for job in batch]
        except BaseException as error:  # noqa: BLE001 - carried to those who wait
            if len(batch) > 1 and not isinstance(error, ERRORS):
                # One of them spoilt it for the others.
                for job in batch:
                    self._commit([job])
                return
            for job in batch:
                job.done(None, error)
            return
        for job, outcome in zip(batch, outcomes, strict=True):
            job.done(outcome, None)

    def _disconnect(self) -> None:
        self._drain()
        if self._connection is not None:
            self._connection.close()
            self._connection = None
