"""Arena-Hard-Auto: hard requests, whose answers are compared with a baseline's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from archon_graph.evals.benchmarks.benchmark import Benchmark
from archon_graph.evals.benchmarks.fields import check_ids, take_text
from archon_graph.evals.benchmarks.item import Item
from archon_graph.evals.benchmarks.model_answers import ModelAnswers, read_model_answers
from archon_graph.evals.benchmarks.problems import Draft
from archon_graph.evals.benchmarks.reading import Row, need_path, read_objects

_WAY_OUT = "Give the path of question.jsonl, from arena-hard-auto's data/arena-hard-v0.1"


def arena_hard(path: str | Path | None = None, *, baseline: str | Path | None = None) -> Benchmark:
    """Arena-Hard-Auto v0.1, from the question file that its authors publish, in the form of 2024 or of 2025.

    Lines are ``{"question_id", "category", "cluster", "turns": [{"content"}]}``, or
    ``{"uid", "category", "cluster", "prompt"}``. Metadata are the ``topic`` (their cluster), the ``category``, and
    the ``baseline`` with its ``baseline_model``, where there is a file of them. Items have no cluster: the topics
    are all there are, and not a draw from many. No rule scores these items: they are of the kind ``preference``.

    Source: Li et al., Arena-Hard (arXiv 2406.11939).

    Args:
        path: The file.
        baseline: The answers to compare with, such as ``model_answer/gpt-4-0314.jsonl``.

    Raises:
        BenchmarkError: There is no path, or the data has problems; all are told.
    """
    file = need_path(path, "arena_hard", _WAY_OUT)
    draft = Draft(file=str(file))
    answers = None if baseline is None else read_model_answers(baseline)
    made = [
        (row.line, item) for row in read_objects(file, draft) if (item := _make(row, answers, draft)) is not None
    ]
    check_ids(((line, item.id) for line, item in made), draft, way_out="Remove one of the two")
    draft.raise_if_any()
    source = str(path) if baseline is None else f"{path}, baseline {baseline}"
    return Benchmark(name="arena_hard", items=tuple(item for _, item in made), source=source)


def _make(row: Row, answers: ModelAnswers | None, draft: Draft) -> Item | None:
    if "uid" in row.data or "prompt" in row.data:
        name, asked = take_text(row, "uid", draft), take_text(row, "prompt", draft)
    else:
        name, asked = take_text(row, "question_id", draft), _first_turn(row, draft)
    if name is None or asked is None:
        return None
    metadata: dict[str, Any] = {
        "topic": str(row.data.get("cluster", "")),
        "category": str(row.data.get("category", "")),
    }
    if answers is not None:
        given = answers.by_question.get(name)
        if given is None:
            draft.add(row.line, "question_id", f"the baseline has no answer to {name!r}", "Add it to its file")
            return None
        metadata |= {"baseline": given[0], "baseline_model": answers.model}
    return Item(id=name, input=asked, metadata=metadata, kind="preference")


def _first_turn(row: Row, draft: Draft) -> str | None:
    turns = row.data.get("turns")
    first = turns[0] if isinstance(turns, Sequence) and not isinstance(turns, str) and turns else None
    text = first.get("content") if isinstance(first, Mapping) else first
    if isinstance(text, str) and text.strip():
        return text
    draft.add(row.line, "turns", f"should be a list of one turn, got {turns!r:.60}", 'Write [{"content": "..."}]')
    return None
