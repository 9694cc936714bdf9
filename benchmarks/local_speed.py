"""How much of a local model's speed a layer of samples gets: tokens a second, against the runtime asked directly.

    python benchmarks/local_speed.py [--rounds 3] [--model coder-0.5b] [--max-tokens 128]

Needs the model's file (`archon-graph models pull coder-0.5b`) and a machine on which nothing else runs. Both sides
ask the one server in this process for eight samples at once, with the same prompt and seeds.
"""

from __future__ import annotations

import asyncio
import itertools
import statistics
import sys
from typing import Any

import httpx
from common import Report, arguments, paired

from archon_graph import Generator
from archon_graph.models import Client, ConfigurationError, local
from archon_graph.models.providers import seed_of

SAMPLES = 8
# Open-ended, so that answers are as long as they may be and both sides have the same amount to do.
QUESTION = "Write a long story about a lighthouse keeper who finds a map. Describe every day of the journey."


async def main() -> int:
    """Compare; 1 if the figure was missed, 2 if the model is not there."""
    parser = arguments(__doc__, rounds=3)
    parser.add_argument("--model", default="coder-0.5b", help="a local model (default: coder-0.5b)")
    parser.add_argument("--max-tokens", type=int, default=128, help="length of a sample (default: 128)")
    given = parser.parse_args()
    try:
        endpoint = local.endpoint(given.model)
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 2
    report = Report(given.rounds)
    layer = Generator(f"local:{given.model}", samples=SAMPLES, max_tokens=given.max_tokens).alone()
    client = Client()
    tokens: dict[str, list[int]] = {"ours": [], "theirs": []}
    # Each round has seeds of its own, the same ones on both sides.
    our_rounds, their_rounds = itertools.count(), itertools.count()

    async def ours() -> None:
        result = await layer.arun(QUESTION, client=client, seed=next(our_rounds))
        tokens["ours"].append(result.usage.completion_tokens)

    async def theirs() -> None:
        replicate = next(their_rounds)
        seeds = [seed_of(replicate, sample) for sample in range(SAMPLES)]
        tokens["theirs"].append(await ask_directly(http, endpoint, seeds, given.max_tokens))

    # Connections are opened before the clock runs, as they are on the other side.
    async with httpx.AsyncClient(timeout=1800, trust_env=False) as http:
        pairs = await paired(ours, theirs, given.rounds)
    # The first of each was the warm-up.
    speeds = {
        "ours": [count / seconds for count, seconds in zip(tokens["ours"][1:], pairs.ours, strict=True)],
        "theirs": [count / seconds for count, seconds in zip(tokens["theirs"][1:], pairs.theirs, strict=True)],
    }
    ratio = statistics.median(mine / other for mine, other in zip(*speeds.values(), strict=True))
    detail = f"{statistics.median(speeds['ours']):.1f} tokens/s of {statistics.median(speeds['theirs']):.1f}"
    name = f"{given.model}, a layer of {SAMPLES} samples, speed against the runtime alone"
    report.at_least(name, ratio, 0.9, detail=detail)
    report.note(f"tokens in each round: {tokens['ours'][1:]} with the graph, {tokens['theirs'][1:]} without")
    return 1 if report.missed else 0


async def ask_directly(
    http: httpx.AsyncClient, endpoint: local.Endpoint, seeds: list[int], max_tokens: int
) -> int:
    """Ask the runtime for all samples at once, and say how many tokens came."""

    async def one(seed: int) -> int:
        body: dict[str, Any] = {
            "model": endpoint.name,
            "messages": [{"role": "user", "content": QUESTION}],
            "max_tokens": max_tokens,
            "seed": seed,
            **endpoint.defaults,
        }
        key = {"Authorization": f"Bearer {endpoint.api_key}"}
        response = await http.post(f"{endpoint.base_url}/chat/completions", json=body, headers=key)
        response.raise_for_status()
        return int(response.json()["usage"]["completion_tokens"])

    return sum(await asyncio.gather(*map(one, seeds)))


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
