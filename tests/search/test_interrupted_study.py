"""A study that is killed, however often, ends as if nothing had been, and asks for nothing twice that it had."""

from __future__ import annotations

import multiprocessing
import random
import re
import signal
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from archon_graph.search import Study
from tests.search.studying import CONCURRENCY, Models, came_out, child, lines, study

MOST_CALLS_AT_ONCE = 6
"""Of one question: two models of three samples each."""


@pytest.fixture
def forks() -> Any:
    """Starts processes by forking one that has everything imported: a start takes no second that way."""
    if not hasattr(signal, "SIGKILL"):
        pytest.skip("nothing kills a process so suddenly here")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.search.studying"])
    return context


def committed(cache: Path) -> set[str]:
    """The calls whose answers are in the cache; every answer names its call."""
    if not cache.exists():
        return set()
    with sqlite3.connect(cache) as connection:
        messages = [text for (text,) in connection.execute("SELECT message FROM responses")]
    connection.close()
    return {name for text in messages for name in re.findall(r"\[(\w+-[0-9a-f]{8}-\d+)\]", text)}


def made(folder: Path) -> list[str]:
    """Every call that was made in it so far."""
    file = folder / "calls"
    return file.read_text(encoding="utf-8").splitlines() if file.exists() else []


@pytest.mark.parametrize(
    ("kills", "seed"),
    [
        pytest.param(5, 1),
        pytest.param(20, 2, marks=pytest.mark.slow),
        pytest.param(20, 3, marks=pytest.mark.slow),
    ],
)
async def test_known_failure_5_killed_at_any_moment_it_ends_as_if_nothing_had_been(
    tmp_path: Path, forks: Any, kills: int, seed: int
):
    models = Models()
    undisturbed = await study(tmp_path, name="undisturbed", concurrency=CONCURRENCY)
    written = [
        line for file in undisturbed.directory.glob("*.jsonl") for line in lines(undisturbed.directory, file.name)
    ]
    chance = random.Random(seed)
    # How many events each process lives to see, of all that there are.
    moments = sorted(chance.sample(range(models.count + len(written) - 30), kills))
    lives: list[int | None] = [after - before for before, after in zip([0, *moments], moments, strict=False)]

    folder = tmp_path / "killed"
    folder.mkdir()
    for life in [*lives, None]:
        known, before = committed(folder / "cache.sqlite"), len(made(folder))
        process = forks.Process(target=child, args=(str(folder), life, chance.choice([0.0, 0.001, 0.004, 0.02])))
        process.start()
        process.join()
        assert process.exitcode == (0 if life is None else -signal.SIGKILL)
        process.close()
        asked = made(folder)[before:]
        assert not known & set(asked), "what was committed is not asked for again"
        assert max(Counter(asked).values(), default=1) == 1
        lost = set(asked) - committed(folder / "cache.sqlite")
        assert len(lost) <= (0 if life is None else CONCURRENCY * MOST_CALLS_AT_ONCE)

    assert came_out(folder / "study") == came_out(undisturbed.directory)
    assert len(Study(folder / "study").about["starts"]) <= kills + 1
    assert set(made(folder)) == set(models.keys)
    repeated = Counter(made(folder)).total() - models.count
    assert repeated <= kills * CONCURRENCY * MOST_CALLS_AT_ONCE
