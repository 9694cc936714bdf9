"""What is said to SQLite: the rows of a cache, in and out."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import sqlite3
import time
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from archon_graph.models.cache import database
from archon_graph.models.cache.entry import Packed, usage_of
from archon_graph.models.cache.plain import blanked, written
from archon_graph.models.cache.rows import CacheStats, FactRow, RequestRow, ResponseRow, by_model
from archon_graph.models.json_schema import whole_characters
from archon_graph.models.request import Usage

FIND = """SELECT sample, message, data, usage, responses.model, sum
    FROM requests JOIN responses ON responses.request = requests.id
    WHERE digest = ? AND replicate = ? AND sample BETWEEN ? AND ? AND created >= ?"""
STANDS = (
    "SELECT message, data, usage, model, sum FROM responses WHERE request = ? AND replicate = ? AND sample = ?"
)
SAMPLES = """SELECT replicate, sample FROM requests JOIN responses ON responses.request = requests.id
    WHERE digest = ?"""
NOTE = "INSERT OR REPLACE INTO facts (model, label, offers_json) VALUES (?, ?, ?)"
NOTE_IF_NEW = "INSERT OR IGNORE INTO facts (model, label, offers_json) VALUES (?, ?, ?)"

_PUT_REQUEST = "INSERT OR IGNORE INTO requests (digest, label, parts, record) VALUES (?, ?, ?, ?)"
_PUT_RESPONSE = """INSERT OR IGNORE INTO responses
    (request, replicate, sample, message, data, usage, model, created, bytes, sum)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_EXPIRED = "DELETE FROM responses WHERE request = ? AND replicate = ? AND sample = ? AND created < ?"
_UNUSED = "DELETE FROM requests WHERE NOT EXISTS (SELECT 1 FROM responses WHERE request = requests.id)"
_OLDEST = "SELECT id, request, bytes FROM responses ORDER BY created, id"
# How many answers may be written before their age is looked at.
_TIDY_EVERY = 500
# Cleared this far below the limit, so that not every batch has to clear again.
_ROOM = 0.95


class Limits(NamedTuple):
    """What a cache may hold; ``None`` is no limit."""

    bytes: int | None
    seconds: float | None

    def oldest(self) -> float:
        """The moment before which entries are too old."""
        return 0.0 if self.seconds is None else time.time() - self.seconds


