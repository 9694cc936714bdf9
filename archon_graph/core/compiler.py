"""Compiles an architecture into a LangGraph graph: one named node for each component.

    question -> generator_1, generator_2, ... -> ranker_1 -> fuser_1 -> answer

``question`` opens the turn, ``answer`` puts the first of the final candidates at the end of ``messages``.
Edges are static, and a node with several predecessors waits for all of them. Between two wide layers a join
node that does nothing stands for the n*m edges. See docs/design/compiler.md for the reasons.
"""

from __future__ import annotations

import asyncio
import json
import time
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

from langchain_core.messages import AnyMessage
from langchain_core.runnables import Runnable, RunnableConfig
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime, get_runtime
from langgraph.types import RetryPolicy
from typing_extensions import TypedDict

from archon_graph.core.component import Component, ModelComponent
from archon_graph.core.context import NodeContext
from archon_graph.core.errors import NoAnswerError
from archon_graph.core.state import (
    CallDict,
    Candidate,
    Loss,
    NodeOutput,
    State,
    UnitTest,
    channel_of,
    merge_messages,
    outputs_of_turn,
)
from archon_graph.core.sync import run_sync
from archon_graph.models import Client, ConfigurationError, ModelError, default_client

if TYPE_CHECKING:
    from archon_graph.core.architecture import Architecture

QUESTION, ANSWER = "question", "answer"

# From this many edges between two layers a join is cheaper than the edges: it costs one step of the graph
# (0.3 ms), an edge 0.03 ms to compile; 3 layers of 100 take 30 ms with joins, 500 without.
_JOIN_FROM_EDGES = 16


def _worth_retrying(error: Exception) -> bool:
    return isinstance(error, ModelError) and error.retryable


DEFAULT_RETRY = RetryPolicy(initial_interval=0.5, backoff_factor=2.0, max_attempts=3, retry_on=_worth_retrying)
"""A node whose every call failed for a passing reason is tried three times."""


class RunContext(TypedDict, total=False):
    """What may be given to a run beside its input, as LangGraph's ``context``."""

    seed: int
    """Namespace of the samples: another seed gives independent draws."""
    client: Any
    """The `Client` to draw through, in place of the process's own."""


CompiledArchitecture = CompiledStateGraph[Any, Any, Any, Any]


def compile_graph(
    architecture: Architecture,
    *,
    retry_policy: RetryPolicy | Mapping[str, RetryPolicy] | None = DEFAULT_RETRY,
    **options: Any,
) -> CompiledArchitecture:
    """Compile a valid architecture; see `Architecture.compile`."""
    graph, components = architecture.graph, architecture.components
    ranges = sample_ranges(architecture)
    channels = {channel_of(node): NodeOutput | None for node in components}
    state = _typed_dict("ArchitectureState", {**get_type_hints(State, include_extras=True), **channels})
    builder: StateGraph[Any, Any, Any, Any] = StateGraph(state, context_schema=RunContext)
    builder.add_node(QUESTION, _OpenTurn(components), input_schema=_Opening)
    builder.add_edge(START, QUESTION)

    schemas: dict[tuple[str, ...], type[Any]] = {}
    for node, component in components.items():
        before = tuple(graph.pred[node])
        if before not in schemas:
            schemas[before] = _schema_reading(before)
        policy = retry_policy.get(node) if isinstance(retry_policy, Mapping) else retry_policy
        builder.add_node(
            node,
            _RunComponent(node, component, before, ranges[node], policy),
            input_schema=schemas[before],
            retry_policy=policy,
            metadata={"technique": component.technique},
        )
    _add_edges(builder, graph)
    sinks = [node for node in graph if not graph.succ[node]]
    builder.add_node(ANSWER, _GiveAnswer(sinks, list(components)), input_schema=state)
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
        identity = {key: value for key, value in component.identity().items() if key != "samples"}
        key = json.dumps([identity, sorted(graph.pred[node])], sort_keys=True, default=str)
        first[node] = taken.get(key, 0)
        taken[key] = first[node] + component.sample_count
    return first


_Messages = Annotated[list[AnyMessage], merge_messages]


class _Opening(TypedDict, total=False):
    messages: _Messages
    turn: int


def _schema_reading(before: Sequence[str]) -> type[Any]:
    """What a node reads: the conversation, the turn, and its predecessors' channels; nothing else."""
    read = {channel_of(node): NodeOutput | None for node in before}
    return _typed_dict("Input", {"messages": _Messages, "turn": int, **read})


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
            builder.add_node(join, _Join(), input_schema=_Opening)
            builder.add_edge(source, join)
            source = join
        for node in nodes:
            builder.add_edge(source, node)


