"""Runs an architecture for a caller that wants to hear of each node when it has ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from langchain_core.callbacks import AsyncCallbackManager
from langchain_core.messages import BaseMessage

from archon_graph.core import Architecture, Result
from archon_graph.core.state import NodeOutput, channel_of, usage_of
from archon_graph.models import Usage


@dataclass(frozen=True, kw_only=True)
class NodeEvent:
    """What a node has done."""

    node: str
    """Its name."""
    technique: str
    """Its technique."""
    candidates: int
    """How many candidates it passed on."""
    losses: int
    """How much was lost in it."""
    calls: int
    """Model calls it made, those answered from a cache included."""
    tokens: int
    """Tokens sent and received in them."""
    seconds: float
    """How long it took."""

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


async def run_architecture(
    architecture: Architecture,
    messages: Sequence[BaseMessage],
    context: Mapping[str, Any],
    *,
    callbacks: AsyncCallbackManager,
    on_node: Callable[[NodeEvent], None],
) -> Result:
    """Answer a conversation, as `Architecture.arun` does.

    Args:
        architecture: What answers.
        messages: The conversation; never mutated.
        context: What is given to the run beside its input, see `archon_graph.core.steps.RunContext`.
        callbacks: Who hears of the calls.
        on_node: Is told of each node when it has ended.

    Raises:
        ArchitectureError: A rule is broken; no model was called.
        NoAnswerError: Every candidate was lost.
    """
    state: dict[str, Any] = {}
    channels = {channel_of(node): node for node in architecture.components}
    updates = architecture.compiled.astream(
        {"messages": list(messages)}, {"callbacks": callbacks}, context=dict(context), stream_mode="updates"
    )
    async for update in updates:
        for written in update.values():
            state |= written or {}
            for channel in (written or {}).keys() & channels.keys():
                output = written[channel]
                if output is not None:
                    on_node(_event(architecture, output))
    return Result.from_state(architecture, state)


def _event(architecture: Architecture, output: NodeOutput) -> NodeEvent:
    usage = Usage.total(usage_of(call) for call in output["calls"])
    return NodeEvent(
        node=output["node"],
        technique=architecture.components[output["node"]].technique,
        candidates=len(output["candidates"]),
        losses=len(output["losses"]),
        calls=usage.calls,
        tokens=usage.tokens,
        seconds=output["seconds"],
    )
