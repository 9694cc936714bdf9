"""Caches in a folder of the test's own, closed after it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from archon_graph.models.cache import ResponseCache


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[..., ResponseCache]]:
    """Opens caches: ``opened()`` is one in the test's folder, and a second one is the same file."""
    made: list[ResponseCache] = []

    def make(name: str = "responses.sqlite", **settings: Any) -> ResponseCache:
        made.append(ResponseCache(tmp_path / name, **settings))
        return made[-1]

    yield make
    for cache in made:
        cache.close()
