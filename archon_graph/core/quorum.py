"""Quorums: a node that goes on once enough candidates are there, and lets the stragglers be cut off.

A step of the graph waits for its slowest branch. So a node that waits for a quorum cannot begin by itself: its
predecessors have to end, and what they are still waiting for is cut off. Each of them draws through a `Gate`
that is closed once every one of its readers has its quorum and has waited for the others as long as it wants
to. A predecessor that somebody reads who waits for all is never cut off, nor is one that writes unit tests.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from archon_graph.core.state import is_empty
from archon_graph.models import Draw, Gate

if TYPE_CHECKING:
    import networkx as nx

    from archon_graph.core.component import Component


@dataclass(frozen=True)
class QuorumPlan:
    """Who waits for a quorum in a graph, and who may be cut off for it."""

    needed: Mapping[str, int]
    """How many candidates each node with a quorum needs."""
    patience: Mapping[str, float]
    """How long each of them then waits for the others, in seconds."""
    feeds: Mapping[str, tuple[str, ...]]
    """For each predecessor of one of them, the nodes with a quorum that read it."""
    cuttable: frozenset[str]
    """Those of the predecessors that nobody reads who waits for all, and that write no unit tests: candidates
    without the tests that they are to be judged by are not enough."""

    @classmethod
    def of(cls, graph: nx.DiGraph[str], components: Mapping[str, Component]) -> QuorumPlan | None:
        """The plan of a graph; ``None`` if every node waits for all."""
        needed = {
            node: component.min_candidates
            for node, component in components.items()
            if component.min_candidates is not None
        }
        if not needed:
            return None
        feeds: dict[str, tuple[str, ...]] = {}
        for node in needed:
            for before in graph.pred[node]:
                feeds[before] = (*feeds.get(before, ()), node)
        return cls(
            needed=needed,
            patience={node: components[node].straggler_timeout or 0.0 for node in needed},
            feeds=feeds,
            cuttable=frozenset(
                node
                for node in feeds
                if len(feeds[node]) == len(graph.succ[node]) and not components[node].gives_tests
            ),
        )


class Quorums:
    """The quorums of one run. Thread-safe: nodes may run in several event loops.

    Counts live in memory. Where a run is taken up again from a checkpoint, what was there before is not counted,
    and nodes wait for more than they need, at worst for all.
    """

    def __init__(self, plan: QuorumPlan) -> None:
        self._plan = plan
        self._lock = threading.Lock()
        self._candidates: dict[str, int] = {}  # by predecessor
        self._there: dict[str, int] = dict.fromkeys(plan.needed, 0)  # by reader
        self._over_at: dict[str, float] = {}  # by reader with a quorum: when it waits no longer
        self._running: dict[str, _Running] = {}

    @contextmanager
    def watch(self, node: str, *, by_draw: bool) -> Iterator[Gate | None]:
        """While a node runs, count its candidates and cut it off when its readers wait no longer.

        Args:
            node: The node.
            by_draw: Whether each of its draws is a candidate. Otherwise they are counted when it ends.

        Yields:
            The gate to draw through; ``None`` if nobody who reads the node has a quorum.
        """
        if node not in self._plan.feeds:
            yield None
            return

        def arrived(draw: Draw) -> None:
            if by_draw and draw.message is not None and not is_empty(draw.message):
                with self._lock:
                    self._set(node, self._candidates[node] + 1)

        running = _Running(Gate(arrived))
        with self._lock:
            self._running[node] = running
            self._set(node, 0)  # what an attempt before this one had is gone
            self._cut(node)
        try:
            yield running.gate
        finally:
            with self._lock:
                del self._running[node]
                running.end()

    def ended(self, node: str, candidates: int) -> None:
        """Count what a node passed on at its end."""
        if node in self._plan.feeds:
            with self._lock:
                self._set(node, candidates)

    def _set(self, node: str, candidates: int) -> None:
        """Note how many candidates of a node are there; called with the lock held."""
        more = candidates - self._candidates.get(node, 0)
        self._candidates[node] = candidates
        reached = False
        for reader in self._plan.feeds[node]:
            self._there[reader] += more
            if self._there[reader] >= self._plan.needed[reader] and reader not in self._over_at:
                self._over_at[reader] = time.monotonic() + self._plan.patience[reader]
                reached = True
        if reached:
            for other in self._running:
                self._cut(other)

    def _cut(self, node: str) -> None:
        """Say to a running node when it is to end, if that is known; called with the lock held."""
        readers = self._plan.feeds[node]
        if node in self._plan.cuttable and all(reader in self._over_at for reader in readers):
            reason = ", ".join(f"{reader} has its quorum of {self._plan.needed[reader]}" for reader in readers)
            self._running[node].cut_at(max(self._over_at[reader] for reader in readers), reason)


class _Running:
    """A node at work that may be cut off. Its timer belongs to its own event loop and ends with it."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._told = self._ended = False

    def cut_at(self, when: float, reason: str) -> None:
        """Close the gate at this time, on the clock of ``time.monotonic``; only the first word counts."""
        if self._told:
            return
        self._told = True
        if when <= time.monotonic():
            self.gate.close(reason)
        else:
            self._loop.call_soon_threadsafe(self._start_timer, when, reason)

    def end(self) -> None:
        """Stop the timer; called in the node's own event loop."""
        self._ended = True
        if self._timer is not None:
            self._timer.cancel()

    def _start_timer(self, when: float, reason: str) -> None:
        if not self._ended:
            self._timer = self._loop.call_later(max(0.0, when - time.monotonic()), self.gate.close, reason)
