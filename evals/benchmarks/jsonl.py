"""The user's own questions: a file of JSON lines."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from langchain_core.messages import BaseMessage, convert_to_messages

from archon_graph.answers import parse_number
from archon_graph.evals.benchmarks.benchmark import Benchmark
from archon_graph.evals.benchmarks.fields import check_ids, check_keys, take_text, take_texts
from archon_graph.evals.benchmarks.item import KINDS, Item
from archon_graph.evals.benchmarks.problems import Draft, nearest
from archon_graph.evals.benchmarks.reading import Row, read_objects, type_name
from archon_graph.evals.benchmarks.starter.rules import misstated
from archon_graph.evals.scorers.base import Scorer
from archon_graph.evals.scorers.by_kind import ByKind

FIELDS: Final = ("input", "target", "tests", "metadata", "id", "kind", "cluster", "follow_ups")
"""The fields of a line; only ``input`` and one of ``target`` and ``tests`` are needed."""


def jsonl(path: str | Path, *, kind: str | None = None, scorer: Scorer | None = None) -> Benchmark:
    r"""Questions of your own, one JSON object on each line.

        {"input": "How many legs do 7 spiders have?", "target": "56"}
        {"input": "Write add(a, b) in Python.", "tests": ["assert add(1, 2) == 3"]}

    - ``input``: the question, sent as it stands: a text, or a list of messages ``{"role", "content"}``
    - ``target``: the right answer: a text or a number, or a list of which any one is right
    - ``tests``: for code: Python that raises if the answer's code is wrong; a text or a list of texts
    - ``metadata``: an object of your own, to filter by
    - ``id``: name of the item; without one it is a digest of the input
    - ``kind``: how it is scored: ``exact``, ``numeric``, ``math``, ``choice``, ``code``, ``format`` (by rules), or
      ``open`` (by no rule)
    - ``cluster``: items that stand or fall together have the same cluster
    - ``follow_ups``: what is asked next in the conversation, a text or a list of them; a rule scores the last
      answer, a judge all of them

    Without a ``kind``, items with tests are code; a target that is a number is numeric, one that is a single
    capital from A to J is a choice, one in LaTeX (with a backslash or a ``$``) is mathematics, any other is
    compared as text.

    Some metadata has a meaning: ``split`` names the split, ``choices`` lists the words of the choices,
    ``tolerance`` is the largest difference that counts as equal, ``entry_point`` names the function that the code
    has to define, ``check`` lists the rules for the kind ``format``.

    Args:
        path: The file; ``.jsonl``, or ``.json`` with a list of the same objects, gzipped or not.
        kind: The kind of the lines that do not name theirs.
        scorer: Scores the answers, in place of one for each kind.

    Raises:
        BenchmarkError: The file has problems; all are reported, with line, field and way out.
        ValueError: There is no such kind.
    """
    # A scorer of one's own may know kinds of its own.
    if kind is not None and kind not in KINDS and scorer is None:
        raise ValueError(f"there is no kind {kind!r}{nearest(kind, KINDS)}; known are {', '.join(KINDS)}")
    draft = Draft(file=str(path))
    rows = read_objects(Path(path), draft)
    made = [(row, _make(row, kind, draft, any_kind=scorer is not None)) for row in rows]
    # A line that has other problems counts, too: its id would be told as taken when those are mended.
    names = [(row.line, _given_name(row) if item is None else item.id) for row, item in made]
    check_ids(
        ((line, name) for line, name in names if name is not None),
        draft,
        way_out="Give each line an id of its own; if neither has one, it is the same question twice: remove one",
    )
    draft.raise_if_any()
    return Benchmark(
        name=Path(path).name.split(".")[0] or "jsonl",
        items=tuple(item for _, item in made if item is not None),
        scorer=scorer or ByKind(),
        source=draft.file,
    )


def _make(row: Row, default: str | None, draft: Draft, *, any_kind: bool) -> Item | None:
    before = len(draft.problems)
    check_keys(row, FIELDS, draft, "What is your own goes into 'metadata'")
    asked = _input(row, draft)
    targets = _targets(row, draft)
    tests = take_texts(row, "tests", draft, required=False)
    metadata = _metadata(row, draft)
    follow_ups = take_texts(row, "follow_ups", draft, required=False)
    cluster = _name(row, "cluster", draft)
    name = _name(row, "id", draft)
    kind = row.data.get("kind") or default or _likely_kind(targets or (), tests or ())
    if not isinstance(kind, str) or (kind not in KINDS and not any_kind):
        hint = nearest(kind, KINDS) if isinstance(kind, str) else ""
        draft.add(row.line, "kind", f"there is no kind {kind!r}{hint}", f"Known are {', '.join(KINDS)}")
    elif targets is not None and tests is not None and metadata is not None:
        item = Item(
            # What is wrong with the input is told already; the rest of the line is looked at all the same.
            id=name or ("?" if asked is None else _digest(row.data["input"])),
            input=asked or "?",
            target=targets[0] if len(targets) == 1 else targets or None,
            tests=tests,
            metadata=metadata,
            cluster=cluster,
            kind=kind,
            follow_ups=follow_ups or (),
        )
        _check(row, item, draft)
        return item if len(draft.problems) == before else None
    return None


def _input(row: Row, draft: Draft) -> str | tuple[BaseMessage, ...] | None:
    given = row.data.get("input")
    if not isinstance(given, list):
        return take_text(row, "input", draft)
    way_out = 'Write [{"role": "user", "content": "..."}]'
    if not given or not all(isinstance(one, dict) and "role" in one and "content" in one for one in given):
        draft.add(row.line, "input", "should be a text or a list of messages with role and content", way_out)
        return None
    try:
        json.dumps(given, ensure_ascii=False).encode()
        messages = convert_to_messages(given)
    except (ValueError, TypeError, KeyError, NotImplementedError) as error:
        reason = str(error).partition("\n")[0]
        draft.add(row.line, "input", f"holds a message that cannot be read: {reason}", way_out)
        return None
    if messages[-1].type == "ai":
        draft.add(row.line, "input", "ends with an answer of the assistant", "End it with what is to be answered")
        return None
    return tuple(messages)


def _targets(row: Row, draft: Draft) -> tuple[str, ...] | None:
    given = row.data.get("target")
    if given is None:
        return ()
    values: list[Any] = given if isinstance(given, list) else [given]
    texts = []
    for value in values:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            way_out = "Put it in quotes, or give a list of texts"
            draft.add(row.line, "target", f"should be a text or a number, got {type_name(value)}", way_out)
            return None
        if isinstance(value, float) and not math.isfinite(value):
            draft.add(row.line, "target", "is too large a number", "Put it in quotes")
            return None
        texts.append(value if isinstance(value, str) else repr(value))
    return take_texts(Row(row.line, {"target": texts}), "target", draft)


def _metadata(row: Row, draft: Draft) -> dict[str, Any] | None:
    given = row.data.get("metadata")
    if given is None:
        return {}
    if not isinstance(given, dict):
        draft.add(row.line, "metadata", f"should be an object, got {type_name(given)}", 'Write {"name": value}')
        return None
    return given


def _given_name(row: Row) -> str | None:
    """The id of a line as it stands there, without a word on what is wrong with it."""
    given = row.data.get("id")
    return str(given) if isinstance(given, str | int) and not isinstance(given, bool) and given != "" else None


def _name(row: Row, field: str, draft: Draft) -> str | None:
    given = row.data.get(field)
    if isinstance(given, int) and not isinstance(given, bool):
        return str(given)
    return None if given is None else take_text(row, field, draft)


def _likely_kind(targets: Sequence[str], tests: Sequence[str]) -> str:
    """The kind of an item that does not name its own."""
    if tests:
        return "code"
    if targets and all(parse_number(target) is not None for target in targets):
        return "numeric"
    if targets and all(_is_letter(target) and target.isupper() for target in targets):
        return "choice"
    if any(mark in target for target in targets for mark in "\\$"):
        return "math"
    return "exact"


def _check(row: Row, item: Item, draft: Draft) -> None:
    """Whether an item holds what the scorer of its kind needs."""
    if item.kind == "code" and not item.tests:
        draft.add(row.line, "tests", "is missing, and the kind is code", 'Add it: ["assert ..."]')
    if item.kind in _NEED_TARGET and not item.targets:
        way_out = 'Add the right answer, or \'tests\' for code, or "kind": "open" if no rule can score it'
        draft.add(row.line, "target", f"is missing{nearest('target', row.data)}", way_out)
    check = _CHECKS.get(item.kind)
    if check is not None:
        check(row, item, draft)


def _check_numeric(row: Row, item: Item, draft: Draft) -> None:
    for target in item.targets:
        if parse_number(target) is None:
            draft.add(
                row.line, "target", f"should be a number, got {target!r}", "Write digits, or use another kind"
            )
    tolerance = item.metadata.get("tolerance", 0)
    if isinstance(tolerance, bool) or not isinstance(tolerance, int | float) or not 0 <= tolerance < math.inf:
        draft.add(row.line, "metadata.tolerance", f"should be 0 or more, got {tolerance!r}", "Give a number")


def _check_choice(row: Row, item: Item, draft: Draft) -> None:
    choices = item.metadata.get("choices", [""] * _MOST_CHOICES)
    if (
        not isinstance(choices, list)
        or not 0 < len(choices) <= _MOST_CHOICES
        or not all(isinstance(one, str) for one in choices)
    ):
        message = f"should be a list of 1 to {_MOST_CHOICES} texts, got {choices!r}"
        draft.add(row.line, "metadata.choices", message, 'Write ["first", "second"]')
        return
    last = chr(ord("A") + len(choices) - 1)
    for target in item.targets:
        if not _is_letter(target) or target.strip().upper() > last:
            message = f"should be a letter from A to {last}, got {target!r}"
            draft.add(row.line, "target", message, "Give the letter of the right choice")


def _check_format(row: Row, item: Item, draft: Draft) -> None:
    check = item.metadata.get("check")
    if not isinstance(check, list) or not check:
        message = f"should be a list of rules, got {type_name(check)}"
        draft.add(row.line, "metadata.check", message, 'Write [{"rule": "word_count", "count": 5}]')
        return
    for sentence in misstated(check):
        draft.add(row.line, "metadata.check", sentence, "Mend the rule")


_NEED_TARGET = ("exact", "numeric", "math", "choice")
_CHECKS = {"numeric": _check_numeric, "choice": _check_choice, "format": _check_format}
_MOST_CHOICES = 10


def _is_letter(text: str) -> bool:
    return re.fullmatch(r"[A-Ja-j]", text.strip()) is not None


def _digest(given: Any) -> str:
    """A name that stays the item's own when lines come and go, so that it stays in its split."""
    text = given if isinstance(given, str) else json.dumps(given, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
