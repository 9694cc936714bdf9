"""MBPP: small Python programs to be written, with three tests each."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from archon_graph.core import Prompt
from archon_graph.evals.benchmarks.benchmark import Benchmark
from archon_graph.evals.benchmarks.fields import take_text, take_texts
from archon_graph.evals.benchmarks.hub import HubSet
from archon_graph.evals.benchmarks.item import Item
from archon_graph.evals.benchmarks.problems import Draft, UnknownBenchmarkError, nearest
from archon_graph.evals.benchmarks.published import PublishedFormat
from archon_graph.evals.benchmarks.reading import Row, type_name

PARTS: Final = {
    "test": range(11, 511),
    "prompt": range(1, 11),
    "validation": range(511, 601),
    "train": range(601, 975),
}
"""The parts of the data set, by task number."""


def mbpp(
    path: str | Path | None = None,
    *,
    part: str = "test",
    revision: str | None = None,
    prompt: Prompt | None = None,
    shown_tests: int | None = None,
) -> Benchmark:
    """MBPP, from ``mbpp.jsonl`` or ``sanitized-mbpp.json`` as its authors publish them, or from the hub.

    The question shows the tests, as the paper does: a task's text alone does not name the function. Where answers
    are chosen by running the tests that they were shown, that is choosing by the score itself: show one
    (``shown_tests=1``), and the others stay unknown until the answer is scored. The program
    that is run is the answer's code, the set-up code, and the tests, in that order: the set-up code of the two
    tasks that have some uses a class that the answer defines.

    Source: Austin et al., Program synthesis with large language models (arXiv 2108.07732).

    Args:
        path: The file; ``None`` for the hub, which needs the extra ``datasets``.
        part: ``test`` (tasks 11 to 510), ``train``, ``validation``, ``prompt``, or ``all``.
        revision: On the hub, the version.
        prompt: Other words around the task.
        shown_tests: So many of a task's tests stand in its question, the first; all by default. Answers are scored
            with all of them in any case.

    Raises:
        BenchmarkError: The data has problems; all are reported.
        UnknownBenchmarkError: There is no such part.
        ValueError: The file holds no task of this part, or ``shown_tests`` is less than 1.
    """
    if shown_tests is not None and shown_tests < 1:
        raise ValueError(
            f"shown_tests is {shown_tests}, and without a test the question names no function; show at least 1"
        )
    form = replace(_FORMAT, make=partial(_make, shown_tests=shown_tests))
    known = [*PARTS, "all"]
    if part not in known:
        raise UnknownBenchmarkError(f"mbpp has no part {part!r}{nearest(part, known)}; it has {', '.join(known)}")
    if path is None and part != "all":
        return form.load(None, part=part, revision=revision, prompt=prompt)
    if path is None:
        raise ValueError("the hub keeps the parts of mbpp apart; load one of them, or give the path of mbpp.jsonl")
    whole = form.load(path, prompt=prompt)
    return whole if part == "all" else whole.where({"task_id": PARTS[part]})


def _make(row: Row, prompt: Prompt, draft: Draft, *, shown_tests: int | None = None) -> Item | None:
    task = row.data.get("task_id")
    if not isinstance(task, int) or isinstance(task, bool):
        draft.add(row.line, "task_id", f"should be a whole number, got {type_name(task)}", "Give it its number")
    # The sanitized file calls the text "prompt", and has imports where the other one has set-up code.
    text = take_text(row, "prompt" if "prompt" in row.data and "text" not in row.data else "text", draft)
    code = take_text(row, "code", draft, default="")
    asserts = take_texts(row, "test_list", draft)
    setup = take_text(row, "test_setup_code", draft, default="")
    imports = take_texts(row, "test_imports", draft, required=False) if row.data.get("test_imports") else ()
    if not isinstance(task, int) or None in (text, code, setup, imports) or not asserts:
        return None
    tests = [line for line in (*(imports or ()), setup, *asserts) if line]
    return Item(
        id=f"mbpp/{task}",
        input=prompt.render("question", question=text, tests="\n".join(asserts[:shown_tests])),
        tests=tuple(tests),
        metadata={"task_id": task, "entry_point": _entry_point(code or "", asserts), "solution": code},
        kind="code",
    )


def _entry_point(code: str, tests: Sequence[str]) -> str | None:
    """The function that the tests call, among those that the task's own solution defines."""
    try:
        defined = [one.name for one in ast.parse(code).body if isinstance(one, ast.FunctionDef)]
        called = {
            node.func.id
            for node in ast.walk(ast.parse("\n".join(tests)))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return next((name for name in defined if name in called), None)


_FORMAT = PublishedFormat(
    name="mbpp",
    hub=HubSet(repository="google-research-datasets/mbpp", config="full"),
    parts=tuple(PARTS),
    make=_make,
)
