"""What the nodes of a layer read alike is converted and rendered once, and kept no longer than it is used."""

from __future__ import annotations

import gc
import weakref
from typing import Any

from langchain_core.messages import AIMessage

from archon_graph import Architecture, Fuser, Generator, Ranker, ScriptedModel
from archon_graph.core import conversation, show_candidates
from archon_graph.core.state import Candidate, Candidates, NodeOutput
from archon_graph.core.views import Incoming, Views
from archon_graph.models import ModelError


def output(node: str, turn: int, *texts: str) -> NodeOutput:
    candidates = [
        Candidate(id=f"{node}:{number}", message=AIMessage(text), node=node, model="m").to_state()
        for number, text in enumerate(texts)
    ]
    return NodeOutput(
        turn=turn, node=node, candidates=candidates, tests=[], losses=[], notes=[], calls=[], seconds=0.0
    )


def test_equal_readings_are_one_while_it_is_used():
    """And are forgotten behind it, so that nothing is left of a run."""
    views, channels = Views(), [output("a", 1, "x"), None, output("b", 1, "y", "z")]
    view = views.of(1, channels)
    assert [candidate.content for candidate in view.candidates] == ["x", "y", "z"]
    assert views.of(1, list(channels)) is view
    gone = weakref.ref(view)
    del view
    gc.collect()
    assert gone() is None
    assert len(views._views) == 0


def test_other_channels_turns_and_orders_are_other_readings():
    """Equal content is not enough: what is read is told by what lies in the channels."""
    views, first, second = Views(), output("a", 1, "x"), output("b", 1, "y")
    view = views.of(1, [first, second])
    assert [candidate.id for candidate in views.of(1, [second, first]).candidates] == ["b:0", "a:0"]
    assert views.of(1, [output("a", 1, "x"), second]) is not view
    assert views.of(2, [first, second]).candidates == ()


async def test_readers_of_a_layer_share_their_candidates(monkeypatch: Any):
    """Those of one run, in one layer: four prompts, rendered once."""
    rendered: list[int] = []
    original = conversation._numbered

    def counting(candidates: Any, around: str, *, critiques: bool) -> str:
        rendered.append(len(candidates))
        return original(candidates, around, critiques=critiques)

    monkeypatch.setattr(conversation, "_numbered", counting)
    seen: list[Any] = []

    class Looking(Fuser):
        async def run(self, context):
            seen.append(context.candidates)
            return await super().run(context)

    model = ScriptedModel(lambda call: f"answer {call.sample}", latency=0.01)
    layers = [Generator(model, samples=3), [Looking(model) for _ in range(4)], Ranker(model)]
    result = await Architecture.from_layers(layers).arun("q")
    assert len(seen) == 4
    assert all(candidates is seen[0] for candidates in seen)
    assert rendered == [3, 4]
    assert [candidate.parents for candidate in result.candidates] == [
        tuple(f"generator_1:{n}" for n in range(3))
    ] * 4


async def test_a_reader_that_fails_keeps_nothing_alive():
    """Whatever becomes of the nodes, the graph remembers nothing of the run."""

    class Broken(Fuser):
        async def run(self, context):
            raise ModelError("no", model="m")

    def alive() -> int:
        gc.collect()
        return sum(type(each) is Incoming for each in gc.get_objects())

    model = ScriptedModel(lambda call: "x")
    graph = ([Generator(model)] * 2 | Broken(model)).compile()
    before = alive()  # a test that failed earlier may hold some in its traceback
    await graph.ainvoke({"messages": [("user", "q")]})
    assert alive() <= before


def test_rendering_depends_on_what_is_asked_for():
    """With critiques or without, and around which text."""
    critique = {"node": "c", "strengths": "short", "weaknesses": "wrong"}
    made = Candidate(id="a:0", message=AIMessage("x"), node="a", model="m", critiques=(critique,))
    shared, plain = Candidates([made]), (made,)
    for around in ("", "<answer_1>"):
        for critiques in (True, False):
            expected = show_candidates(plain, around=around, critiques=critiques)
            for _ in range(2):
                assert show_candidates(shared, around=around, critiques=critiques) == expected
    assert shared.ids == ("a:0",)
