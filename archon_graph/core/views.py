"""``Views``: what the nodes of a wide layer read alike, converted once for all of them.

A hundred nodes that read a hundred candidates each would convert ten thousand, and show ten thousand to their
models. What they share is read-only and lives until the last of them has it.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

from archon_graph.core.state import Candidate, Candidates, NodeOutput, UnitTest

_MOST_KEPT = 1_000  # of readings that some node never did: crashed, cancelled, interrupted


class Incoming(NamedTuple):
    """What reaches a node."""

    candidates: Candidates
    """In the order of the edges, then of the samples."""
    tests: tuple[UnitTest, ...]
    """Of all predecessors, each once: branches that share a test generator share its tests."""

    @classmethod
    def of(cls, outputs: Sequence[NodeOutput]) -> Incoming:
        """Read what these nodes left."""
        tests = {(test["node"], test["text"]): UnitTest(**test) for output in outputs for test in output["tests"]}
        return cls(
            Candidates(Candidate.from_state(data) for output in outputs for data in output["candidates"]),
            tuple(tests.values()),
        )


class _Kept(NamedTuple):
    incoming: Incoming
    outputs: Sequence[NodeOutput]
    """Held, so that none of their ids is given to another object."""
    readings_left: int


class Views:
    """The readings under way in one compiled graph. Thread-safe."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[int, ...], _Kept] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, outputs: Sequence[NodeOutput], readers: int) -> Incoming:
        """What these outputs are to a node that reads them.

        Args:
            outputs: What lies in the channels.
            readers: How many nodes will read just these.
        """
        if readers == 1:
            return Incoming.of(outputs)
        key = tuple(map(id, outputs))
        with self._lock:
            kept = self._kept.pop(key, None) or _Kept(Incoming.of(outputs), outputs, readers)
            if kept.readings_left > 1:
                self._kept[key] = kept._replace(readings_left=kept.readings_left - 1)
                if len(self._kept) > _MOST_KEPT:
                    self._kept.popitem(last=False)
            return kept.incoming
