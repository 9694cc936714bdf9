"""The typed state of a running graph, and ``Candidate``, the read-only view on what is in it.

Inside the graph everything is a plain dict, so that any checkpointer can keep it. Each node writes into a
channel of its own, tagged with the number of the turn; a reader takes only what belongs to its own turn.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Annotated, Any

from langchain_core.messages import AIMessage, AnyMessage, convert_to_messages
from langgraph.graph.message import add_messages
from typing_extensions import TypedDict

from archon_graph.models import Draw, Usage

_USAGE_FIELDS = tuple(each.name for each in fields(Usage))
_CHANNEL_PREFIX = "out:"  # a colon cannot stand in a node's name, so no node can collide with a channel


def channel_of(node: str) -> str:
    """The state channel that a node writes its output to."""
    return f"{_CHANNEL_PREFIX}{node}"


class CandidateDict(TypedDict):
    """A candidate as it lies in the graph state."""

    id: str
    message: AIMessage
    node: str
    model: str
    parents: list[str]
    critiques: list[dict[str, Any]]
    verdicts: list[dict[str, Any]]
    test_results: list[dict[str, Any]]
    score: float | None
    usage: dict[str, Any]


class UnitTestDict(TypedDict):
    """A unit test as it lies in the graph state."""

    text: str
    node: str


class LossDict(TypedDict):
    """A loss as it lies in the graph state."""

    node: str
    kind: str
    detail: str
    sample: int | None


class CallDict(TypedDict):
    """One draw as it lies in the graph state: a row of `Result.trace`."""

    node: str
    model: str
    """Who answered."""
    sample: int
    calls: int
    """The attempts it took: calls that were paid for, now or when the answer was recorded."""
    prompt_tokens: int | None
    """Of all attempts; ``None`` if the provider counted none of them."""
    completion_tokens: int | None
    reasoning_tokens: int | None
    unmetered_calls: int
    money: float | None
    """Of all attempts, in US dollars; ``None`` if the price of none is known."""
    unpriced_calls: int
    finish_reason: str | None
    error: str | None
    faults: list[str]
    """What went wrong in the attempts before the last."""
    cached: bool
    seconds: float


class NodeOutput(TypedDict):
    """What a node leaves in its channel."""

    turn: int
    node: str
    candidates: list[CandidateDict]
    tests: list[UnitTestDict]
    losses: list[LossDict]
    notes: list[str]
    calls: list[CallDict]
    seconds: float


def merge_messages(left: Sequence[Any], right: Any) -> list[AnyMessage]:
    """LangGraph's ``add_messages`` on copies: the caller's own messages keep whatever ids they had."""
    given = right if isinstance(right, list) else [right]
    copies = [message.model_copy() for message in convert_to_messages(given)]
    return add_messages(list(left), copies)  # type: ignore[arg-type,return-value]


class State(TypedDict, total=False):
    """The state that every graph has; the compiler adds one channel for each node."""

    messages: Annotated[list[AnyMessage], merge_messages]
    turn: int
    scope: str
    candidates: list[CandidateDict]


@dataclass(frozen=True, kw_only=True)
class UnitTest:
    """A statement that a good answer makes true."""

    text: str
    """The statement."""
    node: str
    """The node that wrote it."""

    def to_state(self) -> UnitTestDict:
        """The test as a plain dict."""
        return UnitTestDict(text=self.text, node=self.node)


@dataclass(frozen=True, kw_only=True)
class Loss:
    """Something that did not come through: a sample, a reply, a whole node. The run went on without it."""

    node: str
    """Where it was lost."""
    kind: str
    """``error`` (a call failed), ``budget`` (a call was not sent, or cut off, because the budget was spent),
    ``straggler`` (a call was cut off because enough others had answered), ``quorum`` (fewer candidates came than
    the node waits for), ``empty`` (an answer without content), ``unreadable`` (a reply that could not be parsed,
    or only in part), ``no-input`` (no candidate, or no unit test, reached the node), or ``unverified`` (no
    candidate was verified; what went on is marked)."""
    detail: str
    """What happened and what was done instead."""
    sample: int | None = None
    """Index of the sample, when one sample was lost."""

    def __str__(self) -> str:
        where = self.node if self.sample is None else f"{self.node} sample {self.sample}"
        return f"{where}: {self.detail} [{self.kind}]"

    def to_state(self) -> LossDict:
        """The loss as a plain dict."""
        return LossDict(node=self.node, kind=self.kind, detail=self.detail, sample=self.sample)


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One answer on its way through the graph, with everything known about it. Read-only."""

    id: str
    """Made of the node and the sample index, so it is the same in every run."""
    message: AIMessage
    """The answer as the model gave it: tool calls, content blocks and finish reason included."""
    node: str
    """The node that made it."""
    model: str
    """The model that made it."""
    parents: tuple[str, ...] = ()
    """Ids of the candidates it was made from; none for a first draft."""
    critiques: tuple[Mapping[str, Any], ...] = ()
    """What critics said of it."""
    verdicts: tuple[Mapping[str, Any], ...] = ()
    """What verifiers decided about it."""
    test_results: tuple[Mapping[str, Any], ...] = ()
    """How it did in tests."""
    score: float | None = None
    """A number to compare it by, once something scored it; more is better."""
    usage: Usage = field(default_factory=Usage)
    """What the call that made it cost."""

    @cached_property
    def content(self) -> str:
        """The text of the answer."""
        return str(self.message.text)

    @classmethod
    def from_state(cls, data: CandidateDict) -> Candidate:
        """The view on a candidate in the state."""
        return cls(
            id=data["id"],
            message=data["message"],
            node=data["node"],
            model=data["model"],
            parents=tuple(data["parents"]),
            critiques=tuple(data["critiques"]),
            verdicts=tuple(data["verdicts"]),
            test_results=tuple(data["test_results"]),
            score=data["score"],
            usage=Usage(**data["usage"]),
        )

    def to_state(self) -> CandidateDict:
        """The candidate as a plain dict."""
        return CandidateDict(
            id=self.id,
            message=self.message,
            node=self.node,
            model=self.model,
            parents=list(self.parents),
            critiques=[dict(entry) for entry in self.critiques],
            verdicts=[dict(entry) for entry in self.verdicts],
            test_results=[dict(entry) for entry in self.test_results],
            score=self.score,
            usage=usage_to_state(self.usage),
        )


