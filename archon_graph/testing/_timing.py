"""What only shows while calls are under way: which wait for each other, and what a cancelled run leaves behind."""

from __future__ import annotations

import asyncio
import time

from archon_graph.testing._bench import Bench
from archon_graph.testing._material import candidates

_A_CALL = 0.02


def longest_chain(bench: Bench) -> int:
    """How many calls began only when another one had ended that began only when..., at most."""
    calls: list[tuple[float, int]] = []  # when it ends, and its place in the chain

    def latency() -> float:
        now = time.perf_counter()
        calls.append((now + _A_CALL, 1 + max((place for end, place in calls if end <= now), default=0)))
        return _A_CALL

    run = bench.run(latency=latency)
    return 0 if run.losses else max((place for _, place in calls), default=0)


async def still_going_on(bench: Bench, number: int) -> str:
    """What was still going on after a run was cancelled during a call; empty if nothing was."""
    reached = asyncio.Event()

    def latency() -> float:
        if len(bench.calls) < number:
            return 0.0
        reached.set()
        return 30.0

    bench.set_up(supply=candidates(bench.count), latency=latency)
    graph = bench.graph()[1]
    others = asyncio.all_tasks()
    task = asyncio.create_task(bench.start(graph, [{"role": "user", "content": "What is 2 + 2?"}]))
    await asyncio.wait([task, waiting := asyncio.create_task(reached.wait())], return_when="FIRST_COMPLETED")
    waiting.cancel()
    if not reached.is_set():
        return ""  # fewer calls than in the run before: that what finishes first decides has a law of its own
    # Calls that begin beside this one are on their way too.
    await asyncio.sleep(0.005)
    before = len(bench.calls)
    task.cancel()
    await asyncio.wait([task], timeout=5.0)
    if not task.done():
        return "it was still running five seconds later"
    if not task.cancelled():
        return f"it ended as if it had not been cancelled: {task.exception() or 'with a result'}"
    await asyncio.sleep(0.01)
    if len(bench.calls) > before:
        return f"{len(bench.calls) - before} more calls were made"
    left = [other for other in asyncio.all_tasks() - others if not other.done()]
    return f"{len(left)} tasks go on: {left[0].get_coro()}" if left else ""
