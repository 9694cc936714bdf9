"""``archon-graph check``: every problem of every file, and a code that a CI can read."""

from __future__ import annotations

from pathlib import Path

from archon_graph.graphs import READY_MADE
from tests.cli.command import Command
from tests.sandbox.conftest import works_here

GOOD = "layers:\n- {technique: generator, model: openai:a, samples: 40}\n- {technique: fuser, model: openai:a}\n"
BAD = """
nmae: typo
layers:
- {technique: genrator, model: openai:a}
- {technique: ranker, model: openai:a, top_k: 0}
- {technique: fuser, model: openai:a, colour: "[red]"}
"""


def test_good_ones_are_ok_and_warned_about(command: Command, tmp_path: Path):
    """Without a key and without a call: rules are about the graph."""
    (tmp_path / "good.yaml").write_text(GOOD)
    ran = command("check", "single", str(tmp_path / "good.yaml"))
    assert (ran.code, ran.err) == (0, "")
    first, second, warning = ran.out.splitlines()
    assert first == "ok       single: 1 node, 1 call"
    assert second == f"ok       {tmp_path / 'good.yaml'}: 2 nodes, 41 calls"
    assert warning.startswith("warning  fuser_1: 40 candidates go into one prompt")


def test_all_problems_of_all_files_are_listed_and_good_ones_are_still_looked_at(command: Command, tmp_path: Path):
    (tmp_path / "bad.yaml").write_text(BAD)
    (tmp_path / "cut.json").write_text('{"layers": [')
    (tmp_path / "good.yaml").write_text(GOOD)
    files = [str(tmp_path / name) for name in ("bad.yaml", "cut.json", "absent.yaml", "good.yaml")]
    ran = command("check", *files, "singel")
    assert ran.code == 2
    for said in (
        "'nmae' (did you mean 'name'?)",
        "'genrator' (did you mean 'generator'?)",
        "top_k",
        "'colour'",
        "not valid JSON",
        "absent.yaml",
        f"ok       {files[3]}",
        "did you mean 'single'?",
    ):
        assert said in ran.out
    assert sum(line.startswith("refused") for line in ran.out.splitlines()) == 4
    assert "Traceback" not in ran.err


def test_what_cannot_even_be_read_is_refused(command: Command, tmp_path: Path):
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00\x01")
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "empty.yaml").write_text("")
    names = ["binary.yaml", "folder.yaml", "empty.yaml"]
    ran = command("check", *(str(tmp_path / name) for name in names))
    assert ran.code == 2
    assert sum(line.startswith("refused") for line in ran.out.splitlines()) == 3


def test_lines_are_whole_in_a_pipe_and_brackets_are_not_markup(command: Command, tmp_path: Path):
    file = tmp_path / "long.yaml"
    file.write_text("layers:\n- {technique: generator, model: openai:a, '[bold]': " + "x" * 300 + "}\n")
    ran = command("check", str(file))
    [line] = [line for line in ran.out.splitlines() if "unknown key" in line]
    assert "'[bold]'" in line
    assert line.endswith("[unknown-key]")


@works_here
def test_every_ready_made_architecture_passes(command: Command):
    ran = command("check", *READY_MADE)
    assert ran.code == 0
    assert len([line for line in ran.out.splitlines() if line.startswith("ok")]) == len(READY_MADE)
