"""Tapes: what was recorded, in a form for git; whatever is wrong with one is named by line and field."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archon_graph.models.cache import Entry, ResponseCache, Tape, default_path, identify, open_cache
from archon_graph.models.errors import CacheError
from archon_graph.models.request import Request
from tests.models.cache.entries import entries, entry, identity, requests
from tests.models.cache.test_store import texts

Opened = Callable[..., ResponseCache]
Filled = Callable[..., ResponseCache]


@pytest.fixture
def filled(opened: Opened) -> Filled:
    """A cache with answers to two questions, and a fact."""

    def make(name: str = "responses.sqlite", **settings: Any) -> ResponseCache:
        cache = opened(name, **settings)
        asyncio.run(cache.add(identity("A private question"), 0, {n: entry(f"answer {n}") for n in range(3)}))
        asyncio.run(cache.add(identity("Another", model="openai:b"), 1, {0: entry(data={"a": [1, 2.5]})}))
        cache.note_fact(identity(), offers_json=True)
        return cache

    return make


@settings(max_examples=15, deadline=None)
@given(
    st.dictionaries(st.tuples(st.integers(0, 3), st.integers(-1, 1), st.integers(0, 3)), entries, max_size=8),
    st.lists(requests, min_size=4, max_size=4),
    st.booleans(),
    st.sampled_from([".jsonl", ".jsonl.gz"]),
)
def test_a_tape_and_a_cache_that_loaded_it_give_what_was_recorded(
    recorded: dict[tuple[int, int, int], Entry], asked: list[Request], hashes_only: bool, ending: str
):
    identities = [identify(each) for each in asked]
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"tape{ending}"
        with ResponseCache(Path(folder) / "a.sqlite") as cache:
            for (number, replicate, sample), each in recorded.items():
                asyncio.run(cache.add(identities[number], replicate, {sample: each}))
            written = cache.export(path, hashes_only=hashes_only)
            expected = {
                (number, replicate): cache.find(identities[number], replicate, range(4))
                for number in range(4)
                for replicate in (-1, 0, 1)
            }
        with ResponseCache(Path(folder) / "b.sqlite") as second:
            assert second.load(path) == written
            assert second.load(path) == 0
            for held in (Tape(path), second):
                for (number, replicate), found in expected.items():
                    assert held.find(identities[number], replicate, range(4)) == found
            second.export(path.with_name(f"again{ending}"), hashes_only=hashes_only)
        assert path.read_bytes() == path.with_name(f"again{ending}").read_bytes()


def test_what_was_found_on_a_tape_is_the_callers_own(filled: Filled, tmp_path: Path):
    filled().export(tmp_path / "tape.jsonl")
    tape = Tape(tmp_path / "tape.jsonl")
    asked = identity("A private question")
    tape.find(asked, 0, [0])[0].message.id = "changed"
    assert tape.find(asked, 0, [0]) == {0: entry("answer 0")}


def test_facts_are_on_the_tape(filled: Filled, opened: Opened, tmp_path: Path):
    filled().export(tmp_path / "tape.jsonl")
    other = opened("other.sqlite")
    other.load(tmp_path / "tape.jsonl")
    for held in (Tape(tmp_path / "tape.jsonl"), other):
        assert held.fact(identity()) is True
        assert held.fact(identity(model="openai:b")) is None


def test_what_is_known_already_stays_when_a_tape_is_loaded(filled: Filled, opened: Opened, tmp_path: Path):
    filled().export(tmp_path / "tape.jsonl")
    other = opened("other.sqlite")
    asyncio.run(other.add(identity("A private question"), 0, {1: entry("mine")}))
    other.note_fact(identity(), offers_json=False)
    assert other.load(tmp_path / "tape.jsonl") == 3
    found = other.find(identity("A private question"), 0, range(3))
    assert texts(found) == {0: "answer 0", 1: "mine", 2: "answer 2"}
    assert other.fact(identity()) is False


def test_the_order_in_which_things_were_recorded_does_not_show(opened: Opened, tmp_path: Path):
    places = [(question, sample) for question in "abcdef" for sample in range(3)]
    for name, order in (("one", places), ("two", places[::-1])):
        cache = opened(f"{name}.sqlite")
        for question, sample in order:
            asyncio.run(cache.add(identity(question), 0, {sample: entry(f"{question}{sample}")}))
        cache.export(tmp_path / f"{name}.jsonl.gz")
    packed = (tmp_path / "one.jsonl.gz").read_bytes()
    assert packed == (tmp_path / "two.jsonl.gz").read_bytes()
    # Where gzip would write the time, and that there is a name.
    assert packed[3:8] == bytes(5)


def test_one_more_answer_is_one_more_line(filled: Filled, tmp_path: Path):
    cache = filled()
    cache.export(tmp_path / "tape.jsonl")
    before = (tmp_path / "tape.jsonl").read_text(encoding="utf-8").splitlines()
    asyncio.run(cache.add(identity("A private question"), 0, {7: entry()}))
    cache.export(tmp_path / "tape.jsonl")
    after = (tmp_path / "tape.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(after) == len(before) + 1
    assert [line for line in before[1:] if line not in after] == []


def test_a_tape_of_hashes_holds_no_question(filled: Filled, opened: Opened, tmp_path: Path):
    cache = filled()
    cache.export(tmp_path / "full.jsonl")
    cache.export(tmp_path / "hashes.jsonl", hashes_only=True)
    assert "private" in (tmp_path / "full.jsonl").read_text(encoding="utf-8")
    assert "private" not in (tmp_path / "hashes.jsonl").read_text(encoding="utf-8")
    other = opened("other.sqlite", keep_requests=False)
    assert other.load(tmp_path / "full.jsonl") == 4
    other.export(tmp_path / "other.jsonl")
    assert "private" not in (tmp_path / "other.jsonl").read_text(encoding="utf-8")


def test_one_model_alone(filled: Filled, tmp_path: Path):
    assert filled().export(tmp_path / "tape.jsonl", model="openai:b") == 1
    tape = Tape(tmp_path / "tape.jsonl")
    assert [each.model for each in tape.stats().models] == ["openai:b"]
    assert tape.fact(identity()) is None


def test_counts(filled: Filled, tmp_path: Path):
    cache = filled()
    cache.export(tmp_path / "tape.jsonl")
    on_tape, in_cache = Tape(tmp_path / "tape.jsonl").stats(), cache.stats()
    assert (on_tape.entries, on_tape.requests, on_tape.models) == (4, 2, in_cache.models)


def test_secrets_of_this_machine_are_blanked_out_of_a_tape_that_is_loaded(
    filled: Filled, opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    filled().export(tmp_path / "tape.jsonl")
    monkeypatch.setenv("SOME_PASSWORD", "answer 1")
    other = opened("other.sqlite")
    other.load(tmp_path / "tape.jsonl")
    assert texts(other.find(identity("A private question"), 0, [0, 1])) == {0: "answer 0", 1: "[secret]"}


@pytest.mark.parametrize("name", ["tape.json", "tape", "tape.sqlite", "tape.gz"])
def test_a_tapes_name_says_that_it_is_one(filled: Filled, tmp_path: Path, name: str):
    with pytest.raises(CacheError, match=r"ends in \.jsonl"):
        filled().export(tmp_path / name)
    assert not (tmp_path / name).exists()


@pytest.mark.parametrize(
    "content", [b"", b"{}\n", b"my notes\n", b"\x1f\x8bnot really", b'{"archon_graph_tape": true}']
)
def test_a_file_that_is_no_tape_is_not_overwritten(filled: Filled, tmp_path: Path, content: bytes):
    for name in ("notes.jsonl", "notes.jsonl.gz"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(CacheError, match="left as it is"):
            filled().export(tmp_path / name)
        assert (tmp_path / name).read_bytes() == content


def test_a_tape_that_cannot_be_written_is_an_error_and_leaves_nothing(filled: Filled, tmp_path: Path):
    cache = filled()
    with pytest.raises(CacheError, match="absent"):
        cache.export(tmp_path / "absent" / "tape.jsonl")
    cache.export(tmp_path / "tape.jsonl")
    assert not list(tmp_path.glob(".tape*"))


@pytest.fixture
def lines(filled: Filled, tmp_path: Path) -> list[str]:
    """The lines of a sound tape: header, fact, two requests, four answers."""
    filled().export(tmp_path / "sound.jsonl")
    found = (tmp_path / "sound.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(found) == 8
    return found


DROP = object()


@pytest.mark.parametrize(
    ("number", "change", "problem"),
    [
        (1, {"archon_graph_tape": DROP}, "no field 'archon_graph_tape'"),
        (1, {"archon_graph_tape": "1"}, "no field 'archon_graph_tape'"),
        (1, {"archon_graph_tape": 2}, "newer archon-graph"),
        (1, {"responses": 5}, "promises 2 requests and 5 answers, and it has 2 and 4"),
        (1, {"requests": "x"}, ":1: field 'requests': must be a whole number, got 'x'"),
        (2, {"offers_json": 1}, ":2: field 'offers_json': must be true or false, got 1"),
        (2, {"fact": "abc"}, ":2: field 'fact': must be a sha256 in hex, got 'abc'"),
        (3, {"parts": DROP}, ":3: field 'parts': is missing"),
        (3, {"parts": {"model": 1}}, ":3: field 'parts'"),
        (3, {"record": "x"}, ":3: field 'record': must be an object, got 'x'"),
        (3, {"request": "0" * 64}, "its request is on no earlier line"),
        (5, {"message": {"content": 7}}, ":5: field message.content"),
        (5, {"message": {"content": "x", "lc": 1}}, ":5: field message.lc: no such field"),
        (5, {"usage": {"cals": 1}}, ":5: field usage.cals"),
        (5, {"sample": True}, ":5: field 'sample': must be a whole number"),
        (5, {"sample": 2**63}, ":5: field 'sample': must be a number of 64 bits"),
        (5, {"data": None}, ":5: field 'data': must be an object, got None"),
        (5, {"model": DROP}, ":5: field 'model': is missing"),
        (5, {"response": DROP, "answer": 1}, ":5: a line has one of the fields fact, request, response"),
    ],
)
def test_a_wrong_field_is_named(
    lines: list[str], tmp_path: Path, number: int, change: dict[str, Any], problem: str
):
    form = json.loads(lines[number - 1]) | change
    lines[number - 1] = json.dumps({key: value for key, value in form.items() if value is not DROP})
    (tmp_path / "broken.jsonl").write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(CacheError) as raised:
        Tape(tmp_path / "broken.jsonl")
    assert problem in str(raised.value)
    assert str(tmp_path / "broken.jsonl") in str(raised.value)


@pytest.mark.parametrize("line", ["", "{", "[]", "3", '"x"', "<<<<<<< HEAD", "[" * 100_000, "\x00"])
def test_a_line_that_is_no_object_is_named(lines: list[str], tmp_path: Path, line: str):
    (tmp_path / "broken.jsonl").write_text("\n".join([*lines[:4], line, *lines[4:]]), encoding="utf-8")
    with pytest.raises(CacheError, match=r"broken\.jsonl:5: no JSON object"):
        Tape(tmp_path / "broken.jsonl")


@pytest.mark.parametrize("depth", [100, 900, 990, 100_000])
def test_depth_is_no_way_to_break_it(lines: list[str], tmp_path: Path, depth: int):
    deep = '"additional_kwargs":{"a":' + "[" * depth + "]" * depth + "},"
    lines[4] = lines[4].replace('"message":{', '"message":{' + deep)
    (tmp_path / "deep.jsonl").write_text("\n".join(lines), encoding="utf-8")
    try:
        assert Tape(tmp_path / "deep.jsonl").stats().entries == 4
    except CacheError as error:
        assert ":5: " in str(error)
        assert depth > 500


@pytest.mark.parametrize("number", [3, 5])
def test_a_line_that_stands_there_twice_is_named(lines: list[str], tmp_path: Path, number: int):
    (tmp_path / "broken.jsonl").write_text("\n".join([*lines, lines[number - 1]]), encoding="utf-8")
    with pytest.raises(CacheError, match=r":9: .* stands on an earlier line, too"):
        Tape(tmp_path / "broken.jsonl")


def test_line_ends_of_windows_are_line_ends(lines: list[str], tmp_path: Path):
    (tmp_path / "windows.jsonl").write_bytes("\r\n".join([*lines, ""]).encode())
    assert Tape(tmp_path / "windows.jsonl").stats().entries == 4


@given(place=st.integers(min_value=0), packed=st.booleans())
@settings(max_examples=200, deadline=None)
def test_no_part_of_a_tape_passes_for_the_whole(
    place: int, packed: bool, tmp_path_factory: pytest.TempPathFactory
):
    """Cut anywhere, it is refused; unless all that is missing is the last line's end."""
    whole = _sound(tmp_path_factory)
    content = gzip.compress(whole, mtime=0) if packed else whole
    cut = content[: place % len(content)]
    path = tmp_path_factory.getbasetemp() / ("cut.jsonl.gz" if packed else "cut.jsonl")
    path.write_bytes(cut)
    if not packed and cut == whole[:-1]:
        assert Tape(path).stats().entries == 4
    else:
        with pytest.raises(CacheError, match="cut"):
            Tape(path)
    assert path.read_bytes() == cut


