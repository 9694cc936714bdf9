"""Files that are no cache, or no longer: an error that says so, and not one byte of them changed."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import sys
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from archon_graph.models.cache import Entry, ResponseCache, database
from archon_graph.models.errors import CacheError
from tests.models.cache.entries import entry, identity

QUESTIONS = [f"question {number}" for number in range(12)]
LONG = "A long answer goes over several pages of the file. " * 300


def recorded(number: int) -> dict[int, Entry]:
    return {0: entry(f"answer {number}"), 1: entry(LONG if number % 4 == 0 else "short")}


async def fill(path: Path, numbers: Iterable[int] = range(len(QUESTIONS))) -> ResponseCache:
    cache = ResponseCache(path)
    for number in numbers:
        await cache.add(identity(QUESTIONS[number]), 0, recorded(number))
    return cache


@pytest.fixture(autouse=True, scope="module")
def no_waiting() -> Iterator[None]:
    """No other process is at work here, whose end could be waited for."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "_BETWEEN_LOOKS", 0)
        yield


class Left(NamedTuple):
    """What a process left behind."""

    content: bytes
    log: bytes = b""

    def __repr__(self) -> str:
        return f"Left({len(self.content)}, {len(self.log)})"


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Left:
    """A cache that was closed in order."""
    path = tmp_path_factory.mktemp("closed") / "responses.sqlite"
    asyncio.run(fill(path)).close()
    assert not path.with_name("responses.sqlite-wal").exists()
    return Left(path.read_bytes())


@pytest.fixture(scope="module")
def crashed(tmp_path_factory: pytest.TempPathFactory) -> Left:
    """A cache and its log, as a process leaves them that is killed: half of it is in each."""
    path = tmp_path_factory.mktemp("crashed") / "responses.sqlite"
    asyncio.run(fill(path, range(6))).close()
    cache = asyncio.run(fill(path, range(6, len(QUESTIONS))))
    left = Left(path.read_bytes(), path.with_name("responses.sqlite-wal").read_bytes())
    cache.close()
    assert min(len(left.content), len(left.log)) > 50_000
    return left


def seen_in(path: Path) -> dict[str, dict[int, Entry]] | None:
    """All that a cache gives out; ``None`` if it says that something is wrong."""
    try:
        cache = ResponseCache(path)
    except CacheError as error:
        assert str(path) in str(error)
        return None
    try:
        return {question: cache.find(identity(question), 0, [0, 1]) for question in QUESTIONS}
    except CacheError as error:
        assert str(path) in str(error)
        return None
    finally:
        cache.close()


WHOLE = {question: recorded(number) for number, question in enumerate(QUESTIONS)}


def place(factory: pytest.TempPathFactory, content: bytes, log: bytes = b"") -> Path:
    folder = factory.getbasetemp() / "damaged"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    path = folder / "responses.sqlite"
    path.write_bytes(content)
    if log:
        path.with_name("responses.sqlite-wal").write_bytes(log)
    return path


def test_the_sound_files_are_sound(closed: Left, crashed: Left, tmp_path_factory: pytest.TempPathFactory):
    assert seen_in(place(tmp_path_factory, *closed)) == WHOLE
    assert seen_in(place(tmp_path_factory, *crashed)) == WHOLE


