"""Every rule about a graph, each with an id. All that is broken is reported at once, before any call.

| rule | severity | a graph breaks it when |
| --- | --- | --- |
| ``empty`` | error | it has no component |
| ``bad-name`` | error | a node's name is no identifier, or is one the graph needs itself |
| ``cycle`` | error | nodes wait for each other in a circle |
| ``unreachable`` | error | no path leads to a node from where the question comes in |
| ``dead-end`` | error | nobody reads a node's candidates and it is not in the last layer |
| ``first-layer`` | error | a component that needs candidates stands where there are none |
| ``no-generator`` | error | nothing before a component makes candidates |
| ``top-k`` | error | more candidates are to be kept than can come in |
| ``no-tests`` | error | a component judges by unit tests that nothing before it writes |
| ``quorum-too-large`` | error | a node waits for more candidates than can come in |
| ``timeout-without-quorum`` | error | a node has a time for stragglers and no quorum that it begins with |
| ``idle-quorum`` | warning | a node with a quorum shares all it reads with nodes that wait for all |
| ``many-candidates`` | warning | more than 32 candidates go into one prompt |
| ``unread-critiques`` | warning | nobody reads a critic's critiques |
| ``unread-tests`` | warning | nobody reads the unit tests that were written |
| ``several-answers`` | warning | several candidates are left at the end (the first is the answer) |
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Literal

import networkx as nx

from archon_graph.core import archon_rules
from archon_graph.core.component import Component
from archon_graph.core.errors import Problem

# `question` and `answer` are nodes of the compiled graph; the others end or open blocks in Mermaid.
RESERVED_NAMES = frozenset(
    {
        "question",
        "answer",
        "start",
        "end",
        "graph",
        "flowchart",
        "subgraph",
        "style",
        "class",
        "click",
        "default",
    }
)
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")


Rules = Literal["default", "archon"]
"""Which rules a graph is held to: those without which it cannot run, or the paper's stricter ones too."""


def find_problems(graph: nx.DiGraph[str], rules: Rules = "default") -> list[Problem]:
    """Everything that is wrong with a graph, errors first.

    Args:
        graph: Nodes by name, each with its ``component``; ``None`` stands for a component that could not be
            made (an unknown technique, a bad setting), about which nothing more is said here.
        rules: The set of rules; ``archon`` adds those of `archon_graph.core.archon_rules`.
    """
    if not graph:
        return [_empty()]
    acyclic, into = _acyclic_part(graph), counts_into(graph)
    problems = [
        *_names(graph),
        *_cycles(graph),
        *_unreachable(graph, acyclic),
        *_dead_ends(graph, acyclic),
        *_starts(graph, acyclic),
        *_tests(graph, acyclic),
        *_critiques(graph),
        *_quorums(graph, into),
        *_counts(graph, into),
        # What reading a file brought up; see archon_graph.core.first_implementation.
        *graph.graph.get("notes", ()),
    ]
    if rules == "archon":
        problems += archon_rules.find_problems(graph, acyclic)
    return sorted(problems, key=lambda problem: problem.severity)


def component_at(graph: nx.DiGraph[str], node: str) -> Component | None:
    """The component of a node; ``None`` if it could not be made."""
    component: Component | None = graph.nodes[node]["component"]
    return component


def counts_into(graph: nx.DiGraph[str]) -> dict[str, int | None]:
    """How many candidates reach each node when nothing is lost; ``None`` where that cannot be known."""
    into: dict[str, int | None] = dict.fromkeys(graph)
    out: dict[str, int | None] = dict.fromkeys(graph)
    for node in nx.topological_sort(_acyclic_part(graph)):
        component = component_at(graph, node)
        arriving = [out[before] for before in graph.pred[node]]
        known = [count for count in arriving if count is not None]
        if len(known) == len(arriving):
            into[node] = sum(known)
            out[node] = component.candidates_out(sum(known)) if component is not None else None
        elif component is not None and component.makes_candidates:
            out[node] = component.candidates_out(1)
    return into


def _empty() -> Problem:
    return Problem(
        rule="empty",
        where="the architecture",
        message="it has no component",
        way_out="Begin with a generator: Generator('local:coder-0.5b')",
    )