_made: list[bytes] = []


def _sound(factory: pytest.TempPathFactory) -> bytes:
    if not _made:
        folder = factory.mktemp("sound")
        with ResponseCache(folder / "a.sqlite") as cache:
            asyncio.run(cache.add(identity("A question"), 0, {n: entry(f"answer {n}\u2028") for n in range(4)}))
            cache.export(folder / "tape.jsonl")
        _made.append((folder / "tape.jsonl").read_bytes())
    return _made[0]


def test_what_cannot_be_read_is_an_error(tmp_path: Path):
    (tmp_path / "folder.jsonl").mkdir()
    for name in ("absent.jsonl", "folder.jsonl", "absent.jsonl.gz"):
        with pytest.raises(CacheError, match=name):
            Tape(tmp_path / name)


def test_the_ending_says_what_is_opened(filled: Filled, tmp_path: Path):
    filled().export(tmp_path / "tape.jsonl.gz")
    assert isinstance(open_cache(str(tmp_path / "tape.jsonl.gz")), Tape)
    other = open_cache(tmp_path / "other.db")
    assert isinstance(other, ResponseCache)
    other.close()


def test_where_the_users_cache_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ARCHON_GRAPH_CACHE", str(tmp_path / "mine.sqlite"))
    assert default_path() == tmp_path / "mine.sqlite"
    monkeypatch.delenv("ARCHON_GRAPH_CACHE")
    assert default_path().name == "responses.sqlite"
    assert default_path().parent.name == "archon-graph"
