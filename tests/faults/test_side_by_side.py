"""Equal calls side by side, some of which fail: nobody takes from another what that one has taken on."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

from langchain_core.messages import HumanMessage

from archon_graph.models import Client, ModelError, Request, ScriptedModel


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
            while (sample, turn) not in self._made:
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
    # Until the failure has been told, whoever asks shares it; then the sample is open again.
    async with asyncio.timeout(10):
        while (second := asyncio.ensure_future(client.draw(request, [0]))) and not model.calls_by_sample[0] > 1:
            done, _ = await asyncio.wait([second], timeout=0.05)
            assert not done or second.result()[0].error is not None
    again = await model.until(0, 1)
    slow.set_result(None)
    await first
    third = asyncio.ensure_future(client.draw(request, [0]))
    await asyncio.sleep(0.05)
    again.set_result(None)
    brought = [(await each)[0] for each in (second, third)]
    client.close()
    assert [str(draw.message and draw.message.content) for draw in brought] == ["sample 0"] * 2
    assert model.calls_by_sample == {0: 2, 1: 1}
    assert [draw.cached for draw in brought] == [False, True]
