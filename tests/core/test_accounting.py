"""What a run cost: per call, node and question; as recorded, and as paid now."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage

from archon_graph import (
    Architecture,
    Client,
    Fuser,
    Generator,
    NoAnswerError,
    Ranker,
    Reviser,
    ScriptedModel,
    Verifier,
    register_model,
)
from archon_graph.core import Prompt
from archon_graph.core.state import Candidate
from archon_graph.models import ModelError, ModelPolicy, Prices, Usage
from tests.replies import good_reply
from tests.strategies import dags


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    """A client that keeps answers, and knows what ``custom:priced`` costs."""
    made = Client(
        cache=tmp_path / "answers.sqlite", prices={"custom:priced": {"prompt": 1_000_000, "completion": 2_000_000}}
    )
    yield made
    made.close()


def echo(call: Any) -> str:
    return f"answer {call.sample}"


# --- one draw, one row -------------------------------------------------------------------------------------------


async def test_a_row_says_all_of_a_draw(client: Client):
    """Calls, tokens, money, who answered, how it ended."""
    model = register_model("priced", ScriptedModel(lambda call: "three words long"))
    result = await Generator(model).alone().arun("a b", client=client)
    [row] = result.trace
    seconds = row["seconds"]
    assert row == {
        "node": "generator_1",
        "model": "custom:priced",
        "sample": 0,
        "calls": 1,
        "prompt_tokens": 2,
        "completion_tokens": 3,
        "reasoning_tokens": 0,
        "unmetered_calls": 0,
        "money": 8.0,
        "unpriced_calls": 0,
        "finish_reason": "stop",
        "error": None,
        "faults": [],
        "cached": False,
        "seconds": seconds,
    }
    assert result.usage == result.paid == result.candidates[0].usage
    assert result.usage == Usage(calls=1, prompt_tokens=2, completion_tokens=3, money=8.0, seconds=seconds)


async def test_reasoning_is_counted_apart():
    """And is part of what was received."""
    thought = AIMessage(
        "4",
        usage_metadata={
            "input_tokens": 5,
            "output_tokens": 30,
            "total_tokens": 35,
            "output_token_details": {"reasoning": 29},
        },
    )
    result = await Generator(ScriptedModel([thought])).alone().arun("q")
    assert (result.usage.completion_tokens, result.usage.reasoning_tokens) == (30, 29)
    assert (result.trace[0]["completion_tokens"], result.trace[0]["reasoning_tokens"]) == (30, 29)


async def test_repeats_are_in_the_row_of_their_draw():
    """With the reasons of those that failed, in short."""
    fault = ModelError("overloaded", model="m", retryable=True)
    result = await Generator(ScriptedModel([fault, "one", fault, fault, "two"]), samples=2).alone().arun("q")
    assert sorted(row["calls"] for row in result.trace) in ([1, 4], [2, 3])
    assert sum(len(row["faults"]) for row in result.trace) == 3
    assert result.usage.calls == 5
    assert result.losses == ()


async def test_the_row_names_the_model_that_answered():
    """Where another one stood in; so does the candidate."""
    down = register_model("down", ScriptedModel(lambda call: ValueError("closed")))
    spare = register_model("spare", ScriptedModel(echo))
    client = Client(policies={down: ModelPolicy(fallbacks=(spare,))})
    result = await Generator(down).alone().arun("q", client=client)
    assert (result.trace[0]["model"], result.candidates[0].model) == (spare, spare)
    assert (result.trace[0]["calls"], result.usage.calls) == (2, 2)
    assert "closed" in result.trace[0]["faults"][0]


async def test_an_unknown_price_is_unknown():
    """Not zero: the sum says how many calls it leaves out."""
    client = Client(prices={"custom:known": {"prompt": 0, "completion": 1_000_000}})
    known = register_model("known", ScriptedModel(lambda call: "one two"))
    unknown = register_model("unknown", ScriptedModel(lambda call: "one two"))
    result = await ([Generator(known), Generator(unknown)] | Ranker(known)).arun("q", client=client)
    first, second, _ = result.trace
    assert (first["money"], second["money"]) == (2.0, None)
    assert (result.usage.money, result.usage.unpriced_calls) == (4.0, 1)
    assert [node.usage.unpriced_calls for node in result.nodes] == [0, 1, 0]


async def test_tokens_nobody_counted_are_unknown():
    """As they are in the sums."""

    class Silent(ScriptedModel):
        def _message(self, call: Any, reply: Any) -> AIMessage:
            return super()._message(call, reply).model_copy(update={"usage_metadata": None})

    result = await Generator(Silent(echo)).alone().arun("q")
    [row] = result.trace
    assert (row["prompt_tokens"], row["completion_tokens"], row["unmetered_calls"]) == (None, None, 1)
    assert (result.usage.tokens, result.usage.unmetered_calls) == (0, 1)


async def test_what_failed_costs_too():
    """A run without an answer says what it cost."""
    down = ScriptedModel(lambda call: ValueError("down"))
    with pytest.raises(NoAnswerError) as caught:
        await Generator(down, samples=3).alone().arun("q")
    assert caught.value.usage.calls == 3
    assert caught.value.stopped is None


# --- sums --------------------------------------------------------------------------------------------------------


@given(dags(), st.integers(0, 2))
@settings(max_examples=30, deadline=None)
def test_rows_nodes_and_runs_agree(architecture: Architecture, seed: int):
    """The sum of the rows is the node's, the sum of the nodes the run's."""
    result = architecture.with_model(ScriptedModel(good_reply, json=True)).run("q", seed=seed)
    assert result.usage.calls == sum(row["calls"] for row in result.trace) == len(result.trace)
    assert result.usage.prompt_tokens == sum(row["prompt_tokens"] or 0 for row in result.trace)
    for node in result.nodes:
        rows = [row for row in result.trace if row["node"] == node.node]
        assert node.usage.calls == len(rows)
        assert node.usage.completion_tokens == sum(row["completion_tokens"] or 0 for row in rows)
        assert node.paid == node.usage
    assert Usage.total(node.usage for node in result.nodes) == result.usage


usages = st.builds(
    Usage,
    calls=st.integers(0, 9),
    prompt_tokens=st.integers(0, 10**6),
    completion_tokens=st.integers(0, 10**6),
    reasoning_tokens=st.integers(0, 10**6),
    unmetered_calls=st.integers(0, 9),
    money=st.floats(0, 1e6),
    unpriced_calls=st.integers(0, 9),
    seconds=st.floats(0, 1e6),
)


@given(usages)
def test_the_usage_of_a_candidate_survives_the_state(usage: Usage):
    """Every field of it."""
    candidate = Candidate(id="a:0", message=AIMessage("x"), node="a", model="m", usage=usage)
    assert Candidate.from_state(candidate.to_state()).usage == usage


# --- from a cache ------------------------------------------------------------------------------------------------


def line(model: str) -> Architecture:
    return Generator(model, samples=4) | Reviser(model) | Verifier(model, keep="all") | Fuser(model)


async def test_the_second_run_pays_nothing_and_says_the_same(client: Client, tmp_path: Path):
    """Identical to the letter, from the cache and from a tape, but for what was paid."""
    model = ScriptedModel(good_reply, json=True)
    architecture = line(register_model("priced", model))
    first = await architecture.arun("q", client=client)
    made = len(model.calls)
    again = await architecture.arun("q", client=client)
    # Equal calls within a run are paid once, too: two candidates may come to say the same.
    assert len(model.calls) == made == first.paid.calls <= first.usage.calls
    assert again.stable_json() == first.stable_json()
    assert (again.usage, again.paid) == (first.usage, Usage())
    assert all(node.paid == Usage() for node in again.nodes)
    assert [row["cached"] for row in again.trace] == [True] * len(again.trace)
    assert again.usage.money > 0
    replaying = Client(cache=tmp_path / "answers.sqlite", replay="strict", prices=client.prices)
    assert (await architecture.arun("q", client=replaying)).stable_json() == first.stable_json()
    replaying.close()
    assert len(model.calls) == made


async def test_what_is_recorded_in_part_is_paid_in_part(client: Client):
    """Of five samples, three are there."""
    model = ScriptedModel(echo)
    spec = register_model("priced", model)
    await Generator(spec, samples=3).alone().arun("q", client=client)
    result = await Generator(spec, samples=5).alone().arun("q", client=client)
    assert (result.usage.calls, result.paid.calls, len(model.calls)) == (5, 2, 5)
    assert result.nodes[0].paid == result.paid
    assert result.paid.money == pytest.approx(result.usage.money * 2 / 5)


async def test_repeats_that_are_recorded_stay_in_the_usage(client: Client):
    """What an answer cost when it was paid for, faults of the way included; the stable form is the same."""
    fault = ModelError("overloaded", model="m", retryable=True)
    spec = register_model("priced", ScriptedModel([fault, "ok"]))
    first = await Generator(spec).alone().arun("q", client=client)
    again = await Generator(spec).alone().arun("q", client=client)
    assert (first.usage.calls, first.paid.calls) == (2, 2)
    assert (again.usage.calls, again.paid.calls) == (2, 0)
    assert again.stable_json() == first.stable_json()
    assert "overloaded" not in first.stable_json()


async def test_a_direct_draft_does_not_depend_on_words_that_it_does_not_use(client: Client):
    """A changed prompt pays again only where the model is told a word of it."""
    mine = Prompt(version="mine", parts={"chain_of_thought": "Think hard."})
    for style, paid in (("direct", 0), ("chain_of_thought", 2)):
        spec = register_model(f"m_{style}", ScriptedModel(echo))
        first = Generator(spec, samples=2, prompt_style=style)
        await first.alone().arun("q", client=client)
        changed = Generator(spec, samples=2, prompt_style=style, prompt=mine)
        assert (await changed.alone().arun("q", client=client)).paid.calls == paid
        assert changed.alone().fingerprint != first.alone().fingerprint


# --- as data -----------------------------------------------------------------------------------------------------


async def test_the_trace_is_a_plain_table(client: Client):
    """It goes into JSON and CSV as it is, and comes back."""
    spec = register_model("priced", ScriptedModel(lambda call: ValueError("no") if call.sample == 1 else "yes"))
    result = await (Generator(spec, samples=3) | Fuser(spec)).arun("q", client=client)
    assert json.loads(json.dumps(result.trace)) == list(result.trace)
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(result.trace[0]))
    writer.writeheader()
    writer.writerows(result.trace)
    rows = list(csv.DictReader(io.StringIO(text.getvalue())))
    assert [row["node"] for row in rows] == ["generator_1", "generator_1", "generator_1", "fuser_1"]
    assert [int(row["calls"]) for row in rows] == [1, 1, 1, 1]
    assert {tuple(row) for row in result.trace} == {tuple(result.trace[0])}


async def test_what_the_stable_form_leaves_out():
    """Times, and what tells a recorded answer from a fresh one; nothing else."""
    result = await (Generator(ScriptedModel(echo), samples=2) | Fuser(ScriptedModel(echo))).arun("q")
    whole, stable = result.to_dict(), json.loads(result.stable_json())
    assert set(whole) - set(stable) == {"paid"}
    assert set(whole["usage"]) - set(stable["usage"]) == {"seconds"}
    for node, kept in zip(whole["nodes"], stable["nodes"], strict=True):
        assert set(node) - set(kept) == {"paid", "seconds"}
        assert set(node["usage"]) - set(kept["usage"]) == {"seconds"}
    for row, kept in zip(whole["trace"], stable["trace"], strict=True):
        assert set(row) - set(kept) == {"cached", "faults", "seconds"}
    json.dumps(whole)


# --- beforehand --------------------------------------------------------------------------------------------------


def test_money_is_foreseen_where_prices_are_known():
    """Node by node; one unknown price makes the sum unknown."""
    prices = Prices({"custom:a": {"prompt": 1.0, "completion": 2.0}})
    known = (Generator("custom:a", samples=3) | Fuser("custom:a")).preflight("q", prices=prices)
    assert known.money == pytest.approx(sum(node.money or 0 for node in known.nodes))
    assert known.money == pytest.approx((known.prompt_tokens + 2 * known.completion_tokens) / 1e6)
    unknown = (Generator("custom:a") | Fuser("custom:b")).preflight("q", prices=prices)
    assert unknown.money is None
    assert unknown.nodes[0].money is not None
    assert unknown.nodes[1].money is None
