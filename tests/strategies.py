"""Hypothesis strategies for architectures; they grow with every component."""

from __future__ import annotations

from hypothesis import strategies as st

from archon_graph import Architecture, Fuser, Generator, Ranker

MODELS = st.sampled_from(["openai:a", "openai:b", "together:c"])
TEMPERATURES = st.none() | st.sampled_from([0.0, 0.7, 1.0])

generators = st.builds(Generator, MODELS, samples=st.integers(1, 4), temperature=TEMPERATURES)
rankers = st.builds(Ranker, MODELS, top_k=st.none() | st.just(1))
fusers = st.builds(Fuser, MODELS, samples=st.integers(1, 3), temperature=TEMPERATURES)

first_layers = st.lists(generators, min_size=1, max_size=4)
later_layers = st.lists(st.one_of(rankers, fusers), min_size=1, max_size=3)


@st.composite
def layer_lists(draw: st.DrawFn) -> list[list[object]]:
    """Layers of a valid architecture."""
    return [draw(first_layers), *draw(st.lists(later_layers, max_size=4))]


@st.composite
def dags(draw: st.DrawFn, most: int = 12) -> Architecture:
    """A valid architecture of any shape: every node behind a generator, all paths ending in one fuser."""
    count = draw(st.integers(2, most))
    components = {"n0": draw(generators)}
    edges: list[tuple[str, str]] = []
    for number in range(1, count):
        earlier = draw(st.lists(st.integers(0, number - 1), unique=True, max_size=3))
        components[f"n{number}"] = draw(st.one_of(rankers, fusers) if earlier else generators)
        edges += [(f"n{before}", f"n{number}") for before in earlier]
    inner = {before for before, _ in edges}
    components["last"] = draw(fusers)
    edges += [(node, "last") for node in components if node != "last" and node not in inner]
    return Architecture.from_edges(components, edges)
