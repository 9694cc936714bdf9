"""What the nodes of a compiled graph do: open the turn, run a component, give the answer."""

from __future__ import annotations

import asyncio
import time
from abc import abstractmethod
from collections.abc import Awaitable, Coroutine, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar
from weakref import WeakSet

from langchain_core.runnables import Runnable, RunnableConfig
from langgraph.runtime import Runtime, get_runtime
from langgraph.types import RetryPolicy
from typing_extensions import TypedDict

from archon_graph.core.answer_form import FREE, AnswerForm
from archon_graph.core.component import Component, ModelComponent
from archon_graph.core.context import NodeContext
from archon_graph.core.errors import NoAnswerError
from archon_graph.core.quorum import QuorumPlan, Quorums
from archon_graph.core.scope import NO_SCOPE, Scope, Scopes, as_ledger, check_caps
from archon_graph.core.state import (
    CallDict,
    Candidate,
    Loss,
    NodeOutput,
    channel_of,
    outputs_of_turn,
)
from archon_graph.core.sync import run_sync
from archon_graph.core.views import Views
from archon_graph.models import (
    AnswerStream,
    Budget,
    BudgetError,
    Client,
    ConfigurationError,
    Ledger,
    ModelError,
    ModelLike,
    StragglerError,
    default_client,
)

T = TypeVar("T")

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
    form: Any
    """The `AnswerForm` that the answer shall have."""
    stream: Any
    """The `AnswerStream` that takes the answer as it is written, where the last node writes it at once."""


class Shared:
    """What the nodes of a compiled graph share: the scopes of the turns under way, and what they read alike."""

    def __init__(self, plan: QuorumPlan | None, budget: Budget | Ledger | None) -> None:
        self.scopes = Scopes()
        self.views = Views()
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
        return self.scopes.find(token, self.new_scope) if token else NO_SCOPE


