"""``Views``: what the nodes of a wide layer read alike, converted once for all of them.

A hundred nodes that read a hundred candidates each would convert ten thousand, and show ten thousand to their
models. What they share is read-only and lives as long as one of them works on it.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from weakref import WeakValueDictionary

from archon_graph.core.state import Candidate, Candidates, NodeOutput, UnitTest, outputs_of


class Incoming:
    """What reaches a node."""

    __slots__ = ("__weakref__", "_channels", "candidates", "tests")

    def __init__(self, turn: int, channels: Sequence[NodeOutput | None]) -> None:
        outputs = outputs_of(turn, channels)
        tests = {(test["node"], test["text"]): UnitTest(**test) for output in outputs for test in output["tests"]}
        self.candidates = Candidates(
            Candidate.from_state(data) for output in outputs for data in output["candidates"]
        )
        """In the order of the edges, then of the samples."""
        self.tests = tuple(tests.values())
        """Of all predecessors, each once: branches that share a test generator share its tests."""
        # Held, so that none of their ids is given to another object while this is found by them.
        self._channels = channels


class Views:
    """What is read at this moment in one compiled graph. Thread-safe."""

    def __init__(self) -> None:
        self._views: WeakValueDictionary[tuple[int, ...], Incoming] = WeakValueDictionary()
        self._lock = threading.Lock()

    def of(self, turn: int, channels: Sequence[NodeOutput | None]) -> Incoming:
        """What a node reads; the same object for all that read it at the same time.

        Args:
            turn: Number of the turn; what lies there from another one is not read.
            channels: What lies in the channels of its predecessors, in the order of the edges.
        """
        key = (turn, *map(id, channels))
        with self._lock:
            view = self._views.get(key)
            if view is None:
                view = self._views[key] = Incoming(turn, channels)
            return view
