"""OpenAI-compatible providers over real HTTP on loopback: what is sent, and what becomes of what comes back."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from types import SimpleNamespace
from typing import Any

import pytest
from langchain_core.messages import HumanMessage, SystemMessage

from archon_graph.models import Client, Draw, Request, Sampling, providers, register_model
from tests.models.conftest import KEY, Serve
from tests.models.loopback import Reply, Sent, completion

SCHEMA = {
    "title": "verdict of a judge",
    "type": "object",
    "properties": {"ok": {"type": "boolean"}},
    "required": ["ok"],
    "additionalProperties": False,
}
SPECS = ["openai:gpt-4o", "together:Qwen/Qwen2.5-7B-Instruct-Turbo"]


async def draw(spec: Any = "openai:gpt-4o", indices: Any = (0,), **settings: Any) -> list[Draw]:
    request = Request(model=spec, messages=(SystemMessage("be brief"), HumanMessage("what is it?")), **settings)
    return await Client().draw(request, indices)


# --- what is sent ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "limit"), [("openai:gpt-4o", "max_completion_tokens"), ("together:Qwen/Qwen2.5", "max_tokens")]
)
async def test_the_request_says_what_was_asked_for_and_nothing_else(serve: Serve, spec: str, limit: str):
    server = serve(completion())
    sampling = Sampling(temperature=0.7, top_p=0.9, max_tokens=123, stop=("END",))
    [drawn] = await draw(spec, sampling=sampling)
    assert server.last == {
        "model": spec.partition(":")[2],
        "messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "what is it?"}],
        "temperature": 0.7,
        "top_p": 0.9,
        limit: 123,
        "stop": ["END"],
        "stream": False,
    }
    assert server.sent[0].headers["authorization"] == f"Bearer {KEY}"
    assert drawn.message.text == "hello"
    assert (drawn.usage.prompt_tokens, drawn.usage.completion_tokens) == (3, 2)
    assert drawn.message.response_metadata["finish_reason"] == "stop"


@pytest.mark.parametrize("spec", SPECS)
async def test_what_is_not_set_is_not_sent(serve: Serve, spec: str):
    server = serve(completion())
    await draw(spec)
    assert set(server.last) == {"model", "messages", "stream"}


async def test_a_key_from_a_file_with_a_line_break_is_used_without_it(serve: Serve, monkeypatch: Any):
    server = serve(completion())
    monkeypatch.setenv("OPENAI_API_KEY", f" {KEY}\r\n")
    await draw()
    assert server.sent[0].headers["authorization"] == f"Bearer {KEY}"


# --- JSON --------------------------------------------------------------------------------------------------------


async def test_a_schema_is_asked_for_in_the_form_the_api_takes(serve: Serve):
    server = serve(completion('{"ok": true}'))
    [drawn] = await draw(schema=SCHEMA)
    assert server.last["response_format"] == {
        "type": "json_schema",
        # The API refuses a name with spaces.
        "json_schema": {"name": "verdict_of_a_judge", "strict": True, "schema": SCHEMA},
    }
    assert "extra_body" not in server.last
    assert drawn.data == {"ok": True}


async def test_a_schema_with_a_long_title_keeps_to_the_limit_of_the_api(serve: Serve):
    server = serve(completion("{}"))
    await draw(schema={**SCHEMA, "title": "ranking " * 20})
    assert server.last["response_format"]["json_schema"]["name"] == ("ranking_" * 20)[:64]


async def test_json_that_was_cut_short_is_an_answer_without_data(serve: Serve):
    """It was paid for, and says more than an exception."""
    serve(completion('{"ok": tr', finish="length"))
    [drawn] = await draw(schema=SCHEMA)
    assert drawn.error is None
    assert drawn.data is None
    assert drawn.message.text == '{"ok": tr'
    assert drawn.message.response_metadata["finish_reason"] == "length"
    assert drawn.usage.completion_tokens == 2


async def test_a_refusal_is_an_empty_answer_that_says_so(serve: Serve):
    serve(completion(None, refusal="I won't"))
    [drawn] = await draw(schema=SCHEMA)
    assert (drawn.error, drawn.data, drawn.message.text) == (None, None, "")
    assert drawn.message.additional_kwargs["refusal"] == "I won't"


async def test_models_that_do_not_say_they_keep_to_a_schema_are_not_asked_to(serve: Serve):
    server = serve(completion('{"ok": true}'))
    [drawn] = await draw("together:unknown/model", schema=SCHEMA)
    assert "response_format" not in server.last
    assert drawn.data is None
    assert not await Client().offers_json("together:unknown/model", Sampling())
    assert await Client().offers_json("openai:gpt-4o", Sampling())
    assert not await Client().offers_json("openai:gpt-3.5-turbo", Sampling())


async def test_a_model_of_the_responses_api_is_asked_in_that_apis_form(serve: Serve):
    body = {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "model": "served",
        "status": "completed",
        "output": [
            {
                "type": "message",
                "id": "m1",
                "role": "assistant",
                "status": "completed",
                "content": [{"type": "output_text", "text": '{"ok": true}', "annotations": []}],
            }
        ],
        "usage": {
            "input_tokens": 3,
            "output_tokens": 2,
            "total_tokens": 5,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens_details": {"reasoning_tokens": 0},
        },
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
    }
    server = serve(body)
    [drawn] = await draw("openai:gpt-5-pro", schema=SCHEMA, sampling=Sampling(max_tokens=9))
    assert server.sent[0].path == "/v1/responses"
    assert server.last["text"]["format"]["schema"] == SCHEMA
    assert server.last["max_output_tokens"] == 9
    assert "response_format" not in server.last
    assert (drawn.data, drawn.message.text) == ({"ok": True}, '{"ok": true}')


async def test_an_instance_of_chatopenai_keeps_its_own_settings_and_answers_cut_short(serve: Serve):
    from langchain_openai import ChatOpenAI

    server = serve(completion('{"ok": tr', finish="length"))
    chat = ChatOpenAI(model="gpt-4o", temperature=0.1, extra_body={"ttl": 300})
    [drawn] = await draw(chat, schema=SCHEMA, sampling=Sampling(max_tokens=50))
    assert drawn.error is None
    assert (drawn.message.text, drawn.data) == ('{"ok": tr', None)
    sent = server.last
    assert (sent["temperature"], sent["ttl"], sent["max_completion_tokens"]) == (0.1, 300, 50)
    assert sent["response_format"]["type"] == "json_schema"


# --- what comes back ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spec", SPECS)
async def test_text_arrives_as_it_was_written(serve: Serve, spec: str):
    text = "naïve café 数学 🎲 \u202e\u0000 tab\tend\r\n  " + "long " * 200_000
    serve(completion(text))
    [drawn] = await draw(spec)
    assert drawn.message.text == text


async def test_unicode_is_sent_as_it_is(serve: Serve):
    server = serve(completion())
    await Client().draw(Request(model="openai:gpt-4o", messages=(HumanMessage("≤ 数 🎲"),)), [0])
    assert server.last["messages"][0]["content"] == "≤ 数 🎲"


async def test_tool_calls_and_reasons_to_stop_survive(serve: Serve):
    call = {"id": "t1", "type": "function", "function": {"name": "look", "arguments": '{"at": "sky"}'}}
    serve(completion(None, finish="tool_calls", tool_calls=[call]))
    [drawn] = await draw()
    [told] = drawn.message.tool_calls
    assert (told["name"], told["args"]) == ("look", {"at": "sky"})
    assert drawn.message.response_metadata["finish_reason"] == "tool_calls"


@pytest.mark.parametrize("usage", [None, {}])
async def test_an_answer_without_usage_is_unmetered_or_empty_never_an_error(serve: Serve, usage: Any):
    serve({**completion(), "usage": usage})
    [drawn] = await draw()
    assert drawn.error is None
    assert drawn.usage.calls == 1
    assert drawn.usage.prompt_tokens == 0


async def test_an_answer_without_tokens_counted_says_so(serve: Serve):
    body = completion()
    del body["usage"]
    serve(body)
    [drawn] = await draw()
    assert drawn.usage.unmetered_calls == 1


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({**completion(), "choices": []}, "without choices"),
        ({**completion(), "choices": None}, "null value for 'choices'"),
        (b'{"id": "c1", "choi', "JSONDecodeError"),
        (b"[]", "failed with"),
        ({}, "failed with"),
    ],
    ids=["no choices", "null choices", "cut", "list", "nothing"],
)
async def test_an_answer_that_is_none_is_asked_for_again_and_an_error_of_its_draw(
    serve: Serve, body: Any, reason: str
):
    server = serve(lambda sent, number: completion() if number == 1 else Reply(body))
    one = Client()
    request = Request(model="openai:gpt-4o", messages=(HumanMessage("q"),))
    [good] = await one.draw(request, [0])
    [bad] = await one.draw(request, [1])
    assert good.error is None
    assert reason in str(bad.error)
    assert bad.error.retryable
    assert bad.usage.calls == len(server.sent) - 1 == 4
    assert all(reason in fault for fault in bad.faults)
    # What the provider put into such an answer is unknown, and may have been billed.
    assert bad.usage.unmetered_calls == bad.usage.unpriced_calls == 4


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_passing_failure_is_tried_four_times_and_every_time_counts(serve: Serve, spec: str, status: int):
    """Every request is ours: the library, which repeats calls too unless told not to, makes none of them."""
    server = serve(Reply({"error": {"message": "come back later"}}, status))
    [drawn] = await draw(spec)
    assert drawn.error.retryable
    assert "come back later" in str(drawn.error)
    assert len(server.sent) == drawn.usage.calls == 4
    assert len(drawn.faults) == 3
    # A call that is refused with a status takes no tokens.
    assert drawn.usage.unmetered_calls == drawn.usage.unpriced_calls == 0


async def test_an_instances_own_repeats_are_made_and_counted_by_the_client(serve: Serve):
    from langchain_openai import ChatOpenAI

    server = serve(Reply({"error": {"message": "busy"}}, 503))
    [drawn] = await draw(ChatOpenAI(model="gpt-4o", max_retries=5))
    assert len(server.sent) == drawn.usage.calls == 4


async def test_one_passing_429_costs_no_sample(serve: Serve):
    busy = Reply({"error": {"message": "busy"}}, 429)
    serve(lambda sent, number: busy if number == 1 else completion())
    [drawn] = await draw()
    assert drawn.error is None
    assert drawn.usage.calls == 2
    assert (drawn.usage.prompt_tokens, drawn.usage.unmetered_calls) == (3, 0)
    assert len(drawn.faults) == 1
    assert "busy" in drawn.faults[0]


@pytest.mark.parametrize("status", [400, 401, 404])
async def test_a_lasting_failure_is_sent_once(serve: Serve, status: int):
    server = serve(Reply({"error": {"message": f"no, and {KEY} is your key"}}, status))
    [drawn] = await draw()
    assert not drawn.error.retryable
    assert "no, and [secret] is your key" in str(drawn.error)
    assert len(server.sent) == 1


async def test_an_empty_account_is_not_worth_waiting_for(serve: Serve):
    serve(Reply({"error": {"message": "no quota", "code": "insufficient_quota"}}, 429))
    [drawn] = await draw()
    assert not drawn.error.retryable


async def test_nobody_there_is_retryable_and_tells_why(serve: Serve):
    server = serve(completion())
    server.close()
    [drawn] = await draw()
    assert drawn.error.retryable
    assert "Connection error." in str(drawn.error)
    assert "(ConnectError:" in str(drawn.error)


async def test_a_refused_key_can_be_set_anew_without_a_restart(serve: Serve, monkeypatch: pytest.MonkeyPatch):
    def answer(sent: Sent, number: int) -> Any:
        good = sent.headers["authorization"] == "Bearer sk-the-right-one-1"
        return completion() if good else Reply({"error": {"message": "wrong key"}}, 401)

    serve(answer)
    one, request = Client(), Request(model="openai:gpt-4o", messages=(HumanMessage("q"),))
    draws = await one.draw(request, [0, 1])
    assert all("wrong key" in str(drawn.error) for drawn in draws)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-the-right-one-1")
    assert (await one.draw(request, [0]))[0].error is None


# --- where it runs -----------------------------------------------------------------------------------------------


_SCRIPT = """
import asyncio, sys
from langchain_core.messages import HumanMessage
from archon_graph.models import Request, default_client

