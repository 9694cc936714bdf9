"""The names of the ready-made architectures, for tests of each; those that run programs need a sandbox."""

from __future__ import annotations

import pytest

from archon_graph.graphs import READY_MADE
from tests.sandbox.conftest import works_here

NAMES = [
    pytest.param(name, marks=works_here)
    if any(component.technique == "code_executor" for component in make().components.values())
    else name
    for name, make in READY_MADE.items()
]
