"""Answers many questions through a cache, as a program that may be killed at any moment.

python -m tests.faults.answer_many --cache cache.db --results results.json --questions 200
"""

from __future__ import annotations

import argparse
import asyncio
import json
from pathlib import Path

from archon_graph import Fuser, Generator, Ranker
from archon_graph.models import Client, ModelPolicy

MODEL = "openai:served"
GRAPH = Generator(MODEL, samples=3) | Ranker(MODEL) | Fuser(MODEL)
DRAWS_PER_QUESTION = 5
CONCURRENCY = 8


async def answer_all(count: int, cache: Path) -> list[str]:
    """The results of all questions, as text without what differs between equal runs."""
    policy = ModelPolicy(concurrency=CONCURRENCY, timeout=10.0, attempts=8, first_wait=0.01)
    client = Client(cache=cache, policies={"openai": policy})
    at_once = asyncio.Semaphore(4 * CONCURRENCY)

    async def answer(number: int) -> str:
        async with at_once:
            result = await GRAPH.arun(f"Question {number}: what is {number} times {number}?", client=client)
        return result.stable_json()

    try:
        return await asyncio.gather(*map(answer, range(count)))
    finally:
        client.close()


def main() -> None:
    """Answer them, and write the results down once all are there."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.answer_many", description=__doc__)
    parser.add_argument("--cache", type=Path, required=True, help="the cache's file")
    parser.add_argument("--results", type=Path, required=True, help="where to write the results, as a JSON list")
    parser.add_argument("--questions", type=int, required=True, help="how many")
    given = parser.parse_args()
    given.results.write_text(json.dumps(asyncio.run(answer_all(given.questions, given.cache))))


if __name__ == "__main__":
    main()
