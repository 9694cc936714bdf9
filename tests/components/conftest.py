"""The real model, where this machine has one."""

from __future__ import annotations

import pytest

from archon_graph.models.local import lookup, path_of


@pytest.fixture
def real_model() -> str:
    """The spec of a real local model: the one that follows instructions best of those that are here."""
    pytest.importorskip("xllamacpp", reason="the runtime of local models is not installed")
    for name in ("coder-0.5b", "smollm2-135m"):
        if path_of(lookup(name)).is_file():
            return f"local:{name}"
    pytest.skip("no real model here; fetch one with: archon-graph models pull smollm2-135m")
