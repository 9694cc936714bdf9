"""``archon-graph cache``: what is recorded, shown, removed, carried out and in."""

from __future__ import annotations

import asyncio
import json
import sys
from io import StringIO
from pathlib import Path

import pytest

from archon_graph.models.cache import ResponseCache, Tape
from tests.cli.command import Command
from tests.models.cache.entries import entry, identity


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's cache, in a folder of the test's own; not there yet."""
    monkeypatch.setenv("ARCHON_GRAPH_CACHE", str(tmp_path / "responses.sqlite"))
    return tmp_path / "responses.sqlite"


@pytest.fixture
def filled(path: Path) -> Path:
    """With three answers of one model and one of another."""
    with ResponseCache(path) as cache:
        asyncio.run(cache.add(identity(), 0, {n: entry() for n in range(3)}))
        asyncio.run(cache.add(identity(model="together:[b]"), 0, {0: entry()}))
    return path


def entries(path: Path) -> int:
    with ResponseCache(path) as cache:
        return cache.stats().entries


def test_stats(command: Command, filled: Path):
    ran = command("cache", "stats")
    assert (ran.code, ran.err) == (0, "")
    lines = [line.split() for line in ran.out.splitlines()]
    assert lines[0] == ["file", str(filled)]
    assert ["answers", "4"] in lines
    assert ["requests", "2"] in lines
    assert ["openai:a", "1", "3", "21", "3"] in lines
    assert ["together:[b]", "1", "1", "7", "1"] in lines
    assert {"oldest", "newest"} <= {line[0] for line in lines if line}


def test_stats_as_json_and_of_a_tape(command: Command, filled: Path, tmp_path: Path):
    counted = json.loads(command("cache", "stats", "--json").out)
    assert (counted["entries"], counted["requests"]) == (4, 2)
    assert command("cache", "export", str(tmp_path / "tape.jsonl")).code == 0
    on_tape = json.loads(command("cache", "stats", "--json", "--path", str(tmp_path / "tape.jsonl")).out)
    assert on_tape["models"] == counted["models"]
    assert on_tape["oldest"] is None


@pytest.mark.parametrize("arguments", [("stats",), ("clear", "--yes"), ("export", "tape.jsonl")])
def test_a_cache_that_is_not_there_is_not_made(command: Command, path: Path, arguments: tuple[str, ...]):
    ran = command("cache", *arguments)
    assert ran.code == 2
    assert f"there is no cache at {path}" in ran.err
    assert not path.exists()


def test_clear_asks_first(command: Command, filled: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "stdin", StringIO("n\n"))
    ran = command("cache", "clear")
    assert ran.code == 1
    assert f"Remove all answers from {filled}?" in ran.out
    assert entries(filled) == 4
    monkeypatch.setattr(sys, "stdin", StringIO("y\n"))
    ran = command("cache", "clear", "--model", "openai:a")
    assert "Remove all answers of openai:a" in ran.out
    assert "3 answers removed" in ran.out
    assert entries(filled) == 1


def test_clear_without_asking(command: Command, filled: Path):
    assert "0 answers removed" in command("cache", "clear", "--yes", "--older-than", "1").out
    assert "4 answers removed" in command("cache", "clear", "--yes").out
    assert entries(filled) == 0


def test_a_misspelt_model_is_an_error_that_names_the_nearest(command: Command, filled: Path):
    for arguments in (("clear", "--yes"), ("export", "tape.jsonl")):
        ran = command("cache", *arguments, "--model", "opnai:a")
        assert ran.code == 2
        assert "did you mean 'openai:a'?" in ran.err
    assert entries(filled) == 4


def test_export_and_import(command: Command, filled: Path, tmp_path: Path):
    tape, other = str(tmp_path / "tape.jsonl.gz"), str(tmp_path / "other.sqlite")
    assert command("cache", "export", tape).out == f"4 answers written to {tape}\n"
    assert command("cache", "import", tape, "--path", other).out == f"4 answers new in {other}\n"
    assert command("cache", "import", tape, "--path", other).out == f"0 answers new in {other}\n"
    ran = command("cache", "export", tape, "--path", other, "--hashes-only", "--model", "together:[b]")
    assert ran.out == f"1 answer written to {tape}\n"
    assert Tape(tape).find(identity(model="together:[b]"), 0, [0]) == {0: entry()}


def test_what_is_wrong_with_a_file_is_one_message(command: Command, path: Path, tmp_path: Path):
    path.write_bytes(b"notes")
    (tmp_path / "tape.jsonl").write_text("{}\n")
    for arguments in (("stats",), ("clear", "--yes"), ("import", str(tmp_path / "tape.jsonl"))):
        ran = command("cache", *arguments)
        assert ran.code == 2
        assert "no SQLite file" in ran.err
        assert "Traceback" not in ran.err
    assert path.read_bytes() == b"notes"
    ran = command("cache", "clear", "--yes", "--path", str(tmp_path / "tape.jsonl"))
    assert "is no tape" in ran.err


def test_a_tape_is_not_cleared(command: Command, filled: Path, tmp_path: Path):
    tape = str(tmp_path / "tape.jsonl")
    command("cache", "export", tape)
    ran = command("cache", "clear", "--yes", "--path", tape)
    assert ran.code == 2
    assert "is a tape, which is only read" in ran.err
