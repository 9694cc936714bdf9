"""A gate tells whoever waits that enough has come: from any thread, to any loop, once."""

from __future__ import annotations

import asyncio
import threading

import pytest

from archon_graph.models.gate import Gate
from archon_graph.models.request import Draw


async def test_opens_shut_and_stays_shut():
    """The first reason holds."""
    gate = Gate()
    waiting = gate.closed()
    assert gate.reason is None
    assert not waiting.done()
    gate.close("two of three are enough")
    gate.close("another reason")
    assert await waiting is None
    assert gate.reason == "two of three are enough"
    assert gate.closed().done()


async def test_who_forgets_is_not_woken():
    gate = Gate()
    forgotten, waiting = gate.closed(), gate.closed()
    gate.forget(forgotten)
    gate.close("enough")
    await waiting
    assert forgotten.cancelled()
    # Forgetting what is done, or twice, does no harm.
    gate.forget(waiting)
    gate.forget(forgotten)
    assert waiting.result() is None


async def test_closed_and_forgotten_in_the_same_moment():
    """The wake-up is on its way when the future is given back."""
    gate = Gate()
    waiting = gate.closed()
    gate.close("enough")
    gate.forget(waiting)
    await asyncio.sleep(0)
    assert waiting.cancelled()


def test_wakes_every_loop():
    """Closed in one thread, waited for in loops of several others."""
    gate = Gate()
    ready, woken = threading.Barrier(5), []

    async def wait() -> None:
        waits = [gate.closed() for _ in range(3)]
        ready.wait()
        async with asyncio.timeout(10):
            await asyncio.gather(*waits)
        woken.append(gate.reason)

    threads = [threading.Thread(target=asyncio.run, args=(wait(),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    ready.wait()
    gate.close("enough")
    for thread in threads:
        thread.join()
    assert woken == ["enough"] * 4


def test_a_loop_that_is_gone_does_not_keep_the_others_waiting():
    """A run that was interrupted left its future behind."""
    gate = Gate()

    async def leave() -> None:
        gate.closed()

    async def wait() -> None:
        waits = [gate.closed() for _ in range(10)]
        gate.close("enough")
        async with asyncio.timeout(10):
            await asyncio.gather(*waits)

    for _ in range(10):
        asyncio.run(leave())
    asyncio.run(wait())


def test_closing_and_waiting_at_once():
    """Whatever comes first, nobody waits for ever."""

    async def wait(gate: Gate, start: threading.Barrier) -> None:
        start.wait()
        async with asyncio.timeout(10):
            await gate.closed()

    for _ in range(200):
        gate, start = Gate(), threading.Barrier(2)
        thread = threading.Thread(target=asyncio.run, args=(wait(gate, start),))
        thread.start()
        start.wait()
        gate.close("enough")
        thread.join()


def test_tells_of_arrivals():
    """To whoever made it; to nobody by default."""
    seen: list[Draw] = []
    draw = Draw(index=3)
    Gate(seen.append).arrived(draw)
    Gate().arrived(draw)
    assert seen == [draw]


def test_is_asked_within_a_loop():
    with pytest.raises(RuntimeError, match="no running event loop"):
        Gate().closed()
