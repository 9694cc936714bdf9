"""AlpacaEval's own files: the outputs that its tool is given, and the annotations that it writes.

Both are a JSON list of records. What this module writes, the tool reads, and the other way round.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from archon_graph.evals.benchmarks.problems import Draft, nearest
from archon_graph.evals.benchmarks.reading import Row, read_objects, type_name
from archon_graph.evals.judges.alpaca_eval import first_top_logprobs

_Record = TypeVar("_Record", "ModelOutput", "Annotation")
_LARGEST = 1e15


@dataclass(frozen=True, kw_only=True)
class ModelOutput:
    """A model's output to one instruction: a record of a submission."""

    instruction: str
    """What the model was asked."""
    output: str
    """What it wrote; may be empty."""
    generator: str
    """What the model is called, the same in all records of a file."""
    dataset: str = ""
    """Which of the sets that AlpacaEval is drawn from the instruction comes from."""


@dataclass(frozen=True, kw_only=True)
class Annotation:
    """A judge's preference between two outputs."""

    instruction: str
    """What both models were asked."""
    output_1: str
    """The baseline's output."""
    generator_1: str
    """The baseline's name."""
    output_2: str
    """The model's output."""
    generator_2: str
    """The model's name."""
    dataset: str = ""
    """See `ModelOutput`."""
    annotator: str = ""
    """What the judge is called."""
    preference: float | None = None
    """From 1 (the baseline's output is better) to 2 (the model's is), 0 or 1.5 for a draw; ``None`` if unknown."""
    price_per_example: float | None = None
    """What it cost, in US dollars."""
    time_per_example: float | None = None
    """What it took, in seconds."""
    raw_completion: Any = None
    """What the judge's provider returned, as plain data: a choice of OpenAI's API, with ``logprobs``."""

    @property
    def top_logprobs(self) -> list[tuple[str, float]] | None:
        """The likeliest first tokens that the judge's provider returned; ``None`` if it returned none."""
        raw = self.raw_completion
        return first_top_logprobs(raw.get("logprobs")) if isinstance(raw, dict) else None


def read_submission(path: str | Path) -> list[ModelOutput]:
    """Read a model's outputs, from a file as `write_submission` writes it.

    Raises:
        BenchmarkError: A field is missing or of another type, an instruction stands there twice, or the records
            are of several models; all problems are reported.
    """
    draft = Draft(file=str(path))
    found = _make(ModelOutput, read_objects(Path(path), draft), draft)
    draft.raise_if_any()
    return found


def write_submission(path: str | Path, outputs: Iterable[ModelOutput]) -> None:
    """Write a model's outputs so that the official tool takes them as ``--model_outputs``.

    Args:
        path: The file, which is replaced if it is there.
        outputs: One for each instruction.

    Raises:
        BenchmarkError: See `read_submission`; nothing is written then.
        OSError: The file cannot be written.
    """
    _write(Path(path), ModelOutput, outputs)


def read_annotations(path: str | Path) -> list[Annotation]:
    """Read a judge's preferences, from a file of the official tool or one that `write_annotations` wrote.

    Raises:
        BenchmarkError: A field is missing, of another type or on another scale, or a pair of models stands twice
            under one instruction; all problems are reported.
    """
    draft = Draft(file=str(path))
    found = _make(Annotation, read_objects(Path(path), draft), draft)
    draft.raise_if_any()
    return found


def write_annotations(path: str | Path, annotations: Iterable[Annotation]) -> None:
    """Write a judge's preferences as the official tool does.

    Args:
        path: The file, which is replaced if it is there.
        annotations: The records, in the order that they are to stand in: published figures go by it.

    Raises:
        BenchmarkError: See `read_annotations`; nothing is written then.
        OSError: The file cannot be written.
    """
    _write(Path(path), Annotation, annotations)


_NUMBERS = ("preference", "price_per_example", "time_per_example")
_NEVER_EMPTY = ("instruction", "generator", "generator_1", "generator_2")
_WITH_DEFAULT = ("dataset", "annotator", "price_per_example", "time_per_example", "raw_completion")


