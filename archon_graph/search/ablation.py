"""``variants``: an architecture without one of its parts, to see what the part adds.

A part is taken out, and those who need it read what it read. Not every part can be spared: the only generator
stays, and what needs unit tests goes with what writes them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import networkx as nx

from archon_graph.components import Generator
from archon_graph.core import Architecture, Component
from archon_graph.core.validation import counts_into
from archon_graph.search.naming import name_of


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
    samples is also tried with one. No two have the same name.
    """
    found: list[Variant] = []
    seen, names = {architecture.fingerprint}, {architecture.name}
    for what, nodes, smaller in (*_removals(architecture), *_single_samples(architecture)):
        left = smaller if smaller is not None else without(architecture, nodes)
        if left is None or left.fingerprint in seen:
            continue
        seen.add(left.fingerprint)
        if left.name in names:
            # They differ in what no name tells, such as a temperature.
            left = Architecture(left.graph, name=f"{left.name} (without {what})")
        names.add(left.name)
        found.append(Variant(without=nodes, what=what, architecture=left))
    return found


def without(architecture: Architecture, nodes: Iterable[str]) -> Architecture | None:
    """The architecture without these nodes; ``None`` if what is left cannot run.

    Readers of a node read what it read, in its place: if they read nothing else, or nobody else reads it. Of
    several nodes side by side, one can so be missing without more. A ``top_k`` that is more than is left to choose
    from goes down to that.
    """
    gone = set(nodes)
    kept = {name: part for name, part in architecture.components.items() if name not in gone}
    if not kept:
        return None
    graph = architecture.graph
    edges = []
    for node in kept:
        alone = all(predecessor in gone for predecessor in graph.pred[node])
        # In the order in which it read them; who is read by two ways is read at the first of them.
        for before in dict.fromkeys(_seen_through(graph, node, gone)):
            unread = all(reader in gone for reader in graph.succ[before])
            if before in graph.pred[node] or alone or unread:
                edges.append((before, node))
    return _sound(kept, edges, whole=architecture)


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
            edges = [(before, after) for after in parts for before in architecture.graph.pred[after]]
            sound = _sound(parts, edges, whole=architecture)
            if sound is not None:
                more = component.samples - 1
                yield f"{more} more {'sample' if more == 1 else 'samples'} of {node}", (node,), sound


def _seen_through(graph: nx.DiGraph[str], node: str, gone: set[str]) -> Iterable[str]:
    for predecessor in graph.pred[node]:
        if predecessor in gone:
            yield from _seen_through(graph, predecessor, gone)
        else:
            yield predecessor


def _sound(
    components: Mapping[str, Component], edges: Sequence[tuple[str, str]], *, whole: Architecture
) -> Architecture | None:
    """The part of the whole that is made of these, with a name; ``None`` if it breaks a rule.

    Where a component keeps more candidates than come in now, it keeps them all.
    """
    parts = dict(components)
    made = Architecture.from_edges(parts, edges)
    # From front to back: what one keeps, the next one gets.
    for node in nx.topological_sort(made.graph):
        coming = counts_into(made.graph)[node]
        lower = {
            setting: coming
            for setting in ("top_k", "first_k")
            if coming and (getattr(parts[node], setting, None) or 0) > coming
        }
        if lower:
            parts[node] = replace(parts[node], **lower)  # type: ignore[arg-type]
            made = Architecture.from_edges(parts, edges)
    if any(problem.severity == "error" for problem in made.problems()):
        return None
    return Architecture(made.graph, name=name_of(made, whole))