@settings(max_examples=80, deadline=None)
@example(at=-1, whole_pages=False)
@example(at=-4000, whole_pages=False)
@given(at=st.integers(min_value=0), whole_pages=st.booleans())
def test_a_file_that_was_cut_short_is_refused_before_anything_is_read(
    closed: Left, tmp_path_factory: pytest.TempPathFactory, at: int, whole_pages: bool
):
    cut = closed.content[: at % len(closed.content)]
    if whole_pages:
        cut = cut[: len(cut) // 4096 * 4096]
    path = place(tmp_path_factory, cut)
    with pytest.raises(CacheError, match="cannot be used"):
        ResponseCache(path)
    assert path.read_bytes() == cut
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@settings(max_examples=60, deadline=None)
@given(at=st.integers(min_value=0), whole_pages=st.booleans())
def test_a_file_cut_short_beside_its_log_gives_what_was_written_or_an_error(
    crashed: Left, tmp_path_factory: pytest.TempPathFactory, at: int, whole_pages: bool
):
    content, log = crashed
    cut = content[: at % len(content)]
    if whole_pages:
        cut = cut[: len(cut) // 4096 * 4096]
    seen = seen_in(place(tmp_path_factory, cut, log))
    assert seen in (None, WHOLE)
    if len(cut) % 4096:
        assert seen is None


@settings(max_examples=80, deadline=None)
@given(at=st.integers(min_value=0))
def test_a_log_that_was_cut_short_gives_what_was_committed_before(
    crashed: Left, tmp_path_factory: pytest.TempPathFactory, at: int
):
    """As a power cut may leave it: commits come in order, and from some point on they are missing."""
    content, log = crashed
    seen = seen_in(place(tmp_path_factory, content, log[: at % len(log)]))
    assert seen is not None
    there = [seen[question] == recorded(number) for number, question in enumerate(QUESTIONS)]
    missing = [seen[question] == {} for question in QUESTIONS]
    assert there == sorted(there, reverse=True)
    assert missing == [not each for each in there]


@settings(max_examples=80, deadline=None)
@given(changes=st.dictionaries(st.integers(min_value=0), st.integers(1, 255), min_size=1, max_size=40))
def test_bytes_that_the_disk_changed_never_change_an_answer(
    closed: Left, tmp_path_factory: pytest.TempPathFactory, changes: dict[int, int]
):
    """An answer may be lost, or the file refused; none is ever another than was written."""
    content = bytearray(closed.content)
    for at, change in changes.items():
        content[at % len(content)] ^= change
    path = place(tmp_path_factory, bytes(content))
    for question, found in (seen_in(path) or {}).items():
        for sample, each in found.items():
            assert each == WHOLE[question][sample]


@pytest.mark.parametrize("at", range(0, 100, 4))
def test_any_change_of_the_header_is_harmless(closed: Left, tmp_path_factory: pytest.TempPathFactory, at: int):
    content = bytearray(closed.content)
    content[at : at + 4] = b"\xff\xff\xff\xff"
    path = place(tmp_path_factory, bytes(content))
    assert seen_in(path) in (None, WHOLE)
    if at == 68:
        assert seen_in(path) is None  # the application's id


def test_a_damaged_answer_is_named(closed: Left, tmp_path_factory: pytest.TempPathFactory):
    path = place(tmp_path_factory, closed.content.replace(b'"answer 3"', b'"answer 7"'))
    cache = ResponseCache(path)
    with pytest.raises(CacheError, match="is damaged: sample 0 of replicate 0 of request"):
        cache.find(identity(QUESTIONS[3]), 0, [0])
    assert cache.find(identity(QUESTIONS[3]), 0, [1]) == {1: recorded(3)[1]}
    with pytest.raises(CacheError, match="is damaged: sample 0"):
        asyncio.run(cache.add(identity(QUESTIONS[3]), 0, {0: entry()}))
    with pytest.raises(CacheError, match="is damaged"):
        cache.export(path.with_name("tape.jsonl"))
    assert not path.with_name("tape.jsonl").exists()
    cache.close()


def of_another_application(path: Path) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE requests (id INTEGER)")
        other.execute("PRAGMA application_id = 252006674")
        other.commit()


def of_nobody(path: Path) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE notes (text)")
        other.commit()


def newer(path: Path) -> None:
    ResponseCache(path).close()
    with closing(sqlite3.connect(path)) as other:
        other.execute(f"PRAGMA user_version = {database.SCHEMA + 1}")
        other.commit()


def older_than_any(path: Path) -> None:
    ResponseCache(path).close()
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA user_version = 0")
        other.commit()


def without_a_table(path: Path) -> None:
    ResponseCache(path).close()
    with closing(sqlite3.connect(path)) as other:
        other.execute("DROP TABLE facts")
        other.commit()


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda path: path.write_bytes(b""), "it is empty"),
        (lambda path: path.write_bytes(b"My notes of Monday\n" * 50), "no SQLite file: it begins with b'My notes"),
        (lambda path: path.write_bytes(b"SQLite"), "it is cut short: 6 bytes"),
        (lambda path: path.write_bytes(bytes(8192)), "no SQLite file"),
        (of_another_application, "another application's SQLite file (application id 0x0f055112)"),
        (of_nobody, "another application's SQLite file (application id 0x00000000)"),
        (newer, "written by a newer archon-graph (schema 2, this one knows 1)"),
        (older_than_any, "a schema that never was (0)"),
        (without_a_table, "no such table: facts"),
    ],
)
def test_what_is_no_cache_is_said_and_left_as_it_is(tmp_path: Path, make: Any, problem: str):
    path = tmp_path / "file.sqlite"
    make(path)
    before = path.read_bytes()
    with pytest.raises(CacheError) as raised:
        ResponseCache(path)
    assert problem in str(raised.value)
    assert str(path) in str(raised.value)
    assert "another path" in str(raised.value)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["file.sqlite"]


