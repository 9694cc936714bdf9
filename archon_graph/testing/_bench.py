"""The bench a component is tested on: a small graph around it, with candidates and a model that are ours.

    source -> tested -> answer          or, for a component that can start:    tested -> answer

Components run as users run them, in a compiled graph: what the compiler does about retries and failures is
part of what has to work.
"""

from __future__ import annotations

import asyncio
import copy
import json
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import pytest
from langchain_core.messages import BaseMessage

from archon_graph.core import (
    Architecture,
    ArchitectureError,
    Candidate,
    Component,
    Loss,
    ModelComponent,
    NoAnswerError,
    NodeContext,
    Result,
)
from archon_graph.core.sync import run_sync
from archon_graph.models import Budget, Client, ModelPolicy, ScriptedCall, ScriptedModel
from archon_graph.models.scripted import Reply
from archon_graph.testing import _replies
from archon_graph.testing._material import SOURCE, Source, candidates, tests

ComponentFactory = Callable[[Any], Component]
"""Makes the component that is tested, given a model; one that asks no model ignores it."""

GoodReply = Callable[[ScriptedCall], str | Mapping[str, Any] | None]
"""What a good model would say to a call; ``None`` leaves it to the kit."""

TESTED = "tested"
"""Name of the node that is tested."""

MODEL_NAME = "conformance"

_LONGEST_RUN = 60.0
_COUNTS = (4, 8, 16, 32)


def broken(rule: str, found: str, way_out: str) -> NoReturn:
    """Fail a test: the rule, what was seen, and what to do about it."""
    pytest.fail(f"{rule}\n\nSeen: {found}\nTo do: {way_out}", pytrace=False)


@dataclass(frozen=True, kw_only=True)
class Run:
    """What came of one run of the bench."""

    situation: str
    """What was put before the component, in words."""
    given: tuple[Candidate, ...]
    """The candidates as they went in."""
    given_after: tuple[Candidate, ...]
    """The same ones as they lay in the graph afterwards."""
    passed_on: tuple[Candidate, ...]
    """The candidates as they came out."""
    losses: tuple[Loss, ...]
    calls: tuple[ScriptedCall, ...]
    """Calls as the model counted them."""
    error: NoAnswerError | None
    """Set if no candidate was left."""
    seconds: float
    """How long it took."""
    state: Mapping[str, Any]
    """The state of the graph at the end; empty if there is none because no candidate was left."""
    result: Result | None

    @property
    def stable(self) -> str:
        """What has to be equal in equal runs."""
        return self.result.stable_json() if self.result is not None else str(self.error)


