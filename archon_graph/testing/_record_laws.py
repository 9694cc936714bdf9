"""Laws about records: what a component leaves in the state, in files, in diagrams, and in equal runs."""

from __future__ import annotations

import random
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args, get_type_hints

from langchain_core.messages import BaseMessage
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from archon_graph.components import Generator
from archon_graph.core import (
    Architecture,
    Candidate,
    Component,
    NodeContext,
    Result,
    Style,
    UnknownTechniqueError,
    find_component,
)
from archon_graph.core.state import channel_of
from archon_graph.models import ConfigurationError
from archon_graph.testing import _replies
from archon_graph.testing._bench import MODEL_NAME, TESTED, Bench, ComponentFactory, GoodReply, benches, broken
from archon_graph.testing._material import candidates

_LONGEST_SUMMARY = 60
_SHUFFLES = 3
_COLOUR = re.compile(r"#[0-9a-f]{6}", re.IGNORECASE)


class RecordLaws:
    """What stays of a component and its runs."""

    def test_state_can_be_kept(self, component: ComponentFactory, good_reply: GoodReply) -> None:
        """What it leaves in the state comes back from a checkpoint as it went in, without a warning."""
        # Strict: it takes nothing but what every checkpointer will always take.
        keeper = JsonPlusSerializer(allowed_msgpack_modules=None)
        for bench in benches(component, good_reply):
            runs = [bench.run()]
            # In JSON alone: there every reply can come, those in text included.
            if bench.offers_json:
                runs += [
                    bench.run(reply=_replies.always(said), situation=f"every reply is {what}")
                    for what, said in bench.bad_replies()
                    # Half a character cannot be written as UTF-8, so no checkpoint brings it back.
                    if not (isinstance(said, str) and "\\ud" in said)
                ]
            for run in runs:
                if run.state and (seen := _lost_in(keeper, run.state[channel_of(TESTED)])):
                    broken(
                        "What is left in the state survives a checkpoint unchanged.",
                        f"{run.situation}: {seen}",
                        "Put only texts, numbers, booleans, None, lists and dicts into critiques, verdicts and "
                        "test results",
                    )

    def test_turns_do_not_mix(self, component: ComponentFactory, good_reply: GoodReply) -> None:
        """The second turn on a thread gives what a first run on the same conversation gives."""
        for bench in benches(component, good_reply):
            architecture = bench.architecture()
            graph = bench.compile(architecture, checkpointer=InMemorySaver())
            config = {"configurable": {"thread_id": "thread"}}
            bench.set_up(supply=_about_the_question(bench.count))
            first, _ = bench.attempt(graph, [{"role": "user", "content": "Who is first?"}], "turn 1", config)
            if not first:
                continue
            question = {"role": "user", "content": "And who is second?"}
            second, error = bench.attempt(graph, [question], "turn 2", config)
            again = Bench(component, good_reply, offers_json=bench.offers_json)
            again.set_up(supply=_about_the_question(bench.count))
            other = again.architecture()
            state, _ = again.attempt(again.compile(other), [*first["messages"], question], "a run of its own")
            had = Result.from_state(architecture, second).stable_json() if second else str(error)
            expected = Result.from_state(other, state).stable_json() if state else str(error)
            if had != expected:
                broken(
                    "A turn depends on its conversation, and on nothing that is left of the turn before.",
                    f"{bench.mode}: {_first_other_line(expected, had)}",
                    "Keep nothing in the component, its class or its module while it runs",
                )

    def test_equal_runs_are_equal(self, component: ComponentFactory, good_reply: GoodReply) -> None:
        """Whatever call finishes first, the result is the same; nothing is drawn by lot."""
        for bench in benches(component, good_reply):
            expected = bench.run(situation="no latency").stable
            for name, latency in _latencies(bench).items():
                had = bench.run(latency=latency, situation=name).stable
                if had != expected:
                    broken(
                        "Equal runs give equal results, whatever call finishes first.",
                        f"{name}, {bench.mode}: {_first_other_line(expected, had)}",
                        "Keep the order of what you were given: asyncio.gather and context.for_each do, "
                        "as_completed and sets do not. Break ties by place; where chance is the point, use "
                        "random.Random(seed) with a setting `seed`",
                    )

    def test_settings_survive_a_file(
        self, component: ComponentFactory, good_reply: GoodReply, tmp_path: Path
    ) -> None:
        """Saved and loaded again, as JSON and as YAML, it is equal, and so is its fingerprint."""
        count = Bench(component, good_reply).count
        model = f"custom:{MODEL_NAME}"
        made = component(model)
        before: list[Component] = [Generator(model, samples=count)]
        if made.needs_tests:
            before.insert(0, find_component("unit_test_generator")(model))  # type: ignore[call-arg]
        architecture = Architecture.from_layers([*before, made])
        for ending in ("json", "yaml"):
            path = tmp_path / f"architecture.{ending}"
            try:
                architecture.save(path)
                loaded = Architecture.load(path)
            except (ConfigurationError, TypeError, ValueError) as error:
                broken(
                    "An architecture with it can be saved and loaded.",
                    f"as {ending}: {type(error).__name__}: {error}",
                    "Let its settings be plain values, in fields of the dataclass; a technique has one class",
                )
            if dict(loaded.components) != dict(architecture.components) or loaded != architecture:
                broken(
                    "Loaded again, a component is equal to the one that was saved.",
                    f"as {ending}: {list(architecture.components.values())[-1]} came back as "
                    f"{list(loaded.components.values())[-1]}",
                    "Declare every setting as a field, in a form that JSON has (a tuple rather than a set)",
                )

    def test_it_presents_itself(self, component: ComponentFactory, good_reply: GoodReply) -> None:
        """It is found by its technique, drawn in diagrams, and says what it does and what that costs."""
        bench = Bench(component, good_reply)
        part, cls = bench.component, type(bench.component)
        found = next(_misrepresentations(bench, part, cls), None)
        if found is not None:
            broken("A component can be found, drawn and read about.", *found)