for spec in sys.argv[1:]:
    request = Request(model=spec, messages=(HumanMessage("q"),))
    for _ in range(3):
        for draw in asyncio.run(default_client().draw(request, [0, 1])):
            print(draw.error or draw.message.text)
"""


def test_every_asyncio_run_of_a_script_can_use_the_same_client(serve: Serve):
    """Connections kept open belong to the loop they were opened in; the next loop must not be given them."""
    server = serve(lambda sent, number: Reply(completion("fine"), headers={}))
    ran = subprocess.run(
        [sys.executable, "-c", _SCRIPT, *SPECS], capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.stdout.split() == ["fine"] * 12
    assert ran.stderr == ""
    assert len(server.sent) == 12


async def test_cancelling_hangs_up(serve: Serve):
    """A question nobody waits for any more ends at the provider too."""
    arrived, release = threading.Event(), threading.Event()

    def answer(sent: Sent, number: int) -> Any:
        arrived.set()
        release.wait(20)
        return completion()

    server = serve(answer)
    task = asyncio.create_task(draw(indices=[0]))
    assert await asyncio.to_thread(arrived.wait, 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 5)
    release.set()
    assert len(server.sent) == 1


async def test_a_local_model_is_reached_where_its_endpoint_says(serve: Serve, monkeypatch: pytest.MonkeyPatch):
    """With its seed for each sample, its defaults below what was asked for, its schema, and its turn held."""
    server = serve(completion('{"ok": true}'))
    turns: list[str] = []

    class Turn:
        def __init__(self, sha: str) -> None:
            self.sha = sha

        async def __aenter__(self) -> None:
            turns.append(f"begin {self.sha}")

        async def __aexit__(self, *_: object) -> None:
            turns.append(f"end {self.sha}")

    from archon_graph.models import local

    endpoint = SimpleNamespace(
        name="tiny",
        base_url=server.url,
        api_key="local-key-1",
        sha256="abc",
        defaults={"temperature": 0.2, "top_p": 0.8},
    )
    monkeypatch.setattr(local, "endpoint", lambda name: endpoint)
    monkeypatch.setattr(local, "turn", Turn)
    [first, second] = await draw("local:tiny", [0, 1], sampling=Sampling(temperature=0.9), schema=SCHEMA)
    assert {sent.body["seed"] for sent in server.sent} == {providers.seed_of(0, 0), providers.seed_of(0, 1)}
    assert (server.last["model"], server.last["temperature"], server.last["top_p"]) == ("tiny", 0.9, 0.8)
    assert server.last["response_format"]["type"] == "json_schema"
    assert (first.data, second.data) == ({"ok": True}, {"ok": True})
    assert sorted(turns) == ["begin abc", "begin abc", "end abc", "end abc"]
    # Nothing is left open that would outlive this event loop.
    assert server.sent[0].headers["connection"] == "close"


async def test_streaming_counts_tokens_too(serve: Serve):
    """LangGraph's stream of messages makes LangChain stream every call; the draw is the same."""

    def event(delta: dict[str, Any], finish: str | None = None, **more: Any) -> dict[str, Any]:
        choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
        return {
            "id": "c1",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "m",
            "choices": choices,
            **more,
        }

    usage = completion()["usage"]
    events = [event({"role": "assistant", "content": '{"ok"'}), event({"content": ": true}"}, "stop")]
    events.append({**event({}), "choices": [], "usage": usage})
    stream = "".join(f"data: {json.dumps(part)}\n\n" for part in events) + "data: [DONE]\n\n"
    headers = {"Content-Type": "text/event-stream", "Connection": "close"}
    server = serve(Reply(stream.encode(), headers=headers))

    from langchain_openai import ChatOpenAI

    spec = register_model("streamed", ChatOpenAI(model="gpt-4o", streaming=True, stream_usage=True))
    try:
        [drawn] = await draw(spec, schema=SCHEMA)
    finally:
        providers._custom.clear()
    assert server.last["stream"] is True
    assert (drawn.message.text, drawn.data) == ('{"ok": true}', {"ok": True})
    assert (drawn.usage.prompt_tokens, drawn.usage.unmetered_calls) == (3, 0)