class Candidates(tuple[Candidate, ...]):
    """What reaches a node, in order; shared by all nodes that read the same, as is what is made of it here."""

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """Their ids."""
        return tuple(candidate.id for candidate in self)

    def once(self, key: Hashable, make: Callable[[], str]) -> str:
        """A text made of these candidates, made only once for each key."""
        made: dict[Hashable, str] = self.__dict__.setdefault("made", {})
        if key not in made:
            made[key] = make()
        return made[key]


def usage_to_state(usage: Usage) -> dict[str, Any]:
    """A usage as a plain dict."""
    return {name: getattr(usage, name) for name in _USAGE_FIELDS}


def usage_of(call: CallDict) -> Usage:
    """What a draw cost, from its row."""
    return Usage(
        calls=call["calls"],
        prompt_tokens=call["prompt_tokens"] or 0,
        completion_tokens=call["completion_tokens"] or 0,
        reasoning_tokens=call["reasoning_tokens"] or 0,
        unmetered_calls=call["unmetered_calls"],
        money=call["money"] or 0.0,
        unpriced_calls=call["unpriced_calls"],
        seconds=call["seconds"],
    )


def call_row(node: str, model: str, draw: Draw) -> CallDict:
    """The row of a draw that a node asked for, and that this model answered."""
    usage = draw.usage
    metered, priced = usage.unmetered_calls < usage.calls, usage.unpriced_calls < usage.calls
    metadata = draw.message.response_metadata if draw.message is not None else {}
    finish = metadata.get("finish_reason") or metadata.get("stop_reason")
    return CallDict(
        node=node,
        model=model,
        sample=draw.index,
        calls=usage.calls,
        prompt_tokens=usage.prompt_tokens if metered else None,
        completion_tokens=usage.completion_tokens if metered else None,
        reasoning_tokens=usage.reasoning_tokens if metered else None,
        unmetered_calls=usage.unmetered_calls,
        money=usage.money if priced else None,
        unpriced_calls=usage.unpriced_calls,
        finish_reason=str(finish) if finish else None,
        error=str(draw.error) if draw.error is not None else None,
        faults=list(draw.faults),
        cached=draw.cached,
        seconds=usage.seconds,
    )


def outputs_of_turn(state: Mapping[str, Any], nodes: Iterable[str]) -> list[NodeOutput]:
    """What these nodes left in this turn, in the order of ``nodes``; a node that left nothing is skipped.

    What lies in a channel from an earlier turn on the same thread is never returned.
    """
    return outputs_of(state.get("turn"), [state.get(channel_of(node)) for node in nodes])


def outputs_of(turn: int | None, channels: Iterable[NodeOutput | None]) -> list[NodeOutput]:
    """As `outputs_of_turn`, of what lies in the channels."""
    return [output for output in channels if output is not None and output["turn"] == turn]


def is_empty(message: AIMessage) -> bool:
    """Whether a message says nothing: no text, no other content, no tool call; or the model refused."""
    if message.additional_kwargs.get("refusal"):
        return True
    if message.tool_calls or message.invalid_tool_calls:
        return False
    if isinstance(message.content, str):
        return not message.content.strip()
    blocks = (block if isinstance(block, dict) else {"type": "text", "text": block} for block in message.content)
    return not any(block.get("type") != "text" or str(block.get("text", "")).strip() for block in blocks)
