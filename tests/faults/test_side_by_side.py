"""Equal calls side by side, some of which fail: nobody takes from another what that one has taken on."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

from langchain_core.messages import HumanMessage

from archon_graph.models import (
    Budget,
    Client,
    Ledger,
    ModelError,
    ModelPolicy,
    Request,
    ScriptedModel,
    register_model,
)


class Stage(ScriptedModel):
    """A model each of whose calls waits until the test lets it go, and then fails or answers as the test says."""

    _made: Any = None

    def __init__(self) -> None:
        super().__init__(cache_id="stage")
        self._made = {}

    async def _agenerate(self, *args: Any, **settings: Any) -> Any:
        sample = settings["sample"]
        turn = sum(made == sample for made, _ in self._made)
        outcome = self._made[sample, turn] = asyncio.get_running_loop().create_future()
        await outcome
        return ScriptedModel([f"sample {sample}"])._generate(*args)

    @property
    def calls_by_sample(self) -> Counter[int]:
        return Counter(sample for sample, _ in self._made)

    async def until(self, sample: int, turn: int = 0) -> asyncio.Future[None]:
        """The call of this sample, once it is there."""
        async with asyncio.timeout(10):
            while (sample, turn) not in self._made:  # noqa: ASYNC110 - the model runs in another place
                await asyncio.sleep(0)
        call: asyncio.Future[None] = self._made[sample, turn]
        return call


async def test_a_claim_is_given_up_by_its_owner_alone(tmp_path: Path):
    """One asks for two samples. The first fails, and another asks for it anew while the second is under way.

    When the first asker is done, the other's call is still under way, and whoever asks for it now waits for it.
    """
    model, client = Stage(), Client(cache=tmp_path / "cache.db")
    request = Request(model=model, messages=(HumanMessage("q"),))
    first = asyncio.ensure_future(client.draw(request, [0, 1]))
    (await model.until(0)).set_exception(ModelError("out", model="stage"))
    slow = await model.until(1)
    # Once the failure has been told, the sample is open again.
    await asyncio.sleep(0.05)
    second = asyncio.ensure_future(client.draw(request, [0]))
    again = await model.until(0, 1)
    slow.set_result(None)
    await first
    third = asyncio.ensure_future(client.draw(request, [0]))
    await asyncio.sleep(0.05)
    calls = model.calls_by_sample
    again.set_result(None)
    done, waiting = await asyncio.wait([second, third], timeout=5)
    for each in waiting:
        each.cancel()
    client.close()
    assert calls == {0: 2, 1: 1}
    assert [(draw.error, draw.cached) for each in (second, third) for draw in each.result()] == [
        (None, False),
        (None, True),
    ]
    assert done == {second, third}


def stood_in_for(folder: Path) -> tuple[Client, Request, ScriptedModel, ScriptedModel]:
    """A model that always fails, and one that stands in for it."""
    out = ScriptedModel(lambda _: ModelError("out", model="out"), latency=0.02, cache_id="out")
    steady = ScriptedModel(lambda _: "fine", latency=0.02, cache_id="steady")
    spec = register_model("out", out)
    policies = {spec: ModelPolicy(fallbacks=[register_model("steady", steady)])}
    client = Client(cache=folder / "cache.db", policies=policies)
    return client, Request(model=spec, messages=(HumanMessage("q"),)), out, steady


async def test_a_stand_in_stands_in_for_all(tmp_path: Path):
    """Two equal calls at once, of a model that fails: each of the askers gets the other model's answer."""
    client, request, out, steady = stood_in_for(tmp_path)
    draws = [drawn for (drawn,) in await asyncio.gather(*(client.draw(request, [0]) for _ in range(2)))]
    client.close()
    assert [draw.error for draw in draws] == [None, None]
    assert [draw.model for draw in draws] == ["custom:steady", "custom:steady"]
    assert (len(out.calls), len(steady.calls)) == (1, 1)


async def test_what_failed_now_is_paid_now(tmp_path: Path):
    """Where the answer of the model that stands in was recorded earlier, the call that failed was still made."""
    client, request, out, steady = stood_in_for(tmp_path)
    await client.draw(request, [0])
    ledger = Ledger(Budget())
    (draw,) = await client.within(ledger).draw(request, [0])
    client.close()
    assert draw.message is not None
    assert (len(out.calls), len(steady.calls)) == (2, 1)
    assert ledger.spent.calls == 1
    assert not draw.cached
