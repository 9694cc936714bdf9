"""Where the recorded outputs with published scores lie, on machines that have them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"

needs_shared = pytest.mark.skipif(
    not SHARED.is_dir(), reason="the recorded outputs in ../shared/data are not on this machine"
)


def rows(name: str) -> list[dict[str, Any]]:
    """The objects of a file of JSON lines in ``../shared/data``."""
    return [json.loads(line) for line in (SHARED / name).read_text(encoding="utf-8").split("\n") if line]


def expected(name: str) -> dict[str, Any]:
    """What the recorded outputs of a benchmark have to score."""
    found: dict[str, Any] = json.loads((SHARED / "replay" / name / "EXPECTED.json").read_text(encoding="utf-8"))
    return found
