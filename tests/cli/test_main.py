"""The program itself: version, help, and how it leaves."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from archon_graph import __version__
from archon_graph.cli import run
from tests.cli.command import Command

PROGRAM = Path(sys.executable).with_name("archon-graph")


def test_the_version(command: Command):
    assert command("--version") == (0, f"archon-graph {__version__}\n", "")


def test_help_lists_the_commands(command: Command):
    ran = command("--help")
    assert ran.code == 0
    for name in ("run", "check", "draw", "graphs", "models"):
        assert f" {name} " in ran.out


@pytest.mark.parametrize(
    ("name", "says"),
    [
        (
            "run",
            ["Answer a question", "--model", "--json", "--details", "--seed", "--system", "ARCHON_GRAPH_MODEL"],
        ),
        ("check", ["no model is called", "ARCH..."]),
        ("draw", ["Mermaid", "--output"]),
        ("graphs", ["ready-made", "--json"]),
        ("models", ["list", "pull", "where"]),
    ],
)
def test_help_of_each_command(command: Command, name: str, says: list[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "200")
    ran = command(name, "--help")
    assert ran.code == 0
    for said in says:
        assert said in ran.out


@pytest.mark.parametrize(
    "arguments",
    [
        ["rum", "single", "q"],
        ["run", "single"],
        ["run", "single", "q", "--sed", "1"],
        ["run", "single", "q", "--seed", "x"],
    ],
)
def test_a_wrong_command_line_is_code_2_without_a_traceback(command: Command, arguments: list[str]):
    ran = command(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert "Usage:" in ran.err
    assert "Traceback" not in ran.err


def test_an_interrupt_anywhere_is_130(command: Command, monkeypatch: pytest.MonkeyPatch):
    def interrupted(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "load_architecture", interrupted)
    ran = command("run", "single", "q")
    assert ran.code == 130
    assert "Traceback" not in ran.err


def test_the_program_is_installed_under_its_name():
    ran = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout == f"archon-graph {__version__}\n"


def test_a_reader_that_leaves_early_meets_no_traceback():
    """As in ``archon-graph graphs | head -1``."""
    with subprocess.Popen(
        [PROGRAM, "graphs", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        process.stdout.close()
        errors = process.stderr.read()
    assert "Traceback" not in errors
