"""Equal calls at the same time are made once, and everybody gets what the one call brought."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import HumanMessage

from archon_graph.models import (
    Budget,
    BudgetError,
    CacheError,
    Client,
    Gate,
    Request,
    ScriptedModel,
    StragglerError,
    Usage,
)
from archon_graph.models.cache import ResponseCache
from archon_graph.models.in_flight import InFlight
from archon_graph.models.recording import _in_flight


class Counted(ScriptedModel):
    """Answers with the sample and counts its calls; lets none go before it is told to."""

    _asked: int = 0
    _open: Any = None

    async def _agenerate(self, *args: Any, **kwargs: Any) -> Any:
        object.__setattr__(self, "_asked", self._asked + 1)
        if self._open is not None:
            await self._open.wait()
        else:
            await asyncio.sleep(0.01)
        return await super()._agenerate(*args, **kwargs)


def counted(cache_id: str | None = "counted", **more: Any) -> Counted:
    return Counted(lambda call: f"sample {call.sample}", cache_id=cache_id, **more)


def ask(model: Any, text: str = "q", **more: Any) -> Request:
    return Request(model=model, messages=(HumanMessage(text),), **more)


async def test_what_is_recorded_is_not_asked_for_again(tmp_path: Path):
    model, client = counted(), Client(cache=tmp_path / "c.sqlite")
    first = await client.draw(ask(model), range(10))
    again = await client.draw(ask(model), range(15))
    assert model._asked == 15
    assert [drawn.cached for drawn in again] == [True] * 10 + [False] * 5
    assert [drawn.message.text for drawn in again] == [f"sample {index}" for index in range(15)]
    assert [drawn.usage for drawn in again[:10]] == [drawn.usage for drawn in first]
    await client.draw(ask(model), [20, 3])
    assert model._asked == 16
    client.close()


async def test_a_replicate_or_another_question_is_another_call(tmp_path: Path):
    model, client = counted(), Client(cache=tmp_path / "c.sqlite")
    for request in (ask(model), ask(model, "r"), ask(model, replicate=1), ask(model, prompt_version="2")):
        await client.draw(request, [0])
    assert model._asked == 4
    client.close()


async def test_an_instance_without_a_name_runs_and_is_not_kept(tmp_path: Path):
    model, client = counted(cache_id=None), Client(cache=tmp_path / "c.sqlite")
    for _ in range(2):
        assert not (await client.draw(ask(model), [0]))[0].cached
    assert model._asked == 2
    client.close()


async def test_equal_calls_at_the_same_time_are_one(tmp_path: Path):
    model = counted()
    one, two = (Client(cache=tmp_path / "c.sqlite") for _ in range(2))
    draws = await asyncio.gather(
        one.draw(ask(model), range(6)), one.draw(ask(model), range(3, 9)), two.draw(ask(model), range(9))
    )
    assert model._asked == 9
    paid = [drawn for part in draws for drawn in part if not drawn.cached]
    assert len(paid) == 9
    for part, indices in zip(draws, (range(6), range(3, 9), range(9)), strict=True):
        assert [drawn.message.text for drawn in part] == [f"sample {index}" for index in indices]
    one.close()
    two.close()


def test_equal_calls_from_several_event_loops_are_one(tmp_path: Path):
    model, client = counted(), Client(cache=tmp_path / "c.sqlite")
    threads = [threading.Thread(target=lambda: asyncio.run(client.draw(ask(model), range(5)))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert model._asked == 5
    client.close()


async def test_a_call_that_its_asker_gave_up_is_made_by_the_next(tmp_path: Path):
    model, client = counted(), Client(cache=tmp_path / "c.sqlite")
    object.__setattr__(model, "_open", asyncio.Event())
    first = asyncio.create_task(client.draw(ask(model), [0]))
    await asyncio.sleep(0.02)
    second = asyncio.create_task(client.draw(ask(model), [0]))
    await asyncio.sleep(0.02)
    first.cancel()
    await asyncio.sleep(0.02)
    model._open.set()
    [drawn] = await second
    assert drawn.message.text == "sample 0"
    assert not drawn.cached
    assert not _in_flight._calls
    client.close()


async def test_a_budget_or_a_gate_of_one_is_no_failure_of_the_other(tmp_path: Path):
    model, client = counted(), Client(cache=tmp_path / "c.sqlite")
    object.__setattr__(model, "_open", asyncio.Event())
    gate = Gate()
    cut = asyncio.create_task(client.draw(ask(model), [0], gate=gate))
    timed = asyncio.create_task(client.within(Budget(seconds=0.05)).draw(ask(model), [1]))
    await asyncio.sleep(0.02)
    patient = asyncio.create_task(client.draw(ask(model), [0, 1]))
    await asyncio.sleep(0.02)
    gate.close("enough")
    assert isinstance((await cut)[0].error, StragglerError)
    assert isinstance((await timed)[0].error, BudgetError)
    model._open.set()
    assert [drawn.error for drawn in await patient] == [None, None]
    client.close()


async def test_who_waits_for_another_can_be_cut_off_alone(tmp_path: Path):
    model, client = counted(), Client(cache=tmp_path / "c.sqlite")
    object.__setattr__(model, "_open", asyncio.Event())
    first = asyncio.create_task(client.draw(ask(model), [0]))
    await asyncio.sleep(0.02)
    gate = Gate()
    second = asyncio.create_task(client.draw(ask(model), [0], gate=gate))
    await asyncio.sleep(0.02)
    gate.close("enough")
    [cut] = await second
    assert isinstance(cut.error, StragglerError)
    assert cut.usage == Usage()
    model._open.set()
    assert (await first)[0].message is not None
    client.close()


async def test_a_failure_is_shared_and_not_kept(tmp_path: Path):
    model = Counted(lambda call: ValueError("broken"), cache_id="broken")
    client = Client(cache=tmp_path / "c.sqlite")
    draws = await asyncio.gather(*(client.draw(ask(model), [0]) for _ in range(3)))
    assert model._asked == 1
    assert all("broken" in str(drawn.error) for [drawn] in draws)
    assert sum(not drawn.cached for [drawn] in draws) == 1
    await client.draw(ask(model), [0])
    assert model._asked == 2
    client.close()


async def test_what_is_recorded_costs_no_budget_and_loads_no_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    model, client = counted(), Client(cache=tmp_path / "c.sqlite")
    await client.draw(ask(model), range(3))
    monkeypatch.setattr("archon_graph.models.opening.open_model", None)  # nothing is opened
    draws = await client.within(Budget(calls=0, seconds=0)).draw(ask(model), range(3))
    assert all(drawn.cached for drawn in draws)
    client.close()


async def test_an_answer_that_cannot_be_written_down_is_used_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    async def full(*_: Any) -> Any:
        raise CacheError("the disk is full")

    monkeypatch.setattr(ResponseCache, "add", full)
    client = Client(cache=tmp_path / "c.sqlite")
    [drawn] = await client.draw(ask(counted()), [0])
    assert drawn.message.text == "sample 0"
    assert drawn.faults == ("not recorded: the disk is full",)
    client.close()


def test_a_claim_is_one_persons_until_it_is_settled():
    table = InFlight()
    assert table.claim(["a", "b"]) == {}
    theirs = table.claim(["b", "c"])
    assert list(theirs) == ["b"]
    table.settle("b", None)
    assert theirs["b"].result(timeout=0) is None
    table.settle("b", None)  # a second word is not heard
    assert table.claim(["b"]) == {}