class Snapshot:
    """A cache as it is at one moment, for as long as a ``with`` block takes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> sqlite3.Connection:
        with self._stack:
            self._stack.enter_context(_damage_told(self._path))
            self._stack.enter_context(database.translated(self._path))
            connection = self._stack.enter_context(contextlib.closing(database.connect(self._path)))
            self._stack.enter_context(database.transaction(connection, "DEFERRED"))
            self._stack = self._stack.pop_all()
        return connection

    def __exit__(self, *error: object) -> bool | None:
        return self._stack.__exit__(*error)  # type: ignore[arg-type]


@contextlib.contextmanager
def _damage_told(path: Path) -> Iterator[None]:
    """Turns what cannot be read in a row into `CacheError`."""
    try:
        yield
    except (TypeError, ValueError) as error:
        raise database.damaged(path, str(error)) from error


def checksum(row: ResponseRow) -> int:
    """What tells a damaged row from a sound one: SQLite believes what the disk gives it."""
    whole = "\0".join(map(str, (row.digest, row.replicate, row.sample, *row.packed)))
    return zlib.crc32(whole.encode("utf-8", "surrogatepass"))


def sound(row: ResponseRow, total: int) -> Packed:
    """The answer in a row that is what was written.

    Raises:
        ValueError: Its checksum is another.
    """
    if total != checksum(row):
        raise ValueError(f"sample {row.sample} of replicate {row.replicate} of request {row.digest[:12]}")
    return row.packed


def put_request(connection: sqlite3.Connection, row: RequestRow, secrets: Iterable[str], *, keep: bool) -> int:
    """See that the request has a row; its number."""
    found = connection.execute("SELECT id FROM requests WHERE digest = ?", (row.digest,)).fetchone()
    if found is None:
        record = written(blanked(row.record, secrets)) if keep and row.record is not None else None
        values = (row.digest, whole_characters(row.label), written(row.parts), record)
        return connection.execute(_PUT_REQUEST, values).lastrowid or 0
    return int(found[0])


def put_response(connection: sqlite3.Connection, request: int, row: ResponseRow, limits: Limits) -> bool:
    """Write an answer of this request, unless there is one; whether it was written."""
    place = (request, row.replicate, row.sample)
    if limits.seconds is not None:
        # One that is too old to be found must not stand in the way.
        connection.execute(_EXPIRED, (*place, limits.oldest()))
    values = (*place, *row.packed, time.time(), row.packed.bytes, checksum(row))
    return connection.execute(_PUT_RESPONSE, values).rowcount == 1


def facts(connection: sqlite3.Connection, model: str | None = None) -> Iterator[FactRow]:
    """What is known about models, in a fixed order."""
    where, values = _of_model(model)
    for row in connection.execute(f"SELECT model, label, offers_json FROM facts{where} ORDER BY model", values):  # noqa: S608
        yield FactRow(row[0], row[1], bool(row[2]))


def requests(connection: sqlite3.Connection, model: str | None = None) -> Iterator[RequestRow]:
    """All requests, in a fixed order."""
    where, values = _of_model(model)
    statement = f"SELECT digest, label, parts, record FROM requests{where} ORDER BY digest"  # noqa: S608
    for digest, label, parts, record in connection.execute(statement, values):
        yield RequestRow(digest, label, json.loads(parts), None if record is None else json.loads(record))


def responses(connection: sqlite3.Connection, model: str | None = None) -> Iterator[ResponseRow]:
    """All answers, in a fixed order."""
    where, values = _of_model(model)
    statement = f"""SELECT digest, replicate, sample, message, data, usage, responses.model, sum
        FROM requests JOIN responses ON responses.request = requests.id{where}
        ORDER BY digest, replicate, sample"""  # noqa: S608
    for digest, replicate, sample, *texts, total in connection.execute(statement, values):
        row = ResponseRow(digest, replicate, sample, Packed(*texts))
        sound(row, total)
        yield row


def counts(connection: sqlite3.Connection, model: str | None = None) -> tuple[int, int]:
    """How many requests and answers there are."""
    where, values = _of_model(model)
    [asked] = connection.execute(f"SELECT COUNT(*) FROM requests{where}", values).fetchone()  # noqa: S608
    statement = f"SELECT COUNT(*) FROM requests JOIN responses ON responses.request = requests.id{where}"  # noqa: S608
    [answered] = connection.execute(statement, values).fetchone()
    return asked, answered


def _of_model(model: str | None) -> tuple[str, tuple[str, ...]]:
    return ("", ()) if model is None else (" WHERE label = ?", (model,))


def stats(connection: sqlite3.Connection, path: Path) -> CacheStats:
    """What there is, counted."""
    asked, answered = counts(connection)
    oldest, newest = connection.execute("SELECT MIN(created), MAX(created) FROM responses").fetchone()
    return CacheStats(
        path=path,
        bytes=sum(file.stat().st_size for file in (path, path.with_name(f"{path.name}-wal")) if file.exists()),
        entries=answered,
        requests=asked,
        models=by_model(_answers(connection)),
        oldest=_moment(oldest),
        newest=_moment(newest),
    )


def _answers(connection: sqlite3.Connection) -> Iterator[tuple[str, str, Usage]]:
    statement = "SELECT label, digest, usage FROM requests JOIN responses ON responses.request = requests.id"
    for label, digest, usage in connection.execute(statement):
        yield label, digest, usage_of(usage)


def _moment(seconds: float | None) -> dt.datetime | None:
    return None if seconds is None else dt.datetime.fromtimestamp(seconds, dt.UTC)


def remove(connection: sqlite3.Connection, *, before: float | None = None, model: str | None = None) -> int:
    """Remove answers, and what nothing is left of; how many answers."""
    conditions, values = ["TRUE"], []
    if before is not None:
        conditions.append("created < ?")
        values.append(before)
    if model is not None:
        conditions.append("request IN (SELECT id FROM requests WHERE label = ?)")
        values.append(model)  # type: ignore[arg-type]
    removed = connection.execute(f"DELETE FROM responses WHERE {' AND '.join(conditions)}", values).rowcount  # noqa: S608
    connection.execute(_UNUSED)
    if before is None:
        where, of_model = _of_model(model)
        connection.execute(f"DELETE FROM facts{where}", of_model)  # noqa: S608
    return removed


def shrink(connection: sqlite3.Connection) -> None:
    """Give back to the disk what is free; outside of a transaction."""
    _vacuum(connection)
    # What was removed stands in the log, too. It stays there while another process reads.
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _vacuum(connection: sqlite3.Connection) -> None:
    # It frees a page at each step, and `execute` takes one step of what has no columns.
    connection.executescript("PRAGMA incremental_vacuum")


class Tidier:
    """Keeps a cache within its limits, now and then."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._changes = -_TIDY_EVERY

    def __call__(self, connection: sqlite3.Connection) -> None:
        """Remove what is too much, and now and then what is too old."""
        most = self._limits.bytes
        too_large = most is not None and _used(connection) > most
        due = self._limits.seconds is not None and connection.total_changes - self._changes >= _TIDY_EVERY
        if not too_large and not due:
            return
        with database.transaction(connection):
            if due:
                remove(connection, before=self._limits.oldest())
            if most is not None and too_large:
                _remove_oldest(connection, int(most * _ROOM))
        _vacuum(connection)
        self._changes = connection.total_changes


def _remove_oldest(connection: sqlite3.Connection, most: int) -> None:
    while (excess := _used(connection) - most) > 0:
        oldest = []
        for number, request, size in connection.execute(_OLDEST):
            oldest.append((number, request))
            excess -= size
            if excess <= 0:
                break
        if not oldest:
            return
        connection.executemany("DELETE FROM responses WHERE id = ?", [(number,) for number, _ in oldest])
        connection.executemany(f"{_UNUSED} AND id = ?", {(request,) for _, request in oldest})


def _used(connection: sqlite3.Connection) -> int:
    values = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in _SIZES]
    return int((values[0] - values[1]) * values[2])


_SIZES = ("page_count", "freelist_count", "page_size")
