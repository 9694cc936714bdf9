"""Runs a page: its blocks in order, in one folder and one namespace; what it shows has to be what comes."""

from __future__ import annotations

import ast
import asyncio
import inspect
import io
import json
import re
import tomllib
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest
import yaml
from langgraph_cli.config import validate_config

from archon_graph import Architecture
from archon_graph.evals import load_benchmark
from archon_graph.models import Prices
from archon_graph.search import SearchSpace, StudySpec
from tests.cli.command import Command
from tests.docs.blocks import Block
from tests.docs.commands import check_command, shell_lines, split


class Runner:
    """Runs the blocks of one page.

    Args:
        folder: Where it runs; files that the page shows are written there.
        scope: Names that the page takes as given.
        command: Runs ``archon-graph``; without it commands are only checked.
        monkeypatch: For environment variables that the page exports.
        update: Whether the page is to be written anew where it shows something else than is printed.
    """

    def __init__(
        self,
        folder: Path,
        scope: dict[str, Any],
        command: Command | None,
        monkeypatch: pytest.MonkeyPatch,
        *,
        update: bool = False,
    ) -> None:
        self._update = update
        self._renewed: list[tuple[int, int, str]] = []
        self._folder = folder
        self._scope = scope
        self._command = command
        self._monkeypatch = monkeypatch
        self._printed: str | None = None
        """By the block before."""
        self.everything = ""
        """What all blocks printed."""

    def write_files(self, blocks: list[Block]) -> None:
        """Put the files that the page shows where it says; it may use them before it shows them."""
        for block in blocks:
            if block.file and block.language != "python" and block.reason is None:
                (self._folder / block.file).write_text(block.text, encoding="utf-8")

    def run(self, block: Block) -> None:
        """Run one block, or load it, or compare it with what the one before it printed."""
        if block.reason:
            return
        if block.language in {"text", "mermaid"} and block.follows and self._printed is not None:
            self._compare(block.line, block.text.splitlines(), self._printed)
            return
        self._printed = None
        kinds = {"py": "python", "bash": "console", "sh": "console", "yml": "yaml"}
        run = getattr(self, f"_run_{kinds.get(block.language, block.language)}", None)
        assert run is not None, f"{block.place}: no way to run {block.language!r}; call it text?"
        run(block)
        self.everything += self._printed or ""

    def _run_python(self, block: Block) -> None:
        # Lines as in the page, for tracebacks.
        code = compile(
            "\n" * (block.line - 1) + block.text,
            block.page,
            "exec",
            ast.PyCF_ALLOW_TOP_LEVEL_AWAIT,
            dont_inherit=True,
        )
        with redirect_stdout(io.StringIO()) as out:
            waiting = eval(code, self._scope)  # noqa: S307 - our own page
            if inspect.iscoroutine(waiting):
                asyncio.run(waiting)
        self._printed = out.getvalue()

    def _run_console(self, block: Block) -> None:
        printed = ""
        for command, shown, line in shell_lines(block):
            out = None
            for words in split(command):
                check_command(words)
                out = self._call(words)
            printed += out or ""
            if out is not None and shown:
                self._compare(line, shown, out)
        self._printed = printed

    def _call(self, words: list[str]) -> str | None:
        program, *arguments = words
        if self._command is None or arguments[:2] == ["models", "pull"]:
            return None
        if program == "export":
            name, _, value = arguments[0].partition("=")
            self._monkeypatch.setenv(name, value)
        if program != "archon-graph":
            return None
        if "<" in arguments:
            place = arguments.index("<")
            text = (self._folder / arguments[place + 1]).read_text(encoding="utf-8")
            self._monkeypatch.setattr("sys.stdin", io.StringIO(text))
            arguments = arguments[:place]
        ran = self._command(*arguments)
        assert ran.code == 0, f"{words}\n{ran.out}\n{ran.err}"
        return ran.out

    def _run_yaml(self, block: Block) -> None:
        data = yaml.safe_load(block.text)
        path = self._folder / (block.file or "block.yaml")
        if not block.file:
            path.write_text(block.text, encoding="utf-8")
        if "layers" in data or "nodes" in data:
            Architecture.load(path).validate()
        elif "benchmark" in data:
            StudySpec.load(path)
        elif "models" in data:
            SearchSpace.load(path)
        else:
            Prices.from_file(path)

    def _run_json(self, block: Block) -> None:
        path = self._folder / "block.jsonl"
        path.write_text(block.text, encoding="utf-8")
        if '"input": ' in block.text.split("\n")[0]:
            load_benchmark(str(path))
        elif "graphs" in (data := json.loads(block.text)):
            validate_config(data)
        else:
            Architecture.from_config(data).validate()

    def _compare(self, line: int, shown: list[str], printed: str) -> None:
        if not is_shown(shown, printed):
            told = f"the page shows:\n{chr(10).join(shown)}\n\nand this was printed:\n{printed}"
            assert self._update, f"{told}\nrun: pytest --snapshot-update tests/docs"
            self._renewed.append((line, len(shown), printed))

    def write_page(self, page: Path) -> None:
        """Put what was printed into a page in the place of what it shows."""
        lines = page.read_text(encoding="utf-8").splitlines()
        for line, count, printed in reversed(self._renewed):
            lines[line - 1 : line - 1 + count] = [each.rstrip() for each in printed.strip("\n").splitlines()]
        if self._renewed:
            page.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")

    def _run_toml(self, block: Block) -> None:
        tomllib.loads(block.text)

    def _run_text(self, block: Block) -> None:
        """Nothing to run."""

    def _run_mermaid(self, block: Block) -> None:
        """Looked at when the page has run: something on it has to have drawn it."""


def is_shown(shown: list[str], printed: str) -> bool:
    """Whether a page shows what was printed, but for blanks; ``...`` stands for anything."""
    pattern = ""
    for line in (" ".join(each.split()) for each in shown):
        if line == "...":
            pattern += r"(?:.*\n)*?"
        elif line:
            pattern += ".*?".join(re.escape(part) for part in line.split("...")) + "\n"
    text = "".join(" ".join(line.split()) + "\n" for line in printed.splitlines() if line.strip())
    return re.fullmatch(pattern, text) is not None
