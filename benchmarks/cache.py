"""What a recorded answer takes to be found, and whether processes that write at once lose any.

    python benchmarks/cache.py [--entries 100000] [--rounds 2000]

The cache is filled with requests of ten samples each; a hit is one sample of one of them, chosen at random: its
identity, the look into the file, and the answer made ready. Then four processes write into one file at once.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import platform
import random
import sqlite3
import statistics
import tempfile
import time
from pathlib import Path

from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

from archon_graph.models.cache import Entry, Identity, ResponseCache, identify
from archon_graph.models.request import Request, Sampling, Usage

SAMPLES = 10
PROCESSES, EACH = 4, 2_500
LIMIT_MS = 0.3
# About 1,500 characters, as a generator's answer to a question of the usual length.
ANSWER = "A model answers in words, and most of its answers are a few hundred words long. " * 19


def request(number: int) -> Request:
    """A request as a generator makes it."""
    return Request(
        model="openai:gpt-4o",
        messages=(SystemMessage("You are a careful expert. " * 20), HumanMessage(f"Question {number}. " * 20)),
        sampling=Sampling(temperature=0.7, max_tokens=1024),
        prompt_version="generator@1",
    )


def identity(number: int) -> Identity:
    """Its identity."""
    found = identify(request(number))
    assert found is not None  # noqa: S101
    return found


def entry(text: str) -> Entry:
    """An answer with all that a provider says about it."""
    message = AIMessage(
        f"{text}: {ANSWER}",
        response_metadata={
            "model_name": "gpt-4o-2026-05-13",
            "finish_reason": "stop",
            "id": "chatcmpl-0123456789",
        },
        usage_metadata={"input_tokens": 250, "output_tokens": 300, "total_tokens": 550},
    )
    usage = Usage(calls=1, prompt_tokens=250, completion_tokens=300, seconds=2.5, money=0.004)
    return Entry(message=message, data=None, usage=usage, model="openai:gpt-4o")


async def fill(cache: ResponseCache, entries: int) -> None:
    """Record so many answers."""
    for first in range(0, entries // SAMPLES, 500):
        numbers = range(first, min(first + 500, entries // SAMPLES))
        answers = {sample: entry(str(sample)) for sample in range(SAMPLES)}
        await asyncio.gather(*(cache.add(identity(number), 0, answers) for number in numbers))


def hits(path: Path, entries: int, rounds: int) -> None:
    """How long it takes to find one answer among many."""
    with ResponseCache(path) as cache:
        started = time.perf_counter()
        asyncio.run(fill(cache, entries))
        seconds = time.perf_counter() - started
        size = cache.stats().bytes / 1e6
        print(f"     {entries:,} answers recorded in {seconds:.1f} s, {size:,.0f} MB")
        looks, wholes = [], []
        for _ in range(rounds):
            asked = request(random.randrange(entries // SAMPLES))
            started = time.perf_counter()
            known = identify(asked)
            middle = time.perf_counter()
            assert known is not None  # noqa: S101
            found = cache.find(known, 0, [random.randrange(SAMPLES)])
            ended = time.perf_counter()
            assert len(found) == 1  # noqa: S101
            looks.append((ended - middle) * 1000)
            wholes.append((ended - started) * 1000)
    median, slow = statistics.median(wholes), statistics.quantiles(wholes, n=100)[98]
    verdict = "ok  " if median < LIMIT_MS else "OVER"
    print(
        f"{verdict} a hit at {entries:,} answers: {median:.3f} ms (under {LIMIT_MS}); "
        f"{statistics.median(looks):.3f} ms of it to find, 99 of 100 within {slow:.3f} ms"
    )


def write(path: str, who: int) -> None:
    """What one of several processes does: its own answers, one awaited batch of ten after the other."""

    async def work(cache: ResponseCache) -> None:
        for first in range(0, EACH, 10):
            adding = (
                cache.add(identity(number // SAMPLES), who, {number % SAMPLES: entry(f"{who} {number}")})
                for number in range(first, first + 10)
            )
            await asyncio.gather(*adding)

    with ResponseCache(path) as cache:
        asyncio.run(work(cache))


def writers(path: Path) -> None:
    """Whether all is there that several processes wrote at once."""
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=write, args=(str(path), who)) for who in range(PROCESSES)]
    started = time.perf_counter()
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    seconds = time.perf_counter() - started
    lost = 0
    with ResponseCache(path) as cache:
        for who in range(PROCESSES):
            for number in range(0, EACH, SAMPLES):
                found = cache.find(identity(number // SAMPLES), who, range(SAMPLES))
                lost += sum(
                    sample not in found
                    or not str(found[sample].message.content).startswith(f"{who} {number + sample}:")
                    for sample in range(SAMPLES)
                )
    failed = sum(process.exitcode != 0 for process in processes)
    verdict = "ok  " if lost == failed == 0 else "OVER"
    print(
        f"{verdict} {PROCESSES} processes write {EACH:,} answers each at once: {lost} lost, {failed} processes "
        f"failed (at most 0); {seconds:.1f} s with the start of Python"
    )


def main() -> None:
    """Run both."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=2_000)
    settings = parser.parse_args()
    print(f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {platform.machine()}")
    with tempfile.TemporaryDirectory() as folder:
        hits(Path(folder) / "hits.sqlite", settings.entries, settings.rounds)
        writers(Path(folder) / "writers.sqlite")


if __name__ == "__main__":
    main()
