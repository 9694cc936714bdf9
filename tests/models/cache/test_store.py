"""``ResponseCache``: what was added is found, whoever adds and whoever looks."""

from __future__ import annotations

import asyncio
import gc
import sqlite3
import stat
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage

from archon_graph.models.cache import Entry, Identity, ResponseCache, database
from archon_graph.models.errors import CacheError
from archon_graph.models.request import Usage
from tests.models.cache.entries import entries, entry, identity

Opened = Callable[..., ResponseCache]


def texts(found: dict[int, Entry]) -> dict[int, Any]:
    return {sample: each.message.content for sample, each in found.items()}


async def test_asking_again_finds_all_and_asking_for_more_finds_those(opened: Opened):
    cache = opened()
    ten = {sample: entry(f"answer {sample}") for sample in range(10)}
    assert await cache.add(identity(), 0, ten) == ten
    assert cache.find(identity(), 0, range(10)) == ten
    assert cache.find(identity(), 0, range(15)) == ten
    assert cache.find(identity(), 0, [12, 3, 3, 7]) == {3: ten[3], 7: ten[7]}
    assert cache.find(identity(), 0, []) == {}


async def test_another_replicate_and_another_request_are_other_calls(opened: Opened):
    cache = opened()
    await cache.add(identity(), 0, {0: entry("first")})
    assert cache.find(identity(), 1, [0]) == {}
    assert cache.find(identity("What else?"), 0, [0]) == {}
    await cache.add(identity(), 1, {0: entry("repeat")})
    assert texts(cache.find(identity(), 0, [0])) == {0: "first"}
    assert texts(cache.find(identity(), 1, [0])) == {0: "repeat"}


async def test_samples_share_the_row_of_their_request(opened: Opened):
    cache = opened()
    for sample in range(10):
        await cache.add(identity(), sample % 2, {sample: entry()})
    counted = cache.stats()
    assert (counted.requests, counted.entries) == (1, 10)


places = st.tuples(st.sampled_from("abc"), st.integers(0, 1), st.integers(0, 5))


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(places, entries), max_size=12), st.lists(st.booleans(), min_size=12, max_size=12))
def test_it_is_a_dictionary_whose_first_word_holds(added: list[tuple[Any, Entry]], reopen: list[bool]):
    """Against a plain dict, closed and opened again in between."""
    expected: dict[Any, Entry] = {}
    with TemporaryDirectory() as folder:
        path = Path(folder) / "responses.sqlite"
        cache = ResponseCache(path)
        for ((text, replicate, sample), given_), again in zip(added, reopen, strict=False):
            stands = asyncio.run(cache.add(identity(text), replicate, {sample: given_}))
            first = expected.setdefault((text, replicate, sample), stands[sample])
            assert stands == {sample: first}
            if again:
                cache.close()
                cache = ResponseCache(path)
        for text in "abc":
            for replicate in (0, 1):
                found = cache.find(identity(text), replicate, range(6))
                assert found == {
                    sample: each for (t, r, sample), each in expected.items() if (t, r) == (text, replicate)
                }
        cache.close()


async def test_two_that_add_the_same_go_on_with_the_same_answer(opened: Opened):
    one, two = opened(), opened()
    assert texts(await one.add(identity(), 0, {0: entry("mine"), 1: entry("mine")})) == {0: "mine", 1: "mine"}
    assert texts(await two.add(identity(), 0, {1: entry("yours"), 2: entry("yours")})) == {1: "mine", 2: "yours"}
    assert texts(one.find(identity(), 0, range(3))) == {0: "mine", 1: "mine", 2: "yours"}


async def test_what_comes_back_from_add_is_what_will_be_found(opened: Opened):
    cache = opened()
    message = AIMessage("x", id="run-1", response_metadata={"headers": {"a": "b"}, "kept": 1})
    stands = await cache.add(identity(), 0, {0: entry(message=message)})
    assert stands[0].message.id is None
    assert stands[0].message.response_metadata == {"kept": 1}
    assert stands == cache.find(identity(), 0, [0])
    assert message.id == "run-1"


