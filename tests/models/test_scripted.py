"""``ScriptedModel``: says what it was told to, to anything that can use a LangChain chat model."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, SystemMessage

from archon_graph.models import Client, Request, ScriptedCall, ScriptedModel, ScriptExhaustedError


def test_a_list_is_used_up_in_order_of_the_calls():
    model = ScriptedModel(["one", {"two": 2}, AIMessage("three")])
    assert [model.invoke("q").text for _ in range(3)] == ["one", '{"two": 2}', "three"]


def test_a_generator_is_read_as_calls_come():
    """So it may go on for ever."""
    model = ScriptedModel(f"reply {number}" for number in itertools.count())
    assert [model.invoke("q").text for _ in range(3)] == ["reply 0", "reply 1", "reply 2"]


def test_a_function_sees_the_call():
    model = ScriptedModel(lambda call: f"{call.sample}: {call.prompt.upper()}")
    assert model.invoke([SystemMessage("be brief"), HumanMessage("why?")], sample=3).text == "3: BE BRIEF\nWHY?"


def test_a_file_is_a_script(tmp_path: Any):
    path = tmp_path / "script.yaml"
    path.write_text("- plain\n- |\n  two\n  lines\n- {rank: 2}\n- naïve 数\n", encoding="utf-8")
    model = ScriptedModel.from_file(path)
    assert [model.invoke("q").text for _ in range(4)] == [
        "plain",
        "two\nlines\n",
        '{"rank": 2}',
        "naïve 数",
    ]


def test_a_json_file_may_escape_any_character(tmp_path: Any):
    path = tmp_path / "script.json"
    path.write_text('["\\ud83c\\udfb2 \\u2264"]')
    assert ScriptedModel.from_file(path).invoke("q").text == "🎲 ≤"


def test_a_script_that_runs_out_says_where():
    """Starting over silently would hide a miscounted call."""
    model = ScriptedModel(["only"], label="judge")
    model.invoke("q")
    for call in (2, 3):
        with pytest.raises(ScriptExhaustedError, match=f"'judge' .* holds 1 reply and this is call {call}"):
            model.invoke("q")


async def test_the_spec_without_a_file_is_an_empty_script():
    [draw] = await Client().draw(Request(model="scripted", messages=(HumanMessage("q"),)), [0])
    assert isinstance(draw.error, ScriptExhaustedError)
    assert not draw.error.retryable


@pytest.mark.parametrize("reply", ["one reply", {"a": 1}, AIMessage("x"), ValueError("x")])
def test_one_reply_is_no_script(reply: Any):
    """A text would be read letter by letter."""
    with pytest.raises(TypeError, match="a script is a list"):
        ScriptedModel(reply)


@pytest.mark.parametrize("reply", [None, 5, ["nested"], TimeoutError])
def test_what_is_no_reply_is_refused(reply: Any):
    """A function that forgets to return would answer "null"."""
    with pytest.raises(TypeError, match=f"got {type(reply).__name__}"):
        ScriptedModel(lambda call: reply).invoke("q")


def test_exceptions_are_raised():
    model = ScriptedModel([TimeoutError("slow"), "then this"])
    with pytest.raises(TimeoutError, match="slow"):
        model.invoke("q")
    assert model.invoke("q").text == "then this"


async def test_calls_are_kept_in_order_and_cannot_be_changed():
    model = ScriptedModel(lambda call: "x", json=True)
    await Client().draw(Request(model=model, messages=(HumanMessage("q"),), schema={"title": "t"}), [4])
    assert model.calls == (ScriptedCall((HumanMessage("q"),), 4, {"title": "t"}),)


def test_words_are_counted_as_tokens():
    answer = ScriptedModel(["three little words"], label="judge").invoke("a question")
    assert answer.usage_metadata == {"input_tokens": 2, "output_tokens": 3, "total_tokens": 5}
    assert answer.response_metadata["model_name"] == "judge"


def test_a_message_keeps_what_it_brings():
    usage = {"input_tokens": 100, "output_tokens": 20, "total_tokens": 120}
    call = {"name": "look", "args": {"at": "sky"}, "id": "t1", "type": "tool_call"}
    reply = AIMessage("", tool_calls=[call], usage_metadata=usage, response_metadata={"finish_reason": "length"})
    answer = ScriptedModel([reply]).invoke("q")
    assert (answer.tool_calls, answer.usage_metadata) == ([call], usage)
    assert answer.response_metadata["finish_reason"] == "length"


def test_a_message_said_twice_is_two_answers():
    """LangGraph adds messages by their ids; the script's own message is never changed."""
    reply = AIMessage("again")
    model = ScriptedModel([reply, reply])
    first, second = model.invoke("q"), model.invoke("q")
    assert first.id != second.id
    assert (reply.id, reply.usage_metadata, reply.response_metadata) == (None, None, {})