def _names(graph: nx.DiGraph[str]) -> Iterator[Problem]:
    for node in graph:
        if not _NAME.fullmatch(node):
            message = f"the name {node!r} is not a letter followed by letters, digits or underscores (64 at most)"
        elif node.lower() in RESERVED_NAMES or re.fullmatch(r"join_\d+", node):
            message = f"the name {node!r} is needed by the graph itself or by its drawing"
        else:
            continue
        yield Problem(rule="bad-name", where=node, message=message, way_out="Choose another name")


def _cycles(graph: nx.DiGraph[str]) -> Iterator[Problem]:
    for group in nx.strongly_connected_components(graph):
        inside = graph.subgraph(group)
        if len(group) > 1 or nx.number_of_selfloops(inside):
            # From a fixed node, so that the same graph always gives the same message.
            first = min(group, key=list(graph).index)
            edges = nx.find_cycle(inside, source=first)
            path = " -> ".join([*(edge[0] for edge in edges), edges[0][0]])
            yield Problem(
                rule="cycle",
                where=first,
                message=f"nodes wait for each other in a circle: {path}",
                way_out=f"Remove one of these edges, for example {edges[-1][0]} -> {edges[-1][1]}",
            )


def _acyclic_part(graph: nx.DiGraph[str]) -> nx.DiGraph[str]:
    """The graph without the nodes that wait for themselves."""
    circling = {
        node
        for group in nx.strongly_connected_components(graph)
        for node in group
        if len(group) > 1 or graph.has_edge(node, node)
    }
    if not circling:
        return graph
    acyclic: nx.DiGraph[str] = graph.subgraph(node for node in graph if node not in circling)
    return acyclic


def _unreachable(graph: nx.DiGraph[str], acyclic: nx.DiGraph[str]) -> Iterator[Problem]:
    reached = {node for node in graph if not graph.pred[node]}
    frontier = list(reached)
    while frontier:
        found = set(graph.succ[frontier.pop()]) - reached
        reached |= found
        frontier.extend(found)
    for node in acyclic:
        if node not in reached:
            yield Problem(
                rule="unreachable",
                where=node,
                message="no path leads here from where the question comes in",
                way_out="Break the circle before it, or give it an edge from a node in the first layer",
            )


def _dead_ends(graph: nx.DiGraph[str], acyclic: nx.DiGraph[str]) -> Iterator[Problem]:
    depth = {
        node: level for level, nodes in enumerate(nx.topological_generations(acyclic), start=1) for node in nodes
    }
    sinks = [node for node in graph if not graph.succ[node]]
    last = max((depth[node] for node in sinks), default=0)
    ends = [node for node in sinks if depth[node] == last]
    for node in sinks:
        if depth[node] < last:
            yield Problem(
                rule="dead-end",
                where=node,
                message=f"nobody reads its candidates: no edge leaves it and it stands in layer {depth[node]}, "
                f"not in the last one ({last}, with {', '.join(ends)})",
                way_out=f"Add an edge from it, for example {node} -> {ends[0]}, or remove it",
            )


def _starts(graph: nx.DiGraph[str], acyclic: nx.DiGraph[str]) -> Iterator[Problem]:
    # Nodes before which everything can start but nothing makes candidates. A cause is reported once: what
    # stands behind a wrong first layer, or behind an unknown technique, is not wrong on its own account.
    fruitless: set[str] = set()
    for node in nx.topological_sort(acyclic):
        component = component_at(graph, node)
        before = graph.pred[node]
        nothing_made = bool(before) and all(earlier in fruitless for earlier in before)
        if component is None:
            continue
        if component.starts:
            if not component.makes_candidates and (not before or nothing_made):
                fruitless.add(node)
        elif not before:
            yield Problem(
                rule="first-layer",
                where=node,
                message=f"a {component.technique} needs candidates, and in the first layer there are none",
                way_out="Put a generator before it",
            )
        elif nothing_made:
            yield Problem(
                rule="no-generator",
                where=node,
                message=f"a {component.technique} needs candidates, and nothing before it makes any",
                way_out="Put a generator before it",
            )


