"""Reads the shell commands of the pages, and sees that what they call is there and takes what it is given."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Callable
from typing import Any, NamedTuple

import click
from typer.main import get_command

from archon_graph.cli import app
from archon_graph.models import local
from tests.docs.blocks import ROOT, Block

_PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
_BETWEEN = {"&&", "|", ";"}


class ShellLine(NamedTuple):
    """A command, and the output that is shown below it."""

    command: str
    shown: list[str]
    line: int
    """Of the page, on which its output begins."""


def shell_lines(block: Block) -> list[ShellLine]:
    """The commands of a block.

    In a block with ``$`` at the beginning of a line, lines without one are output. A command goes on
    behind a backslash.
    """
    prompted = re.search(r"^\$ ", block.text, flags=re.MULTILINE)
    found: list[ShellLine] = []
    goes_on = False
    for number, line in enumerate(block.text.splitlines(), start=block.line + 1):
        if goes_on:
            last = found.pop()
            found.append(last._replace(command=f"{last.command} {line.strip()}", line=number))
        elif prompted and not line.startswith("$ "):
            found[-1].shown.append(line)
            continue
        else:
            found.append(ShellLine(line.removeprefix("$ "), [], number))
        goes_on = line.endswith(" \\")
        if goes_on:
            last = found.pop()
            found.append(last._replace(command=last.command.removesuffix(" \\")))
    return found


def split(command: str) -> list[list[str]]:
    """The words of each program that a line calls."""
    lexer = shlex.shlex(command, posix=True, punctuation_chars="|&;")
    lexer.whitespace_split = True
    parts: list[list[str]] = [[]]
    for word in lexer:
        if word in _BETWEEN:
            parts.append([])
        else:
            parts[-1].append(word)
    return [part for part in parts if part]


def check_command(words: list[str]) -> None:
    """See that a program of this name may be called like this."""
    program, *arguments = words
    assert program in _CHECKS, f"no check for the program {program!r}: {shlex.join(words)}"
    _CHECKS[program](arguments)


def _archon_graph(arguments: list[str]) -> None:
    """By the command line's own parser; nothing is run."""
    if "<" in arguments:
        arguments = arguments[: arguments.index("<")]
    command: Any = get_command(app)
    context: click.Context | None = None
    words, name = arguments, "archon-graph"
    while True:
        group = isinstance(command, click.Group)
        try:
            context = command.make_context(name, list(words), parent=context)
        except click.exceptions.Exit:  # --help, --version
            return
        except click.ClickException as error:
            raise AssertionError(f"archon-graph {shlex.join(arguments)}: {error.format_message()}") from error
        if not group:
            return
        # As click's own: what is left begins with the name of the command.
        name, command, words = command.resolve_command(context, [*context.protected_args, *context.args])
        if name == "pull":
            for model in words:
                local.lookup(model)


def _make(arguments: list[str]) -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in arguments:
        assert re.search(rf"^{re.escape(target)}:", text, flags=re.MULTILINE), f"make has no target {target!r}"


def _pip(arguments: list[str]) -> None:
    assert arguments[0] == "install", arguments
    for word in arguments[1:]:
        wanted = re.fullmatch(r"(?:\.|archon-graph)\[([\w,-]+)\]", word)
        known = _PROJECT["project"]["optional-dependencies"]
        for extra in wanted[1].split(",") if wanted else ():
            assert extra in known, f"there is no extra {extra!r}"


def _python(arguments: list[str]) -> None:
    if arguments[0].endswith(".py"):
        assert (ROOT / arguments[0]).is_file(), f"there is no {arguments[0]}"


def _somebody_elses(_: list[str]) -> None:
    """Not ours to check."""


_CHECKS: dict[str, Callable[[list[str]], None]] = {
    "archon-graph": _archon_graph,
    "make": _make,
    "pip": _pip,
    "python": _python,
    **dict.fromkeys(
        ("cd", "dask", "export", "git", "mkdocs", "pytest", "sudo", "systemd-run", "."), _somebody_elses
    ),
}
