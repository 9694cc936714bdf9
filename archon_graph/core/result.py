"""``Result``: what a run brought: the answer, the candidates, what it cost and what was lost."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from langchain_core.messages import AIMessage

from archon_graph.core.errors import why_stopped
from archon_graph.core.state import (
    CallDict,
    Candidate,
    Loss,
    NodeOutput,
    outputs_of_turn,
    usage_of,
    usage_to_state,
)
from archon_graph.models import Usage

if TYPE_CHECKING:
    from archon_graph.core.architecture import Architecture


@dataclass(frozen=True, kw_only=True)
class NodeReport:
    """What one node did in a run."""

    node: str
    """Its name."""
    technique: str
    """Its technique."""
    candidates: tuple[Candidate, ...]
    """What it passed on, in order."""
    usage: Usage
    """What its calls cost, those whose answers were recorded earlier included."""
    paid: Usage
    """The part of it that was paid in this run."""
    seconds: float
    """How long it took, from its first call to its last."""
    losses: tuple[Loss, ...]
    """What was lost in it."""
    notes: tuple[str, ...] = ()
    """What else is worth knowing, such as that it ended early."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """The outcome of a run."""

    message: AIMessage
    """The answer as a message, tool calls and content blocks included."""
    candidates: tuple[Candidate, ...]
    """The final candidates, best first; the first is the answer."""
    nodes: tuple[NodeReport, ...]
    """What each node did, in the order of the architecture."""
    trace: tuple[CallDict, ...]
    """Every draw as a row of plain values: node, model, sample, calls, tokens, money, seconds, finish reason,
    error, and what went wrong in the attempts before."""
    losses: tuple[Loss, ...]
    """Everything that did not come through; empty in an undisturbed run."""
    stopped: str | None = None
    """Why the run ended early: ``budget``; ``None`` if it went to its end. What was not done is in the losses."""

    @property
    def answer(self) -> str:
        """The text of the answer."""
        return str(self.message.text)

    @property
    def usage(self) -> Usage:
        """What all calls cost together, those whose answers were recorded earlier included."""
        return Usage.total(node.usage for node in self.nodes)

    @property
    def paid(self) -> Usage:
        """The part of it that was paid in this run."""
        return Usage.total(node.paid for node in self.nodes)

    @classmethod
    def from_state(cls, architecture: Architecture, state: Mapping[str, Any]) -> Result:
        """Read the outcome of the last turn from the state a compiled graph returned."""
        outputs = outputs_of_turn(state, architecture.components)
        nodes = tuple(_report(architecture, output) for output in outputs)
        losses = tuple(loss for node in nodes for loss in node.losses)
        return cls(
            message=state["messages"][-1],
            candidates=tuple(Candidate.from_state(data) for data in state["candidates"]),
            nodes=nodes,
            trace=tuple(call for output in outputs for call in output["calls"]),
            losses=losses,
            stopped=why_stopped(losses),
        )

    def candidate(self, id: str) -> Candidate:  # noqa: A002 - the field's own name
        """The candidate of this id, from any node; what `Candidate.parents` point to.

        Raises:
            KeyError: No node passed on such a candidate.
        """
        for node in self.nodes:
            for candidate in node.candidates:
                if candidate.id == id:
                    return candidate
        raise KeyError(id)

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain data that JSON can hold."""
        return {
            "answer": self.answer,
            "candidates": [_candidate(candidate) for candidate in self.candidates],
            "nodes": [
                {
                    "node": node.node,
                    "technique": node.technique,
                    "candidates": [_candidate(candidate) for candidate in node.candidates],
                    "notes": list(node.notes),
                    "usage": usage_to_state(node.usage),
                    "paid": usage_to_state(node.paid),
                    "seconds": node.seconds,
                }
                for node in self.nodes
            ],
            "usage": usage_to_state(self.usage),
            "paid": usage_to_state(self.paid),
            "trace": [dict(call) for call in self.trace],
            "losses": [dict(loss.to_state()) for loss in self.losses],
            "stopped": self.stopped,
        }

    def stable_json(self) -> str:
        """The result without what differs between equal runs: times, message ids, what came from a cache.

        Two runs of one architecture with the same seed and a model that repeats itself, or with a cache or a tape,
        give the same text.
        """
        data = self.to_dict()
        for part in (data, *data["nodes"]):
            del part["paid"], part["usage"]["seconds"]
        for node in data["nodes"]:
            del node["seconds"]
        for call in data["trace"]:
            del call["seconds"], call["cached"], call["faults"]
        return json.dumps(data, sort_keys=True, ensure_ascii=False, indent=1)


def _report(architecture: Architecture, output: NodeOutput) -> NodeReport:
    calls = output["calls"]
    usage = Usage.total(usage_of(call) for call in calls)
    recorded = any(call["cached"] for call in calls)
    return NodeReport(
        node=output["node"],
        technique=architecture.components[output["node"]].technique,
        candidates=tuple(Candidate.from_state(data) for data in output["candidates"]),
        usage=usage,
        paid=Usage.total(usage_of(call) for call in calls if not call["cached"]) if recorded else usage,
        seconds=output["seconds"],
        losses=tuple(Loss(**loss) for loss in output["losses"]),
        notes=tuple(output["notes"]),
    )


def _candidate(candidate: Candidate) -> dict[str, Any]:
    """A candidate without what only its one call had: message id, times, the provider's own metadata."""
    message = candidate.message
    usage = usage_to_state(candidate.usage)
    del usage["seconds"]
    return {
        "id": candidate.id,
        "node": candidate.node,
        "model": candidate.model,
        "content": message.content,
        "tool_calls": [{"name": call["name"], "args": call["args"]} for call in message.tool_calls],
        "parents": list(candidate.parents),
        "critiques": [dict(entry) for entry in candidate.critiques],
        "verdicts": [dict(entry) for entry in candidate.verdicts],
        "test_results": [dict(entry) for entry in candidate.test_results],
        "score": candidate.score,
        "usage": usage,
    }