def _tests(graph: nx.DiGraph[str], acyclic: nx.DiGraph[str]) -> Iterator[Problem]:
    for node in acyclic:
        component = component_at(graph, node)
        if component is None:
            continue
        if component.needs_tests and not any(
            (before := component_at(graph, ancestor)) is None or before.gives_tests
            for ancestor in nx.ancestors(graph, node)
        ):
            yield Problem(
                rule="no-tests",
                where=node,
                message=f"a {component.technique} judges by unit tests, and nothing before it writes any",
                way_out="Put a unit_test_generator before it",
            )
        if component.gives_tests and not any(
            (after := component_at(graph, descendant)) is None or after.reads_tests
            for descendant in nx.descendants(graph, node)
        ):
            yield Problem(
                rule="unread-tests",
                where=node,
                message="nobody reads the unit tests it writes",
                way_out="Put a unit_test_evaluator behind it, or remove it",
                severity="warning",
            )


def _critiques(graph: nx.DiGraph[str]) -> Iterator[Problem]:
    for node in graph:
        component = component_at(graph, node)
        if component is None or not component.gives_critiques:
            continue
        # Critiques lie on the candidates: they go as far as those do, up to where new ones are made.
        seen: set[str] = set()
        frontier = list(graph.succ[node])
        while frontier:
            reader = frontier.pop()
            other = component_at(graph, reader)
            if other is None or other.reads_critiques:
                break
            if reader not in seen and not other.makes_candidates:
                seen.add(reader)
                frontier.extend(graph.succ[reader])
        else:
            yield Problem(
                rule="unread-critiques",
                where=node,
                message="nobody reads the critiques it writes",
                way_out="Put a ranker, a fuser or a reviser behind it, or remove it",
                severity="warning",
            )


def _quorums(graph: nx.DiGraph[str], into: Mapping[str, int | None]) -> Iterator[Problem]:
    for node, incoming in into.items():
        component = component_at(graph, node)
        if component is None:
            continue
        needed, patience = component.min_candidates, component.straggler_timeout
        if needed is not None and incoming is not None and needed > incoming:
            yield Problem(
                rule="quorum-too-large",
                where=node,
                message=f"min_candidates is {needed}, and only {incoming or 'no'} candidates can come in",
                way_out=f"Set min_candidates to {incoming} or less, or draw more samples before it"
                if incoming
                else "Leave min_candidates out",
            )
        if needed is not None:
            others = {
                before: [after for after in graph.succ[before] if not _has_quorum(graph, after)]
                for before in graph.pred[node]
            }
            if others and all(others.values()):
                waiting = ", ".join(dict.fromkeys(after for afters in others.values() for after in afters))
                yield Problem(
                    rule="idle-quorum",
                    where=node,
                    message=f"whoever it reads is also read by {waiting}, which waits for all candidates, so its "
                    f"quorum cuts nobody off",
                    way_out="Set min_candidates there, too, or leave it out here",
                    severity="warning",
                )
        if needed is None and patience is not None:
            yield Problem(
                rule="timeout-without-quorum",
                where=node,
                message=f"straggler_timeout is {patience:g} seconds, and it waits for all candidates anyway",
                way_out="Set min_candidates to the number from which on the others are stragglers",
            )


def _has_quorum(graph: nx.DiGraph[str], node: str) -> bool:
    component = component_at(graph, node)
    return component is None or component.min_candidates is not None


def _counts(graph: nx.DiGraph[str], into: Mapping[str, int | None]) -> Iterator[Problem]:
    for node, incoming in into.items():
        component = component_at(graph, node)
        if component is not None and incoming:
            yield from component.check(node, incoming)
    ends = [node for node in graph if not graph.succ[node]]
    components = [component_at(graph, node) for node in ends]
    left = 0
    for node, component in zip(ends, components, strict=True):
        incoming = into[node]
        if component is None or incoming is None:
            return
        left += component.candidates_out(incoming)
    if left > 1:
        yield Problem(
            rule="several-answers",
            where=", ".join(ends),
            message=f"{left} candidates are left at the end",
            way_out="The first is the answer; to choose or merge, end with a ranker (top_k=1) or a fuser",
            severity="warning",
        )
