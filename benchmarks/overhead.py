"""What the graph costs on top of the calls: wall time against the same calls without it.

    python benchmarks/overhead.py [--rounds 15] [--widths 30 100] [--latency 0.05]

The requests of a run are kept, and sent again through the same client, layer by layer, with plain asyncio. The
models are fakes that answer after 50 ms, in this process or behind a socket: only overhead is measured.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time

from common import FakeModel, Report, arguments, gathered, milliseconds, one_by_one, paired, requests_of
from loopback import serving

from archon_graph import Architecture, Fuser, Generator, Ranker
from archon_graph.models import Client, ModelLike


def by_samples(model: ModelLike, width: int) -> Architecture:
    """Three layers of one node each, which draws so many samples."""
    return Generator(model, samples=width) | Fuser(model, samples=width) | Fuser(model, samples=width)


def by_nodes(model: ModelLike, width: int) -> Architecture:
    """Three layers of so many nodes, which draw one sample each."""
    return Architecture.from_layers([[Generator(model)] * width, [Fuser(model)] * width, [Fuser(model)] * width])


async def against_gather(report: Report, name: str, architecture: Architecture, limit: float, rounds: int) -> None:
    """Wall time against the same requests, gathered layer by layer."""
    client = Client()
    layers = await requests_of(architecture, "q")
    pairs = await paired(lambda: architecture.arun("q", client=client), lambda: gathered(client, layers), rounds)
    detail = f"{milliseconds(pairs.ours)} with the graph, {milliseconds(pairs.theirs)} without"
    report.at_most(f"{name} against asyncio.gather", pairs.ratio, limit, detail=detail)


async def sample_rank_fuse(report: Report, fake: FakeModel, rounds: int) -> None:
    """Wall time of 10 samples, rank, fuse against what nothing can beat, and against one call after the other.

    The latter is the order of Archon's first implementation, without the pauses that it makes.
    """
    line = Generator(fake, samples=10) | Ranker(fake) | Fuser(fake)
    client = Client()
    layers = await requests_of(line, "q")
    pairs = await paired(lambda: line.arun("q", client=client), lambda: one_by_one(client, layers), rounds)
    critical = statistics.median(pairs.ours) / (len(layers) * fake.latency)
    report.at_most("10 samples, rank, fuse against the latency of its three layers", critical, 1.15)
    detail = f"{milliseconds(pairs.theirs)} for its 12 calls"
    report.at_least("the same, times faster than one call after the other", 1 / pairs.ratio, 3.5, detail=detail)
    await against_gather(report, "10 samples, rank, fuse", line, 1.15, rounds)


def compiling(report: Report, width: int, rounds: int) -> None:
    """How long three wide layers of nodes take to compile."""
    times = []
    for _ in range(rounds):
        architecture = by_nodes(FakeModel(), width)
        started = time.perf_counter()
        architecture.compile()
        times.append((time.perf_counter() - started) * 1000)
    report.at_most(f"compiling {width}-{width}-{width}, rules checked", statistics.median(times), 150, unit=" ms")


async def main() -> int:
    """Run all comparisons; 1 if a figure was missed."""
    parser = arguments(__doc__, rounds=15)
    parser.add_argument("--widths", type=int, nargs="+", default=[30, 100], help="of the layers (default: 30 100)")
    parser.add_argument("--latency", type=float, default=0.05, help="seconds that a call takes (default: 0.05)")
    given = parser.parse_args()
    rounds, fake = given.rounds, FakeModel(latency=given.latency)
    report = Report(rounds)
    await sample_rank_fuse(report, fake, rounds)
    for width in given.widths:
        limit = 1.10 if width <= 30 else 1.25
        await against_gather(report, f"3 layers of {width} samples", by_samples(fake, width), limit, rounds)
        await against_gather(report, f"3 layers of {width} nodes", by_nodes(fake, width), limit, rounds)
    with serving(given.latency):
        for width in given.widths:
            for kind, form in (("samples", by_samples), ("nodes", by_nodes)):
                name = f"3 layers of {width} {kind}, through ChatOpenAI to a loopback server"
                await against_gather(report, name, form("openai:served", width), 1.10, rounds)
    compiling(report, max(given.widths), rounds)
    return 1 if report.missed else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
