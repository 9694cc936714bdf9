"""What the graph costs on top of the calls: wall time against plain asyncio.gather, and compile time.

    python benchmarks/overhead.py [--rounds 15]

Every comparison runs its two sides in turn within one process, so that a machine that slows down slows both;
the median of the paired ratios is the figure. The model is a fake that sleeps: only overhead is measured.
"""

from __future__ import annotations

import argparse
import asyncio
import platform
import statistics
import time
from collections.abc import Awaitable, Callable

from langchain_core.messages import HumanMessage

from archon_graph import Architecture, Fuser, Generator, Ranker, ScriptedModel

LATENCY = 0.05


def reply(call: object) -> str:
    """A short answer that a ranker can read too."""
    return "[2] > [1] > [3]"


async def plain(model: ScriptedModel, widths: list[int]) -> None:
    """The same calls without a graph: layer after layer, each gathered."""
    for width in widths:
        await asyncio.gather(*(model.ainvoke([HumanMessage("q")]) for _ in range(width)))


async def paired(
    name: str,
    limit: float,
    ours: Callable[[], Awaitable[object]],
    theirs: Callable[[], Awaitable[object]],
    rounds: int,
) -> None:
    """Time both in turn and print the median of the ratios."""
    ratios, mine = [], []
    await ours()
    await theirs()
    for _ in range(rounds):
        started = time.perf_counter()
        await ours()
        middle = time.perf_counter()
        await theirs()
        ended = time.perf_counter()
        mine.append(middle - started)
        ratios.append((middle - started) / (ended - middle))
    ratio = statistics.median(ratios)
    verdict = "ok  " if ratio <= limit else "OVER"
    wall = statistics.median(mine) * 1000
    print(f"{verdict} {name}: {ratio:.3f} (at most {limit:.2f}); {wall:.0f} ms with the graph")


async def critical_path(architecture: Architecture, layers: int, rounds: int) -> None:
    """Wall time against the sleeping alone, which nothing could beat."""
    walls = []
    await architecture.arun("q")
    for _ in range(rounds):
        started = time.perf_counter()
        await architecture.arun("q")
        walls.append(time.perf_counter() - started)
    ratio = statistics.median(walls) / (layers * LATENCY)
    verdict = "ok  " if ratio <= 1.15 else "OVER"
    print(f"{verdict} 10 samples, rank, fuse against the critical path: {ratio:.3f} (at most 1.15)")


def compiling(rounds: int) -> None:
    """How long 3 layers of 100 take to compile."""
    model = ScriptedModel(reply)
    wide = [[Generator(model)] * 100, [Fuser(model)] * 100, [Fuser(model)] * 100]
    times = []
    for _ in range(rounds):
        architecture = Architecture.from_layers(wide)
        started = time.perf_counter()
        architecture.compile()
        times.append((time.perf_counter() - started) * 1000)
    median = statistics.median(times)
    verdict = "ok  " if median <= 150 else "OVER"
    print(f"{verdict} compiling 100-100-100, rules checked: {median:.0f} ms (at most 150)")


async def main() -> None:
    """Run all comparisons."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    print(f"Python {platform.python_version()}, {platform.machine()}; medians of {rounds} pairs")
    model = ScriptedModel(reply, latency=LATENCY)
    line = Generator(model, samples=10) | Ranker(model) | Fuser(model)
    await critical_path(line, 3, rounds)
    await paired(
        "10 samples, rank, fuse against asyncio.gather",
        1.15,
        lambda: line.arun("q"),
        lambda: plain(model, [10, 1, 1]),
        rounds,
    )
    for width, limit in ((30, 1.10), (100, 1.25)):
        wide = Architecture.from_layers(
            [[Generator(model)] * width, [Fuser(model)] * width, [Fuser(model)] * width]
        )
        await paired(
            f"3 layers of {width} nodes against asyncio.gather",
            limit,
            lambda wide=wide: wide.arun("q"),  # type: ignore[misc]
            lambda width=width: plain(model, [width] * 3),  # type: ignore[misc]
            rounds,
        )
    compiling(rounds)


if __name__ == "__main__":
    asyncio.run(main())
