"""Reads rows from files: JSON lines, a list in a JSON file, and CSV, each plain or gzipped."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archon_graph.evals.benchmarks.problems import Draft, nearest

_FORMS = (".jsonl", ".json", ".csv")


@dataclass(frozen=True)
class Row:
    """One record of a file, and where it stands."""

    line: int
    """Line of the file, from 1; of a list in a JSON file and of a data set on the hub the row."""
    data: Mapping[str, Any]
    """The fields."""
    file: str | None = None
    """The file, if the benchmark is made of several."""


def read_objects(path: Path, draft: Draft) -> list[Row]:
    """The objects of a ``.jsonl`` or ``.json`` file, gzipped or not; what cannot be read goes to the draft."""
    text = read_text(path, draft)
    if text is None:
        return []
    form = form_of(path)
    rows = [*(_from_list(text, draft) if form == ".json" else _from_lines(text, draft))]
    if not rows and not draft.problems:
        draft.add(None, None, "the file holds no record", "Write one JSON object on each line")
    return rows


def read_object(path: Path, draft: Draft) -> Mapping[str, Any] | None:
    """The one JSON object that a file is."""
    text = read_text(path, draft)
    found = _BROKEN if text is None else _parse(text, None, draft)
    return None if found is _BROKEN else next((row.data for row in _as_rows(found, 1, draft)), None)


def read_table(path: Path, columns: Sequence[str], draft: Draft) -> list[Row]:
    """The rows of a ``.csv`` file without a header, each with exactly these columns."""
    text = read_text(path, draft)
    if text is None:
        return []
    rows = []
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    start = 1
    try:
        for cells in reader:
            if len(cells) == len(columns):
                rows.append(Row(start, dict(zip(columns, cells, strict=True))))
            elif cells:
                draft.add(
                    start,
                    None,
                    f"the row has {len(cells)} columns instead of {len(columns)}",
                    f"The columns are {', '.join(columns)}, without a header; quote a cell that holds a comma",
                )
            start = reader.line_num + 1
    except csv.Error as error:
        draft.add(start, None, f"this is not valid CSV: {error}", "Mend the quotes of this row")
    if not rows and not draft.problems:
        draft.add(None, None, "the file holds no row", f"The columns are {', '.join(columns)}")
    return rows


def read_text(path: Path, draft: Draft) -> str | None:
    """The text of a file, unzipped if its name ends in ``.gz``; ``None`` and a problem if there is none."""
    try:
        raw = path.read_bytes()
        if path.suffix == ".gz":
            raw = gzip.decompress(raw)
    except (OSError, EOFError, zlib.error) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        if path.is_dir():
            files = ", ".join(sorted(one.name for one in path.iterdir())[:5])
            draft.add(None, None, "this is a folder", f"Name a file in it: {files or 'it is empty'}")
        else:
            draft.add(None, None, f"the file cannot be read: {reason}", f"Check the path{_beside(path)}")
        return None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        draft.add(line, None, f"byte {raw[error.start]:#04x} is not UTF-8", "Save the file as UTF-8")
        return None


def form_of(path: Path) -> str:
    """What the file's name says it is: its suffix, in lower case, without ``.gz``."""
    return (path.with_suffix("") if path.suffix == ".gz" else path).suffix.lower()


def need_path(path: str | Path | None, benchmark: str, way_out: str) -> Path:
    """The path of a benchmark that comes from a file alone.

    Raises:
        BenchmarkError: There is none; says where the file can be had.
    """
    if path is None:
        draft = Draft(file=benchmark)
        draft.add(None, "path", "this benchmark is read from a file, got none", way_out)
        draft.raise_if_any()
    return Path(str(path))


def looks_like_path(name: str) -> bool:
    """Whether a text names a file, and not a benchmark."""
    return "/" in name or "\\" in name or form_of(Path(name)) in _FORMS or Path(name).is_file()


def _from_lines(text: str, draft: Draft) -> Iterator[Row]:
    # Only a line feed ends a line: str.splitlines() would also cut at U+2028, which JSON strings may hold.
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield from _as_rows(_parse(line, number, draft), number, draft)


def _from_list(text: str, draft: Draft) -> Iterator[Row]:
    found = _parse(text, None, draft)
    if found is _BROKEN:
        return
    if not isinstance(found, list):
        draft.add(None, None, f"a JSON file holds a list of records, got {_type(found)}", "Or use JSON lines")
        return
    for number, record in enumerate(found, start=1):
        yield from _as_rows(record, number, draft)


_BROKEN = object()


def _parse(text: str, line: int | None, draft: Draft) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_without_repeats, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        where = f"at column {error.colno}" if line is not None else f"at line {error.lineno}, column {error.colno}"
        draft.add(
            line if line is not None else error.lineno,
            None,
            f"this is not valid JSON: {error.msg} {where}",
            "Mend it at this place; each line is a JSON object of its own"
            if line is not None
            else "Mend it at this place",
        )
    except _RepeatedKeyError as error:
        draft.add(line, error.key, "the key stands twice in one object", "Keep one of them")
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        draft.add(line, None, f"this cannot be read as JSON: {reason}", "Write it in another way")
    return _BROKEN


def _as_rows(found: Any, number: int, draft: Draft) -> Iterable[Row]:
    if found is _BROKEN:
        return
    if not isinstance(found, dict):
        draft.add(number, None, f"a record is a JSON object, got {_type(found)}", 'Write {"input": ...}')
        return
    yield Row(number, found)


class _RepeatedKeyError(ValueError):
    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


def _without_repeats(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        # A key that stands twice would silently lose its first value.
        raise _RepeatedKeyError(next(key for key, _ in pairs if key in seen or seen.add(key)))  # type: ignore[func-returns-value]
    return found


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON number")


def _type(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def type_name(value: object) -> str:
    """What JSON calls the type of a value, with an article."""
    return _type(value)


def _beside(path: Path) -> str:
    try:
        return nearest(path.name, [one.name for one in path.parent.iterdir()])
    except OSError:
        return f": there is no folder {path.parent}"