class _Step(Runnable[Any, Any]):
    """A node of the graph with both faces: the synchronous one runs the coroutine."""

    @abstractmethod
    async def step(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """What the node writes into the state."""

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002, ARG002
        return await self.step(input)

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002, ARG002
        return run_sync(self.step(input))


class _Join(_Step):
    async def step(self, state: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        return {}


class _OpenTurn(_Step):
    """Counts the turn, empties every channel, and sees that all models are there before one is called."""

    def __init__(self, components: Mapping[str, Component]) -> None:
        self._channels = [channel_of(node) for node in components]
        self._models = [part.model for part in components.values() if isinstance(part, ModelComponent)]

    async def step(self, state: Mapping[str, Any]) -> dict[str, Any]:
        messages = state.get("messages")
        if not messages:
            raise ConfigurationError(
                "there is no question: the input needs at least one message, "
                'as in {"messages": [{"role": "user", "content": "..."}]}'
            )
        client, _ = _client_and_seed()
        # The first look at a provider imports its package, which takes a second that the loop must not wait.
        await asyncio.to_thread(client.check, self._models)
        cleared = dict.fromkeys(self._channels)
        return {"turn": state.get("turn", 0) + 1, "candidates": [], **cleared}


class _RunComponent(_Step):
    """Runs one component on what its predecessors left, and records what it cost and lost."""

    def __init__(
        self,
        node: str,
        component: Component,
        before: Sequence[str],
        first_sample: int,
        retry_policy: RetryPolicy | None,
    ) -> None:
        self._node = node
        self._component = component
        self._before = before
        self._first_sample = first_sample
        self._retry_policy = retry_policy
        # Calls of attempts that failed, by task, until the attempt that ends the node reports them all.
        self._failed_attempts: dict[str, list[CallDict]] = {}

    async def step(self, state: Mapping[str, Any]) -> dict[str, Any]:
        started = time.perf_counter()
        outputs = outputs_of_turn(state, self._before)
        incoming = [Candidate.from_state(data) for output in outputs for data in output["candidates"]]
        client, seed = _client_and_seed()
        context = NodeContext(
            node=self._node,
            question=state["messages"],
            candidates=incoming,
            tests=_tests_in(outputs),
            client=client,
            replicate=seed,
            first_sample=self._first_sample,
        )
        task, attempt = _task_and_attempt()
        if not incoming and not self._component.starts:
            context.lose("no-input", "no candidate reached this node, so it did nothing")
            produced: Sequence[Candidate] = ()
        else:
            try:
                produced = await self._component.run(context)
            except ModelError as error:
                if self._will_retry(error, attempt):
                    self._failed_attempts.setdefault(task, []).extend(context.calls)
                    raise
                produced = self._component.degrade(context, error)
                instead = ", ".join(candidate.id for candidate in produced) or "nothing"
                context.lose("error", f"{error}; passed on instead: {instead}")
        output = NodeOutput(
            turn=state["turn"],
            node=self._node,
            candidates=[candidate.to_state() for candidate in produced],
            tests=[test.to_state() for test in context.tests],
            losses=[loss.to_state() for loss in context.losses],
            notes=list(context.notes),
            calls=[*self._failed_attempts.pop(task, ()), *context.calls],
            seconds=time.perf_counter() - started,
        )
        return {channel_of(self._node): output}

    def _will_retry(self, error: ModelError, attempt: int) -> bool:
        """Whether LangGraph will run this node again: the same question its retry policy answers."""
        policy = self._retry_policy
        if policy is None or attempt >= policy.max_attempts:
            return False
        if isinstance(policy.retry_on, type) or not callable(policy.retry_on):
            kinds = policy.retry_on
            return isinstance(error, kinds if isinstance(kinds, type) else tuple(kinds))
        return policy.retry_on(error)


class _GiveAnswer(_Step):
    """Ends the turn: the first of the final candidates becomes the last message."""

    def __init__(self, sinks: Sequence[str], nodes: Sequence[str]) -> None:
        self._sinks = sinks
        self._nodes = nodes

    async def step(self, state: Mapping[str, Any]) -> dict[str, Any]:
        final = [data for output in outputs_of_turn(state, self._sinks) for data in output["candidates"]]
        if not final:
            outputs = outputs_of_turn(state, self._nodes)
            raise NoAnswerError([Loss(**loss) for output in outputs for loss in output["losses"]])
        message = final[0]["message"]
        taken = {earlier.id for earlier in state["messages"]}
        if message.id is None or message.id in taken:
            # An equal id would make LangGraph replace the earlier message instead of adding this one.
            message = message.model_copy(update={"id": None})
        return {"messages": [message], "candidates": final}


def _tests_in(outputs: Sequence[NodeOutput]) -> list[UnitTest]:
    """The unit tests of all predecessors, each once: branches that share a test generator share its tests."""
    tests = {(test["node"], test["text"]): UnitTest(**test) for output in outputs for test in output["tests"]}
    return list(tests.values())


def _client_and_seed() -> tuple[Client, int]:
    context = _runtime().context
    given: Mapping[str, Any] = context if isinstance(context, Mapping) else {}
    client, seed = given.get("client"), given.get("seed")
    # The graph may run inside another one whose context has entries of the same names and other meaning.
    return (
        client if isinstance(client, Client) else default_client(),
        seed if isinstance(seed, int) else 0,
    )


def _task_and_attempt() -> tuple[str, int]:
    info = _runtime().execution_info
    return (info.task_id, info.node_attempt) if info is not None else ("", 1)


def _runtime() -> Runtime[Any]:
    return get_runtime()
