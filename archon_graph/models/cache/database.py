"""The SQLite file of a cache: made, recognised, brought up to date; never overwritten, never repaired.

A file is looked at before SQLite may touch it, since SQLite begins to mend what it opens. A new one is built
aside and moved to its place whole, so that no other process ever sees half of one.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sqlite3
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, NoReturn

from archon_graph.models.errors import CacheError

APPLICATION_ID = int.from_bytes(b"AGrc")
"""Stands in the file's header, so that no other application's file is taken for a cache."""
SCHEMA = 1
"""Version of the tables below."""

ERRORS = (sqlite3.Error, UnicodeDecodeError)
"""What `sqlite3` raises, the latter where a damaged file puts its bytes into an error of SQLite's."""

_TABLES = (
    """CREATE TABLE requests (
        id INTEGER PRIMARY KEY,
        digest TEXT NOT NULL UNIQUE,
        label TEXT NOT NULL,
        parts TEXT NOT NULL,
        record TEXT
    )""",
    # The ten samples of a request share its row. The sum tells a damaged row from a sound one.
    """CREATE TABLE responses (
        id INTEGER PRIMARY KEY,
        request INTEGER NOT NULL REFERENCES requests (id) ON DELETE CASCADE,
        replicate INTEGER NOT NULL,
        sample INTEGER NOT NULL,
        message TEXT NOT NULL,
        data TEXT,
        usage TEXT NOT NULL,
        model TEXT NOT NULL,
        created REAL NOT NULL,
        bytes INTEGER NOT NULL,
        sum INTEGER NOT NULL,
        UNIQUE (request, replicate, sample)
    )""",
    "CREATE INDEX responses_by_age ON responses (created)",
    "CREATE TABLE facts (model TEXT PRIMARY KEY, label TEXT NOT NULL, offers_json INTEGER NOT NULL)",
)
_COLUMNS = (
    "SELECT id, digest, label, parts, record FROM requests LIMIT 0",
    "SELECT request, replicate, sample, message, data, usage, model, created, bytes, sum FROM responses LIMIT 0",
    "SELECT model, label, offers_json FROM facts LIMIT 0",
)
_MIGRATIONS: Mapping[int, tuple[str, ...]] = {}
"""By version: the statements that bring a file from it to the next."""

_MAGIC = b"SQLite format 3\0"
_HEADER = 100
_READ_WAIT, _WRITE_WAIT = 5.0, 60.0
_LONGEST_LOG = 64_000_000
_WAY_OUT = "it is left as it is: give another path, or move the file away yourself"
# While another process writes the file back from its log, it may for a moment look too short.
_LOOKS, _BETWEEN_LOOKS = 5, 0.05


class _Header(NamedTuple):
    application_id: int
    page_size: int
    pages: int


def ensure(path: Path) -> None:
    """See that a sound cache lies at the path; make one where there is nothing.

    Raises:
        CacheError: Something else is there, or it cannot be used.
    """
    try:
        if not path.exists():
            _make(path)
        _require_access(path)
    except CacheError:
        raise
    except (OSError, *ERRORS) as error:
        raise CacheError(f"no cache can be made at {path}: {_reason(error)}; give another path") from error
    for look in range(_LOOKS):
        problem = _problem(path)
        if problem is None:
            break
        if look == _LOOKS - 1:
            raise CacheError(f"the cache {path} cannot be used: {problem}; {_WAY_OUT}")
        time.sleep(_BETWEEN_LOOKS)
    with translated(path), contextlib.closing(connect(path, writes=True)) as connection:
        _bring_up_to_date(connection, path)


def connect(path: Path, *, writes: bool = False) -> sqlite3.Connection:
    """A connection to a cache that is there; may be used by several threads, one at a time."""
    connection = sqlite3.connect(
        f"{path.as_uri()}?mode=rw",
        uri=True,
        timeout=_WRITE_WAIT if writes else _READ_WAIT,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        if writes:
            connection.execute("PRAGMA foreign_keys = ON")
            # What is cleared is gone from the file, and not only from its tables.
            connection.execute("PRAGMA secure_delete = ON")
            # Survives the end of the process at any moment. The last moments before a power cut may be lost; to
            # wait for the disk at each answer would cost more than to ask for those again.
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(f"PRAGMA journal_size_limit = {_LONGEST_LOG}")
        else:
            connection.execute("PRAGMA query_only = ON")
    except BaseException:
        connection.close()
        raise
    return connection


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection, kind: str = "IMMEDIATE") -> Iterator[None]:
    """All of it or nothing."""
    connection.execute(f"BEGIN {kind}")
    try:
        yield
    except BaseException:
        # An error may have ended it already.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


@contextlib.contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turns SQLite's errors into `CacheError`."""
    try:
        yield
    except ERRORS as error:
        fail(path, error)


def fail(path: Path, error: Exception) -> NoReturn:
    """Raise what an error of SQLite means to the user."""
    raise CacheError(f"the cache {path} cannot be used: {_reason(error)}; {_WAY_OUT}") from error


