"""Adaptive sampling: fewer calls, the same winner."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from archon_graph import Architecture, Fuser, Generator, ModelError, ScriptedModel, Voter, agreement


def drawn(texts: list[str], **settings: object):
    """The result of drawing from these samples, as few as settle the vote, and of voting."""
    model = ScriptedModel(lambda call: texts[call.sample])
    generator = Generator(model, samples=len(texts), stop_when=agreement(), **settings)
    return (generator | Voter()).run("q"), model


def test_stops_when_all_agree():
    """Four of eight that agree can only be tied, and ties go to who came first."""
    result, model = drawn(["#### 7"] * 8)
    assert len(model.calls) == 4
    assert result.answer == "#### 7"
    assert result.nodes[0].notes == ("stopped after 4 of 8 samples: the vote is settled",)
    assert result.losses == ()


def test_draws_on_while_it_is_open():
    """Side by side as many as could settle it, round by round."""
    result, model = drawn(["#### 1", "#### 2", "#### 1", "#### 2", "#### 2", "#### 2", "#### 3", "#### 1"])
    assert [call.sample for call in model.calls] == list(range(len(model.calls)))
    assert result.answer == "#### 2"


def test_draws_all_if_nobody_has_an_answer():
    """Then nothing is noted."""
    result, model = drawn(["no"] * 5)
    assert len(model.calls) == 5
    assert result.nodes[0].notes == ()


@given(st.lists(st.sampled_from(["#### 1", "#### 2", "#### 3", "none"]), min_size=1, max_size=11))
def test_the_winner_is_that_of_all_samples(texts: list[str]):
    """Whatever the answers are, with no more calls, and within what preflight said."""
    result, model = drawn(texts)
    everyone = (Generator(ScriptedModel(texts), samples=len(texts)) | Voter()).run("q")
    assert result.answer == everyone.answer
    forecast = (Generator(ScriptedModel(()), samples=len(texts), stop_when=agreement()) | Voter()).preflight("q")
    assert forecast.fewest_calls <= len(model.calls) <= forecast.calls == len(texts)


def test_the_same_samples_are_drawn_whatever_finishes_first():
    """Deterministic under any latency: what is drawn depends on the answers alone."""
    import random

    shuffled = random.Random(5)
    texts = ["#### 1", "#### 2", "#### 2", "#### 1", "#### 1", "#### 3", "#### 1"]
    seen = set()
    for _ in range(8):
        model = ScriptedModel(lambda call: texts[call.sample], latency=lambda: shuffled.uniform(0, 0.01))
        seen.add((Generator(model, samples=7, stop_when=agreement()) | Voter()).run("q").stable_json())
    assert len(seen) == 1


def test_a_model_that_goes_down_in_a_later_round_costs_no_answer():
    """What was drawn before is passed on, and the loss is recorded."""
    texts = ["#### 1", "#### 2", "#### 3"]
    model = ScriptedModel(lambda call: texts[call.sample] if call.sample < 3 else ModelError("gone", model="m"))
    result = (Generator(model, samples=6, stop_when=agreement()) | Voter()).run("q")
    assert result.answer == "#### 1"
    assert [loss.kind for loss in result.losses] == ["error"]


def test_a_file_keeps_it(tmp_path):
    """As a mapping; and it is part of the fingerprint."""
    stopping = Generator("openai:a", samples=5, stop_when=agreement("number")) | Fuser("openai:a")
    stopping.save(tmp_path / "a.yaml")
    loaded = Architecture.load(tmp_path / "a.yaml")
    assert loaded.components["generator_1"].stop_when == agreement("number")
    assert loaded.fingerprint == stopping.fingerprint
    assert loaded.fingerprint != (Generator("openai:a", samples=5) | Fuser("openai:a")).fingerprint


def test_a_thousand_different_answers_are_looked_at_in_no_time():
    """The cost of a look grows with the samples, not with their square: other calls wait for it."""
    texts = [f"#### {number}" for number in range(20_000)]
    assert agreement().fewest_to_settle(texts, 20_000) == 10_000
