import asyncio
import threading
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archon_graph.models.local import turn
from archon_graph.models.local.turns import Turns


class Watch:
    """Notes who is inside, and fails if two keys are at once."""

    def __init__(self) -> None:
        self.turns = Turns()
        self.inside: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self.order: list[str] = []
        self.clashes = 0
        self._lock = threading.Lock()

    async def call(self, key: str, seconds: float = 0.0, name: str = "") -> None:
        async with self.turns.turn(key):
            with self._lock:
                self.order.append(name or key)
                self.inside[key] += 1
                self.most[key] = max(self.most[key], self.inside[key])
                self.clashes += len(+self.inside) > 1
            try:
                await asyncio.sleep(seconds)
            finally:
                with self._lock:
                    self.inside[key] -= 1

    def at_rest(self) -> bool:
        return self.turns._inside == 0 and not self.turns._queue and not self.clashes


async def test_calls_of_one_model_run_together() -> None:
    watch = Watch()
    await asyncio.gather(*(watch.call("a", 0.01) for _ in range(50)))
    assert watch.most["a"] == 50


async def test_another_model_waits_until_the_first_is_done() -> None:
    watch = Watch()
    await asyncio.gather(*(watch.call(key, 0.01) for key in "aabbab"))
    assert watch.order == ["a", "a", "b", "b", "b", "a"]
    assert watch.at_rest()


async def test_new_calls_line_up_behind_another_model_that_waits() -> None:
    watch = Watch()
    first = asyncio.create_task(watch.call("a", 0.03, "a1"))
    await asyncio.sleep(0)
    other = asyncio.create_task(watch.call("b", 0.01, "b1"))
    await asyncio.sleep(0)
    late = asyncio.create_task(watch.call("a", 0.0, "a2"))
    await asyncio.gather(first, other, late)
    assert watch.order == ["a1", "b1", "a2"]


async def test_groups_come_in_the_order_of_their_first_call() -> None:
    watch = Watch()
    await asyncio.gather(*(watch.call(key, 0.001, f"{key}{n}") for n, key in enumerate("abcbca")))
    assert watch.order == ["a0", "b1", "b3", "c2", "c4", "a5"]


async def test_a_cancelled_waiter_leaves_the_line() -> None:
    watch = Watch()
    first = asyncio.create_task(watch.call("a", 0.05, "a1"))
    await asyncio.sleep(0)
    other = asyncio.create_task(watch.call("b"))
    late = asyncio.create_task(watch.call("a", 0.0, "a2"))
    await asyncio.sleep(0.001)
    other.cancel()
    await asyncio.wait_for(late, 0.04)  # nothing stands between it and the first any more
    await first
    assert watch.order == ["a1", "a2"]
    assert other.cancelled()
    assert watch.at_rest()


async def test_a_cancelled_holder_gives_its_turn_back() -> None:
    watch = Watch()
    holder = asyncio.create_task(watch.call("a", 60))
    await asyncio.sleep(0)
    other = asyncio.create_task(watch.call("b"))
    await asyncio.sleep(0)
    holder.cancel()
    await asyncio.wait_for(other, 1)
    assert watch.at_rest()


async def test_a_call_cancelled_just_as_it_is_let_in_holds_nothing() -> None:
    watch = Watch()
    holder = asyncio.create_task(watch.call("a", 0.01))
    await asyncio.sleep(0)
    other = asyncio.create_task(watch.call("b"))
    await asyncio.sleep(0)
    # The holder's end and the cancellation fall into the same step of the loop.
    holder.add_done_callback(lambda _: other.cancel())
    await asyncio.wait([holder, other])
    await asyncio.wait_for(watch.call("c"), 1)
    assert watch.at_rest()


async def test_an_error_inside_gives_the_turn_back() -> None:
    turns = Turns()
    with pytest.raises(ValueError, match="broken"):
        async with turns.turn("a"):
            raise ValueError("broken")
    async with asyncio.timeout(1), turns.turn("b"):
        pass


async def test_the_process_has_one_line_for_all() -> None:
    async with turn("a"):
        blocked = asyncio.create_task(anext(_entered("b")))
        await asyncio.sleep(0.01)
        assert not blocked.done()
    assert await asyncio.wait_for(blocked, 1) == "b"


async def _entered(key: str):  # type: ignore[no-untyped-def]
    async with turn(key):
        pass
    yield key


def test_a_loop_that_was_closed_with_a_call_in_line_is_passed_over() -> None:
    turns = Turns()
    dead = asyncio.new_event_loop()

    async def wait_forever() -> None:
        async with turns.turn("b"):
            raise AssertionError("let in without a loop")

    async def others() -> None:
        async with turns.turn("a"):
            task = dead.create_task(wait_forever())
            await asyncio.to_thread(dead.run_until_complete, asyncio.sleep(0.01))
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            dead.close()
            waiting = asyncio.create_task(_enter(turns, "c"))
            await asyncio.sleep(0)
        await asyncio.wait_for(waiting, 1)

    asyncio.run(others())
    assert turns._inside == 0


async def _enter(turns: Turns, key: str) -> None:
    async with turns.turn(key):
        pass


def test_loops_in_several_threads_share_one_line() -> None:
    watch = Watch()

    async def many(seed: int) -> None:
        await asyncio.gather(*(watch.call("abc"[(seed + n) % 3], 0.0005) for n in range(60)))

    threads = [threading.Thread(target=lambda seed=seed: asyncio.run(many(seed))) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)
    assert len(watch.order) == 360
    assert watch.at_rest()


CALLS = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(0, 3), st.integers(0, 3), st.none() | st.integers(0, 6)),
    max_size=25,
)


@given(CALLS)
@settings(max_examples=150, deadline=None)
def test_whatever_is_called_and_cancelled_nobody_clashes_or_is_forgotten(
    calls: list[tuple[str, int, int, int | None]],
) -> None:
    """Each call: its key, when it starts, how long it computes, and when it is cancelled, if it is."""
    watch = Watch()

    async def steps(count: int) -> None:
        for _ in range(count):
            await asyncio.sleep(0)

    async def one(key: str, start: int, length: int) -> None:
        await steps(start)
        async with watch.turns.turn(key):
            watch.inside[key] += 1
            watch.clashes += len(+watch.inside) > 1
            try:
                await steps(length)
            finally:
                watch.inside[key] -= 1

    async def cancel(task: asyncio.Task[None], after: int) -> None:
        await steps(after)
        task.cancel()

    async def everything() -> None:
        tasks = [asyncio.create_task(one(*call[:3])) for call in calls]
        cancels = [
            asyncio.create_task(cancel(task, call[3]))
            for task, call in zip(tasks, calls, strict=True)
            if call[3] is not None
        ]
        async with asyncio.timeout(5):
            await asyncio.gather(*tasks, *cancels, return_exceptions=True)
        for task, call in zip(tasks, calls, strict=True):
            assert task.done()
            assert call[3] is not None or not task.cancelled()

    asyncio.run(everything())
    assert watch.at_rest()