def _lost_in(keeper: JsonPlusSerializer, output: Any) -> str:
    """What became of an output in a checkpoint; empty if it came back as it was."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            back = keeper.loads_typed(keeper.dumps_typed(output))
    except Exception as error:  # noqa: BLE001 - each library underneath has its own
        return f"{type(error).__name__}: {error}"
    return next(_differences(output, back, "output"), "")


def _about_the_question(count: int) -> Callable[[NodeContext], Sequence[Candidate]]:
    def supply(context: NodeContext) -> Sequence[Candidate]:
        asked = str(context.question[-1].text)
        made = candidates(count, about=f" on {asked!r}")
        return [replace(candidate, score=len(asked) / 100) for candidate in made]

    return supply


def _latencies(bench: Bench) -> Mapping[str, Callable[[], float]]:
    made: dict[str, Callable[[], float]] = {
        "the first call is the slowest": lambda: max(0.0, 0.01 - 0.001 * len(bench.calls))
    }
    for seed in range(_SHUFFLES):
        chance = random.Random(seed)  # noqa: S311 - no secret
        made[f"latencies by lot {seed}"] = lambda chance=chance: chance.uniform(0.0, 0.003)  # type: ignore[misc]
    return made


def _misrepresentations(bench: Bench, part: Component, cls: type[Component]) -> Iterator[tuple[str, str]]:
    technique = getattr(part, "technique", None)
    if not isinstance(technique, str) or not technique.isidentifier():
        yield f"its technique is {technique!r}", "Set `technique`, one word that can be part of a name"
        return
    try:
        known = find_component(technique)
    except UnknownTechniqueError:
        known = None
    if known is not cls:
        way_out = f"Set `technique` in {cls.__name__} itself, and declare it in the group archon_graph.components"
        yield f"the technique {technique!r} leads to {known}", way_out
    shapes = get_args(get_type_hints(Style)["shape"])
    if part.style.shape not in shapes or not _COLOUR.fullmatch(part.style.colour):
        yield f"its style is {part.style}", f"Choose a shape of {shapes} and a colour such as '#e8e8e8'"
    elif TESTED not in bench.graph()[0].draw_mermaid():
        yield "its node is not in the Mermaid diagram", "Look at its summary() and style"
    summary: Any = part.summary()
    if not isinstance(summary, str) or len(summary) > _LONGEST_SUMMARY or len(summary.splitlines()) > 1:
        yield (
            f"its summary is {summary!r}",
            f"Give one line of at most {_LONGEST_SUMMARY} characters: it has to fit into a box",
        )
    said = (cls.__doc__ or "").strip()
    # A dataclass without a docstring gets its own signature for one.
    if not said or said.startswith(f"{cls.__name__}(") or not said.split("\n\n")[0].rstrip().endswith("."):
        yield f"its docstring begins with {said[:60]!r}", "Begin with a sentence on what it does to the candidates"
    elif "Model calls:" not in said:
        yield "its docstring does not say how many calls it makes", "Add a line such as 'Model calls: none.'"


def _differences(one: Any, other: Any, path: str) -> Iterator[str]:
    """Where two values differ, types included: a tuple is no list, True is not 1."""
    if type(one) is not type(other):
        yield f"{path} was a {type(one).__name__} and came back as a {type(other).__name__}"
    elif isinstance(one, BaseMessage):
        yield from _differences(one.model_dump(), other.model_dump(), path)
    elif isinstance(one, Mapping):
        if list(one) != list(other):
            yield f"{path} had the keys {list(one)} and came back with {list(other)}"
        for key in one:
            yield from _differences(one[key], other.get(key), f"{path}[{key!r}]")
    elif isinstance(one, list | tuple):
        if len(one) != len(other):
            yield f"{path} had {len(one)} items and came back with {len(other)}"
        for place, (item, back) in enumerate(zip(one, other, strict=False)):
            yield from _differences(item, back, f"{path}[{place}]")
    elif one != other:
        yield f"{path} was {one!r:.80} and came back as {other!r:.80}"


def _first_other_line(expected: str, had: str) -> str:
    for one, other in zip(expected.splitlines(), had.splitlines(), strict=False):
        if one != other:
            return f"expected {one.strip():.200}\n      but had  {other.strip():.200}"
    return f"expected {len(expected.splitlines())} lines of result, had {len(had.splitlines())}"
