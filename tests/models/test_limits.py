from __future__ import annotations

import asyncio
import threading

import pytest

from archon_graph.models.limits import Lane, lane_of


class Crowd:
    """Counts how many are inside a lane at once."""

    def __init__(self, lane: Lane) -> None:
        self.lane = lane
        self.inside = self.most = 0
        self.lock = threading.Lock()

    async def one(self) -> None:
        async with self.lane.slot():
            with self.lock:
                self.inside += 1
                self.most = max(self.most, self.inside)
            await asyncio.sleep(0.002)
            with self.lock:
                self.inside -= 1

    async def come(self, many: int) -> None:
        await asyncio.gather(*(self.one() for _ in range(many)))


async def test_no_more_at_once_than_allowed():
    crowd = Crowd(Lane(3))
    await crowd.come(30)
    assert (crowd.most, crowd.inside) == (3, 0)


def test_the_limit_holds_over_threads_and_event_loops():
    crowd = Crowd(Lane(3))
    threads = [threading.Thread(target=asyncio.run, args=(crowd.come(20),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (crowd.most, crowd.inside) == (3, 0)


async def test_who_is_cancelled_while_waiting_takes_no_slot():
    lane = Lane(1)
    crowd = Crowd(lane)
    waiting = [asyncio.create_task(crowd.one()) for _ in range(5)]
    await asyncio.sleep(0)
    for task in waiting[1:4]:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    await asyncio.wait_for(crowd.come(3), timeout=5)
    assert crowd.most == 1


async def test_a_rate_is_asked_for_once_by_each_call(monkeypatch: pytest.MonkeyPatch):
    lane = Lane(requests_per_second=1000)
    asked = []
    acquire = lane._rate.aacquire
    monkeypatch.setattr(type(lane._rate), "aacquire", lambda rate: asked.append(1) or acquire.__func__(rate))
    await Crowd(lane).come(4)
    assert len(asked) == 4
    assert lane._rate.max_bucket_size == 1000


async def test_a_pause_holds_up_every_call_of_the_lane(monkeypatch: pytest.MonkeyPatch):
    lane, slept = Lane(), []
    sleep = asyncio.sleep

    async def record(seconds: float) -> None:
        slept.append(seconds)
        lane._not_before = 0.0  # the pause is over
        await sleep(0)

    lane.pause(30)
    lane.pause(10)  # a shorter one does not end a longer one
    monkeypatch.setattr("archon_graph.models.limits.asyncio.sleep", record)
    async with lane.slot():
        pass
    assert len(slept) == 1
    assert 29 < slept[0] < 34


def test_lanes_are_one_for_each_limit():
    assert lane_of("k", None, None) is None
    assert lane_of("k", 2, None) is lane_of("k", 2, None)
    assert lane_of("k", 2, None) is not lane_of("k", 3, None)
    assert lane_of("k", 2, None) is not lane_of("other", 2, None)
    assert lane_of("k", None, None, always=True) is lane_of("k", None, None, always=True)
