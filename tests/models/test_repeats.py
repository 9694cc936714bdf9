"""What happens when a call fails: repeats, pauses, time-outs, other models; all of it counted."""

from __future__ import annotations

import asyncio
import email.utils
import time
from typing import Any

import httpx
import pytest
from langchain_core.messages import HumanMessage

from archon_graph.models import (
    BudgetError,
    Client,
    ConfigurationError,
    Draw,
    ModelPolicy,
    Request,
    ScriptedModel,
    calling,
    register_model,
)
from archon_graph.models.budget import Budget, Ledger
from archon_graph.models.faults import retry_after
from tests.models.conftest import Serve
from tests.models.loopback import Reply, completion


def ask(model: Any, **more: Any) -> Request:
    return Request(model=model, messages=(HumanMessage("q"),), **more)


async def one(client: Client, model: Any, **more: Any) -> Draw:
    return (await client.draw(ask(model, **more), [0]))[0]


def refusal(headers: dict[str, str]) -> Exception:
    request = httpx.Request("POST", "http://127.0.0.1")
    response = httpx.Response(429, request=request, headers=headers)
    return httpx.HTTPStatusError("busy", request=request, response=response)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"retry-after": "-3"}, 0),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
def test_what_the_provider_asks_for(headers: dict[str, str], seconds: float | None):
    assert retry_after(refusal(headers)) == seconds


def test_a_date_is_asked_for_too():
    in_a_minute = email.utils.formatdate(time.time() + 60, usegmt=True)
    assert 50 < (retry_after(refusal({"retry-after": in_a_minute})) or 0) <= 60


async def test_a_model_that_asks_for_a_pause_gets_it_for_all_its_calls(monkeypatch: pytest.MonkeyPatch):
    paused = []
    monkeypatch.setattr("archon_graph.models.limits.Lane.pause", lambda lane, seconds: paused.append(seconds))
    model = ScriptedModel([refusal({"retry-after": "5"}), "fine"], label="scripted:asks")
    drawn = await one(Client(), model)
    assert drawn.message is not None
    assert paused == [5.0]


async def test_a_provider_that_asks_for_an_hour_is_given_up():
    model = ScriptedModel([refusal({"retry-after": "3600"}), "late"], label="scripted:hour")
    drawn = await one(Client(), model)
    assert drawn.error is not None
    assert drawn.usage.calls == 1


async def test_waits_grow_and_are_never_longer_than_allowed(monkeypatch: pytest.MonkeyPatch):
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        if seconds:  # the model's own latency is none
            waited.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    client = Client(policies={"*": ModelPolicy(attempts=8, first_wait=1, longest_wait=5)})
    await one(client, ScriptedModel([TimeoutError("slow")] * 8))
    assert len(waited) == 7
    for number, seconds in enumerate(waited):
        most = min(5, 2**number)
        assert most / 2 <= seconds <= most


async def test_what_failed_before_an_answer_is_counted_and_told():
    model = ScriptedModel([TimeoutError("slow"), ConnectionResetError("reset"), "fine"])
    drawn = await one(Client(), model)
    assert drawn.error is None
    assert drawn.usage.calls == 3
    assert drawn.usage.unmetered_calls == 2
    assert drawn.usage.unpriced_calls == 0  # a script is free, whatever it says
    assert drawn.usage.prompt_tokens == 1
    assert ["slow" in drawn.faults[0], "reset" in drawn.faults[1], len(drawn.faults)] == [True, True, 2]


async def test_what_stays_is_not_repeated():
    drawn = await one(Client(), ScriptedModel([ValueError("never"), "unseen"]))
    assert drawn.error is not None
    assert (drawn.usage.calls, drawn.faults) == (1, ())


class Hangs(ScriptedModel):
    """Answers never the first time."""

    async def _agenerate(self, *args: Any, **kwargs: Any) -> Any:
        if not self._calls and not getattr(self, "_hung", False):
            object.__setattr__(self, "_hung", True)
            await asyncio.Event().wait()
        return await super()._agenerate(*args, **kwargs)


async def test_a_call_that_takes_too_long_is_given_up_and_made_again():
    drawn = await one(Client(policies={"*": ModelPolicy(timeout=0.05)}), Hangs(["fine"]))
    assert drawn.message is not None
    assert "no whole answer within 0.05 seconds" in drawn.faults[0]
    assert drawn.usage.calls == 2


