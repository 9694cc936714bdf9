"""What many questions at once cost: CPU for each against plain asyncio, and memory over thousands of them.

    python benchmarks/throughput.py [--rounds 5] [--questions 5000] [--at-once 200]

The models answer at once and keep nothing, so that what is measured is ours: the graph, its records, the client.
"""

from __future__ import annotations

import asyncio
import gc
import resource
import statistics
import sys
import time
from pathlib import Path

from common import FakeModel, Pairs, Report, arguments, gathered, paired, requests_of
from langchain_core.messages import HumanMessage

from archon_graph import Architecture, Fuser, Generator, Ranker
from archon_graph.models import Client

FAKE = FakeModel()
QUESTION = "Which of the planets has the most moons, and how many are known?"


async def cpu_per_question(
    report: Report, name: str, architecture: Architecture, at_once: int, rounds: int
) -> None:
    """CPU of all questions at once, against the same requests and against bare calls of the model."""
    client = Client()
    layers = await requests_of(architecture, QUESTION)

    async def ours() -> None:
        await asyncio.gather(*(architecture.arun(f"{QUESTION} ({n})", client=client) for n in range(at_once)))

    async def theirs() -> None:
        await asyncio.gather(*(gathered(client, layers) for _ in range(at_once)))

    async def bare_question() -> None:
        for width in (10, 1, 1):
            await asyncio.gather(*(FAKE.ainvoke([HumanMessage(QUESTION)]) for _ in range(width)))

    async def bare() -> None:
        await asyncio.gather(*(bare_question() for _ in range(at_once)))

    pairs = await paired(ours, theirs, rounds, clock=time.process_time)
    against_bare = await paired(ours, bare, rounds, clock=time.process_time, warm_up=False)
    detail = f"{_each(pairs.ours, at_once)} with the graph, {_each(pairs.theirs, at_once)} without"
    report.at_most(f"CPU per question, {name}, against asyncio.gather", pairs.ratio, 2.5, detail=detail)
    report.note(f"against model.ainvoke without our client: {_ratio(against_bare, at_once)}")


def _ratio(pairs: Pairs, at_once: int) -> str:
    return f"{pairs.ratio:.2f}; {_each(pairs.theirs, at_once)} for its 12 calls"


def _each(seconds: list[float], questions: int) -> str:
    return f"{statistics.median(seconds) / questions * 1000:.1f} ms"


async def memory(report: Report, architecture: Architecture, questions: int, at_once: int) -> None:
    """Memory after a tenth of the questions, by when every pool is filled, and after all of them."""
    client = Client()
    early = max(at_once, questions // 10)
    asked, before = 0, 0.0
    while asked < questions:
        await asyncio.gather(*(architecture.arun(f"question {asked + n}", client=client) for n in range(at_once)))
        asked += at_once
        if not before and asked >= early:
            early, before = asked, resident_megabytes()
    after = resident_megabytes()
    detail = f"{before:.1f} MB after {early:,}, {after:.1f} MB after {asked:,}: {after - before:+.1f} MB"
    report.at_most("memory, growth in percent", (after / before - 1) * 100, 5, unit=" %", detail=detail)


def resident_megabytes() -> float:
    """What this process holds of the machine's memory; where the system does not say, the most it ever held."""
    gc.collect()
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text(encoding="ascii").split()[1]) * resource.getpagesize() / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


async def main() -> int:
    """Run all comparisons; 1 if a figure was missed."""
    parser = arguments(__doc__, rounds=5)
    parser.add_argument("--questions", type=int, default=5000, help="for the memory (default: 5000)")
    parser.add_argument("--at-once", type=int, default=200, help="questions side by side (default: 200)")
    given = parser.parse_args()
    report = Report(given.rounds)
    line = Generator(FAKE, samples=10) | Ranker(FAKE) | Fuser(FAKE)
    # Before the other figures: they leave memory behind that this one could grow into.
    await memory(report, line, given.questions, given.at_once)
    await cpu_per_question(report, "10 samples, rank, fuse", line, given.at_once, given.rounds)
    nodes = [Generator(FAKE)] * 10
    wide = Architecture.from_layers([nodes, Ranker(FAKE), Fuser(FAKE)])
    await cpu_per_question(report, "10 nodes, rank, fuse", wide, given.at_once, given.rounds)
    return 1 if report.missed else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
