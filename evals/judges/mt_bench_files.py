"""MT-Bench's files of judgments: ratings of single answers, and verdicts on pairs.

Both are JSON lines, as FastChat's scripts write and read them. What this module writes, they read, and the other
way round.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

from archon_graph.evals.benchmarks.problems import Draft, nearest
from archon_graph.evals.benchmarks.reading import Row, read_objects, type_name

Winner = Literal["model_1", "model_2", "tie", "error"]
"""How one game of a pair ended; ``error`` if the judge's reply could not be read."""

WINNERS: Final = ("model_1", "model_2", "tie", "error")
UNREAD: Final = -1
"""The score in a file where the judge's reply has no rating."""

_Record = TypeVar("_Record")
_MISSING = object()


@dataclass(frozen=True, kw_only=True)
class SingleJudgment:
    """A judge's rating of one answer."""

    question_id: int | str
    model: str
    """Who answered."""
    judge: tuple[str, str]
    """Who judged, and the name of the template."""
    judgment: str
    """What the judge wrote."""
    score: float
    """The rating; `UNREAD` if there is none."""
    turn: int
    """Which turn's answer, from 1."""
    user_prompt: str = ""
    """What the judge was told."""
    tstamp: float = 0.0
    """When, in seconds since 1970."""


@dataclass(frozen=True, kw_only=True)
class PairJudgment:
    """A judge's verdicts on two answers, shown in both orders."""

    question_id: int | str
    model_1: str
    """Whose answer is A in the first game, and B in the second."""
    model_2: str
    g1_winner: Winner
    g2_winner: Winner
    judge: tuple[str, str]
    """Who judged, and the name of the template."""
    g1_judgment: str
    """What the judge wrote in the first game."""
    g2_judgment: str
    turn: int
    """Which turn's answers, from 1."""
    g1_user_prompt: str = ""
    """What the judge was told in the first game."""
    g2_user_prompt: str = ""
    tstamp: float = 0.0
    """When, in seconds since 1970."""


def read_single_judgments(path: str | Path) -> list[SingleJudgment]:
    """Read the ratings of a judge. A row that is there twice is read twice: published figures count both.

    Raises:
        BenchmarkError: It cannot be read, or a field is missing or of another type; all problems are reported.
    """
    draft = Draft(file=str(path))
    return read_records(read_objects(Path(path), draft), _single_of, draft)


def write_single_judgments(path: str | Path, judgments: Iterable[SingleJudgment]) -> None:
    """Write ratings so that the official table is made of them.

    Raises:
        BenchmarkError: There is no judgment, or one is not what the tool reads; all problems are reported.
        OSError: The file cannot be written.
    """
    write_records(path, [_plain(one) for one in judgments], _single_of)


def read_pair_judgments(path: str | Path) -> list[PairJudgment]:
    """Read a judge's verdicts on pairs.

    Raises:
        BenchmarkError: See `read_single_judgments`.
    """
    draft = Draft(file=str(path))
    return read_records(read_objects(Path(path), draft), _pair_of, draft)


def write_pair_judgments(path: str | Path, judgments: Iterable[PairJudgment]) -> None:
    """Write verdicts on pairs so that the official table is made of them.

    Raises:
        BenchmarkError: See `write_single_judgments`.
        OSError: The file cannot be written.
    """
    write_records(path, [_plain(one) for one in judgments], _pair_of)


def _single_of(fields: Fields) -> SingleJudgment:
    return SingleJudgment(
        question_id=fields.name("question_id"),
        model=fields.text("model", empty=False),
        judge=fields.judge(),
        judgment=fields.text("judgment"),
        score=fields.number("score"),
        turn=fields.turn_number(),
        user_prompt=fields.text("user_prompt", default=""),
        tstamp=fields.number("tstamp", default=0.0),
    )


def _pair_of(fields: Fields) -> PairJudgment:
    return PairJudgment(
        question_id=fields.name("question_id"),
        model_1=fields.text("model_1", empty=False),
        model_2=fields.text("model_2", empty=False),
        g1_winner=fields.winner("g1_winner"),
        g2_winner=fields.winner("g2_winner"),
        judge=fields.judge(),
        g1_judgment=fields.text("g1_judgment"),
        g2_judgment=fields.text("g2_judgment"),
        turn=fields.turn_number(),
        g1_user_prompt=fields.text("g1_user_prompt", default=""),
        g2_user_prompt=fields.text("g2_user_prompt", default=""),
        tstamp=fields.number("tstamp", default=0.0),
    )


def _plain(judgment: SingleJudgment | PairJudgment) -> dict[str, Any]:
    return {**vars(judgment), "judge": list(judgment.judge)}


