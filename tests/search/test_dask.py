"""A search on the workers of a Dask cluster, with a real one on this machine."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from archon_graph.components import Critic, Fuser, Generator
from archon_graph.core import Architecture
from archon_graph.evals.asking import SPENT, Purse
from archon_graph.models import Budget, Client, MissingExtraError, Usage, register_model
from archon_graph.search.executors import ExecutorError, open_asker, read_executor
from archon_graph.search.store import StudyStore
from tests.evals.doubling import item
from tests.search import studying

needs_dask = pytest.mark.skipif(
    importlib.util.find_spec("distributed") is None, reason="Dask is not installed: archon-graph[dask]"
)
# Dask leaves sockets and loops of its own to the garbage collector when a worker or a cluster goes.
pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

ROOT = Path(__file__).resolve().parents[2]

# What `dask worker --preload` loads first: the models of these tests, slow enough to be caught at work.
PRELOAD = """
import sys
from pathlib import Path

sys.path.insert(0, {root!r})

import os
import signal

from archon_graph.models import ScriptedModel, register_model
from tests.search import studying


def register(name, reply, **settings):
    def noted(call):
        with Path({calls!r}).open("a", encoding="utf-8") as file:
            file.write(studying.key(name, call) + "\\n")
        return reply(call)

    register_model(name, ScriptedModel(noted, json=True, label=name, cache_id=name, **settings))


def flaky(call):
    # The first try of a call fails.
    first = Path({calls!r} + studying.key("-flaky", call))
    if not first.exists():
        first.touch()
        return ConnectionError("try again")
    return studying.reply("good", 60, call)


