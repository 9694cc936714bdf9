"""What a Dask worker does for a study: it answers one question for each task, and spends no more than its part."""

from __future__ import annotations

import asyncio
import functools
import json
import socket
import threading
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import distributed
from distributed.utils import sync

from archon_graph._version import __version__
from archon_graph.core import Architecture
from archon_graph.core.sync import run_sync
from archon_graph.evals.asking import Purse, answer_item
from archon_graph.evals.log import read_item
from archon_graph.evals.scorers import Scorer
from archon_graph.models import Budget, Client, ConfigurationError, ModelPolicy, Prices
from archon_graph.models.budget import Reservation
from archon_graph.models.cache import default_path

T = TypeVar("T")

# How often a worker looks whether its question is still wanted.
_LOOK_EVERY = 0.5


@dataclass(frozen=True, kw_only=True)
class WorkerSettings:
    """How workers treat models; the same for all questions of a study."""

    cache: str | None
    """Where workers on the machine `host` keep answers; ``None``: nowhere."""
    host: str
    """The machine that `cache` is on. Workers elsewhere keep answers in their own user's cache."""
    policies: Mapping[str, ModelPolicy | Mapping[str, Any]]
    """How models are treated, as for `Client`."""
    prices: Prices
    """What models cost."""

    @classmethod
    def here(
        cls,
        *,
        cache: str | Path | None = None,
        policies: Mapping[str, ModelPolicy | Mapping[str, Any]] | None = None,
        prices: Prices | None = None,
    ) -> WorkerSettings:
        """Settings with a cache on this machine."""
        return cls(
            cache=None if cache is None else str(Path(cache).expanduser().absolute()),
            host=socket.gethostname(),
            policies={} if policies is None else policies,
            prices=Prices() if prices is None else prices,
        )

    def open_client(self) -> Client:
        """A client for these settings, on whatever machine this is.

        Raises:
            CacheError: The cache cannot be used.
        """
        path: Path | None = None
        if self.cache is not None:
            # The same path on another machine is another file, or worse: one on a network drive, where SQLite's
            # write-ahead log does not work.
            path = Path(self.cache) if socket.gethostname() == self.host else default_path()
        return Client(cache=path, policies=self.policies, prices=self.prices)


@dataclass(frozen=True, kw_only=True)
class Task:
    """One question, on its way to a worker."""

    key: str
    """Dask's name for it; no other task ever has the same."""
    architecture: str
    """Its configuration as JSON."""
    fingerprint: str
    """By which it is seen that the worker reads the same architecture from it."""
    item: Mapping[str, Any]
    """The question, as `Item.to_json` gives it."""
    scorer: Scorer
    """Says what an answer is worth."""
    seed: int
    """Namespace of the samples."""
    budget: Budget | None
    """The most that any question may take: whoever reaches it gives the answer it has by then."""
    part: Budget | None
    """What was set aside for this task; ``None`` if nothing limits the study."""
    settings: WorkerSettings
    """How models are treated."""
    settings_id: str
    """The same for equal settings."""


@dataclass(frozen=True, kw_only=True)
class Answered:
    """What comes back."""

    row: Mapping[str, Any]
    """The scored answer, as `Row.to_json` gives it."""
    spent: Reservation
    """What was spent of the task's part."""


class StartedBeforeError(Exception):
    """Dask started a task again whose worker died; only the process that searches can say who pays for that."""


def answer(task: Task) -> Answered | None:
    """Answer a question, in the process of a worker.

    The event loop in the background of that process is where all its questions run, one for each of its threads.

    Returns:
        The answer; ``None`` if nobody wants it any more.

    Raises:
        StartedBeforeError: It was started before, by a worker that died.
        ConfigurationError: A model cannot be used here, or the scorer cannot work here.
    """
    worker = distributed.get_worker()
    if sync(worker.loop, _was_started, worker, task.key):
        raise StartedBeforeError(task.key)

    def is_wanted() -> bool:
        known = worker.state.tasks.get(task.key)
        return known is not None and known.state != "cancelled"

    return run_sync(_while_wanted(_answer(task), is_wanted))


async def _was_started(worker: Any, key: str) -> bool:
    """Whether the task was started before; from now on it was. Runs on the loop of the worker.

    It is kept as one of Dask's events. `distributed.Event` would open a client on every worker, to say the same.
    """
    if await worker.scheduler.event_is_set(name=key):
        return True
    await worker.scheduler.event_set(name=key)
    return False


async def _while_wanted(work: Coroutine[Any, Any, T], is_wanted: Callable[[], bool]) -> T | None:
    """Do the work, or end it when it is not wanted any more: Dask forgets a running task, and lets it run."""
    doing = asyncio.ensure_future(work)
    try:
        while True:
            done, _ = await asyncio.wait({doing}, timeout=_LOOK_EVERY)
            if done:
                return doing.result()
            if not is_wanted():
                return None
    finally:
        doing.cancel()
        await asyncio.gather(doing, return_exceptions=True)


async def _answer(task: Task) -> Answered:
    architecture = _architecture(task.architecture)
    if architecture.fingerprint != task.fingerprint:
        raise ConfigurationError(
            f"the worker {socket.gethostname()} reads another architecture from the configuration of "
            f"{architecture.name}: its components or prompts are of another version; install the same one there"
        )
    client = _client(task.settings, task.settings_id)
    purse = None if task.part is None else Purse(task.part)
    row = await answer_item(
        architecture.name,
        architecture,
        read_item(task.item),
        task.scorer,
        client=client if purse is None else client.within(purse),
        seed=task.seed,
        budget=task.budget,
        purse=purse,
    )
    return Answered(row=row.to_json(), spent=Reservation(calls=0) if purse is None else purse.spent)


@functools.lru_cache(maxsize=64)
def _architecture(text: str) -> Architecture:
    """Read once and compiled once: a trial puts many questions to the same one."""
    return Architecture.from_config(json.loads(text))


_clients: dict[str, Client] = {}
_clients_lock = threading.Lock()


def _client(settings: WorkerSettings, settings_id: str) -> Client:
    """The one client of this process for these settings."""
    with _clients_lock:
        client = _clients.get(settings_id)
        if client is None:
            client = _clients[settings_id] = settings.open_client()
        return client


def rehearse(settings: WorkerSettings, settings_id: str, models: list[str]) -> tuple[str, str | None]:
    """See that this worker can do what will be asked of it, before anything is paid for.

    Returns:
        Its version of archon-graph, and what is wrong, if anything is.
    """
    try:
        _client(settings, settings_id).check(models)
    except ConfigurationError as error:
        return __version__, str(error)
    return __version__, None
