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
from collections.abc import Awaitable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TypeVar, get_type_hints

from langchain_core.messages import AnyMessage
from langchain_core.runnables import Runnable, RunnableConfig
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.runtime import Runtime, get_runtime
from langgraph.types import RetryPolicy
from typing_extensions import TypedDict

from archon_graph.core.component import QUORUM_SETTINGS, Component, ModelComponent
from archon_graph.core.context import NodeContext
from archon_graph.core.errors import NoAnswerError
from archon_graph.core.quorum import QuorumPlan, Quorums
from archon_graph.core.scope import Scope, Scopes, as_ledger, check_caps
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
    usage_of,
)
from archon_graph.core.sync import run_sync
from archon_graph.models import (
    Budget,
    BudgetError,
    Client,
    ConfigurationError,
    Ledger,
    ModelError,
    StragglerError,
    Usage,
    default_client,
)

if TYPE_CHECKING:
    from archon_graph.core.architecture import Architecture

T = TypeVar("T")

QUESTION, ANSWER = "question", "answer"

# From this many edges between two layers a join is cheaper than the edges: it costs one step of the graph
# (0.3 ms), an edge 0.03 ms to compile; 3 layers of 100 take 30 ms with joins, 500 without.
_JOIN_FROM_EDGES = 16


# A budget of seconds cuts calls off when they are over. A node gets this long to make something of what it has.
_GRACE_SECONDS = 0.5


class RunContext(TypedDict, total=False):
    """What may be given to a run beside its input, as LangGraph's ``context``."""

    seed: int
    """Namespace of the samples: another seed gives independent draws."""
    client: Any
    """The `Client` to draw through, in place of the process's own."""
    budget: Any
    """The `Budget` of this run, or a `Ledger` that it shares with others."""


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
    shared = _Shared(QuorumPlan.of(graph, components), budget)
    channels = {channel_of(node): NodeOutput | None for node in components}
    state = _typed_dict("ArchitectureState", {**get_type_hints(State, include_extras=True), **channels})
    builder: StateGraph[Any, Any, Any, Any] = StateGraph(state, context_schema=RunContext)
    builder.add_node(QUESTION, _OpenTurn(components, shared), input_schema=_Opening)
    builder.add_edge(START, QUESTION)

    schemas: dict[tuple[str, ...], type[Any]] = {}
    for node, component in components.items():
        before = tuple(graph.pred[node])
        if before not in schemas:
            schemas[before] = _schema_reading(before)
        policy = retry_policy.get(node) if isinstance(retry_policy, Mapping) else retry_policy
        builder.add_node(
            node,
            _RunComponent(node, component, before, first_sample=ranges[node], retry_policy=policy, shared=shared),
            input_schema=schemas[before],
            retry_policy=policy,
            metadata={"technique": component.technique},
        )
    _add_edges(builder, graph)
    sinks = [node for node in graph if not graph.succ[node]]
    builder.add_node(ANSWER, _GiveAnswer(sinks, list(components), shared), input_schema=state)
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
            builder.add_node(join, _Join(), input_schema=_Opening)
            builder.add_edge(source, join)
            source = join
        for node in nodes:
            builder.add_edge(source, node)


class _Shared:
    """What the nodes of a compiled graph share: the scopes of the turns under way."""

    def __init__(self, plan: QuorumPlan | None, budget: Budget | Ledger | None) -> None:
        self.scopes = Scopes()
        self._plan = plan
        self._budget = budget

    def new_scope(self) -> Scope:
        """The scope of a turn: its budget is the run's own, or else the graph's, in a fresh ledger."""
        given = _given().budget
        ledger = as_ledger(given if given is not None else self._budget)
        return Scope(ledger, Quorums(self._plan) if self._plan is not None else None)

    def scope_of(self, state: Mapping[str, Any]) -> Scope:
        """The scope of the turn that this state is in."""
        token = state.get("scope")
        return self.scopes.find(token, self.new_scope) if token else Scope()


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

    def __init__(self, components: Mapping[str, Component], shared: _Shared) -> None:
        self._channels = [channel_of(node) for node in components]
        self._asking = {node: part for node, part in components.items() if isinstance(part, ModelComponent)}
        self._shared = shared

    async def step(self, state: Mapping[str, Any]) -> dict[str, Any]:
        messages = state.get("messages")
        if not messages:
            raise ConfigurationError(
                "there is no question: the input needs at least one message, "
                'as in {"messages": [{"role": "user", "content": "..."}]}'
            )
        scope, client = self._shared.new_scope(), _given().client
        # The first look at a provider imports its package, which takes a second that the loop must not wait.
        await asyncio.to_thread(client.check, [part.model for part in self._asking.values()])
        if scope.ledger is not None:
            check_caps(self._asking, scope.ledger.budget, client.prices)
        token = "" if scope.is_empty else self._shared.scopes.open(scope)
        cleared = dict.fromkeys(self._channels)
        return {"turn": state.get("turn", 0) + 1, "scope": token, "candidates": [], **cleared}


