"""CodeContests: tasks of programming contests, with tests of what a program reads and writes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from archon_graph.core import Prompt
from archon_graph.evals.benchmarks.benchmark import Benchmark
from archon_graph.evals.benchmarks.fields import take_text
from archon_graph.evals.benchmarks.hub import HubSet
from archon_graph.evals.benchmarks.item import Item
from archon_graph.evals.benchmarks.problems import Draft
from archon_graph.evals.benchmarks.published import MakeItem, PublishedFormat
from archon_graph.evals.benchmarks.reading import Row, form_of, read_object, read_objects, read_text, type_name
from archon_graph.evals.scorers.code_contests import KIND, CodeContests

_SETS: Final = ("public_tests", "private_tests", "generated_tests")
_IMAGE: Final = "<image>"


def code_contests(
    path: str | Path | None = None,
    *,
    part: str | None = None,
    revision: str | None = None,
    images: bool = False,
    prompt: Prompt | None = None,
) -> Benchmark:
    """CodeContests, from a file with records in the form of the hub, or from the hub.

    The file is JSON lines, a list in a JSON file, or one problem in a JSON file; each with ``name``,
    ``description``, and ``public_tests``, ``private_tests`` and ``generated_tests`` as two lists of equal length,
    ``input`` and ``output``. All tests count, in this order. ``time_limit`` is ``{"seconds": 2, "nanos": 0}``.

    An item's metadata has its ``name``, its ``inputs`` and ``outputs``, ``time_limit`` in seconds and
    ``memory_limit_mb`` (``None`` where the record has none), ``test_count``, ``difficulty`` and ``source``.

    The question is asked without an example before it; the run that the protocol is from puts one there.

    Source: Li et al., Competition-level code generation with AlphaCode (Science 378, 2022; arXiv 2203.07814).

    Args:
        path: The file; ``None`` for the hub, which needs the extra ``datasets``.
        part: On the hub, ``test``, ``valid`` or ``train``.
        revision: On the hub, the version.
        images: Whether problems whose statement refers to an image (``<image>``) are kept. The protocol leaves
            them out.
        prompt: Other words around the statement.

    Raises:
        BenchmarkError: The data has problems, or no problem is left; all are reported.
        UnknownBenchmarkError: The data set on the hub has no such part.
        MissingExtraError: The hub is asked for, and ``datasets`` is not installed.
    """
    left_out: list[str] = []
    form = replace(_FORMAT, make=_maker(images=images, left_out=left_out))
    benchmark = form.load(path, part=part, revision=revision, prompt=prompt, read=_read)
    if not benchmark.items:
        draft = Draft(file=benchmark.source)
        told = f"no problem is left: the statements of all {len(left_out)} refer to an image"
        draft.add(None, "description", told, "To keep them, say images=True")
        draft.raise_if_any()
    return replace(benchmark, scorer=CodeContests())


def _read(path: Path, draft: Draft) -> list[Row]:
    if form_of(path) == ".json":
        text = read_text(path, draft)
        if text is None:
            return []
        if text.lstrip().startswith("{"):
            record = read_object(path, draft)
            return [] if record is None else [Row(1, record)]
    return read_objects(path, draft)


def _maker(*, images: bool, left_out: list[str]) -> MakeItem:
    def make(row: Row, prompt: Prompt, draft: Draft) -> Item | None:
        if not any(row.data.get(field) is not None for field in _SETS):
            told = f"has no tests: none of {', '.join(_SETS)}"
            way_out = "Give records as on the hub; CodeT's file of statements has none, and cannot be scored"
            draft.add(row.line, None, told, way_out)
            return None
        name, statement = take_text(row, "name", draft), take_text(row, "description", draft)
        tests, time_limit = _tests(row, draft), _seconds(row, draft)
        if name is None or statement is None or tests is None:
            return None
        if _IMAGE in statement and not images:
            left_out.append(name)
            return None
        return Item(
            id=name,
            input=prompt.render("question", statement=statement.strip()),
            metadata={
                "name": name,
                "inputs": [given for given, _ in tests],
                "outputs": [wanted for _, wanted in tests],
                "test_count": len(tests),
                "time_limit": time_limit,
                "memory_limit_mb": _megabytes(row.data.get("memory_limit_bytes")),
                "difficulty": row.data.get("difficulty"),
                "source": row.data.get("source"),
            },
            kind=KIND,
        )

    return make


def _tests(row: Row, draft: Draft) -> list[tuple[str, str]] | None:
    """What goes in and what has to come out, of all three sets; ``None`` and problems if it cannot be read."""
    tests: list[tuple[str, str]] = []
    sound = True
    for field in _SETS:
        held = row.data.get(field)
        if held is None:
            continue
        if not isinstance(held, Mapping):
            told = f"should be an object with input and output, got {type_name(held)}"
            draft.add(row.line, field, told, 'Write {"input": ["1\\n"], "output": ["2\\n"]}')
            sound = False
            continue
        given, wanted = held.get("input"), held.get("output")
        for side, texts in (("input", given), ("output", wanted)):
            if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
                told = f"should be a list of texts, got {type_name(texts)}: {str(texts)[:60]}"
                draft.add(row.line, f"{field}.{side}", told, 'Write ["...", "..."]')
                sound = False
        if not isinstance(given, list) or not isinstance(wanted, list):
            continue
        if len(given) != len(wanted):
            told = f"has {len(given)} inputs and {len(wanted)} outputs"
            draft.add(row.line, field, told, "Give each input its output")
            sound = False
            continue
        tests.extend(zip(given, wanted, strict=True))
    if sound and not tests:
        draft.add(row.line, None, f"has no test in {', '.join(_SETS)}", "Leave the problem out, or add tests")
    return tests if sound and tests else None


def _seconds(row: Row, draft: Draft) -> float | None:
    limit = row.data.get("time_limit")
    if limit is None:
        return None
    found = limit if isinstance(limit, Mapping) else {}
    seconds, nanos = found.get("seconds", 0), found.get("nanos", 0)
    # The hub has null where a message of the original data lacks a number.
    total = _number(seconds) + _number(nanos) / 1e9
    if not isinstance(limit, Mapping) or not 0 < total <= 3600:
        told = f"should be above 0 and up to an hour, got {str(limit)[:60]}"
        draft.add(row.line, "time_limit", told, 'Write {"seconds": 2, "nanos": 0}, or leave it out')
        return None
    return total


def _number(value: Any) -> float:
    if value is None:
        return 0.0
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan


def _megabytes(value: Any) -> int | None:
    """The records have 0, too, where there is no limit."""
    return (
        math.ceil(value / 2**20) if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
    )


_FORMAT = PublishedFormat(
    name="code_contests",
    hub=HubSet(repository="deepmind/code_contests"),
    parts=("test", "valid", "train"),
    make=_maker(images=False, left_out=[]),
)
