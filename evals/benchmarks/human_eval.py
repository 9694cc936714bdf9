"""HumanEval: Python functions to be completed, with tests."""

from __future__ import annotations

from pathlib import Path

from archon_graph.core import Prompt
from archon_graph.evals.benchmarks.benchmark import Benchmark
from archon_graph.evals.benchmarks.fields import take_text
from archon_graph.evals.benchmarks.hub import HubSet
from archon_graph.evals.benchmarks.item import Item
from archon_graph.evals.benchmarks.problems import Draft
from archon_graph.evals.benchmarks.published import PublishedFormat
from archon_graph.evals.benchmarks.reading import Row


def human_eval(
    path: str | Path | None = None,
    *,
    revision: str | None = None,
    prompt: Prompt | None = None,
) -> Benchmark:
    """HumanEval, from ``HumanEval.jsonl`` or ``HumanEval.jsonl.gz`` as its authors publish it, or from the hub.

    The program that is run is the task's own beginning, the answer's code, the tests, and ``check(entry_point)``.

    Source: Chen et al., Evaluating large language models trained on code (arXiv 2107.03374).

    Args:
        path: The file; ``None`` for the hub, which needs the extra ``datasets``.
        revision: On the hub, the version.
        prompt: Other words around the function.

    Raises:
        BenchmarkError: The data has problems; all are reported.
    """
    return _FORMAT.load(path, revision=revision, prompt=prompt)


def _make(row: Row, prompt: Prompt, draft: Draft) -> Item | None:
    taken = {field: take_text(row, field, draft) for field in ("task_id", "prompt", "entry_point", "test")}
    solution = take_text(row, "canonical_solution", draft, default="")
    found = {field: text for field, text in taken.items() if text is not None}
    if len(found) < len(taken):
        return None
    return Item(
        id=found["task_id"],
        input=prompt.render("question", code=found["prompt"].strip("\n")),
        tests=(found["test"], f"check({found['entry_point']})"),
        metadata={
            "prefix": found["prompt"],
            "entry_point": found["entry_point"],
            "solution": solution,
        },
        kind="code",
    )


_FORMAT = PublishedFormat(
    name="human_eval",
    hub=HubSet(repository="openai/openai_humaneval"),
    parts=("test",),
    make=_make,
)
