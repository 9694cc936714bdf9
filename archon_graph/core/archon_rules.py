"""The stricter rules of the Archon paper, under which its architectures are searched.

| rule | a graph breaks it when |
| --- | --- |
| ``archon-one-technique`` | components of different techniques stand in one layer |
| ``archon-generators-first`` | a generator stands elsewhere than in the first layer (or right behind unit tests) |
| ``archon-full-layers`` | a node does not read all of the layer before it, or reads another one |
| ``archon-critic`` | a critic does not stand right before components that read critiques |

Source: Archon (arXiv 2409.15254), section 3.3.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

import networkx as nx

from archon_graph.core.errors import Problem

if TYPE_CHECKING:
    from archon_graph.core.component import Component


def find_problems(graph: nx.DiGraph[str], acyclic: nx.DiGraph[str]) -> list[Problem]:
    """What breaks the paper's rules; nodes in cycles are left to the rule about cycles."""
    layers = [list(layer) for layer in nx.topological_generations(acyclic)]
    return [
        *_one_technique(graph, layers),
        *_generators_first(graph, layers),
        *_full_layers(graph, layers),
        *_critics(graph),
    ]


def _component(graph: nx.DiGraph[str], node: str) -> Component | None:
    component: Component | None = graph.nodes[node]["component"]
    return component


def _techniques(graph: nx.DiGraph[str], nodes: list[str]) -> list[str]:
    components = (_component(graph, node) for node in nodes)
    return list(dict.fromkeys(component.technique for component in components if component is not None))


def _one_technique(graph: nx.DiGraph[str], layers: list[list[str]]) -> Iterator[Problem]:
    for number, layer in enumerate(layers, start=1):
        techniques = _techniques(graph, layer)
        if len(techniques) > 1:
            yield Problem(
                rule="archon-one-technique",
                where=", ".join(layer),
                message=f"layer {number} mixes {' and '.join(techniques)}",
                way_out="Put them into layers of their own",
            )


def _generators_first(graph: nx.DiGraph[str], layers: list[list[str]]) -> Iterator[Problem]:
    first = 1 if layers and all(_only_gives_tests(graph, node) for node in layers[0]) else 0
    for number, layer in enumerate(layers):
        for node in layer:
            component = _component(graph, node)
            if component is not None and component.technique == "generator" and number != first:
                yield Problem(
                    rule="archon-generators-first",
                    where=node,
                    message=f"a generator stands in layer {number + 1}",
                    way_out="Put it into the first layer, or take a fuser",
                )


def _only_gives_tests(graph: nx.DiGraph[str], node: str) -> bool:
    component = _component(graph, node)
    return component is not None and component.gives_tests and not component.makes_candidates


def _full_layers(graph: nx.DiGraph[str], layers: list[list[str]]) -> Iterator[Problem]:
    for before, layer in pairwise(layers):
        for node in layer:
            if set(graph.pred[node]) != set(before):
                read, all_of_it = ", ".join(graph.pred[node]), ", ".join(before)
                yield Problem(
                    rule="archon-full-layers",
                    where=node,
                    message=f"it reads {read}, and the layer before it is {all_of_it}",
                    way_out="Let it read exactly the layer before it",
                )


def _critics(graph: nx.DiGraph[str]) -> Iterator[Problem]:
    for node in graph:
        component = _component(graph, node)
        if component is None or not component.gives_critiques:
            continue
        readers = [_component(graph, after) for after in graph.succ[node]]
        if not readers or any(reader is not None and not reader.reads_critiques for reader in readers):
            yield Problem(
                rule="archon-critic",
                where=node,
                message="a critic must stand right before a ranker or a fuser",
                way_out="Put one behind it, or remove it",
            )
