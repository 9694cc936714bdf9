"""The techniques on a real model: what it says is its own, what is made of it is not left to chance."""

from __future__ import annotations

import pytest

from archon_graph import Fuser, Generator, Ranker, ScriptedModel
from archon_graph.models import ModelFileError
from archon_graph.models.local import check

pytestmark = pytest.mark.real_model

DRAFTS = ["The capital of France is Paris.", "I do not know.", "It is Lyon."]
QUESTION = "What is the capital of France? Answer in one sentence."


@pytest.fixture(scope="module")
def real_model() -> str:
    """The better of the small models that are on this machine."""
    for name in ("coder-0.5b", "smollm2-135m"):
        try:
            check(name)
        except (ModelFileError, ImportError) as error:
            reason = str(error)
        else:
            return f"local:{name}"
    pytest.skip(reason)


def drafts() -> Generator:
    """Three short candidates."""
    return Generator(ScriptedModel(lambda call: DRAFTS[call.sample]), samples=3)


@pytest.mark.parametrize("structured", [True, False])
def test_ranker(real_model: str, structured: bool):
    """A permutation of what came in, by JSON and by text; with JSON it is read without loss."""
    ranker = Ranker(real_model, structured=structured, temperature=0.0, max_tokens=200)
    result = (drafts() | ranker).run(QUESTION)
    assert sorted(candidate.content for candidate in result.candidates) == sorted(DRAFTS)
    assert result.usage.calls == 4
    [call] = [call for call in result.trace if call["node"] == "ranker_1"]
    assert call["prompt_tokens"] > 100
    assert call["completion_tokens"] > 0
    if structured and call["finish_reason"] == "stop" and real_model == "local:coder-0.5b":
        assert result.losses == ()


def test_fuser(real_model: str):
    """One answer in words of its own, made from all that came in."""
    result = (drafts() | Fuser(real_model, temperature=0.0, max_tokens=60)).run(QUESTION)
    [candidate] = result.candidates
    assert candidate.id == "fuser_1:0"
    assert len(candidate.parents) == 3
    assert candidate.content.strip()
    assert candidate.model == real_model


def test_the_whole_line(real_model: str):
    """Sample, rank, fuse: seven calls, every token counted, samples that differ."""
    architecture = (
        Generator(real_model, samples=3, max_tokens=40, temperature=1.0)
        | Ranker(real_model, top_k=2, max_tokens=120)
        | Fuser(real_model, max_tokens=60)
    )
    result = architecture.run("Name a colour and say in a few words why you like it.")
    assert result.answer.strip()
    assert result.usage.calls == architecture.max_calls == 5
    assert result.usage.unmetered_calls == 0
    assert len({candidate.content for candidate in result.nodes[0].candidates}) > 1
