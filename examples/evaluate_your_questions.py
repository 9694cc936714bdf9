"""Two architectures on questions of your own: means, and the paired difference with its interval."""

import asyncio
import json
import os
from pathlib import Path

from archon_graph.evals import compare_architectures, evaluate, load_benchmark
from archon_graph.graphs import self_consistency, single

MODEL = os.environ.get("ARCHON_GRAPH_MODEL", "local:coder-0.5b")

FILE = Path("questions.jsonl")
questions = [
    {"id": f"q{n}", "input": f"What is {n} doubled? Answer with the number.", "target": str(2 * n)}
    for n in (3, 8, 12)
]
FILE.write_text("".join(json.dumps(question) + "\n" for question in questions), encoding="utf-8")


async def main() -> None:
    evaluation = await evaluate(
        {"single": single(MODEL), "vote": self_consistency(MODEL, samples=3)},
        load_benchmark(FILE),
        out="evaluation",  # another start with this folder pays for nothing twice
    )
    summary = compare_architectures(evaluation, baseline="single")
    for standing in summary.standings:
        print(f"{standing.architecture:>8}  {standing.score}")
    print(*summary.verdict, sep="\n")


if __name__ == "__main__":
    asyncio.run(main())
