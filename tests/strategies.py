"""Hypothesis strategies for architectures; they grow with every component."""

from __future__ import annotations

from hypothesis import strategies as st

from archon_graph import (
    Architecture,
    Component,
    Critic,
    Fuser,
    Generator,
    Ranker,
    Reviser,
    UnitTestEvaluator,
    UnitTestGenerator,
    Verifier,
    Voter,
)

MODELS = st.sampled_from(["openai:a", "openai:b", "together:c"])
TEMPERATURES = st.none() | st.sampled_from([0.0, 0.7, 1.0])

generators = st.builds(Generator, MODELS, samples=st.integers(1, 4), temperature=TEMPERATURES)
rankers = st.builds(Ranker, MODELS, top_k=st.none() | st.just(1))
fusers = st.builds(Fuser, MODELS, samples=st.integers(1, 3), temperature=TEMPERATURES)
test_generators = st.builds(UnitTestGenerator, MODELS, count=st.integers(1, 5))
test_evaluators = st.builds(UnitTestEvaluator, MODELS, top_k=st.none() | st.just(1))

first_layers = st.lists(generators, min_size=1, max_size=4)
later_components = st.one_of(
    rankers, fusers, st.builds(Critic, MODELS), st.builds(Reviser, MODELS), test_generators
)
later_layers = st.lists(later_components, min_size=1, max_size=3)
early_exits = st.one_of(
    st.builds(Verifier, MODELS, keep=st.sampled_from(["best", "all"]), first_k=st.none() | st.just(1)),
    st.builds(Voter, answers=st.sampled_from(["auto", "number"])),
    st.builds(UnitTestEvaluator, MODELS, first_k=st.just(1)),
)


@st.composite
def layer_lists(draw: st.DrawFn) -> list[list[object]]:
    """Layers of a valid architecture."""
    return [draw(first_layers), *draw(st.lists(later_layers, max_size=4))]


@st.composite
def dags(draw: st.DrawFn, most: int = 12, *, exits: bool = False) -> Architecture:
    """A valid architecture of any shape: every node behind a generator, all paths ending in one fuser.

    Args:
        draw: Hypothesis's own.
        most: Most nodes before the last.
        exits: Whether components may stand in it that end early, depending on what the model says.
    """
    count = draw(st.integers(2, most))
    components: dict[str, Component] = {"n0": draw(generators)}
    before: dict[str, set[str]] = {"n0": set()}
    edges: list[tuple[str, str]] = []
    for number in range(1, count):
        earlier = [f"n{place}" for place in draw(st.lists(st.integers(0, number - 1), unique=True, max_size=3))]
        node = f"n{number}"
        before[node] = set(earlier).union(*(before[other] for other in earlier))
        choices = [later_components] if earlier else [generators]
        if earlier and exits:
            choices.append(early_exits)
        if any(components[other].gives_tests for other in before[node]):
            choices.append(test_evaluators)
        component = draw(st.one_of(choices))
        if component.needs_tests and not any(components[other].gives_tests for other in before[node]):
            component = draw(fusers)
        components[node] = component
        edges += [(other, node) for other in earlier]
    inner = {other for other, _ in edges}
    components["last"] = draw(fusers)
    edges += [(node, "last") for node in components if node != "last" and node not in inner]
    return Architecture.from_edges(components, edges)
