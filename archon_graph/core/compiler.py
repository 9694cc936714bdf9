"""Compiles an architecture into a LangGraph graph: one named node for each component.

    question -> generator_1, generator_2, ... -> ranker_1 -> fuser_1 -> answer

``question`` opens the turn, ``answer`` puts the first of the final candidates at the end of ``messages``.
Edges are static, and a node with several predecessors waits for all of them. Between two wide layers a join
node that does nothing stands for the n*m edges. See docs/design/compiler.md for the reasons.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

from langchain_core.messages import AnyMessage
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import RetryPolicy
from typing_extensions import TypedDict

from archon_graph.core.component import QUORUM_SETTINGS
from archon_graph.core.quorum import QuorumPlan
from archon_graph.core.state import NodeOutput, State, channel_of, merge_messages
from archon_graph.core.steps import GiveAnswer, Join, OpenTurn, RunComponent, RunContext, Shared
from archon_graph.models import Budget, Ledger

if TYPE_CHECKING:
    from archon_graph.core.architecture import Architecture

QUESTION, ANSWER = "question", "answer"

# From this many edges between two layers a join is cheaper than the edges: it costs one step of the graph
# (0.3 ms), an edge 0.03 ms to compile; 3 layers of 100 take 30 ms with joins, 500 without.
_JOIN_FROM_EDGES = 16

CompiledArchitecture = CompiledStateGraph[Any, Any, Any, Any]


def compile_graph(
    architecture: Architecture,
    *,
    retry_policy: RetryPolicy | Mapping[str, RetryPolicy] | None = None,
    budget: Budget | Ledger | None = None,
    **options: Any,
) -> CompiledArchitecture:
    """Compile a valid architecture; see `Architecture.compile`."""
    graph, components = architecture.graph, architecture.components
    ranges = sample_ranges(architecture)
    shared = Shared(QuorumPlan.of(graph, components), budget)
    channels = {channel_of(node): NodeOutput | None for node in components}
    state = _typed_dict("ArchitectureState", {**get_type_hints(State, include_extras=True), **channels})
    builder: StateGraph[Any, Any, Any, Any] = StateGraph(state, context_schema=RunContext)
    builder.add_node(QUESTION, OpenTurn(components, shared), input_schema=_Opening)
    builder.add_edge(START, QUESTION)

    sinks = [node for node in graph if not graph.succ[node]]
    schemas: dict[tuple[str, ...], type[Any]] = {}
    for node, component in components.items():
        before = tuple(graph.pred[node])
        if before not in schemas:
            schemas[before] = _schema_reading(before)
        policy = retry_policy.get(node) if isinstance(retry_policy, Mapping) else retry_policy
        builder.add_node(
            node,
            RunComponent(
                node,
                component,
                before,
                first_sample=ranges[node],
                retry_policy=policy,
                shared=shared,
                speaks=sinks == [node] and component.writes_one_answer,
            ),
            input_schema=schemas[before],
            retry_policy=policy,
            metadata={"technique": component.technique},
        )
    _add_edges(builder, graph)
    builder.add_node(ANSWER, GiveAnswer(sinks, list(components), shared), input_schema=state)
    builder.add_edge(sinks if len(sinks) > 1 else sinks[0], ANSWER)
    builder.add_edge(ANSWER, END)
    # A thread for each node of the widest layer, so that the synchronous face is as wide as the asynchronous.
    widest = max(len(layer) for layer in architecture.layers)
    options.setdefault("name", architecture.name)
    return builder.compile(**options).with_config({"max_concurrency": max(widest, 8)})


def sample_ranges(architecture: Architecture) -> dict[str, int]:
    """The first sample index of each node.

    Equal components on equal input would otherwise ask for the same samples, and get the same answers: they
    get ranges one after the other, in the order of the nodes.
    """
    graph, taken, first = architecture.graph, dict[str, int](), dict[str, int]()
    for node, component in architecture.components.items():
        identity = {key: value for key, value in component.identity().items() if key not in _NOT_DRAWN_BY}
        key = json.dumps([identity, sorted(graph.pred[node])], sort_keys=True, default=str)
        first[node] = taken.get(key, 0)
        taken[key] = first[node] + component.sample_count
    return first


_NOT_DRAWN_BY = {"samples", *QUORUM_SETTINGS}
_Messages = Annotated[list[AnyMessage], merge_messages]


class _Opening(TypedDict, total=False):
    messages: _Messages
    turn: int


def _schema_reading(before: Sequence[str]) -> type[Any]:
    """What a node reads: the conversation, the turn, and its predecessors' channels; nothing else."""
    read = {channel_of(node): NodeOutput | None for node in before}
    return _typed_dict("Input", {"messages": _Messages, "turn": int, "scope": str, **read})


def _typed_dict(name: str, fields: dict[str, Any]) -> type[Any]:
    """A TypedDict whose keys are known only now; typing_extensions' own, for Python 3.11."""
    made: type[Any] = TypedDict(name, fields, total=False)  # type: ignore[misc]
    return made


def _add_edges(builder: StateGraph[Any, Any, Any, Any], graph: Any) -> None:
    """Edges in both cases as one list for each reader: plain edges would run it once for each predecessor."""
    readers: dict[tuple[str, ...], list[str]] = {}
    for node in graph:
        readers.setdefault(tuple(graph.pred[node]), []).append(node)
    joins = 0
    for before, nodes in readers.items():
        source: str | list[str] = list(before) if len(before) > 1 else (before[0] if before else QUESTION)
        if len(before) * len(nodes) >= _JOIN_FROM_EDGES and len(before) > 1 and len(nodes) > 1:
            joins += 1
            join = f"join_{joins}"
            builder.add_node(join, Join(), input_schema=_Opening)
            builder.add_edge(source, join)
            source = join
        for node in nodes:
            builder.add_edge(source, node)
