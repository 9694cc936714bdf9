"""Open questions: a model judges answers against those of a single call, in both orders, and is audited."""

import asyncio
import json
import os
from pathlib import Path

from archon_graph import Fuser, Generator
from archon_graph.evals import compare_architectures, evaluate, load_benchmark
from archon_graph.evals.judges import Judging, judged

MODEL = os.environ.get("ARCHON_GRAPH_MODEL", "local:coder-0.5b")
JUDGE = os.environ.get("ARCHON_GRAPH_JUDGE", MODEL)  # a stronger model judges better

FILE = Path("open_questions.jsonl")
asked = {
    "ice": "Why does ice float? Two sentences.",
    "salt": "Why is salt put on icy roads? Two sentences.",
}


def write_questions() -> None:
    """Each with the answer of a single call, which is the one to beat."""
    lines = []
    for name, question in asked.items():
        baseline = Generator(MODEL).alone().run(question, seed=1).answer
        record = {"id": name, "input": question, "kind": "open", "metadata": {"baseline": baseline}}
        lines.append(json.dumps(record) + "\n")
    FILE.write_text("".join(lines), encoding="utf-8")


async def main() -> None:
    questions = judged(load_benchmark(FILE), Judging(model=JUDGE))
    architecture = Generator(MODEL, samples=3) | Fuser(MODEL)
    evaluation = await evaluate({"fused": architecture}, questions, out="judged")
    summary = compare_architectures(evaluation, scorer=questions.scorer)
    for standing in summary.standings:
        print(standing.architecture, standing.score, standing.figures)
    print(*summary.verdict, sep="\n")


if __name__ == "__main__":
    write_questions()
    asyncio.run(main())