def test_a_folder_is_no_cache(tmp_path: Path):
    with pytest.raises(CacheError, match="it is a folder"):
        ResponseCache(tmp_path)


def test_a_place_where_nothing_can_be_made(tmp_path: Path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(CacheError, match="no cache can be made at"):
        ResponseCache(tmp_path / "file" / "responses.sqlite")


@pytest.mark.skipif(sys.platform != "linux", reason="a folder that not even the superuser may write to")
def test_a_folder_that_may_not_be_written_to():
    with pytest.raises(CacheError, match="no cache can be made at /proc"):
        ResponseCache("/proc/responses.sqlite")


@pytest.mark.parametrize("denied", ["file", "folder"])
def test_what_may_not_be_written_is_said_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, denied: str):
    """Asked of the system, as the tests may run as the superuser, who may do anything."""
    path = tmp_path / "responses.sqlite"
    ResponseCache(path).close()
    refused = path if denied == "file" else tmp_path
    real = os.access
    monkeypatch.setattr(os, "access", lambda asked, mode: Path(asked) != refused and real(asked, mode))
    with pytest.raises(CacheError, match=r"may not be read and written|no file may be made beside it"):
        ResponseCache(path)


def test_a_log_without_its_cache_is_not_played_into_a_new_one(crashed: Left, tmp_path: Path):
    log = tmp_path / "responses.sqlite-wal"
    log.write_bytes(crashed.log)
    with pytest.raises(CacheError, match="without the cache that it belongs to"):
        ResponseCache(tmp_path / "responses.sqlite")
    assert [file.name for file in tmp_path.iterdir()] == [log.name]
    assert log.read_bytes() == crashed.log


def test_an_older_schema_is_brought_up_to_date_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "responses.sqlite"
    asyncio.run(fill(path)).close()
    monkeypatch.setattr(database, "SCHEMA", database.SCHEMA + 2)
    steps = {1: ("ALTER TABLE facts ADD COLUMN one",), 2: ("ALTER TABLE facts ADD COLUMN two",)}
    monkeypatch.setattr(database, "_MIGRATIONS", steps)
    for _ in range(2):
        assert seen_in(path) == WHOLE
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("PRAGMA user_version").fetchone() == (3,)
        other.execute("SELECT one, two FROM facts")


def test_a_step_that_fails_leaves_the_schema_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "responses.sqlite"
    asyncio.run(fill(path)).close()
    with monkeypatch.context() as patch:
        patch.setattr(database, "SCHEMA", database.SCHEMA + 1)
        patch.setattr(database, "_MIGRATIONS", {1: ("ALTER TABLE facts ADD COLUMN one", "DROP TABLE nothing")})
        with pytest.raises(CacheError, match="nothing"):
            ResponseCache(path)
    assert seen_in(path) == WHOLE


def test_a_file_system_without_links_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: Any) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    path = tmp_path / "responses.sqlite"
    asyncio.run(fill(path)).close()
    assert seen_in(path) == WHOLE
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("links", [True, False])
def test_a_file_that_another_made_at_the_same_moment_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
):
    path = tmp_path / "responses.sqlite"
    move = database._move

    def late(aside: Path, target: Path) -> None:
        asyncio.run(fill(tmp_path / "theirs")).close()
        (tmp_path / "theirs").rename(target)
        if not links:
            monkeypatch.delattr(os, "link")
            monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(OSError("no links")), raising=False)
        move(aside, target)

    with monkeypatch.context() as patch:
        patch.setattr(database, "_move", lambda aside, target: (patch.undo(), late(aside, target)))
        ResponseCache(path).close()
    assert seen_in(path) == WHOLE