def read_records(rows: Sequence[Row], make: Callable[[Fields], _Record], draft: Draft) -> list[_Record]:
    """The records of a file.

    Raises:
        BenchmarkError: There are problems; all are reported.
    """
    found = [make(Fields(row, draft)) for row in rows]
    draft.raise_if_any()
    return found


def write_records(
    path: str | Path, records: Sequence[Mapping[str, Any]], make: Callable[[Fields], object]
) -> None:
    """Write records as JSON lines, once reading them back would find nothing wrong.

    Raises:
        BenchmarkError: There is no record, or one has problems; all are reported, and nothing is written.
    """
    draft = Draft(file=str(path))
    if not records:
        draft.add(None, None, "there is no record to write", "Give at least one")
    read_records([Row(place, record) for place, record in enumerate(records, start=1)], make, draft)
    text = "".join(json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n" for record in records)
    Path(path).write_bytes(text.encode())


@dataclass(frozen=True)
class Fields:
    """Takes fields out of a row; what is missing or of another type is noted, and something harmless given."""

    row: Row
    draft: Draft
    prefix: str = ""
    """What stands before the name of a field where the row is part of another one."""

    def text(self, field: str, *, default: str | None = None, empty: bool = True) -> str:
        """A text; it may be empty, unless that is ruled out."""
        value = self._take(field, default)
        if value is _MISSING:
            return ""
        if not isinstance(value, str):
            self.wrong(field, value, "a text", "Put it in quotes")
            return ""
        if not empty and not value.strip():
            self.note(field, "is empty", "Give it a name")
        return self._whole(field, value)

    def name(self, field: str) -> int | str:
        """The name of a question: a whole number, or a text."""
        value = self._take(field)
        if value is _MISSING:
            return ""
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        return self.text(field, empty=False)

    def number(self, field: str, *, default: float | None = None) -> float:
        """A finite number."""
        value = self._take(field, default)
        if value is _MISSING:
            return 0.0
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e300:
            self.wrong(field, value, "a finite number", "Write it without quotes")
            return 0.0
        return value

    def array(self, field: str) -> list[Any]:
        """A list that holds something."""
        value = self._take(field)
        if value is _MISSING:
            return []
        if not isinstance(value, list) or not value:
            self.wrong(field, value, "a list that is not empty", "Write [...]")
            return []
        return value

    def objects(self, field: str) -> list[Mapping[str, Any]]:
        """A list of objects that holds something."""
        found = self.array(field)
        for place, value in enumerate(found):
            if not isinstance(value, Mapping):
                self.wrong(f"{field}[{place}]", value, "an object", "Write {...}")
        return [value for value in found if isinstance(value, Mapping)]

    def judge(self) -> tuple[str, str]:
        """The judge and its template."""
        value = self.array("judge")
        if len(value) == 2 and all(isinstance(one, str) for one in value):
            return self._whole("judge", value[0]), self._whole("judge", value[1])
        if value:
            self.wrong("judge", value, "two texts", 'Write ["judge", "template"]')
        return "", ""

    def winner(self, field: str) -> Winner:
        """How a game ended."""
        value = self.text(field)
        for known in WINNERS:
            if value == known:
                return known
        if isinstance(self.row.data.get(field), str):
            told = f"{value!r:.60} is no end of a game{nearest(value, WINNERS)}"
            self.note(field, told, f"Write one of {', '.join(WINNERS)}")
        return "error"

    def turn_number(self) -> int:
        """Which turn."""
        value = self._take("turn")
        if value is not _MISSING and (isinstance(value, bool) or value not in (1, 2)):
            self.wrong("turn", value, "1 or 2", "MT-Bench has two turns")
        return 2 if value == 2 else 1

    def note(self, field: str, message: str, way_out: str) -> None:
        """Note a problem."""
        self.draft.add(self.row.line, self.prefix + field, message, way_out)

    def wrong(self, field: str, value: object, what: str, way_out: str) -> None:
        """Note that a value is of another type."""
        self.note(field, f"should be {what}, got {type_name(value)}: {repr(value)[:60]}", way_out)

    def _take(self, field: str, default: object = None) -> Any:
        value = self.row.data.get(field)
        if value is None and default is not None:
            return default
        if field not in self.row.data:
            has = ", ".join(map(repr, self.row.data)) or "nothing"
            self.note(field, f"is missing{nearest(field, self.row.data)}; the record has {has}", "Add it")
            return _MISSING
        return value

    def _whole(self, field: str, text: str) -> str:
        try:
            text.encode()
        except UnicodeEncodeError as error:
            half = f"\\u{ord(text[error.start]):04x}"
            self.note(field, f"holds half a character, {half}, at place {error.start}", "Write it whole")
        return text