async def test_another_model_answers_when_all_attempts_failed():
    spec = register_model("stands-in", ScriptedModel(lambda call: f"sample {call.sample}"))
    broken = ScriptedModel(
        lambda call: "fine" if call.sample == 1 else ValueError("broken"), label="scripted:main"
    )
    client = Client(policies={"scripted:main": ModelPolicy(fallbacks=["custom:nobody-here", spec])})
    with pytest.raises(ConfigurationError, match="no model is registered as 'nobody-here'"):
        await client.draw(ask(broken), range(3))
    client = Client(policies={"scripted:main": ModelPolicy(fallbacks=[spec])})
    draws = await client.draw(ask(broken), range(3))
    assert [drawn.message.text for drawn in draws if drawn.message] == ["sample 0", "fine", "sample 2"]
    assert [drawn.model for drawn in draws] == [spec, "scripted:main", spec]
    assert draws[0].usage.calls == 2
    assert "broken" in draws[0].faults[0]


async def test_nobody_stands_in_where_the_budget_is_spent():
    spec = register_model("stands-in", ScriptedModel(lambda call: "never"))
    client = Client(policies={"*": ModelPolicy(fallbacks=[spec])}, budget=Budget(calls=1))
    draws = await client.draw(ask(ScriptedModel(lambda call: "fine", label="scripted:main")), range(3))
    assert [isinstance(drawn.error, BudgetError) for drawn in draws].count(True) == 2


async def test_models_that_stand_in_for_each_other_do_not_go_round_for_ever():
    one_, two = (register_model(name, ScriptedModel(lambda call: ValueError("no"))) for name in ("one", "two"))
    client = Client(policies={one_: ModelPolicy(fallbacks=[two]), two: ModelPolicy(fallbacks=[one_])})
    drawn = await one(client, one_)
    assert drawn.error is not None
    assert drawn.usage.calls <= 3


# --- budgets -----------------------------------------------------------------------------------------------------


async def test_every_repeat_is_reserved_and_refused_where_nothing_is_left():
    ledger = Ledger(Budget(calls=2))
    drawn = await one(Client(budget=ledger), ScriptedModel([TimeoutError("slow")] * 4))
    assert isinstance(drawn.error, BudgetError)
    assert (drawn.usage.calls, ledger.spent.calls) == (2, 2)
    assert len(drawn.faults) == 2


async def test_tokens_are_reserved_at_worst_and_booked_as_taken():
    ledger = Ledger(Budget(tokens=10_000))
    model = ScriptedModel(lambda call: "three little words", cache_id="words")
    from archon_graph.models import Sampling

    request = ask(model, sampling=Sampling(max_tokens=100))
    [drawn] = await Client(budget=ledger).draw(request, [0])
    assert ledger.spent.tokens == drawn.usage.tokens < 10
    assert calling.most_prompt_tokens(request) >= drawn.usage.prompt_tokens


async def test_without_a_bound_on_its_answers_a_cap_on_tokens_is_refused_before_any_call():
    model = ScriptedModel(["never"])
    with pytest.raises(ConfigurationError, match="set max_tokens"):
        await Client(budget=Budget(tokens=5)).draw(ask(model, node="ranker_1"), [0])
    assert not model._calls


async def test_without_a_price_a_cap_on_money_is_refused_before_any_call(serve: Serve):
    from archon_graph.models import Sampling

    server = serve(completion())
    request = ask("openai:nobody-knows-this-one", sampling=Sampling(max_tokens=5))
    with pytest.raises(ConfigurationError, match="the price of this model is not known"):
        await Client(budget=Budget(money=5)).draw(request, [0])
    assert not server.sent
    price = {"openai:nobody-knows-this-one": {"prompt": 1_000_000.0, "completion": 0.0}}
    ledger = Ledger(Budget(money=1_000_000))
    [drawn] = await Client(budget=ledger, prices=price).draw(request, [0])
    assert ledger.spent.money == drawn.usage.money == 3.0


async def test_at_the_end_of_the_time_calls_under_way_are_cut_off():
    ended = []

    class Slow(ScriptedModel):
        async def _agenerate(self, *args: Any, **kwargs: Any) -> Any:
            try:
                await asyncio.sleep(60)
            finally:
                ended.append(1)

    ledger = Ledger(Budget(seconds=0.05))
    draws = await Client(budget=ledger).draw(ask(Slow(["never"] * 9)), range(3))
    assert len(ended) == 3
    assert all(isinstance(drawn.error, BudgetError) for drawn in draws)
    assert [drawn.usage.calls for drawn in draws] == [1, 1, 1]
    again = await Client(budget=ledger).draw(ask(ScriptedModel(["never"])), [0])
    assert again[0].usage.calls == 0
    assert ledger.spent.calls == 3


async def test_a_failed_reply_over_http_that_asks_for_milliseconds(serve: Serve):
    busy = Reply({"error": {"message": "busy"}}, 429, {"Connection": "close", "retry-after-ms": "1"})
    server = serve(lambda sent, number: busy if number < 3 else completion())
    drawn = await one(Client(), "openai:gpt-4o")
    assert drawn.error is None
    assert len(server.sent) == drawn.usage.calls == 3