async def test_what_was_found_is_the_callers_own(opened: Opened):
    cache = opened()
    await cache.add(identity(), 0, {0: entry(data={"a": [1]})})
    found = cache.find(identity(), 0, [0])[0]
    found.message.id = "changed"
    found.message.response_metadata.clear()
    assert cache.find(identity(), 0, [0])[0] == entry(data={"a": [1]})


@pytest.mark.parametrize(
    "message",
    [
        AIMessage([{"type": "image", "data": b"\xff"}]),
        AIMessage("x").model_copy(update={"content": None}),
        AIMessage("x").model_copy(update={"tool_calls": [{"name": "f"}]}),
    ],
)
async def test_an_answer_that_could_not_be_read_back_stands_for_itself(opened: Opened, message: AIMessage):
    cache = opened()
    odd = entry(message=message)
    stands = await cache.add(identity(), 0, {0: odd, 1: entry()})
    assert stands[0] is odd
    assert texts(cache.find(identity(), 0, [0, 1])) == {1: "42"}


async def test_very_many_at_once_are_all_committed(opened: Opened):
    cache = opened()
    added = [cache.add(identity(f"q{n % 100}"), n // 100, {0: entry(str(n))}) for n in range(500)]
    await asyncio.gather(*added)
    other = opened()
    assert [texts(other.find(identity(f"q{n % 100}"), n // 100, [0])) for n in range(500)] == [
        {0: str(n)} for n in range(500)
    ]


def test_threads_with_event_loops_of_their_own_share_one_cache(opened: Opened):
    cache = opened()
    problems: list[BaseException] = []

    async def work(number: int) -> None:
        for sample in range(10):
            await cache.add(identity(f"of {number}"), 0, {sample: entry(f"{number} {sample}")})
            await cache.add(identity("of all"), 0, {sample: entry(str(number))})
            assert cache.find(identity(f"of {number}"), 0, [sample])

    def run(number: int) -> None:
        try:
            asyncio.run(work(number))
        except BaseException as error:  # noqa: BLE001 - carried over to the test
            problems.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    for number in range(6):
        found = texts(cache.find(identity(f"of {number}"), 0, range(10)))
        assert found == {sample: f"{number} {sample}" for sample in range(10)}
    assert len(cache.find(identity("of all"), 0, range(10))) == 10


async def test_what_was_paid_for_is_written_though_nobody_waits(opened: Opened):
    cache = opened()
    task = asyncio.ensure_future(cache.add(identity(), 0, {0: entry()}))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    cache.close()
    assert texts(opened().find(identity(), 0, [0])) == {0: "42"}


def test_a_loop_that_ended_meanwhile_does_no_harm(opened: Opened):
    cache = opened()
    held = threading.Event()
    cache._get().writer.put(lambda connection: held.wait(30), lambda *_: None)

    async def leave() -> None:
        task = asyncio.ensure_future(cache.add(identity(), 0, {0: entry()}))
        await asyncio.sleep(0)
        task.cancel()

    asyncio.run(leave())
    held.set()
    cache.close()
    assert texts(opened().find(identity(), 0, [0])) == {0: "42"}


def test_a_cache_that_is_simply_dropped_is_written(tmp_path: Path, opened: Opened):
    cache = ResponseCache(tmp_path / "responses.sqlite")
    cache.note_fact(identity(), offers_json=True)
    del cache
    gc.collect()
    assert opened().fact(identity()) is True


def test_it_may_be_the_writing_thread_that_drops_it(tmp_path: Path, opened: Opened):
    """As happens when garbage is collected there: it cannot wait for itself."""
    box = [ResponseCache(tmp_path / "responses.sqlite")]
    writer = box[0]._get().writer
    box[0].note_fact(identity(), offers_json=True)
    told: Future[BaseException | None] = Future()
    writer.put(lambda _: box.clear(), lambda _, error: told.set_result(error))
    assert told.result(30) is None
    writer._executor.shutdown()
    assert names_in(tmp_path) == ["responses.sqlite"]
    assert opened().fact(identity()) is True


async def test_a_closed_cache_leaves_one_file(opened: Opened, tmp_path: Path):
    cache = opened()
    writer = cache._get().writer
    await cache.add(identity(), 0, {0: entry()})
    cache.close()
    assert names_in(tmp_path) == ["responses.sqlite"]
    assert writer._connection is None


async def test_a_closed_cache_says_so(opened: Opened):
    cache = opened()
    cache.close()
    cache.close()
    for use in (lambda: cache.find(identity(), 0, [0]), cache.stats, lambda: cache.fact(identity())):
        with pytest.raises(CacheError, match="was closed"):
            use()
    with pytest.raises(CacheError, match="was closed"):
        await cache.add(identity(), 0, {0: entry()})


def test_what_is_known_of_a_model(opened: Opened):
    cache = opened()
    other = identity(model="openai:b")
    assert cache.fact(identity()) is None
    cache.note_fact(identity(), offers_json=True)
    cache.note_fact(other, offers_json=True)
    cache.note_fact(other, offers_json=False)
    cache.close()
    cache = opened()
    assert cache.fact(identity("Any other question")) is True
    assert cache.fact(other) is False


async def test_who_reads_does_not_wait_for_who_writes(opened: Opened, tmp_path: Path):
    cache = opened()
    await cache.add(identity(), 0, {0: entry()})
    other = sqlite3.connect(tmp_path / "responses.sqlite", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        assert texts(cache.find(identity(), 0, [0])) == {0: "42"}
    finally:
        other.close()


async def test_a_file_that_another_never_lets_go_of_is_an_error_that_says_so(
    opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(database, "_WRITE_WAIT", 0.05)
    cache = opened()
    other = sqlite3.connect(tmp_path / "responses.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        with pytest.raises(CacheError, match="another process has been writing"):
            await asyncio.gather(*(cache.add(identity(), 0, {sample: entry()}) for sample in range(3)))
        with pytest.raises(CacheError, match="another process has been writing"):
            cache.clear()
    finally:
        other.close()
    assert texts(await cache.add(identity(), 0, {0: entry()})) == {0: "42"}


async def test_a_full_disk_is_an_error_and_costs_nothing_that_was_there(opened: Opened):
    cache = opened()
    await cache.add(identity(), 0, {0: entry("here")})
    cache._get().writer.call(lambda connection: connection.execute("PRAGMA max_page_count = 1"), alone=True)
    with pytest.raises(CacheError, match="disk is full"):
        await cache.add(identity(), 0, {1: entry("x" * 1_000_000)})
    assert texts(cache.find(identity(), 0, [0, 1])) == {0: "here"}


async def test_one_that_cannot_be_written_spoils_none_beside_it(opened: Opened):
    cache = opened()
    held = threading.Event()
    cache._get().writer.put(lambda connection: held.wait(30), lambda *_: None)
    beyond = 2**70  # more than SQLite has room for
    adding = [cache.add(identity(), replicate, {0: entry()}) for replicate in (0, beyond, 1)]
    tasks = [asyncio.ensure_future(each) for each in adding]
    await asyncio.sleep(0)
    held.set()
    first, second, third = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(second, OverflowError)
    assert first == third == {0: entry()}


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are those of POSIX")
async def test_only_its_owner_may_read_it(opened: Opened, tmp_path: Path):
    cache = opened("ours/responses.sqlite")
    await cache.add(identity(), 0, {0: entry()})
    assert stat.S_IMODE((tmp_path / "ours").stat().st_mode) == 0o700
    files = list((tmp_path / "ours").iterdir())
    assert {file.name for file in files} == {f"responses.sqlite{end}" for end in ("", "-wal", "-shm")}
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are those of POSIX")
def test_a_folder_that_is_there_keeps_its_permissions(opened: Opened, tmp_path: Path):
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs").chmod(0o755)
    opened("theirs/responses.sqlite")
    assert stat.S_IMODE((tmp_path / "theirs").stat().st_mode) == 0o755


def names_in(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir()]


def everything_in(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())


async def test_no_secret_reaches_the_file(opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PLANTED_API_KEY", "planted-in-the-environment")
    asked = identity("Use planted-in-the-environment and planted-by-hand.")
    said = entry("As you said: planted-in-the-environment, planted-by-hand, sk-proj-abcdef1234567890")
    stands = await (cache := opened()).add(asked, 0, {0: said}, secrets=iter(["planted-by-hand"]))
    expected = {0: "As you said: [secret], [secret], sk-proj-abcdef1234567890"}
    assert texts(stands) == texts(cache.find(asked, 0, [0])) == expected
    cache.export(tmp_path / "tape.jsonl")
    assert "planted" not in cache.nearest(identity("Use planted-in-the-environment!"), 0, 0)
    assert b"planted" not in everything_in(tmp_path)
    cache.close()
    assert b"planted" not in everything_in(tmp_path)


async def test_requests_are_not_kept_where_that_is_not_wanted(opened: Opened, tmp_path: Path):
    cache = opened(keep_requests=False)
    asked = identity("A private question")
    await cache.add(asked, 0, {0: entry("An answer")})
    assert texts(cache.find(asked, 0, [0])) == {0: "An answer"}
    cache.close()
    assert b"private" not in everything_in(tmp_path)
    assert b"An answer" in everything_in(tmp_path)


async def test_what_was_cleared_is_gone_from_the_disk(opened: Opened, tmp_path: Path):
    cache = opened()
    await cache.add(identity("A private question" * 1000), 0, {0: entry("A private answer" * 1000)})
    await cache.add(identity("kept", model="openai:b"), 0, {0: entry("kept")})
    before = cache.stats().bytes
    assert cache.clear(model="openai:a") == 1
    assert cache.stats().bytes < before / 2
    assert b"private" not in everything_in(tmp_path)
    assert texts(cache.find(identity("kept", model="openai:b"), 0, [0])) == {0: "kept"}


async def test_clearing_by_model_and_altogether(opened: Opened):
    cache = opened()
    asked = {model: identity(model=model) for model in ("openai:a", "openai:b", "together:a")}
    for each in asked.values():
        await cache.add(each, 0, {0: entry(), 1: entry()})
        cache.note_fact(each, offers_json=True)
    assert cache.clear(model="openai:z") == 0
    assert cache.clear(model="openai:b") == 2
    assert cache.find(asked["openai:b"], 0, [0, 1]) == {}
    assert cache.fact(asked["openai:b"]) is None
    assert cache.fact(asked["openai:a"]) is True
    assert cache.clear() == 4
    assert (cache.stats().entries, cache.stats().requests) == (0, 0)
    assert cache.fact(asked["openai:a"]) is None


async def test_counts(opened: Opened):
    cache = opened()
    assert cache.stats().models == ()
    assert cache.stats().oldest is None
    for sample in range(3):
        await cache.add(identity(), 0, {sample: entry()})
    await cache.add(identity("Another"), 0, {0: entry()})
    await cache.add(identity(model="openai:b"), 0, {0: entry()})
    counted = cache.stats()
    assert (counted.entries, counted.requests) == (5, 3)
    assert [(each.model, each.requests, each.entries) for each in counted.models] == [
        ("openai:a", 2, 4),
        ("openai:b", 1, 1),
    ]
    assert counted.models[0].usage == Usage.total([entry().usage] * 4)
    assert counted.oldest is not None
    assert counted.newest is not None
    assert counted.oldest <= counted.newest
    assert counted.bytes >= cache.path.stat().st_size


async def test_a_model_renamed_is_the_same_request(opened: Opened):
    """The name is for tables; what was asked is known by its digest."""
    cache = opened()
    asked = identity()
    renamed = Identity(asked.digest, asked.record, asked.parts, asked.model, "another name")
    await cache.add(asked, 0, {0: entry()})
    assert texts(await cache.add(renamed, 0, {1: entry()})) == {1: "42"}
    assert cache.stats().requests == 1
    assert replace(renamed, label=asked.label) == asked