class Step(Runnable[Any, Any]):
    """A node of the graph with both faces: the synchronous one runs the coroutine."""

    @abstractmethod
    async def step(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """What the node writes into the state."""

    def ainvoke(
        self,
        input: Any,  # noqa: A002
        config: RunnableConfig | None = None,  # noqa: ARG002
        **kwargs: Any,  # noqa: ARG002
    ) -> Coroutine[Any, Any, Any]:
        """The asynchronous face."""
        return self.step(input)

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002, ARG002
        """The synchronous face."""
        return run_sync(self.step(input))


class Join(Step):
    """Stands for the edges between two wide layers."""

    async def step(self, state: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        """Nothing."""
        return {}


class OpenTurn(Step):
    """Counts the turn, empties every channel, and sees that all models are there before one is called."""

    def __init__(self, components: Mapping[str, Component], shared: Shared) -> None:
        self._channels = [channel_of(node) for node in components]
        self._asking = {node: part for node, part in components.items() if isinstance(part, ModelComponent)}
        # Each once: a chat model that a hundred nodes share is looked at once.
        self._models = list({_key(part.model): part.model for part in self._asking.values()}.values())
        self._looked = WeakSet[Client]()
        self._shared = shared

    async def step(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """The number of the turn, the token of its scope, and empty channels.

        Raises:
            ConfigurationError: There is no question, a model cannot be used, or a budget cannot be kept.
        """
        messages = state.get("messages")
        if not messages:
            raise ConfigurationError(
                "there is no question: the input needs at least one message, "
                'as in {"messages": [{"role": "user", "content": "..."}]}'
            )
        scope, client = self._shared.new_scope(), _given().client
        if client in self._looked:
            client.check(self._models)
        else:
            # The first look at a provider imports its package, which takes a second that the loop must not wait.
            await asyncio.to_thread(client.check, self._models)
            self._looked.add(client)
        if scope.ledger is not None:
            check_caps(self._asking, scope.ledger.budget, client.prices)
        token = "" if scope.is_empty else self._shared.scopes.open(scope)
        cleared = dict.fromkeys(self._channels)
        return {"turn": state.get("turn", 0) + 1, "scope": token, "candidates": [], **cleared}


class RunComponent(Step):
    """Runs one component on what its predecessors left, and records what it cost and lost."""

    def __init__(
        self,
        node: str,
        component: Component,
        before: Sequence[str],
        *,
        first_sample: int,
        retry_policy: RetryPolicy | None,
        shared: Shared,
        speaks: bool = False,
    ) -> None:
        self._node = node
        self._component = component
        self._before = [channel_of(earlier) for earlier in before]
        self._first_sample = first_sample
        self._retry_policy = retry_policy
        self._shared = shared
        # Whether what its one call says is the answer of the graph, word for word.
        self._speaks = speaks
        # Calls of attempts that failed, by task, until the attempt that ends the node reports them all.
        self._failed_attempts: dict[str, list[CallDict]] = {}

    async def step(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """What the component passes on, and the record of its calls and losses."""
        started = time.perf_counter()
        incoming = self._shared.views.of(state["turn"], [state.get(channel) for channel in self._before])
        scope, given = self._shared.scope_of(state), _given()
        task, attempt = _task_and_attempt()
        by_draw = scope.quorums is not None and self._draws_candidates(len(incoming.candidates))
        with scope.watch(self._node, by_draw=by_draw) as gate:
            context = NodeContext(
                node=self._node,
                question=state["messages"],
                candidates=incoming.candidates,
                tests=incoming.tests,
                client=given.client if scope.ledger is None else given.client.within(scope.ledger),
                replicate=given.seed,
                first_sample=self._first_sample,
                gate=gate,
                form=given.form,
                stream=given.stream if self._speaks else None,
                hidden=not self._speaks,
            )
            try:
                produced = await self._produce(context, scope.ledger)
            except ModelError as error:
                if self._will_retry(error, attempt):
                    self._failed_attempts.setdefault(task, []).extend(context.calls)
                    raise
                produced = self._component.degrade(context, error)
                instead = ", ".join(candidate.id for candidate in produced) or "nothing"
                context.lose_to(error, f"passed on instead: {instead}")
        scope.ended(self._node, len(produced))
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
        """What the component makes of what it is given.

        Raises:
            ModelError: Its models failed.
        """
        component, count = self._component, len(context.candidates)
        if component.min_candidates is not None and count < component.min_candidates:
            context.lose(
                "quorum", f"only {count} of at least {component.min_candidates} candidates reached this node"
            )
        if not count and not component.starts:
            context.lose("no-input", "no candidate reached this node, so it did nothing")
            return ()
        work = component.run(context)
        return await (work if ledger is None or ledger.deadline is None else _in_time(work, ledger))

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


class GiveAnswer(Step):
    """Ends the turn: the first of the final candidates becomes the last message."""

    def __init__(self, sinks: Sequence[str], nodes: Sequence[str], shared: Shared) -> None:
        self._sinks = sinks
        self._nodes = nodes
        self._shared = shared

    async def step(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """The answer, and the final candidates.

        Raises:
            NoAnswerError: There is none.
        """
        ledger = self._shared.scope_of(state).ledger
        self._shared.scopes.close(state.get("scope", ""))
        final = [data for output in outputs_of_turn(state, self._sinks) for data in output["candidates"]]
        if not final:
            outputs = outputs_of_turn(state, self._nodes)
            raise NoAnswerError(
                [Loss(**loss) for output in outputs for loss in output["losses"]],
                trace=[call for output in outputs for call in output["calls"]],
                budget=ledger.budget if ledger is not None else None,
            )
        message = final[0]["message"]
        taken = {earlier.id for earlier in state["messages"]}
        if message.id is None or message.id in taken:
            # An equal id would make LangGraph replace the earlier message instead of adding this one.
            message = message.model_copy(update={"id": None})
        return {"messages": [message], "candidates": final, "scope": ""}


async def _in_time(work: Awaitable[T], ledger: Ledger) -> T:
    """Work that ends with the time of its budget, also where no call is left to cut off.

    Raises:
        BudgetError: It did not end by itself.
    """
    left = (ledger.deadline or 0.0) - time.monotonic()
    limit = asyncio.timeout(max(0.0, left) + _GRACE_SECONDS)
    try:
        async with limit:
            return await work
    except TimeoutError:
        if not limit.expired():
            raise
        raise BudgetError(f"cut off: the time of the budget ({ledger.budget}) is over", model="") from None


def _key(model: ModelLike) -> str | int:
    return model if isinstance(model, str) else id(model)


class _Given(NamedTuple):
    """What was given to a run beside its input."""

    client: Client
    seed: int
    budget: Budget | Ledger | None
    form: AnswerForm
    stream: AnswerStream | None


def _given() -> _Given:
    context = _runtime().context
    given: Mapping[str, Any] = context if isinstance(context, Mapping) else {}
    client, seed, budget = given.get("client"), given.get("seed"), given.get("budget")
    form, stream = given.get("form"), given.get("stream")
    # The graph may run inside another one whose context has entries of the same names and other meaning.
    return _Given(
        client if isinstance(client, Client) else default_client(),
        seed if isinstance(seed, int) else 0,
        budget if isinstance(budget, Budget | Ledger) else None,
        form if isinstance(form, AnswerForm) else FREE,
        stream if isinstance(stream, AnswerStream) else None,
    )


def _task_and_attempt() -> tuple[str, int]:
    info = _runtime().execution_info
    return (info.task_id, info.node_attempt) if info is not None else ("", 1)


def _runtime() -> Runtime[Any]:
    return get_runtime()