register("good", lambda call: studying.reply("good", 60, call), latency=0.02)
register("weak", lambda call: studying.reply("weak", 40, call), latency=0.02)
register("slow", lambda call: studying.reply("good", 60, call), latency=2.0)
register("flaky", flaky)
register("deadly", lambda call: os.kill(os.getpid(), signal.SIGKILL))
"""


class Cluster:
    """A Dask cluster of two workers with two threads each."""

    def __init__(self, folder: Path) -> None:
        import dask
        from distributed import LocalCluster

        self.calls = folder / "calls"
        preload = folder / "models.py"
        preload.write_text(PRELOAD.format(root=str(ROOT), calls=str(self.calls)), encoding="utf-8")
        # A worker that was killed takes its time to come back on a busy machine, and is not to be given up before.
        self._patience = dask.config.set({"distributed.deploy.lost-worker-timeout": "10 minutes"})
        self._cluster = LocalCluster(
            n_workers=2,
            threads_per_worker=2,
            processes=True,
            host="127.0.0.1",
            dashboard_address=None,
            preload=str(preload),
            local_directory=str(folder),
            memory_limit=0,
            silence_logs=logging.ERROR,
        )
        self.executor = self._cluster.scheduler_address.replace("tcp://", "dask://")

    def worker_pids(self) -> list[int]:
        """The processes of the workers."""
        return [nanny.pid for nanny in self._cluster.workers.values()]

    def noted(self) -> int:
        """Calls that were made by now."""
        return len(self.calls.read_text(encoding="utf-8").splitlines()) if self.calls.exists() else 0

    def close(self) -> None:
        """Stop it."""
        self._cluster.close()
        self._patience.__exit__(None, None, None)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    pytest.importorskip("distributed", reason="Dask is not installed: archon-graph[dask]")
    made = Cluster(tmp_path_factory.mktemp("dask"))
    yield made
    made.close()


@pytest.fixture
def models() -> studying.Models:
    """The same models in this process."""
    for name in ("slow", "flaky", "deadly"):
        register_model(name, studying.ScriptedModel(lambda call: "never asked here", json=True, cache_id=name))
    return studying.Models()


@contextlib.contextmanager
def asker(cluster: Cluster, folder: Path | None, **settings: Any) -> Iterator[Any]:
    """One that asks on the cluster."""
    client = Client(cache=None if folder is None else folder / "workers.sqlite")
    made = open_asker(cluster.executor, studying.spec(**settings), client)
    assert made is not None
    try:
        yield made
    finally:
        made.close()
        client.close()


async def on_cluster(cluster: Cluster, folder: Path, **settings: Any) -> Any:
    """A study whose questions are answered there."""
    client = Client(cache=folder / "workers.sqlite")
    wanted = settings.pop("spec", None) or studying.spec()
    made = open_asker(cluster.executor, wanted, client)
    try:
        return await studying.run_study(wanted, out=folder / "there", client=client, asker=made, **settings)
    finally:
        client.close()


def one_answer(model: str, samples: int = 1) -> Architecture:
    return Architecture.from_layers([Generator(model, samples=samples)], name=f"{samples} of {model}")


# --- what an executor is ----------------------------------------------------------------------------------------


def test_local_is_this_process() -> None:
    assert read_executor("local").address is None
    assert open_asker("local", studying.spec(), Client()) is None


@pytest.mark.parametrize(
    ("executor", "address"),
    [
        ("dask://there:8786", "there:8786"),
        ("dask://10.0.0.7:1/", "10.0.0.7:1"),
        ("dask://[::1]:8786", "[::1]:8786"),
    ],
)
def test_an_address_is_read(executor: str, address: str) -> None:
    assert read_executor(executor) == ("dask", address)


@pytest.mark.parametrize(
    ("executor", "told"),
    [
        ("", "should be local, or dask://host:port"),
        ("locl", "did you mean 'local'"),
        ("dsk://there:8786", "did you mean 'dask'"),
        ("ray://there:10001", "should be local, or dask://host:port"),
        ("dask", "names no host"),
        ("dask:there:8786", "names no host"),
        ("dask://", "names no host"),
        ("dask://there", "write dask://there:8786"),
        ("dask://there:port", "write dask://host:8786"),
        ("dask://there:99999", "write dask://host:8786"),
        ("dask://there:8786/status", "more than a host and a port"),
        ("dask://me:secret@there:8786", "more than a host and a port"),
    ],
)
def test_what_is_no_executor_is_refused(executor: str, told: str) -> None:
    with pytest.raises(ExecutorError) as caught:
        read_executor(executor)
    assert told in str(caught.value)


def test_without_dask_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingExtraError, match=r"dask://there:1'.*archon-graph\[dask\]"):
        open_asker("dask://there:1", studying.spec(), Client())


@needs_dask
def test_a_replay_is_not_handed_out(tmp_path: Path) -> None:
    with Client(cache=tmp_path / "kept.sqlite").cache:  # type: ignore[union-attr]
        pass
    client = Client(cache=tmp_path / "kept.sqlite", replay="strict")
    with pytest.raises(ExecutorError, match="a replay calls no model"):
        open_asker("dask://127.0.0.1:1", studying.spec(), client)
    client.close()


@needs_dask
def test_a_budget_of_the_client_is_not_forgotten() -> None:
    with pytest.raises(ExecutorError, match="budget of its own"):
        open_asker("dask://127.0.0.1:1", studying.spec(), Client(budget=Budget(calls=1)))


@needs_dask
def test_where_no_scheduler_is_it_is_told_how_to_start_one() -> None:
    with socket.socket() as taken:  # nobody listens there, and nobody else can
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        started = time.monotonic()
        with pytest.raises(ExecutorError) as caught:
            open_asker(f"dask://127.0.0.1:{port}", studying.spec(), Client(), timeout=0.5)
    assert f"no Dask scheduler answers at 127.0.0.1:{port} within 0.5 seconds" in str(caught.value)
    assert f"dask scheduler --port {port}" in str(caught.value)
    assert f"dask worker 127.0.0.1:{port}" in str(caught.value)
    assert time.monotonic() - started < 30


# --- a study ----------------------------------------------------------------------------------------------------


@needs_dask
async def test_a_study_comes_out_as_in_one_process(
    cluster: Cluster, models: studying.Models, tmp_path: Path
) -> None:
    here = await studying.study(tmp_path)
    before = models.count
    there = await on_cluster(cluster, tmp_path)
    assert studying.came_out(there.directory) == studying.came_out(here.directory)
    assert models.count == before  # nothing was asked in this process
    assert StudyStore(there.directory).paid().calls > 0


@needs_dask
@pytest.mark.slow
@pytest.mark.parametrize("budget", [None, Budget(calls=5000)], ids=["no budget", "a large budget"])
async def test_a_worker_that_is_killed_changes_nothing(
    cluster: Cluster, models: studying.Models, tmp_path: Path, budget: Budget | None
) -> None:
    here = await studying.study(tmp_path, studying.spec(budget=budget))
    killed: list[int] = []
    before = cluster.noted()

    def kill(progress: Any) -> None:
        if progress.answers == 6 and not killed:
            killed.append(cluster.worker_pids()[0])
            os.kill(killed[0], signal.SIGKILL)

    there = await on_cluster(cluster, tmp_path, spec=studying.spec(budget=budget), on_progress=kill)
    assert killed
    assert killed[0] not in cluster.worker_pids()
    assert studying.came_out(there.directory) == studying.came_out(here.directory)
    if budget is not None:  # what the dead worker may have paid is counted
        assert StudyStore(there.directory).paid().calls >= cluster.noted() - before


@needs_dask
async def test_a_budget_is_kept_to_the_last_call(
    cluster: Cluster, models: studying.Models, tmp_path: Path
) -> None:
    before = cluster.noted()
    wanted = studying.spec(budget=Budget(calls=50), search_share=1.0)
    there = await on_cluster(cluster, tmp_path, spec=wanted)
    assert there.stopped == "budget"
    assert StudyStore(there.directory).paid().calls == cluster.noted() - before == 50


# --- one question -----------------------------------------------------------------------------------------------


@needs_dask
async def test_calls_that_are_repeated_are_paid_for_and_do_not_cut_the_answer(
    cluster: Cluster, models: studying.Models, tmp_path: Path
) -> None:
    """Each of three calls fails once, so the first reservation of three is too small, and the next of six."""
    purse = Purse(Budget(calls=20))
    with asker(cluster, tmp_path) as asking:
        row = await asking.ask(one_answer("custom:flaky", 3), item(7), purse)
    assert row.error is None
    assert row.losses == ()
    assert len(row.result["candidates"]) == 3
    assert row.paid["calls"] == purse.spent.calls == 6
    assert purse.calls_left == 14


@needs_dask
async def test_a_question_for_which_too_little_is_left_is_left_undone(
    cluster: Cluster, models: studying.Models
) -> None:
    purse = Purse(Budget(calls=2))
    with asker(cluster, None) as asking:
        rows = await asyncio.gather(
            *(asking.ask(one_answer("custom:good", 3), item(number), purse) for number in (1, 2, 3))
        )
    assert [row.error for row in rows] == [SPENT] * 3
    assert purse.is_empty
    assert purse.spent.calls == sum(row.paid["calls"] for row in rows) == 2


@needs_dask
async def test_tokens_are_capped_too(cluster: Cluster, models: studying.Models, tmp_path: Path) -> None:
    purse = Purse(Budget(tokens=3000))
    architecture = Architecture.from_layers([Generator("custom:good", samples=2, max_tokens=50)])
    with asker(cluster, tmp_path) as asking:
        rows = await asyncio.gather(*(asking.ask(architecture, item(number), purse) for number in range(1, 9)))
    assert [row.error for row in rows] == [None] * 8
    paid = Usage.total(Usage(**row.paid) for row in rows)
    assert purse.spent.tokens == paid.tokens > 0


@needs_dask
async def test_a_question_that_nobody_waits_for_is_ended(
    cluster: Cluster, models: studying.Models, tmp_path: Path
) -> None:
    """Each of its three calls takes two seconds and waits for the one before it: only the first is made."""
    architecture = Architecture.from_layers(
        [Generator("custom:slow"), Critic("custom:slow"), Fuser("custom:slow")]
    )
    before = cluster.noted()
    with asker(cluster, tmp_path) as asking:
        purse = Purse(Budget(calls=20))
        asked = asyncio.create_task(asking.ask(architecture, item(5), purse))
        while cluster.noted() == before:  # noqa: ASYNC110 - the call is made in another process
            await asyncio.sleep(0.05)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        assert purse.spent.calls == 3  # they may have been paid for
        await asyncio.sleep(3.0)
        assert cluster.noted() == before + 1


@needs_dask
async def test_workers_without_the_models_are_named(
    cluster: Cluster, models: studying.Models, tmp_path: Path
) -> None:
    register_model("only_here", studying.ScriptedModel(lambda call: "x", json=True, cache_id="only_here"))
    wanted = replace(studying.spec(), space=studying.space(models=["custom:only_here"], generators=[1]))
    with pytest.raises(ExecutorError) as caught:
        open_asker(cluster.executor, wanted, Client())
    assert "only_here" in str(caught.value)
    assert "--preload" in str(caught.value)
    assert str(caught.value).count("\n- tcp://127.0.0.1:") == 1  # both workers, in one line


@needs_dask
@pytest.mark.slow
async def test_a_question_that_kills_its_workers_is_named(
    cluster: Cluster, models: studying.Models, tmp_path: Path
) -> None:
    purse = Purse(Budget(calls=20))
    with asker(cluster, tmp_path) as asking, pytest.raises(Exception, match=r"question 'q9'.*3 workers") as caught:
        await asking.ask(one_answer("custom:deadly", 2), item(9), purse)
    assert "dask" not in type(caught.value).__module__
    assert purse.spent.calls == 6  # what three workers may have paid