class _RunComponent(_Step):
    """Runs one component on what its predecessors left, and records what it cost and lost."""

    def __init__(
        self,
        node: str,
        component: Component,
        before: Sequence[str],
        *,
        first_sample: int,
        retry_policy: RetryPolicy | None,
        shared: _Shared,
    ) -> None:
        self._node = node
        self._component = component
        self._before = before
        self._first_sample = first_sample
        self._retry_policy = retry_policy
        self._shared = shared
        # Calls of attempts that failed, by task, until the attempt that ends the node reports them all.
        self._failed_attempts: dict[str, list[CallDict]] = {}

    async def step(self, state: Mapping[str, Any]) -> dict[str, Any]:
        started = time.perf_counter()
        outputs = outputs_of_turn(state, self._before)
        incoming = [Candidate.from_state(data) for output in outputs for data in output["candidates"]]
        scope, given = self._shared.scope_of(state), _given()
        with scope.watch(self._node, by_draw=self._draws_candidates(len(incoming))) as gate:
            context = NodeContext(
                node=self._node,
                question=state["messages"],
                candidates=incoming,
                tests=_tests_in(outputs),
                client=given.client if scope.ledger is None else given.client.within(scope.ledger),
                replicate=given.seed,
                first_sample=self._first_sample,
                gate=gate,
            )
            produced = await self._produce(context, scope.ledger)
        scope.ended(self._node, len(produced))
        task, _ = _task_and_attempt()
        output = NodeOutput(
            turn=state["turn"],
            node=self._node,
            candidates=[candidate.to_state() for candidate in produced],
            tests=[test.to_state() for test in context.tests],
            losses=[loss.to_state() for loss in context.all_losses()],
            notes=list(context.notes),
            calls=[*self._failed_attempts.pop(task, ()), *context.calls],
            seconds=time.perf_counter() - started,
        )
        return {channel_of(self._node): output}

    async def _produce(self, context: NodeContext, ledger: Ledger | None) -> Sequence[Candidate]:
        """What the component makes of what it is given, or what takes its place where models fail."""
        component, count = self._component, len(context.candidates)
        if component.min_candidates is not None and count < component.min_candidates:
            context.lose(
                "quorum", f"only {count} of at least {component.min_candidates} candidates reached this node"
            )
        if not count and not component.starts:
            context.lose("no-input", "no candidate reached this node, so it did nothing")
            return ()
        task, attempt = _task_and_attempt()
        try:
            return await _in_time(component.run(context), ledger)
        except ModelError as error:
            if self._will_retry(error, attempt):
                self._failed_attempts.setdefault(task, []).extend(context.calls)
                raise
            produced = component.degrade(context, error)
            instead = ", ".join(candidate.id for candidate in produced) or "nothing"
            context.lose_to(error, f"passed on instead: {instead}")
            return produced

    def _draws_candidates(self, incoming: int) -> bool:
        """Whether each draw of the node becomes a candidate, so that they can be counted as they come."""
        component = self._component
        return component.makes_candidates and component.calls(incoming) == component.candidates_out(incoming)

    def _will_retry(self, error: ModelError, attempt: int) -> bool:
        """Whether LangGraph will run this node again: the same question its retry policy answers."""
        policy = self._retry_policy
        if policy is None or attempt >= policy.max_attempts or isinstance(error, BudgetError | StragglerError):
            return False
        if isinstance(policy.retry_on, type) or not callable(policy.retry_on):
            kinds = policy.retry_on
            return isinstance(error, kinds if isinstance(kinds, type) else tuple(kinds))
        return policy.retry_on(error)


class _GiveAnswer(_Step):
    """Ends the turn: the first of the final candidates becomes the last message."""

    def __init__(self, sinks: Sequence[str], nodes: Sequence[str], shared: _Shared) -> None:
        self._sinks = sinks
        self._nodes = nodes
        self._shared = shared

    async def step(self, state: Mapping[str, Any]) -> dict[str, Any]:
        ledger = self._shared.scope_of(state).ledger
        self._shared.scopes.close(state.get("scope", ""))
        final = [data for output in outputs_of_turn(state, self._sinks) for data in output["candidates"]]
        if not final:
            outputs = outputs_of_turn(state, self._nodes)
            raise NoAnswerError(
                [Loss(**loss) for output in outputs for loss in output["losses"]],
                usage=Usage.total(usage_of(call) for output in outputs for call in output["calls"]),
                budget=ledger.budget if ledger is not None else None,
            )
        message = final[0]["message"]
        taken = {earlier.id for earlier in state["messages"]}
        if message.id is None or message.id in taken:
            # An equal id would make LangGraph replace the earlier message instead of adding this one.
            message = message.model_copy(update={"id": None})
        return {"messages": [message], "candidates": final, "scope": ""}


async def _in_time(work: Awaitable[T], ledger: Ledger | None) -> T:
    """Work that ends with the time of its budget, also where no call is left to cut off.

    Raises:
        BudgetError: It did not end by itself.
    """
    if ledger is None or ledger.deadline is None:
        return await work
    limit = asyncio.timeout(max(0.0, ledger.deadline - time.monotonic()) + _GRACE_SECONDS)
    try:
        async with limit:
            return await work
    except TimeoutError:
        if not limit.expired():
            raise
        raise BudgetError(f"cut off: the time of the budget ({ledger.budget}) is over", model="") from None


def _tests_in(outputs: Sequence[NodeOutput]) -> list[UnitTest]:
    """The unit tests of all predecessors, each once: branches that share a test generator share its tests."""
    tests = {(test["node"], test["text"]): UnitTest(**test) for output in outputs for test in output["tests"]}
    return list(tests.values())


class _Given(NamedTuple):
    """What was given to a run beside its input."""

    client: Client
    seed: int
    budget: Budget | Ledger | None


def _given() -> _Given:
    context = _runtime().context
    given: Mapping[str, Any] = context if isinstance(context, Mapping) else {}
    client, seed, budget = given.get("client"), given.get("seed"), given.get("budget")
    # The graph may run inside another one whose context has entries of the same names and other meaning.
    return _Given(
        client if isinstance(client, Client) else default_client(),
        seed if isinstance(seed, int) else 0,
        budget if isinstance(budget, Budget | Ledger) else None,
    )


def _task_and_attempt() -> tuple[str, int]:
    info = _runtime().execution_info
    return (info.task_id, info.node_attempt) if info is not None else ("", 1)


def _runtime() -> Runtime[Any]:
    return get_runtime()
