"""``archon-graph convert``: a config of the first implementation as a file of ours, and what is lost is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from archon_graph import Architecture
from tests.cli.command import Command


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A config of the first implementation with one key that has no effect."""
    return write(tmp_path / "old.json", samples=3, top_k=1)


def write(path: Path, **keys: Any) -> Path:
    """A config of one generator and a fuser."""
    generator = {"type": "generator", "model": "m", "model_type": "OpenAI_API", **keys}
    fuser = {"type": "fuser", "model": "m", "model_type": "Together_API", "temperature": 0.7}
    path.write_text(json.dumps({"name": "old", "layers": [[generator], {"models": [fuser]}]}))
    return path


@pytest.mark.parametrize("ending", ["yaml", "yml", "json"])
def test_the_new_file_is_the_same_architecture_in_our_form(
    command: Command, old: Path, tmp_path: Path, ending: str
):
    new = tmp_path / f"new.{ending}"
    ran = command("convert", str(old), str(new))
    assert (ran.code, ran.out) == (0, "")
    note, wrote = ran.err.splitlines()
    assert note.startswith(
        "warning  layers[0][0].top_k: the first implementation does not read top_k in a generator"
    )
    assert wrote == f"wrote {new}"
    assert Architecture.load(new) == Architecture.load(old)
    assert "technique" in new.read_text()
    assert "model_type" not in new.read_text()


def test_warnings_of_the_rules_are_said_as_well(command: Command, tmp_path: Path):
    write(tmp_path / "old.json", samples=40)
    ran = command("convert", str(tmp_path / "old.json"), str(tmp_path / "new.yaml"))
    assert ran.code == 0
    assert ran.err.startswith("warning  fuser_1: 40 candidates go into one prompt")


def test_a_file_that_is_there_is_only_overwritten_by_force(command: Command, old: Path, tmp_path: Path):
    new = tmp_path / "new.yaml"
    new.write_text("mine")
    ran = command("convert", str(old), str(new))
    assert ran.code == 2
    assert "is there already; add --force" in ran.err
    assert new.read_text() == "mine"
    assert command("convert", "--force", str(old), str(new)).code == 0
    assert Architecture.load(new) == Architecture.load(old)


def test_what_cannot_be_read_is_refused_and_nothing_is_written(command: Command, tmp_path: Path):
    write(tmp_path / "old.json", smaples=3)
    new = tmp_path / "new.yaml"
    ran = command("convert", str(tmp_path / "old.json"), str(new))
    assert ran.code == 2
    assert "layers[0][0].smaples: unknown key 'smaples' (did you mean 'samples'?)" in ran.err
    assert not new.exists()


def test_lenient_leaves_misspelt_keys_out_and_says_so(command: Command, tmp_path: Path):
    write(tmp_path / "old.json", smaples=3)
    new = tmp_path / "new.yaml"
    ran = command("convert", "--lenient", str(tmp_path / "old.json"), str(new))
    assert ran.code == 0
    assert ran.err.startswith("warning  layers[0][0].smaples: unknown key 'smaples'")
    assert Architecture.load(new).max_calls == 2


@pytest.mark.parametrize("name", ["new.toml", "absent/new.yaml"])
def test_a_place_that_cannot_be_written_to_is_named(command: Command, old: Path, tmp_path: Path, name: str):
    ran = command("convert", str(old), str(tmp_path / name))
    assert ran.code == 2
    assert str(tmp_path / name) in ran.err
    assert "Traceback" not in ran.err
