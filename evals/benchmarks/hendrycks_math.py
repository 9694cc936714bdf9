"""MATH: problems from competitions, with an expression for an answer."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from archon_graph.answers import boxed_answer
from archon_graph.core import Prompt
from archon_graph.evals.benchmarks.benchmark import Benchmark
from archon_graph.evals.benchmarks.fields import take_text
from archon_graph.evals.benchmarks.hub import HubSet
from archon_graph.evals.benchmarks.item import Item
from archon_graph.evals.benchmarks.problems import Draft
from archon_graph.evals.benchmarks.published import PublishedFormat
from archon_graph.evals.benchmarks.reading import Row, read_object, read_objects


def math(
    path: str | Path | None = None,
    *,
    part: str | None = None,
    revision: str | None = None,
    prompt: Prompt | None = None,
) -> Benchmark:
    r"""MATH, in the form of MATH-500 or of the first release; on the hub, MATH-500.

    Reads JSON lines ``{"problem", "solution", "answer"?, "level", "subject" | "type"}``, or a folder of JSON files
    with one problem each. Without an ``answer``, the target is what stands in the solution's last ``\boxed{}``.
    Ids are the ``unique_id`` of a line or the file's place in the folder, else ``math/1`` for the first line and
    so on. In the metadata, ``level`` is a number and ``subject`` a name, whatever the file calls it.

    Source: Hendrycks et al., Measuring mathematical problem solving with the MATH dataset (arXiv 2103.03874);
    MATH-500: Lightman et al. (arXiv 2305.20050).

    Args:
        path: The file or folder; ``None`` for the hub, which needs the extra ``datasets``.
        part: On the hub, ``test``.
        revision: On the hub, the version.
        prompt: Other words around the problem.

    Raises:
        BenchmarkError: The data has problems; all are reported.
    """
    return _FORMAT.load(path, part=part, revision=revision, prompt=prompt, read=_read)


def _read(path: Path, draft: Draft) -> list[Row]:
    if not path.is_dir():
        return read_objects(path, draft)
    rows: list[Row] = []
    for file in sorted(path.rglob("*.json")):
        own = Draft(file=str(file))
        found = read_object(file, own)
        if found is not None:
            # The first release has no ids; a problem is known by its place there.
            rows.append(Row(1, {"unique_id": file.relative_to(path).as_posix(), **found}, str(file)))
        draft.problems.extend(own.problems)
    if not rows and not draft.problems:
        draft.add(None, None, "the folder holds no .json file", "Name the folder 'test' or 'train' of the release")
    return rows


def _make(row: Row, prompt: Prompt, draft: Draft) -> Item | None:
    problem = take_text(row, "problem", draft)
    solution = take_text(row, "solution", draft, default="")
    answer = take_text(row, "answer", draft, default="")
    if problem is None or solution is None or answer is None:
        return None
    target = answer or boxed_answer(solution)
    if not target:
        draft.add(
            row.line,
            "solution",
            r"has no \boxed{} with an answer, and there is no field 'answer'",
            r"Give the answer in either of them",
        )
        return None
    name = row.data.get("unique_id") or f"math/{row.line}"
    return Item(
        id=str(name),
        input=prompt.render("question", question=problem),
        target=target,
        metadata={
            "level": _level(row.data.get("level")),
            "subject": row.data.get("subject") or row.data.get("type"),
            "solution": solution,
        },
        kind="math",
    )


def _level(level: Any) -> Any:
    """``"Level 5"`` in the first release, 5 in MATH-500; some problems have ``"Level ?"``."""
    found = re.fullmatch(r"Level (\d)", level) if isinstance(level, str) else None
    return level if found is None else int(found[1])


_FORMAT = PublishedFormat(
    name="math",
    hub=HubSet(repository="HuggingFaceH4/MATH-500"),
    parts=("test",),
    make=_make,
)
