"""What LangChain's callbacks and tracers see of a run: each node and each call under its own name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from langchain_core.callbacks import AsyncCallbackHandler, BaseCallbackHandler
from langchain_core.messages import HumanMessage
from langgraph.graph import END, START, MessagesState, StateGraph

from archon_graph import Architecture, Budget, Fuser, Generator, Ranker, Reviser, ScriptedModel


class Seen(NamedTuple):
    """A run of LangChain's: a node, a call, or the graph itself."""

    kind: str
    name: str
    parent: UUID | None
    metadata: Mapping[str, Any]


class _Records:
    def __init__(self) -> None:
        super().__init__()
        self.runs: dict[UUID, Seen] = {}
        self.ended: list[UUID] = []
        self.failed: list[UUID] = []

    def record(self, kind: str, kwargs: Mapping[str, Any]) -> None:
        self.runs[kwargs["run_id"]] = Seen(
            kind, kwargs.get("name") or "", kwargs.get("parent_run_id"), kwargs.get("metadata") or {}
        )

    def path(self, run: Seen) -> list[str]:
        """The names from the outermost run to this one."""
        above = self.path(self.runs[run.parent]) if run.parent is not None else []
        return [*above, run.name]

    def calls(self) -> list[Seen]:
        return [run for run in self.runs.values() if run.kind == "call"]


class Recording(_Records, AsyncCallbackHandler):
    """Keeps every run it is told of."""

    async def on_chain_start(self, serialized, inputs, **kwargs):
        self.record("chain", kwargs)

    async def on_chat_model_start(self, serialized, messages, **kwargs):
        self.record("call", kwargs)

    async def on_llm_end(self, response, *, run_id, **kwargs):
        self.ended.append(run_id)

    async def on_llm_error(self, error, *, run_id, **kwargs):
        self.failed.append(run_id)


class RecordingSync(_Records, BaseCallbackHandler):
    """The same for synchronous code."""

    def on_chain_start(self, serialized, inputs, **kwargs):
        self.record("chain", kwargs)

    def on_chat_model_start(self, serialized, messages, **kwargs):
        self.record("call", kwargs)

    def on_llm_end(self, response, *, run_id, **kwargs):
        self.ended.append(run_id)


CALLS = [
    ("generator_1", "generator_1:0"),
    ("generator_1", "generator_1:1"),
    ("reviser_1", "reviser_1/1:0"),
    ("reviser_1", "reviser_1/2:0"),
    ("ranker_1", "ranker_1:0"),
    ("fuser_1", "fuser_1:0"),
]
NODES = ["question", "generator_1", "reviser_1", "ranker_1", "fuser_1", "answer"]


def line() -> Architecture:
    """Two drafts, both rewritten, put in order and fused."""
    model = ScriptedModel(lambda call: f"[2] > [1] {call.sample}")
    whole = Generator(model, samples=2) | Reviser(model) | Ranker(model) | Fuser(model)
    return Architecture(whole.graph, name="line")


def check(seen: _Records, outer: list[str]) -> None:
    """Every node and every call stands where it belongs, below the runs of these names."""
    assert [tuple(seen.path(call)) for call in seen.calls()] == [(*outer, *names) for names in CALLS]
    for call in seen.calls():
        node, sample = call.name.split(":")
        node = node.partition("/")[0]
        assert (call.metadata["archon_node"], call.metadata["archon_sample"]) == (node, int(sample))
        assert call.metadata["langgraph_node"] == node
    nodes = [run for run in seen.runs.values() if run.kind == "chain" and seen.path(run)[:-1] == outer]
    assert [run.name for run in nodes] == NODES
    assert len(seen.ended) == len(CALLS)
    assert seen.failed == []


@pytest.mark.parametrize("budget", [None, Budget(calls=100, seconds=60)])
async def test_names_parents_and_metadata(budget: Budget | None):
    """From the graph to the node to the call, under a budget as well."""
    seen = Recording()
    await line().arun("q", budget=budget, config={"callbacks": [seen], "metadata": {"mine": 1}})
    check(seen, ["line"])
    assert all(run.metadata.get("mine") == 1 for run in seen.runs.values())
    techniques = {run.name: run.metadata.get("technique") for run in seen.runs.values() if run.kind == "chain"}
    assert techniques["reviser_1"] == "reviser"


def test_from_synchronous_code():
    """Both of `run` and of the compiled graph."""
    for face in ("run", "invoke"):
        seen = RecordingSync()
        if face == "run":
            line().run("q", config={"callbacks": [seen]})
        else:
            line().compile().invoke({"messages": [HumanMessage("q")]}, {"callbacks": [seen]})
        check(seen, ["line"])


async def test_inside_another_graph():
    """Everything stands below the parent's node."""
    parent = StateGraph(MessagesState)
    parent.add_node("helper", line().compile())
    parent.add_edge(START, "helper")
    parent.add_edge("helper", END)
    seen = Recording()
    await parent.compile(name="parent").ainvoke({"messages": [HumanMessage("q")]}, {"callbacks": [seen]})
    check(seen, ["parent", "helper", "line"])


async def test_a_call_that_fails_and_one_that_is_repeated_are_seen():
    """Each attempt is a run of its own, under the name of its sample."""
    seen = Recording()
    fault = TimeoutError("not yet")
    model = ScriptedModel([fault, "at last"])
    await Generator(model).alone().arun("q", config={"callbacks": [seen]})
    assert [call.name for call in seen.calls()] == ["generator_1:0", "generator_1:0"]
    assert (len(seen.failed), len(seen.ended)) == (1, 1)


async def test_streams_name_the_nodes():
    """In each mode that tells of nodes."""
    named: dict[str, list[str]] = {"updates": [], "tasks": [], "messages": []}
    question = {"messages": [HumanMessage("q")]}
    stream: Any = line().compile().astream(question, stream_mode=["updates", "tasks", "messages"])
    async for mode, part in stream:
        if mode == "updates":
            named[mode] += list(part)
        elif mode == "tasks":
            named[mode] += [part["name"]] if "triggers" in part else []
        elif "archon_node" in part[1]:
            named[mode].append(part[1]["archon_node"])
    assert named["updates"] == named["tasks"] == NODES
    # Tokens come of the answer alone: drafts and verdicts are no part of what a user reads.
    assert list(dict.fromkeys(named["messages"])) == NODES[-2:-1]
