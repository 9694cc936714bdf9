"""A command line to call, and scripts for it to answer from."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from archon_graph.models import providers
from tests.cli.command import Command


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """The command line, in this process."""
    return Command(monkeypatch, capfd)


@pytest.fixture
def script(tmp_path: Path) -> Callable[..., str]:
    """Writes replies to a file and gives the spec of the model that says them."""

    def write(*replies: Any) -> str:
        path = tmp_path / f"script_{len(list(tmp_path.iterdir()))}.json"
        path.write_text(json.dumps(replies), encoding="utf-8")
        return f"scripted:{path}"

    return write


@pytest.fixture(autouse=True)
def same_names() -> Iterator[None]:
    """Models that a test registers are gone after it."""
    before = dict(providers._custom)
    yield
    providers._custom.clear()
    providers._custom.update(before)
