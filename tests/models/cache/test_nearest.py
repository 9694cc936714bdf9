"""What is said of a call that is not recorded: the nearest one, and each difference."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import HumanMessage, SystemMessage

from archon_graph.models.cache import Identity, ResponseCache, Tape, identify
from archon_graph.models.cache.nearest import miss
from archon_graph.models.cache.rows import RequestRow, ranges
from archon_graph.models.request import Request, Sampling
from tests.models.cache.entries import entry, identity, requests

LONG = "The quick brown fox jumps over the lazy dog and goes on to run through the deep dark forest."


def row(asked: Identity, *, hashes_only: bool = False) -> RequestRow:
    return RequestRow(asked.digest, asked.label, asked.parts, None if hashes_only else asked.record)


def told(asked: Identity, *recorded: Identity, hashes_only: bool = False) -> str:
    rows = [row(each, hashes_only=hashes_only) for each in recorded]
    return miss(
        asked,
        0,
        3,
        where="in FILE",
        rows=rows,
        samples=lambda digest: [(0, n) for n in range(10)] if digest in {each.digest for each in recorded} else [],
    )


def test_another_sample_of_a_call_that_is_there():
    said = miss(identity(), 0, 12, where="in FILE", rows=[], samples=lambda _: [(0, n) for n in (0, 1, 2, 5)])
    assert said == (
        "sample 12 of this call to openai:a is not in FILE; the call itself is there, recorded samples: 0-2, 5"
    )


def test_another_replicate_of_a_call_that_is_there():
    said = miss(identity(), 2, 0, where="in FILE", rows=[], samples=lambda _: [(0, 0), (0, 1), (1, 0)])
    assert said.startswith("sample 0 of replicate 2 of this call")
    assert said.endswith("recorded samples: 0-1 of replicate 0, 0 of replicate 1")


def test_nothing_at_all():
    assert told(identity()) == "sample 3 of this call to openai:a is not in FILE; nothing is recorded there"


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ({"sampling": Sampling(temperature=0.7)}, "sampling.temperature: recorded nothing, asked 0.7"),
        ({"prompt_version": "ranker@2"}, "prompt_version: recorded '', asked 'ranker@2'"),
        ({"schema": {"title": "Ranking"}}, "schema: recorded nothing, asked 'Ranking'"),
        ({"model": "openai:b"}, "(to openai:a) differs in model: recorded 'a', asked 'b'"),
        ({"model": "together:a"}, "provider: recorded 'openai', asked 'together'"),
        ({"text": LONG.replace("deep", "wide")}, "message 1 (human) from character 76 on"),
        ({"messages": (SystemMessage(LONG),)}, "its fields.type: recorded 'human', asked 'system'"),
        (
            {"messages": (HumanMessage(LONG), HumanMessage("And?"))},
            "the number of messages: recorded 1, asked 2, equal as far as both go",
        ),
        ({"messages": (HumanMessage(LONG, name="Ann"),)}, "its fields.name: recorded nothing, asked 'Ann'"),
    ],
)
def test_each_kind_of_difference_is_told(change: dict[str, object], difference: str):
    said = told(identity(**{"text": LONG, **change}), identity(LONG))
    assert difference in said
    assert said.endswith("recorded samples: 0-9")


def test_where_texts_begin_to_differ_both_are_shown():
    said = told(identity(LONG.replace("deep", "wide")), identity(LONG))
    assert "recorded '…nd goes on to run through the deep dark forest.'" in said
    assert "asked '…nd goes on to run through the wide dark forest.'" in said


def test_the_nearest_agrees_in_most_fields_and_then_for_longest():
    asked = identity(LONG + " And then?")
    others = [
        identity("Something else"),
        identity(LONG[:40]),
        identity(LONG),
        identity(LONG, prompt_version="2"),
        identity(LONG + " And then?", prompt_version="2", model="openai:b"),
    ]
    said = told(asked, *others)
    assert f"message 1 (human) from character {len(LONG) + 1} on" in said
    assert "prompt_version" not in said


def test_digests_alone_tell_the_fields():
    said = told(identity("B", sampling=Sampling(temperature=1)), identity("A private question"), hashes_only=True)
    assert "sampling (of which only a digest is kept)" in said
    assert "messages (of which only a digest is kept)" in said
    assert "private" not in said


def test_all_that_was_asked_is_redacted(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SOME_TOKEN", "planted-in-the-environment")
    said = told(identity("It is planted-in-the-environment now"), identity("It is sk-proj-abcdef123456 now"))
    assert "planted" not in said
    assert "abcdef" not in said


@given(requests, st.lists(requests, max_size=4), st.booleans())
def test_there_is_a_sentence_for_any_call(asked: Request, recorded: list[Request], hashes_only: bool):
    wanted = identify(asked)
    rows = [found for found in map(identify, recorded) if found is not None]
    assert wanted is not None
    assert told(wanted, *rows, hashes_only=hashes_only)


@given(st.sets(st.integers(0, 30)))
def test_ranges_say_each_number_once(numbers: set[int]):
    said = set()
    for part in filter(None, ranges(numbers).split(", ")):
        first, _, last = part.partition("-")
        run = set(range(int(first), int(last or first) + 1))
        assert not run & said
        said |= run
    assert said == numbers


def test_caches_and_tapes_say_the_same_but_for_the_file(tmp_path: Path):
    with ResponseCache(tmp_path / "a.sqlite") as cache:
        asyncio.run(cache.add(identity(LONG), 0, {0: entry(), 2: entry()}))
        asyncio.run(cache.add(identity(LONG, model="openai:b"), 1, {0: entry()}))
        cache.export(tmp_path / "a.jsonl")
        in_cache = cache.nearest(identity(LONG + "!"), 0, 0)
        assert "not in the cache" in in_cache
        assert cache.nearest(identity(LONG), 0, 1).endswith("the call itself is there, recorded samples: 0, 2")
    on_tape = Tape(tmp_path / "a.jsonl").nearest(identity(LONG + "!"), 0, 0)
    assert on_tape.partition("; ")[2] == in_cache.partition("; ")[2]
    assert f"on the tape {tmp_path / 'a.jsonl'}" in on_tape