def _write(path: Path, kind: type[_Record], records: Iterable[_Record]) -> None:
    draft = Draft(file=str(path))
    names = [one.name for one in fields(kind)]
    rows = [
        Row(place, {name: getattr(record, name) for name in names})
        for place, record in enumerate(records, start=1)
    ]
    if not rows:
        draft.add(None, None, "there is no record to write", "Give at least one")
    _make(kind, rows, draft)
    draft.raise_if_any()
    written = b""
    try:
        text = json.dumps([dict(row.data) for row in rows], indent=2, ensure_ascii=False, allow_nan=False)
        written = text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        # All other fields have been looked at by now.
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        draft.add(None, "raw_completion", f"cannot be written as JSON: {reason}", "Turn it into plain data")
    draft.raise_if_any()
    path.write_bytes(written + b"\n")


def _make(kind: type[_Record], rows: Sequence[Row], draft: Draft) -> list[_Record]:
    """The records, each problem of theirs noted."""
    found = []
    names = [one.name for one in fields(kind)]
    first: dict[tuple[str, ...], int] = {}
    generator = ""
    for row in rows:
        before = len(draft.problems)
        values = {
            name: _value(row, name, draft) for name in names if name in row.data or name not in _WITH_DEFAULT
        }
        if len(draft.problems) > before:
            continue
        record = kind(**{name: value for name, value in values.items() if value is not None})
        found.append(record)
        key, what = _key(record)
        if key in first:
            message = f"{record.instruction[:60]!r} {what} at record {first[key]} already"
            draft.add(row.line, "instruction", message, "Remove one of the two")
        first.setdefault(key, row.line)
        if isinstance(record, ModelOutput):
            generator = generator or record.generator
            if record.generator != generator:
                message = f"is {record.generator!r}, and {generator!r} before"
                draft.add(row.line, "generator", message, "Make a file for each model")
    return found


def _key(record: ModelOutput | Annotation) -> tuple[tuple[str, ...], str]:
    """What no two records of a file share, and what that means in words."""
    if isinstance(record, ModelOutput):
        return (record.instruction,), "is answered"
    return (
        record.instruction,
        record.generator_1,
        record.generator_2,
        record.annotator,
    ), "is judged for these models"


def _value(row: Row, name: str, draft: Draft) -> Any:
    if name not in row.data:
        has = ", ".join(map(repr, row.data)) or "nothing"
        draft.add(row.line, name, f"is missing{nearest(name, row.data)}; the record has {has}", "Add it")
        return None
    value = row.data[name]
    if name == "raw_completion" or (value is None and (name in _NUMBERS or name in _WITH_DEFAULT)):
        return value
    if name in _NUMBERS:
        return _number(row.line, name, value, draft)
    if not isinstance(value, str):
        draft.add(
            row.line, name, f"should be a text, got {type_name(value)}: {repr(value)[:60]}", "Put it in quotes"
        )
    elif name in _NEVER_EMPTY and not value.strip():
        draft.add(row.line, name, "is empty", "Give it a text, or leave the record out")
    else:
        try:
            value.encode()
        except UnicodeEncodeError as error:
            half = f"\\u{ord(value[error.start]):04x}"
            draft.add(row.line, name, f"holds half a character, {half}, at place {error.start}", "Write it whole")
    return value


def _number(line: int, name: str, value: object, draft: Draft) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        draft.add(line, name, f"should be a number, got {type_name(value)}: {repr(value)[:60]}", "Or write null")
    elif name == "preference" and not (value == 0 or 1 <= value <= 2):
        way_out = "Write 1 (baseline) to 2 (model), 0 or 1.5 for a draw, null for none"
        draft.add(line, name, f"is on another scale: {value}", way_out)
    elif not abs(value) <= _LARGEST:
        draft.add(line, name, f"is no price and no time: {repr(value)[:60]}", "Or write null")
    else:
        return float(value)
    return None
