"""``variants``: an architecture without one of its parts, to see what the part adds.

A part is taken out, and those who read it read what it read. Not every part can be spared: the only generator
stays, and what needs unit tests goes with what writes them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import networkx as nx

from archon_graph.components import Generator
from archon_graph.core import Architecture, Component


@dataclass(frozen=True, kw_only=True)
class Variant:
    """An architecture without a part."""

    without: tuple[str, ...]
    """The nodes that were taken out or made smaller."""
    what: str
    """The part, in words: ``ranker_1``, ``4 more samples of generator_1``."""
    architecture: Architecture
    """What is left."""


def variants(architecture: Architecture) -> list[Variant]:
    """Every way to spare one part of an architecture; each is valid, and none equals it or another one.

    Equal nodes of a layer are one way: which of them goes makes no difference. A generator that draws several
    samples is also tried with one.
    """
    found: list[Variant] = []
    seen = {architecture.fingerprint}
    for what, nodes, smaller in (*_removals(architecture), *_single_samples(architecture)):
        left = smaller if smaller is not None else without(architecture, nodes)
        if left is None or left.fingerprint in seen:
            continue
        seen.add(left.fingerprint)
        found.append(Variant(without=nodes, what=what, architecture=left))
    return found


def without(architecture: Architecture, nodes: Iterable[str]) -> Architecture | None:
    """The architecture without these nodes; ``None`` if what is left cannot run.

    Readers of a node read what it read, in its place. A ``top_k`` that is more than is left to choose from goes
    down to that.
    """
    gone = set(nodes)
    kept = {name: part for name, part in architecture.components.items() if name not in gone}
    if not kept:
        return None
    edges = []
    for node in kept:
        before: list[str] = []
        for predecessor in _seen_through(architecture.graph, node, gone):
            if predecessor not in before:
                before.append(predecessor)
        edges += [(predecessor, node) for predecessor in before]
    left = Architecture.from_edges(kept, edges, name=f"{architecture.name} without {', '.join(sorted(gone))}")
    return _sound(_lowered(left))


def _removals(architecture: Architecture) -> Iterable[tuple[str, tuple[str, ...], Architecture | None]]:
    for node, component in architecture.components.items():
        if component.gives_tests:
            readers = [
                after
                for after in nx.descendants(architecture.graph, node)
                if architecture.components[after].needs_tests
            ]
            if readers:
                together = (node, *(name for name in architecture.components if name in readers))
                yield " and ".join(together), together, None
                continue
        if component.needs_tests:
            continue  # it goes with its tests
        yield node, (node,), None


def _single_samples(architecture: Architecture) -> Iterable[tuple[str, tuple[str, ...], Architecture | None]]:
    for node, component in architecture.components.items():
        if isinstance(component, Generator) and component.samples > 1:
            parts: dict[str, Component] = dict(architecture.components)
            parts[node] = replace(component, samples=1)
            name = f"{architecture.name} with one sample of {node}"
            fewer = Architecture.from_edges(parts, architecture.graph.edges, name=name)
            sound = _sound(_lowered(fewer))
            if sound is not None:
                yield f"{component.samples - 1} more samples of {node}", (node,), sound


def _seen_through(graph: nx.DiGraph[str], node: str, gone: set[str]) -> Iterable[str]:
    for predecessor in graph.pred[node]:
        if predecessor in gone:
            yield from _seen_through(graph, predecessor, gone)
        else:
            yield predecessor


def _lowered(architecture: Architecture) -> Architecture:
    """The same with every ``top_k`` at most as high as the number of candidates that come in."""
    parts = dict(architecture.components)
    for _ in range(len(parts)):
        made = Architecture.from_edges(parts, architecture.graph.edges, name=architecture.name)
        wrong = [problem.where for problem in made.problems() if problem.rule == "top-k"]
        if not wrong:
            return made
        for node in wrong:
            part = parts[node]
            parts[node] = replace(part, top_k=max(1, getattr(part, "top_k", 2) - 1))  # type: ignore[call-arg]
    return architecture


def _sound(architecture: Architecture) -> Architecture | None:
    return None if any(problem.severity == "error" for problem in architecture.problems()) else architecture
