"""Puts graphs of components together and names their nodes."""

from __future__ import annotations

from collections.abc import Sequence

import networkx as nx


def union(graphs: Sequence[nx.DiGraph[str]]) -> nx.DiGraph[str]:
    """All nodes and edges of several graphs, the nodes named anew and in order.

    A node is called what its component is called, or else the technique and a number; a name that is taken
    gets a number of its own.
    """
    components = [graph.nodes[node]["component"] for graph in graphs for node in graph]
    given = {component.name for component in components if component.name}
    counters: dict[str, int] = {}
    taken: set[str] = set()
    names: list[str] = []
    for component in components:
        if component.name and component.name not in taken:
            name = component.name
        else:
            stem = component.name or component.technique
            while True:
                counters[stem] = counters.get(stem, 0 if component.name is None else 1) + 1
                name = f"{stem}_{counters[stem]}"
                if name not in taken and name not in given:
                    break
        taken.add(name)
        names.append(name)
    whole: nx.DiGraph[str] = nx.DiGraph()
    whole.add_nodes_from((name, {"component": part}) for name, part in zip(names, components, strict=True))
    start = 0
    for graph in graphs:
        renamed = dict(zip(graph, names[start : start + len(graph)], strict=True))
        for node in graph:
            whole.add_edges_from((renamed[before], renamed[node]) for before in graph.pred[node])
        start += len(graph)
    return whole
