"""Questions to double a number, and a model that often can: known answers for tests of the runner.

python -m tests.evals.doubling CALLS SECONDS eval single --benchmark questions.jsonl ...

is ``archon-graph eval single ...`` with that model as ``custom:m``; each call takes some seconds and appends its
question and sample to the file CALLS, so that they can be counted from outside.
"""

from __future__ import annotations

import json
import sys
import zlib
from pathlib import Path
from typing import Any

from archon_graph.evals import Benchmark, Item
from archon_graph.models import ScriptedCall, ScriptedModel, register_model
from tests.replies import good_reply


def benchmark(count: int, **settings: Any) -> Benchmark:
    """So many questions."""
    return Benchmark(name="doubling", items=tuple(item(number) for number in range(1, count + 1)), **settings)


def item(number: int, **settings: Any) -> Item:
    """The question to double this number."""
    return Item(
        id=f"q{number}", input=f"What is {number} doubled?", target=str(2 * number), kind="numeric", **settings
    )


def write_benchmark(path: Path, count: int) -> Path:
    """The same questions as a file."""
    lines = [{"id": each.id, "input": each.input, "target": each.target} for each in benchmark(count).items]
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    return path


def is_right(number: int, sample: int) -> bool:
    """Whether the model doubles this number right with this sample."""
    return zlib.crc32(f"{number} {sample}".encode()) % 3 > 0


def answer(number: int, sample: int) -> str:
    """What it says."""
    return f"#### {2 * number if is_right(number, sample) else 2 * number + 1 + sample % 2}"


def reply(call: ScriptedCall) -> Any:
    """An answer to such a question; to the questions of techniques what they ask for."""
    if call.schema is not None:
        return good_reply(call)
    return answer(int(call.prompt.split()[2]), call.sample)


def model() -> ScriptedModel:
    """The model, under a name by which its answers are recorded."""
    return ScriptedModel(reply, json=True, cache_id="doubling")


def main() -> None:
    """Run the command line with a slow model whose calls can be counted."""
    from archon_graph.cli import main as command

    calls, seconds, *sys.argv[1:] = sys.argv[1:]

    def counted(call: ScriptedCall) -> Any:
        with Path(calls).open("a", encoding="utf-8") as file:
            file.write(f"{call.prompt!r} {call.sample}\n")
        return reply(call)

    register_model("m", ScriptedModel(counted, json=True, latency=float(seconds)))
    command()


if __name__ == "__main__":
    main()
