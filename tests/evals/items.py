"""Items for tests of scorers."""

from __future__ import annotations

from typing import Any

from archon_graph.evals.benchmarks import Item


def item(target: Any = None, *, kind: str = "exact", tests: tuple[str, ...] = (), **metadata: Any) -> Item:
    """An item with a target, or with tests."""
    return Item(id="one", input="What is it?", target=target, tests=tests, metadata=metadata, kind=kind)
