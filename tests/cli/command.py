"""Runs the command line inside the test's own process, so that it sees the test's models."""

from __future__ import annotations

import sys
from typing import Any, NamedTuple

import pytest

from archon_graph.cli import main


class Ran(NamedTuple):
    """What a command left behind."""

    code: Any
    out: str
    err: str


class Command:
    """``command("run", "single", "q")`` is ``archon-graph run single q``, error handling included."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capfd = capfd

    def __call__(self, *arguments: str) -> Ran:
        self._monkeypatch.setattr(sys, "argv", ["archon-graph", *arguments])
        self._capfd.readouterr()
        with pytest.raises(SystemExit) as left:
            main()
        out, err = self._capfd.readouterr()
        return Ran(left.value.code or 0, out, err)
