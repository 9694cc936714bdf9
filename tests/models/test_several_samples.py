"""Several samples in one request, where the provider has ``n``: counted right, and no worse off when it fails."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import HumanMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_openai import ChatOpenAI

from archon_graph.models import Budget, Client, Draw, Ledger, Request, Usage
from archon_graph.models.asking import _shares
from tests.models.conftest import Serve
from tests.models.loopback import Reply, Sent, completion


def several(sent: Sent, number: int, *, most: int = 100, tokens: int = 7) -> dict[str, Any]:
    """What OpenAI answers to a request with ``n``: so many choices, and the usage of them all."""
    wanted = min(sent.body.get("n", 1), most)
    body = completion()
    body["choices"] = [
        {"index": place, "finish_reason": "stop", "message": {"role": "assistant", "content": f"{number}.{place}"}}
        for place in range(wanted)
    ]
    body["usage"] = {
        "prompt_tokens": 30,
        "completion_tokens": tokens * wanted,
        "total_tokens": 30 + tokens * wanted,
    }
    return body


async def draw(
    samples: int, model: Any = "openai:gpt-4o", client: Client | None = None, **more: Any
) -> list[Draw]:
    request = Request(model=model, messages=(HumanMessage("q"),), **more)
    return await (client or Client()).draw(request, range(samples))


async def test_ten_samples_are_one_request_whose_prompt_is_paid_once(serve: Serve):
    server = serve(several)
    draws = await draw(10)
    assert [sent.body["n"] for sent in server.sent] == [10]
    assert [drawn.index for drawn in draws] == list(range(10))
    assert [drawn.message.text for drawn in draws] == [f"1.{place}" for place in range(10)]
    total = Usage.total(drawn.usage for drawn in draws)
    assert (total.calls, total.prompt_tokens, total.completion_tokens) == (10, 30, 70)
    assert total.unmetered_calls == 0
    # gpt-4o's price is known, and the parts add up to the price of the whole.
    assert total.money == pytest.approx(Client().prices.cost_of("openai:gpt-4o", 30, 70))


async def test_many_samples_are_several_requests(serve: Serve):
    server = serve(several)
    draws = await draw(35)
    assert sorted(sent.body.get("n", 1) for sent in server.sent) == [3, 16, 16]
    assert all(drawn.message is not None for drawn in draws)


async def test_a_single_sample_is_asked_for_as_ever(serve: Serve):
    server = serve(several)
    await draw(1)
    assert "n" not in server.last


async def test_a_schema_goes_with_n(serve: Serve):
    server = serve(several)
    await draw(3, schema={"title": "t", "type": "object"})
    assert server.last["n"] == 3
    assert server.last["response_format"]["type"] == "json_schema"


@pytest.mark.parametrize("most", [1, 3])
async def test_samples_that_did_not_come_are_asked_for_one_by_one(serve: Serve, most: int):
    """A server that does not know ``n`` answers once; from then on it is not asked for several."""
    server = serve(lambda sent, number: several(sent, number, most=most))
    client = Client()
    draws = await draw(5, client=client)
    assert all(drawn.message is not None for drawn in draws)
    assert [sent.body.get("n", 1) for sent in server.sent] == [5] + [1] * (5 - most)
    # Those that were asked for twice count twice.
    assert Usage.total(drawn.usage for drawn in draws).calls == 5 + (5 - most)
    server.sent.clear()
    await draw(4, client=client)
    assert [sent.body.get("n", 1) for sent in server.sent] == [1] * 4


async def test_a_model_that_refuses_n_is_asked_one_by_one(serve: Serve):
    def answer(sent: Sent, number: int) -> Any:
        if "n" in sent.body:
            return Reply({"error": {"message": "this model does not support n"}}, 400)
        return completion(f"answer {number}")

    server = serve(answer)
    draws = await draw(3)
    assert all(drawn.message is not None for drawn in draws)
    assert len(server.sent) == 4
    assert Usage.total(drawn.usage for drawn in draws).calls == 6


async def test_a_request_that_fails_is_repeated_whole_and_each_sample_counts(serve: Serve):
    busy = Reply({"error": {"message": "busy"}}, 503)
    server = serve(lambda sent, number: busy if number == 1 else several(sent, number))
    draws = await draw(4)
    assert [sent.body["n"] for sent in server.sent] == [4, 4]
    assert Usage.total(drawn.usage for drawn in draws).calls == 8


async def test_a_budget_with_room_for_some_asks_for_those(serve: Serve):
    server = serve(several)
    ledger = Ledger(Budget(calls=3))
    draws = await draw(5, client=Client(budget=ledger))
    assert [sent.body["n"] for sent in server.sent] == [3]
    assert [drawn.message is not None for drawn in draws] == [True, True, True, False, False]
    assert {drawn.error.kind for drawn in draws[3:]} == {"budget"}
    assert ledger.spent.calls == 3


async def test_only_openai_itself_is_known_to_take_n_of_an_instance(serve: Serve):
    server = serve(several)
    await draw(3, ChatOpenAI(model="gpt-4o", base_url=server.url))
    assert [sent.body.get("n", 1) for sent in server.sent] == [1, 1, 1]


async def test_tracers_see_one_call_for_all(serve: Serve):
    names = []

    class Handler(BaseCallbackHandler):
        def on_chat_model_start(self, serialized: Any, messages: Any, **kwargs: Any) -> None:
            names.append((kwargs["name"], kwargs["metadata"]["archon_samples"]))

    from langchain_core.runnables import RunnableLambda

    serve(several)

    async def step(_: Any) -> int:
        return len(await draw(3, node="generator_1"))

    await RunnableLambda(step).ainvoke(0, {"callbacks": [Handler()]})
    assert names == [("generator_1:0-2", 3)]


@given(
    prompt=st.integers(0, 10**6),
    received=st.integers(0, 10**6),
    reasoning=st.integers(0, 10**6) | st.none(),
    parts=st.integers(2, 40),
)
def test_shares_add_up(prompt: int, received: int, reasoning: int | None, parts: int):
    used = UsageMetadata(input_tokens=prompt, output_tokens=received, total_tokens=prompt + received)
    if reasoning is not None:
        used["output_token_details"] = {"reasoning": reasoning}
    shares = _shares(used, parts)
    assert sum(share["input_tokens"] for share in shares) == prompt
    assert sum(share["output_tokens"] for share in shares) == received
    assert sum(share.get("output_token_details", {}).get("reasoning", 0) for share in shares) == (reasoning or 0)
    assert all(share["total_tokens"] == share["input_tokens"] + share["output_tokens"] for share in shares)
    assert max(share["output_tokens"] for share in shares) - min(share["output_tokens"] for share in shares) <= 1
