"""``Architecture``: components and the edges between them, composed in Python or read from a file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import networkx as nx
from langchain_core.messages import BaseMessage, MessageLikeRepresentation

from archon_graph.core import compiler, config, drawing, validation
from archon_graph.core.component import Component, ModelComponent
from archon_graph.core.composition import union
from archon_graph.core.errors import ArchitectureError, Problem
from archon_graph.core.preflight import Preflight, preflight
from archon_graph.core.result import Result
from archon_graph.core.scope import check_budget
from archon_graph.core.sync import run_sync
from archon_graph.models import Budget, Client, Ledger, ModelLike, Prices, default_client

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig
    from langgraph.types import RetryPolicy

    from archon_graph.embed import ArchonChat

Question = str | Sequence[MessageLikeRepresentation]
"""What the user asks: a text, or a conversation whose last message is to be answered."""


class Architecture:
    """A directed acyclic graph of components; immutable.

    Compose one with ``|`` and lists: ``[Generator(a), Generator(b)] | Ranker(c, top_k=1)``. A list is a layer,
    whose members run side by side on the same input; a member may be a chain of its own. Using one component
    object twice makes two nodes. For two leading lists take `from_layers`, for any other graph `from_edges`.

    An architecture may be a fragment that only makes sense behind another one, so composing checks nothing:
    `validate` does, and so do `compile`, `run` and `load`.
    """

    def __init__(self, graph: nx.DiGraph[str], *, name: str = "architecture") -> None:
        self._graph: nx.DiGraph[str] = nx.freeze(graph)
        self.name = name
        """What it is called in diagrams and traces."""

    # --- making one -------------------------------------------------------------------------------------

    @classmethod
    def from_layers(
        cls,
        layers: Iterable[Component | Architecture | Sequence[Component | Architecture]],
        *,
        name: str = "architecture",
    ) -> Architecture:
        """An architecture of layers, each fully connected to the next.

        Args:
            layers: Each a component or a list of components.
            name: What to call it.
        """
        parts = [_as_architecture(layer) for layer in layers]
        if not parts:
            return cls(nx.DiGraph(), name=name)
        whole = parts[0]
        for part in parts[1:]:
            whole = whole | part
        return cls(whole.graph, name=name)

    @classmethod
    def from_edges(
        cls,
        components: Mapping[str, Component],
        edges: Iterable[tuple[str, str]],
        *,
        name: str = "architecture",
    ) -> Architecture:
        """An architecture of named components and any edges between them.

        The order of the edges into a node is the order in which it sees its predecessors' candidates.

        Args:
            components: Every component by the name of its node.
            edges: Pairs of names, from and to.
            name: What to call it.

        Raises:
            ArchitectureError: An edge names a node that there is not; all such edges are reported.
        """
        graph: nx.DiGraph[str] = nx.DiGraph()
        for node, component in components.items():
            graph.add_node(node, component=replace(component, name=node))
        edges = list(edges)
        problems = config.edge_problems(edges, graph)
        if problems:
            raise ArchitectureError(problems)
        graph.add_edges_from(edges)
        return cls(graph, name=name)

    @classmethod
    def from_config(cls, data: Mapping[str, Any], *, lenient: bool = False) -> Architecture:
        """An architecture from plain data, as `to_config` gives it.

        Args:
            data: The configuration.
            lenient: Warn of unknown keys instead of refusing them.

        Raises:
            ArchitectureError: Something in it is wrong; every problem is reported, rules included.
        """
        draft = config.read_config(data, lenient=lenient)
        return cls._from_draft(draft, source=None)

    @classmethod
    def load(cls, path: str | Path, *, lenient: bool = False) -> Architecture:
        """An architecture from a ``.json``, ``.yaml`` or ``.yml`` file.

        Raises:
            ArchitectureError: The file cannot be read, or something in it is wrong; every problem is reported.
        """
        draft = config.read_file(Path(path), lenient=lenient)
        return cls._from_draft(draft, source=str(path))

    @classmethod
    def _from_draft(cls, draft: config.Draft, *, source: str | None) -> Architecture:
        found = [*draft.problems, *validation.find_problems(draft.graph)]
        errors = [problem for problem in found if problem.severity == "error"]
        if errors:
            raise ArchitectureError(errors, source=source)
        return cls(draft.graph, name=draft.name)

    def __or__(self, other: object) -> Architecture:
        part = _as_part(other)
        if part is None:
            return NotImplemented
        # Every end of this one leads to every beginning of the other.
        graph = union([self.graph, part.graph])
        nodes = list(graph)
        mine, theirs = nodes[: len(self._graph)], nodes[len(self._graph) :]
        ends = [node for node in mine if not graph.succ[node]]
        starts = [node for node in theirs if not graph.pred[node]]
        # By reader, then by predecessor: the order in which candidates will be seen.
        graph.add_edges_from((end, start) for start in starts for end in ends)
        return Architecture(graph, name=self.name)

    def __ror__(self, other: object) -> Architecture:
        part = _as_part(other)
        return NotImplemented if part is None else part | self

    # --- looking at it ------------------------------------------------------------------------------------

    @property
    def graph(self) -> nx.DiGraph[str]:
        """The graph: nodes by name with their ``component``, frozen."""
        return self._graph

    @cached_property
    def components(self) -> Mapping[str, Component]:
        """The components by the names of their nodes, in order."""
        return {node: self._graph.nodes[node]["component"] for node in self._graph}

    @cached_property
    def layers(self) -> tuple[tuple[str, ...], ...]:
        """The nodes by depth: those of one layer can run side by side.

        Raises:
            ArchitectureError: The graph has a cycle.
        """
        order = {node: place for place, node in enumerate(self._graph)}
        try:
            generations = list(nx.topological_generations(self._graph))
        except nx.NetworkXUnfeasible:
            raise ArchitectureError(self.problems()) from None
        return tuple(tuple(sorted(generation, key=order.__getitem__)) for generation in generations)

    @cached_property
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits that change when anything changes that could change an answer.

        Nodes' names, layout and the place it was loaded from do not count; the wording of prompts does.
        """
        place = {node: number for number, node in enumerate(self._graph)}
        content = [
            [component.identity(), [place[before] for before in self._graph.pred[node]]]
            for node, component in self.components.items()
        ]
        return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:16]

    @property
    def max_calls(self) -> int:
        """The most model calls one question takes when nothing is lost; each sample is a call."""
        into = validation.counts_into(self._graph)
        return sum(component.calls(into[node] or 0) for node, component in self.components.items())

    def preflight(
        self, question: Question, *, answer_tokens: int = 400, prices: Prices | None = None
    ) -> Preflight:
        """Predict calls, tokens, money and the critical path, before anything is spent.

        Model calls: none.

        Args:
            question: As for `run`.
            answer_tokens: How long an answer is thought to be, where nothing limits it.
            prices: What models cost, in place of the prices of the process's own client.

        Raises:
            ArchitectureError: A rule is broken.
        """
        self.validate()
        known = default_client().prices if prices is None else prices
        return preflight(self, as_messages(question), answer_tokens=answer_tokens, prices=known)

    def problems(self, rules: validation.Rules = "default") -> list[Problem]:
        """Everything the rules have to say about it, errors first; see `archon_graph.core.validation`."""
        return validation.find_problems(self._graph, rules)

    def validate(self, rules: validation.Rules = "default") -> list[Problem]:
        """Check every rule, before any model is called.

        Args:
            rules: ``default`` is what an architecture needs to run; ``archon`` adds the paper's stricter rules.

        Returns:
            The warnings.

        Raises:
            ArchitectureError: A rule with the severity of an error is broken; all broken ones are in it.
        """
        found = self.problems(rules)
        errors = [problem for problem in found if problem.severity == "error"]
        if errors:
            raise ArchitectureError(errors)
        return found

    def __repr__(self) -> str:
        try:
            layers = " | ".join("[" + ", ".join(layer) + "]" for layer in self.layers)
        except ArchitectureError:
            layers = ", ".join(self._graph)
        return f"<Architecture {self.name}: {layers}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Architecture) and self.fingerprint == other.fingerprint

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    # --- changing it ----------------------------------------------------------------------------------------

    def with_model(self, model: ModelLike) -> Architecture:
        """The same architecture with one model in the place of every model."""
        graph = self._graph.copy()
        for node, component in self.components.items():
            if isinstance(component, ModelComponent):
                graph.nodes[node]["component"] = replace(component, model=model)
        return Architecture(graph, name=self.name)

    # --- keeping it -----------------------------------------------------------------------------------------

    def to_config(self) -> dict[str, Any]:
        """The architecture as plain data that `from_config` reads.

        Raises:
            UnsavableModelError: A model is an instance without a name.
        """
        return config.write_config(self)

    def save(self, path: str | Path) -> None:
        """Write it to a ``.json``, ``.yaml`` or ``.yml`` file.

        Raises:
            UnsavableModelError: A model is an instance without a name; nothing is written.
            ValueError: The file's ending is another one.
        """
        config.write_file(self.to_config(), Path(path))

    # --- drawing it -----------------------------------------------------------------------------------------

    def draw_mermaid(
        self,
        *,
        direction: Literal["TB", "LR"] = "TB",
        collapse: bool = False,
        models: bool = True,
        run: Result | None = None,
    ) -> str:
        """The graph as Mermaid text, which GitHub, notebooks and editors show as a picture.

        Args:
            direction: From top to bottom, or from left to right.
            collapse: Show equal nodes of a layer as one box with their number.
            models: Show each node's model.
            run: Show what each node took in this run (calls, tokens, seconds), and mark the critical path: the
                chain of nodes the answer waited for.
        """
        return drawing.draw_mermaid(self, direction=direction, collapse=collapse, models=models, run=run)

    # --- running it -----------------------------------------------------------------------------------------

    def compile(
        self,
        *,
        checkpointer: Any = None,
        retry_policy: RetryPolicy | Mapping[str, RetryPolicy] | None = None,
        budget: Budget | Ledger | None = None,
        **options: Any,
    ) -> compiler.CompiledArchitecture:
        """A LangGraph graph: ``{"messages": [...]}`` goes in, and out comes the state.

        In the state, ``messages`` end with the answer and ``candidates`` are the final ones, best first. Both
        ``invoke`` and ``ainvoke`` work; `run` is faster than ``invoke`` for wide layers.

        Args:
            checkpointer: A LangGraph checkpointer, to keep threads.
            retry_policy: When to run a node again whose every call failed, on top of what the client repeats:
                one policy for all nodes, or one for each node by name. By default never.
            budget: The most that each run may spend; a `Ledger` is shared by all runs. A run may be given another
                one: ``context={"budget": Budget(calls=10)}``.
            options: Anything else that ``StateGraph.compile`` takes (``store``, ``interrupt_before``, ...).

        Raises:
            ArchitectureError: A rule is broken; all broken ones are in it.
            TypeError: The budget is none.
        """
        self.validate()
        check_budget(budget)
        return compiler.compile_graph(
            self, retry_policy=retry_policy, budget=budget, checkpointer=checkpointer, **options
        )

    @cached_property
    def compiled(self) -> compiler.CompiledArchitecture:
        """What `compile` gives without settings, made once."""
        return self.compile()

    def as_chat_model(self, **settings: Any) -> ArchonChat:
        """It as a LangChain chat model, that fits wherever one does.

        Args:
            settings: As for `archon_graph.embed.ArchonChat`: ``client``, ``budget``, ``seed``, ...

        Raises:
            ArchitectureError: A rule is broken.
        """
        # The one way up in the layers: whoever has an architecture shall not have to look for its chat model.
        from archon_graph.embed import ArchonChat

        self.validate()
        return ArchonChat(architecture=self, **settings)

    async def arun(
        self,
        question: Question,
        *,
        seed: int = 0,
        client: Client | None = None,
        budget: Budget | Ledger | None = None,
        config: RunnableConfig | None = None,
    ) -> Result:
        """Answer a question.

        Cancelling it cancels its model calls.

        Model calls: `max_calls` when nothing fails.

        Args:
            question: A text, or a conversation whose last message is to be answered. Never mutated.
            seed: Namespace of the samples: the same seed draws the same samples where a model can repeat
                itself, another seed draws independent ones.
            client: Where to draw from, in place of the process's own client.
            budget: The most that this question may take; a `Ledger` is shared with other runs. When it is spent,
                the best answer so far comes back, and `Result.stopped` and `Result.losses` say so.
            config: LangChain settings of the run: callbacks, tags, metadata.

        Raises:
            ArchitectureError: A rule is broken; no model was called.
            ConfigurationError: A model cannot be used (a key, package or file is missing), or the budget cannot
                be a hard cap (nothing bounds the length of an answer); no model was called.
            NoAnswerError: Every candidate was lost; it lists the losses.
            TypeError: The budget is none.
        """
        check_budget(budget)
        # In version 2 LangGraph does not tell of every node's updates, which nobody listens to here.
        output = await self.compiled.ainvoke(
            {"messages": as_messages(question)},
            config,
            context={"seed": seed, "client": client, "budget": budget},
            version="v2",
        )
        return Result.from_state(self, output.value)

    def run(
        self,
        question: Question,
        *,
        seed: int = 0,
        client: Client | None = None,
        budget: Budget | Ledger | None = None,
        config: RunnableConfig | None = None,
    ) -> Result:
        """Answer a question from synchronous code, also inside a notebook; otherwise as `arun`."""
        return run_sync(self.arun(question, seed=seed, client=client, budget=budget, config=config))