async def test_latency_is_waited_for_by_every_way_of_calling():
    model = ScriptedModel(lambda call: "x", latency=0.05)

    async def stream() -> None:
        async for _ in model.astream("q"):
            pass

    for wait in (model.ainvoke("q"), stream()):
        started = time.perf_counter()
        await wait
        assert time.perf_counter() - started >= 0.05
    for call in (lambda: model.invoke("q"), lambda: list(model.stream("q"))):
        started = time.perf_counter()
        call()
        assert time.perf_counter() - started >= 0.05


async def test_a_failing_call_takes_its_time_too():
    """Else a stalled provider could not be played."""
    model = ScriptedModel([TimeoutError()], latency=0.05)
    started = time.perf_counter()
    with pytest.raises(TimeoutError):
        await model.ainvoke("q")
    assert time.perf_counter() - started >= 0.05


async def test_replies_go_out_in_order_of_the_calls_whatever_each_takes():
    latencies = iter([0.03, 0.0, 0.01])
    model = ScriptedModel(["a", "b", "c"], latency=lambda: next(latencies))
    answers = await asyncio.gather(*(model.ainvoke("q") for _ in range(3)))
    assert [answer.text for answer in answers] == ["a", "b", "c"]


def test_a_script_may_ask_its_own_model():
    def answer(call: ScriptedCall) -> str:
        return "deep" if call.prompt == "inner" else f"it says {model.invoke('inner').text}"

    model = ScriptedModel(answer)
    caught: list[str] = []
    thread = threading.Thread(target=lambda: caught.append(model.invoke("outer").text), daemon=True)
    thread.start()
    thread.join(10)
    assert caught == ["it says deep"]


def test_threads_share_one_script():
    model = ScriptedModel([str(number) for number in range(200)])
    said: list[str] = []

    def work() -> None:
        said.extend(model.invoke("q").text for _ in range(50))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(said, key=int) == [str(number) for number in range(200)]
    assert len(model.calls) == 200


def test_batch_and_pipes_work():
    model = ScriptedModel(lambda call: call.prompt[::-1])
    assert [answer.text for answer in model.batch(["abc", "de"])] == ["cba", "ed"]
    assert (model | (lambda message: len(message.text))).invoke("four") == 4


# --- streaming ---------------------------------------------------------------------------------------------------

texts = st.text(st.sampled_from(" \n\tab数"), max_size=20)


@given(texts)
def test_a_stream_joins_to_what_invoke_says(text: str):
    chunks = list(ScriptedModel([text]).stream("q"))
    whole = ScriptedModel([text]).invoke("q")
    assert "".join(chunk.text for chunk in chunks) == whole.text == text
    merged = sum(chunks[1:], chunks[0])
    assert merged.usage_metadata == whole.usage_metadata


async def test_a_stream_comes_word_by_word_and_ends_with_the_count():
    chunks = [chunk async for chunk in ScriptedModel(["one two three"]).astream("q")]
    assert [chunk.text for chunk in chunks if chunk.text] == ["one ", "two ", "three"]
    assert [bool(chunk.usage_metadata) for chunk in chunks if chunk.text] == [False, False, True]
    assert [chunk.chunk_position for chunk in chunks][-1] == "last"


def test_tool_calls_ids_and_blocks_survive_a_stream():
    call = {"name": "look", "args": {"at": "sky"}, "id": "t1", "type": "tool_call"}
    chunks = list(ScriptedModel([AIMessage("I will look", id="m1", tool_calls=[call])]).stream("q"))
    merged = sum(chunks[1:], chunks[0])
    assert isinstance(merged, AIMessageChunk)
    assert (merged.text, merged.id, merged.tool_calls) == ("I will look", "m1", [call])

    blocks = [{"type": "text", "text": "see"}, {"type": "image_url", "image_url": {"url": "data:,"}}]
    chunks = list(ScriptedModel([AIMessage(blocks)]).stream("q"))
    merged = sum(chunks[1:], chunks[0])
    assert merged.content == blocks


@pytest.mark.parametrize("way", ["invoke", "stream", "ainvoke", "astream"])
async def test_callbacks_see_the_call_and_each_word_once(way: str):
    seen: list[str] = []

    class Handler(BaseCallbackHandler):
        def on_chat_model_start(self, *args: Any, **kwargs: Any) -> None:
            seen.append("start")

        def on_llm_new_token(self, token: str, **kwargs: Any) -> None:
            if token:
                seen.append(token)

        def on_llm_end(self, *args: Any, **kwargs: Any) -> None:
            seen.append("end")

    model, config = ScriptedModel(["one two"]), {"callbacks": [Handler()]}
    if way == "invoke":
        model.invoke("q", config)
    elif way == "stream":
        list(model.stream("q", config))
    elif way == "ainvoke":
        await model.ainvoke("q", config)
    else:
        async for _ in model.astream("q", config):
            pass
    words = ["one ", "two"] if "stream" in way else []
    assert seen == ["start", *words, "end"]


def test_exceptions_and_the_end_of_the_script_reach_a_stream_too():
    model = ScriptedModel([ValueError("no")])
    with pytest.raises(ValueError, match="no"):
        list(model.stream("q"))
    with pytest.raises(ScriptExhaustedError):
        list(model.stream("q"))
