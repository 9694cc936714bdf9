"""A cache stays within its limits: the oldest answers go first, and none that is too old is ever given out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from archon_graph.models.cache import ResponseCache, statements
from tests.models.cache.entries import entry, identity
from tests.models.cache.test_store import texts

Opened = Callable[..., ResponseCache]
DAY = 86_400.0


class Clock:
    """Time as a test wants it."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def time(self) -> float:
        self.now += 1e-3
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(statements, "time", clock)
    monkeypatch.setattr("archon_graph.models.cache.store.time", clock)
    return clock


async def test_what_is_too_old_is_not_found_and_can_be_asked_again(opened: Opened, clock: Clock):
    cache = opened(max_age_days=2)
    await cache.add(identity(), 0, {0: entry("old"), 1: entry("old")})
    clock.now += 1.5 * DAY
    await cache.add(identity(), 0, {2: entry("new")})
    assert texts(cache.find(identity(), 0, range(3))) == {0: "old", 1: "old", 2: "new"}
    clock.now += DAY
    assert texts(cache.find(identity(), 0, range(3))) == {2: "new"}
    assert texts(await cache.add(identity(), 0, {0: entry("again")})) == {0: "again"}
    assert texts(cache.find(identity(), 0, range(3))) == {0: "again", 2: "new"}


async def test_what_is_too_old_is_removed_when_somebody_writes(opened: Opened, clock: Clock):
    cache = opened(max_age_days=2)
    await cache.add(identity("old"), 0, {0: entry()})
    cache.close()
    clock.now += 3 * DAY
    cache = opened(max_age_days=2)
    await cache.add(identity("new"), 0, {0: entry()})
    cache.close()
    counted = opened().stats()
    assert (counted.requests, counted.entries) == (1, 1)


async def test_without_limits_all_stays(opened: Opened, clock: Clock):
    cache = opened()
    await cache.add(identity(), 0, {0: entry()})
    clock.now += 10_000 * DAY
    await cache.add(identity("new"), 0, {0: entry()})
    assert len(cache.find(identity(), 0, [0])) == 1


async def test_the_file_stays_small_and_the_newest_are_in_it(opened: Opened, clock: Clock):
    cache = opened(max_megabytes=0.5)
    for batch in range(20):
        adding = (cache.add(identity(f"question {batch} {n}"), 0, {0: entry("x" * 5_000)}) for n in range(20))
        await asyncio.gather(*adding)
    cache.close()
    assert cache.path.stat().st_size <= 500_000
    cache = opened()
    kept = [bool(cache.find(identity(f"question {batch} {n}"), 0, [0])) for batch in range(20) for n in range(20)]
    # Some were too many, and all that went are older than all that stayed.
    assert 20 < sum(kept) < 100
    first = kept.index(True)
    assert all(kept[first - first % 20 + 20 :])
    assert not any(kept[: first - first % 20])
    assert cache.stats().requests == cache.stats().entries == sum(kept)


async def test_a_limit_smaller_than_anything_keeps_nothing_and_breaks_nothing(opened: Opened):
    cache = opened(max_megabytes=0.001)
    assert texts(await cache.add(identity(), 0, {0: entry()})) == {0: "42"}
    assert texts(await cache.add(identity(), 0, {0: entry("again")})) == {0: "again"}
    cache.close()
    assert opened().stats().entries == 0


async def test_clearing_by_age(opened: Opened, clock: Clock):
    cache = opened()
    cache.note_fact(identity(), offers_json=True)
    await cache.add(identity(), 0, {0: entry("old")})
    clock.now += 5 * DAY
    await cache.add(identity(), 0, {1: entry("new")})
    await cache.add(identity(model="openai:b"), 0, {1: entry("new")})
    assert cache.clear(older_than_days=6) == 0
    assert cache.clear(older_than_days=4, model="openai:b") == 0
    assert cache.clear(older_than_days=4) == 1
    assert texts(cache.find(identity(), 0, [0, 1])) == {1: "new"}
    assert cache.fact(identity()) is True


@pytest.mark.parametrize("limit", [0, -1, float("nan")])
@pytest.mark.parametrize("name", ["max_megabytes", "max_age_days"])
def test_a_limit_that_makes_no_sense_is_refused(opened: Opened, name: str, limit: float):
    with pytest.raises(ValueError, match=name):
        opened(**{name: limit})