def as_messages(question: Question) -> list[Any]:
    """A question as a list of messages.

    Raises:
        ValueError: It is empty.
    """
    if isinstance(question, str):
        if not question.strip():
            raise ValueError("the question is empty; ask something")
        return [{"role": "user", "content": question}]
    if isinstance(question, BaseMessage):
        return [question]
    messages = list(question)
    if not messages:
        raise ValueError("the conversation is empty; it needs at least one message")
    return messages


def _as_architecture(part: object) -> Architecture:
    architecture = _as_part(part)
    if architecture is None:
        raise TypeError(
            f"an architecture is made of components and lists of components, got {type(part).__name__}: {part!r}"
        )
    return architecture


def _as_part(part: object) -> Architecture | None:
    """Anything that can stand in an architecture, as an architecture; ``None`` if it cannot."""
    if isinstance(part, Architecture):
        return part
    if isinstance(part, Component):
        graph: nx.DiGraph[str] = nx.DiGraph()
        graph.add_node(part.name or part.technique, component=part)
        return Architecture(union([graph]))
    if isinstance(part, list | tuple):
        if not part:
            raise ArchitectureError(
                [
                    Problem(
                        rule="empty-layer",
                        where="a layer",
                        message="it is an empty list",
                        way_out="Put at least one component into it, or leave the layer out",
                    )
                ]
            )
        return Architecture(union([_as_architecture(member).graph for member in part]))
    return None
