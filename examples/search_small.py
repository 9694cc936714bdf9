"""A search over a small space, and the winner in a file. Real ones have more questions and more trials."""

import asyncio
import json
import os
from pathlib import Path

from archon_graph.evals import load_benchmark
from archon_graph.search import SearchSpace, StudySpec, find_strategy, run_study, split_data

MODEL = os.environ.get("ARCHON_GRAPH_MODEL", "local:coder-0.5b")

FILE = Path("questions.jsonl")
questions = [
    {"id": f"q{n}", "input": f"What is {n} doubled? Answer with the number.", "target": str(2 * n)}
    for n in range(3, 15)
]
FILE.write_text("".join(json.dumps(question) + "\n" for question in questions), encoding="utf-8")


async def main() -> None:
    spec = StudySpec(
        space=SearchSpace([MODEL], samples=[1, 3], fusion_layers=0, revisions=0, max_calls=8),
        data=split_data(load_benchmark(FILE)),
        strategy=find_strategy("local", initial=2),
        trials=3,
    )
    study = await run_study(spec, out="study")
    print(*study.findings.verdict.sentences, sep="\n")
    study.best().save("best.yaml")


if __name__ == "__main__":
    asyncio.run(main())
