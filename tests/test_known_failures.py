"""Mistakes of the first implementation that must be impossible here, by their numbers; more in tests/components.

The numbers are those of the project's list of known failures. Each test shows the behaviour, not the code.
"""

from __future__ import annotations

import asyncio

import pytest

from archon_graph import (
    Architecture,
    ArchitectureError,
    Fuser,
    Generator,
    ModelError,
    NoAnswerError,
    Ranker,
    ScriptedModel,
)
from archon_graph.core import COMPONENT_CONFIG, Candidate, ModelComponent


async def test_known_failure_7_samples_and_siblings_run_side_by_side():
    """Twenty calls of one layer take little longer than one: they are all under way before one is done."""
    under_way, most = 0, 0

    class Counting(ScriptedModel):
        async def _agenerate(self, messages, stop=None, run_manager=None, **kwargs):
            nonlocal under_way, most
            under_way += 1
            most = max(most, under_way)
            await asyncio.sleep(0.05)
            under_way -= 1
            return await super()._agenerate(messages, stop, run_manager, **kwargs)

    model = Counting(lambda call: "x")
    await ([Generator(model, samples=10), Generator(model, samples=10)] | Fuser(ScriptedModel(["y"]))).arun("q")
    assert most == 20


def test_known_failure_14_the_answer_is_the_first_candidate_never_one_at_random():
    """Several final candidates: the same one is the answer, every time."""
    model = ScriptedModel(lambda call: f"answer {call.sample}")
    architecture = Architecture.from_layers([[Generator(model, samples=4), Generator(model, samples=4)]])
    assert {architecture.run("q").answer for _ in range(20)} == {"answer 0"}


def test_known_failure_17_a_generator_of_ones_own_reaches_every_technique():
    """A custom component stands wherever ours do; what it makes is ranked and fused like anything else."""
    from pydantic.dataclasses import dataclass

    @dataclass(frozen=True, config=COMPONENT_CONFIG)
    class Shouting(ModelComponent):
        technique = "shouting"
        starts = True
        makes_candidates = True

        async def run(self, context):
            [draw] = await context.draw(self, context.question)
            loud = draw.message.model_copy(update={"content": draw.message.text.upper()})
            made: Candidate = context.candidate(self, draw)
            return [Candidate(**{**vars(made), "message": loud})]

    seen: list[str] = []

    def fuse(call):
        seen.append(call.prompt)
        return "fused"

    architecture = [Shouting(ScriptedModel(["hear me"])), Generator(ScriptedModel(["quiet"]))] | Ranker(
        ScriptedModel(["[1] > [2]"])
    )
    assert (architecture | Fuser(ScriptedModel(fuse))).run("q").answer == "fused"
    assert "HEAR ME" in seen[0]


def test_known_failure_17_the_real_error_is_not_masked():
    """A fault in a component ends the run with its own words."""

    class Broken(Ranker):
        async def run(self, context):
            raise ZeroDivisionError("the real error")

    with pytest.raises(ZeroDivisionError, match="the real error"):
        (Generator(ScriptedModel(["x"])) | Broken(ScriptedModel())).run("q")


def test_known_failure_18_when_retries_run_out_the_providers_error_is_shown():
    """With its cause, and the node it happened in."""
    model = ScriptedModel(lambda call: ModelError("the service is on fire", model="m"))
    with pytest.raises(NoAnswerError, match="generator_1: the service is on fire"):
        Generator(model).alone().run("q")


def test_known_failure_19_a_misspelt_key_is_refused_with_the_nearest_one():
    """Not ignored; and broken files are told with line and column (tests/core/test_config.py)."""
    with pytest.raises(ArchitectureError, match=r"unknown key 'tmperature' \(did you mean 'temperature'\?\)"):
        Architecture.from_config({"layers": [{"technique": "generator", "model": "m", "tmperature": 1}]})
