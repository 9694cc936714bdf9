"""Takes typed fields out of a row; what is missing or of another type goes to the draft."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from archon_graph.evals.benchmarks.problems import Draft, nearest
from archon_graph.evals.benchmarks.reading import Row, type_name


def take_text(row: Row, field: str, draft: Draft, *, default: str | None = None) -> str | None:
    """A text that is not blank; the default if the field is missing or null, a problem if there is no default."""
    value = row.data.get(field)
    if value is None:
        if default is None:
            _missing(row, field, draft, "a text")
        return default
    if not isinstance(value, str):
        draft.add(
            row.line, field, f"should be a text, got {type_name(value)}: {_short(value)}", "Put it in quotes"
        )
        return None
    if not value.strip():
        if default is None:
            draft.add(row.line, field, "is empty", "Give it a text, or leave the line out")
        return default
    return _without_halves(row, field, value, draft)


def take_texts(row: Row, field: str, draft: Draft, *, required: bool = True) -> tuple[str, ...] | None:
    """A list of texts that are not blank; a single text counts as a list of one."""
    value = row.data.get(field)
    if value is None:
        if required:
            _missing(row, field, draft, "a list of texts")
            return None
        return ()
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        draft.add(row.line, field, f"should be a list of texts, got {_short(value)}", 'Write ["...", "..."]')
        return None
    if not texts or not all(text.strip() for text in texts):
        draft.add(row.line, field, "holds an empty text" if texts else "is empty", "Fill it, or leave it out")
        return None
    checked = [_without_halves(row, field, text, draft) for text in texts]
    return None if None in checked else tuple(text for text in checked if text is not None)


def check_keys(row: Row, known: Sequence[str], draft: Draft, way_out: str) -> None:
    """Note every key of a row that nobody reads: it may be misspelt."""
    for key in row.data:
        if key not in known:
            draft.add(row.line, key, f"no such field{nearest(key, known)}; known are {', '.join(known)}", way_out)


def check_ids(places: Iterable[tuple[int, str]], draft: Draft, *, way_out: str) -> None:
    """Note every id that stands at two places."""
    first: dict[str, int] = {}
    for line, name in places:
        if name in first:
            draft.add(line, "id", f"{name!r} is the id of line {first[name]} already", way_out)
        else:
            first[name] = line


def _missing(row: Row, field: str, draft: Draft, what: str) -> None:
    there = f"; the line has {', '.join(map(repr, row.data))}" if row.data else ""
    hint = nearest(field, row.data)
    draft.add(row.line, field, f"is missing{hint}{there}", f"Add it: {what}")


def _without_halves(row: Row, field: str, text: str, draft: Draft) -> str | None:
    r"""Half a character ("\ud83d" alone) is valid JSON, and no file, hash or model takes it."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        half = f"\\u{ord(text[error.start]):04x}"
        draft.add(row.line, field, f"holds half a character, {half}, at place {error.start}", "Write it whole")
        return None
    return text


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