def damaged(path: Path, what: str) -> CacheError:
    """The error for an entry that is not what was written."""
    return CacheError(f"the cache {path} is damaged: {what} is not what was written; {_WAY_OUT}")


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    if isinstance(error, UnicodeDecodeError):
        return "it is damaged"
    name = getattr(error, "sqlite_errorname", None) or ""
    for beginning, meaning in (
        ("SQLITE_BUSY", f"another process has been writing to it for {_WRITE_WAIT:.0f} seconds"),
        ("SQLITE_FULL", "the disk is full"),
        ("SQLITE_READONLY", "it may not be written to"),
        ("SQLITE_CANTOPEN", "it cannot be opened; does its folder allow files to be made?"),
        ("SQLITE_CORRUPT", "it is damaged"),
        ("SQLITE_NOTADB", "it is damaged"),
        ("SQLITE_IOERR", "the disk reports an error"),
    ):
        if name.startswith(beginning):
            return f"{meaning} ({error})"
    return str(error)


def _log_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def _make(path: Path) -> None:
    """Build an empty cache and move it to its place; if another process was first, its file stays."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if _log_of(path).exists() and not path.exists():
        # SQLite would play an old file's log into the new one.
        raise CacheError(
            f"{_log_of(path)} lies there without the cache that it belongs to, {path}; bring that back, "
            f"give another path, or remove the log yourself"
        )
    aside = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    try:
        # Only its owner may read it, from its first moment on: prompts and answers are in it.
        os.close(os.open(aside, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        with contextlib.closing(connect(aside, writes=True)) as connection:
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            with transaction(connection):
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                for statement in _TABLES:
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {SCHEMA}")
            connection.execute("PRAGMA journal_mode = WAL")
        _move(aside, path)
    finally:
        for rest in (aside, _log_of(aside), aside.with_name(f"{aside.name}-shm")):
            rest.unlink(missing_ok=True)


def _move(aside: Path, path: Path) -> None:
    """Give the file its name, unless another has it."""
    try:
        os.link(aside, path)
    except FileExistsError:
        pass
    except OSError:
        # No links on this file system. Moving would overwrite what came there meanwhile; this does not.
        with contextlib.suppress(FileExistsError):
            target = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0), 0o600)
            with os.fdopen(target, "wb") as file:
                file.write(aside.read_bytes())


def _require_access(path: Path) -> None:
    if path.is_dir():
        raise CacheError(f"the cache {path} cannot be used: it is a folder; give the path of a file in it")
    if not os.access(path, os.R_OK | os.W_OK):
        raise CacheError(f"the cache {path} cannot be used: it may not be read and written by you; {_WAY_OUT}")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise CacheError(
            f"the cache {path} cannot be used: no file may be made beside it, and SQLite needs two; {_WAY_OUT}"
        )


def _problem(path: Path) -> str | None:
    """What is wrong with the file, as far as its beginning and its size tell."""
    try:
        with path.open("rb") as file:
            start = file.read(_HEADER)
            size = os.fstat(file.fileno()).st_size
        log = _log_of(path)
        has_log = log.exists() and log.stat().st_size > 0
    except OSError as error:
        return _reason(error)
    if not start:
        return "it is empty, and a cache never is"
    if not start.startswith(_MAGIC[: len(start)]):
        return f"it is no SQLite file: it begins with {start[:16]!r}"
    return f"it is cut short: {size} bytes" if len(start) < _HEADER else _misfit(_header(start), size, has_log)


def _misfit(header: _Header, size: int, has_log: bool) -> str | None:  # noqa: FBT001
    """What the header says that cannot be."""
    if header.application_id != APPLICATION_ID:
        return f"it is another application's SQLite file (application id {header.application_id:#010x})"
    # While a log lies beside it, pages that are not in the file may be in there.
    whole = header.pages * header.page_size
    if size % header.page_size or (size < whole and not has_log):
        return f"it is cut short: {size:,} bytes, of {whole:,} or more"
    return None


def _header(start: bytes) -> _Header:
    size = int.from_bytes(start[16:18])
    return _Header(
        application_id=int.from_bytes(start[68:72]),
        page_size=65_536 if size == 1 else max(size, 512),
        pages=int.from_bytes(start[28:32]),
    )


def _bring_up_to_date(connection: sqlite3.Connection, path: Path) -> None:
    version = _version(connection)
    if version > SCHEMA:
        raise CacheError(
            f"the cache {path} was written by a newer archon-graph (schema {version}, this one knows {SCHEMA}); "
            f"update archon-graph, or give another path"
        )
    while version < SCHEMA:
        if version not in _MIGRATIONS:
            raise CacheError(f"the cache {path} has a schema that never was ({version}); {_WAY_OUT}")
        with transaction(connection):
            # Another process may have been first.
            if _version(connection) == version:
                for statement in _MIGRATIONS[version]:
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {version + 1}")
        version = _version(connection)
    [mode] = connection.execute("PRAGMA journal_mode").fetchone()
    if mode != "wal":
        [mode] = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise CacheError(
            f"the cache {path} cannot be used: SQLite keeps no write-ahead log there (a network drive?); "
            f"give a path on a disk of this machine"
        )
    for statement in _COLUMNS:
        connection.execute(statement)


def _version(connection: sqlite3.Connection) -> int:
    [version] = connection.execute("PRAGMA user_version").fetchone()
    return int(version)