class Bench:
    """A component, a model that says what the test wants, and a place to run them."""

    def __init__(self, make: ComponentFactory, good: GoodReply, *, offers_json: bool = False) -> None:
        self._good = good
        self.offers_json = offers_json
        self.model = ScriptedModel(
            self._say, latency=self._wait, json=offers_json, label=MODEL_NAME, cache_id=MODEL_NAME
        )
        self.component = make(self.model)
        """The component as its author made it."""
        if not isinstance(self.component, Component):
            broken(
                "The fixture `component` gives a function from a model to a component.",
                f"it gave a {type(self.component).__name__}",
                "Write: return lambda model: MyComponent(model)",
            )
        self.asks_model = isinstance(self.component, ModelComponent)
        self.calls: list[ScriptedCall] = []
        """Calls since the last run began."""
        self._reply: Callable[[ScriptedCall], Reply] = self.good
        self._latency: Callable[[], float] = float
        self._supply: Callable[[NodeContext], Sequence[Candidate]] = lambda _: ()
        self._compiled: dict[bool, tuple[Architecture, Any]] = {}

    @property
    def mode(self) -> str:
        """The way the model is asked, in words."""
        if not self.asks_model:
            return "without a model"
        return "with a model that offers JSON" if self.offers_json else "with a model that offers text only"

    @property
    def count(self) -> int:
        """A number of candidates that it works on without complaint."""
        for count in _COUNTS:
            if not any(problem.severity == "error" for problem in self.component.check(TESTED, count)):
                return count
        broken(
            "A component accepts some number of candidates.",
            f"its check() finds errors with {', '.join(map(str, _COUNTS))} candidates",
            "Test it with smaller settings, or mend its check()",
        )

    def good(self, call: ScriptedCall) -> Reply:
        """The good reply to a call: its author's, or else the kit's."""
        said = self._good(call)
        return _replies.good_reply(call) if said is None else said

    def architecture(self, *, behind: bool = True, more: Mapping[str, Component] | None = None) -> Architecture:
        """The component behind the source (or alone), and other components beside it."""
        tested = {TESTED: self.component, **(more or {})}
        if not behind:
            return Architecture.from_edges(tested, [])
        unit_tests = tests() if self.component.reads_tests or self.component.needs_tests else ()
        source = Source(self._source_of_run, promised=self.count, unit_tests=unit_tests)
        return Architecture.from_edges({SOURCE: source, **tested}, [(SOURCE, node) for node in tested])

    def graph(self, *, behind: bool = True) -> tuple[Architecture, Any]:
        """That architecture and its graph, compiled once."""
        if behind not in self._compiled:
            architecture = self.architecture(behind=behind)
            self._compiled[behind] = architecture, self.compile(architecture)
        return self._compiled[behind]

    def compile(self, architecture: Architecture, **options: Any) -> Any:
        """The graph, as it is compiled for real runs."""
        try:
            return architecture.compile(**options)
        except ArchitectureError as error:
            broken(
                "A component can stand behind one that makes candidates.",
                str(error),
                "Look at its class variables (starts, needs_tests, ...) and its check()",
            )

    def set_up(
        self,
        *,
        supply: Sequence[Candidate] | Callable[[NodeContext], Sequence[Candidate]] = (),
        reply: Callable[[ScriptedCall], Reply] | None = None,
        latency: Callable[[], float] | None = None,
    ) -> None:
        """Say what the next run finds: candidates, what the model says, how long it takes."""
        self._supply = supply if callable(supply) else lambda _: supply
        self._reply = reply or self.good
        self._latency = latency or float
        self.calls = []

    def run(
        self,
        given: Sequence[Candidate] | None = None,
        *,
        situation: str = "candidates and good replies",
        question: Sequence[BaseMessage] | str = "What is 2 + 2?",
        alone: bool = False,
        reply: Callable[[ScriptedCall], Reply] | None = None,
        latency: Callable[[], float] | None = None,
        most_calls: int | None = None,
    ) -> Run:
        """Run the component once; an error that is no `NoAnswerError` fails the test."""
        incoming = () if alone else tuple(candidates(self.count) if given is None else given)
        before = copy.deepcopy(incoming)
        self.set_up(supply=incoming, reply=reply, latency=latency)
        architecture, graph = self.graph(behind=not alone)
        messages = question if not isinstance(question, str) else [{"role": "user", "content": question}]
        started = time.perf_counter()
        state, error = self.attempt(graph, messages, situation, most_calls=most_calls)
        seconds = time.perf_counter() - started
        result = Result.from_state(architecture, state) if state else None
        reports = {report.node: report for report in result.nodes} if result is not None else {}
        return Run(
            situation=f"{situation}, {self.mode}",
            given=before,
            given_after=reports[SOURCE].candidates if SOURCE in reports else incoming,
            passed_on=reports[TESTED].candidates if TESTED in reports else (),
            losses=result.losses if result is not None else error.losses if error is not None else (),
            calls=tuple(self.calls),
            error=error,
            seconds=seconds,
            state=state,
            result=result,
        )

    def attempt(
        self,
        graph: Any,
        messages: Sequence[Any],
        situation: str,
        config: Any = None,
        *,
        most_calls: int | None = None,
    ) -> tuple[Mapping[str, Any], NoAnswerError | None]:
        """Run a graph to its state, or to the error that says that no candidate was left."""
        try:
            run = self.start(graph, messages, config, most_calls=most_calls)
            return run_sync(asyncio.wait_for(run, _LONGEST_RUN)), None
        except NoAnswerError as error:
            return {}, error
        except TimeoutError:
            seen = f"it was still running after {_LONGEST_RUN:.0f} s"
            way_out = "Look for a loop that waits for a reply that never comes, or a pattern that backtracks"
        except Exception as error:  # noqa: BLE001 - whatever it is, the author has to hear of it
            seen = f"{type(error).__name__}: {error}\n{_place_of(error)}"
            way_out = (
                "Let ModelError pass, or handle it; treat every reply as hostile input, and record what you "
                "cannot use with context.lose(kind, detail)"
            )
        broken(
            "A run ends with candidates, or with NoAnswerError where none is left; never with another exception.",
            f"{situation}, {self.mode}: {seen}",
            way_out,
        )

    async def start(
        self, graph: Any, messages: Sequence[Any], config: Any = None, *, most_calls: int | None = None
    ) -> Any:
        """The coroutine of a run, through a client of its own: with its repeats, but none of their waiting."""
        client = Client(policies={"*": ModelPolicy(first_wait=0)})
        budget = None if most_calls is None else Budget(calls=most_calls)
        context = {"client": client, "seed": 0, "budget": budget}
        return await graph.ainvoke({"messages": list(messages)}, config, context=context)

    def bad_replies(self) -> Iterator[tuple[str, Reply]]:
        """Every bad reply, each with what it is; in JSON also those that almost have the forms it asks for."""
        yield from _replies.EMPTY.items()
        yield from _replies.NONSENSE.items()
        asked = {json.dumps(call.schema): call.schema for call in self.run().calls if call.schema is not None}
        for schema in asked.values():
            yield from _replies.spoilt(schema)

    def _source_of_run(self, context: NodeContext) -> Sequence[Candidate]:
        return self._supply(context)

    def _say(self, call: ScriptedCall) -> Reply:
        self.calls.append(call)
        return self._reply(call)

    def _wait(self) -> float:
        return self._latency()


def benches(make: ComponentFactory, good: GoodReply) -> Iterator[Bench]:
    """A bench for each way in which the component can ask a model."""
    first = Bench(make, good)
    yield first
    if first.asks_model:
        yield Bench(make, good, offers_json=True)


def asking_benches(make: ComponentFactory, good: GoodReply) -> Iterator[Bench]:
    """The same for a law about models; the test is skipped for a component that asks none."""
    for bench in benches(make, good):
        if not bench.asks_model:
            pytest.skip("it asks no model")
        yield bench


def _place_of(error: BaseException) -> str:
    """The last lines of the component's own code on the way to an error."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "langgraph" not in frame.filename and "asyncio" not in frame.filename]
    return "".join(traceback.format_list(own[-3:])).rstrip()
