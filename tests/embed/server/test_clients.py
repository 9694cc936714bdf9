"""The clients that people have: OpenAI's own, LangChain's, and curl."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel

from archon_graph import Fuser, Generator, ScriptedModel
from archon_graph.models import ScriptedCall
from tests.embed.saying import FUSED
from tests.embed.server.serving import QUESTION, Serving

CALLS = 4  # three drafts and a fusion


@pytest.fixture
def client(server: Serving) -> Iterator[OpenAI]:
    with OpenAI(base_url=server.url, api_key="none", max_retries=0) as client:
        yield client


class TestOpenAI:
    def test_an_answer(self, client: OpenAI):
        reply = client.chat.completions.create(model="m", messages=QUESTION)
        [choice] = reply.choices
        assert (choice.message.role, choice.message.content, choice.finish_reason) == ("assistant", FUSED, "stop")
        assert reply.id.startswith("chatcmpl-")
        assert reply.model == "m"
        assert reply.system_fingerprint.startswith("fp_")

    def test_usage_is_the_sum_of_all_calls_inside(self, client: OpenAI):
        usage = client.chat.completions.create(model="m", messages=QUESTION).usage
        assert usage.completion_tokens == 3 * 2 + len(FUSED.split())  # "draft 0" and the like
        assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens

    def test_several_answers_cost_as_often(self, client: OpenAI):
        one = client.chat.completions.create(model="m", messages=QUESTION)
        three = client.chat.completions.create(model="m", messages=QUESTION, n=3)
        assert [choice.index for choice in three.choices] == [0, 1, 2]
        assert three.usage.total_tokens == 3 * one.usage.total_tokens

    def test_a_stream(self, client: OpenAI):
        chunks = list(client.chat.completions.create(model="m", messages=QUESTION, stream=True))
        assert chunks[0].choices[0].delta.role == "assistant"
        texts = [chunk.choices[0].delta.content or "" for chunk in chunks]
        assert "".join(texts) == FUSED
        assert len([text for text in texts if text]) > 1
        assert [chunk.choices[0].finish_reason for chunk in chunks] == [None] * (len(chunks) - 1) + ["stop"]
        assert len({(chunk.id, chunk.created, chunk.system_fingerprint) for chunk in chunks}) == 1
        assert all(chunk.usage is None for chunk in chunks)

    def test_a_stream_tells_its_usage_where_that_is_wanted(self, client: OpenAI):
        whole = client.chat.completions.create(model="m", messages=QUESTION)
        *_, last = client.chat.completions.create(
            model="m", messages=QUESTION, stream=True, stream_options={"include_usage": True}
        )
        assert last.choices == []
        assert last.usage == whole.usage

    def test_a_stream_of_several_answers(self, client: OpenAI):
        texts: dict[int, str] = {}
        ends = []
        for chunk in client.chat.completions.create(model="m", messages=QUESTION, stream=True, n=2):
            [choice] = chunk.choices
            texts[choice.index] = texts.get(choice.index, "") + (choice.delta.content or "")
            if choice.finish_reason:
                ends.append(choice.index)
        assert texts == {0: FUSED, 1: FUSED}
        assert sorted(ends) == [0, 1]

    async def test_the_asynchronous_client(self, server: Serving):
        async with (
            AsyncOpenAI(base_url=server.url, api_key="none", max_retries=0) as client,
            client.chat.completions.stream(model="m", messages=QUESTION) as stream,
        ):
            final = await stream.get_final_completion()
        assert final.choices[0].message.content == FUSED

    def test_the_list_of_models(self, client: OpenAI):
        [model] = client.models.list().data
        assert (model.id, model.object) == ("m", "model")
        assert client.models.retrieve("m") == model

    def test_an_unknown_model(self, client: OpenAI):
        with pytest.raises(openai.NotFoundError, match="no model 'x'; this server has m") as caught:
            client.chat.completions.create(model="x", messages=QUESTION)
        assert (caught.value.code, caught.value.param) == ("model_not_found", "model")
        with pytest.raises(openai.NotFoundError):
            client.models.retrieve("x")

    def test_objects_of_a_schema(self, start: Callable[..., Serving]):
        class Point(BaseModel):
            x: int
            y: int

        server = start(Generator(ScriptedModel(lambda call: {"x": 1, "y": call.sample}, json=True)).alone())
        with OpenAI(base_url=server.url, api_key="none", max_retries=0) as client:
            reply = client.chat.completions.parse(model="m", messages=QUESTION, response_format=Point)
        assert reply.choices[0].message.parsed == Point(x=1, y=0)


def calls_add(call: ScriptedCall) -> Any:
    """Calls the tool, and answers with what that gave."""
    results = [message for message in call.messages if isinstance(message, ToolMessage)]
    if results:
        return f"The sum is {results[-1].text}."
    return AIMessage("", tool_calls=[{"name": "add", "args": {"a": 2, "b": 3}, "id": "call_1"}])


ADD = {
    "type": "function",
    "function": {
        "name": "add",
        "parameters": {
            "type": "object",
            "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
            "required": ["a", "b"],
        },
    },
}


class TestTools:
    @pytest.fixture
    def client(self, start: Callable[..., Serving]) -> Iterator[OpenAI]:
        model = ScriptedModel(calls_add)
        server = start(Generator(model, samples=2) | Fuser(model))
        with OpenAI(base_url=server.url, api_key="none", max_retries=0) as client:
            yield client

    def test_a_call(self, client: OpenAI):
        reply = client.chat.completions.create(model="m", messages=QUESTION, tools=[ADD])
        [choice] = reply.choices
        [call] = choice.message.tool_calls
        assert choice.finish_reason == "tool_calls"
        assert choice.message.content is None
        assert (call.id, call.function.name, json.loads(call.function.arguments)) == (
            "call_1",
            "add",
            {"a": 2, "b": 3},
        )

    def test_its_result_leads_to_an_answer(self, client: OpenAI):
        message = client.chat.completions.create(model="m", messages=QUESTION, tools=[ADD]).choices[0].message
        result = {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "5"}
        reply = client.chat.completions.create(model="m", messages=[*QUESTION, message, result], tools=[ADD])
        assert reply.choices[0].message.content == "The sum is 5."

    def test_a_call_in_a_stream(self, client: OpenAI):
        with client.chat.completions.stream(model="m", messages=QUESTION, tools=[ADD]) as stream:
            final = stream.get_final_completion()
        [choice] = final.choices
        [call] = choice.message.tool_calls
        assert choice.finish_reason == "tool_calls"
        assert (call.id, call.function.name, json.loads(call.function.arguments)) == (
            "call_1",
            "add",
            {"a": 2, "b": 3},
        )

    def test_no_call_where_none_is_wanted(self, start: Callable[..., Serving]):
        model = ScriptedModel(lambda call: f"{len(call.tools)} tools")
        server = start(Generator(model).alone())
        with OpenAI(base_url=server.url, api_key="none", max_retries=0) as client:
            reply = client.chat.completions.create(model="m", messages=QUESTION, tools=[ADD], tool_choice="none")
        assert reply.choices[0].message.content == "0 tools"

    def test_an_agent_of_langchain(self, client: OpenAI):
        @tool
        def add(a: int, b: int) -> int:
            """Add two numbers."""
            return a + b

        chat = ChatOpenAI(model="m", base_url=str(client.base_url), api_key="none", max_retries=0)
        state = create_agent(chat, [add]).invoke({"messages": [HumanMessage("What is 2 + 3?")]})
        assert state["messages"][-1].text == "The sum is 5."


class TestChatOpenAI:
    @pytest.fixture
    def chat(self, server: Serving) -> ChatOpenAI:
        return ChatOpenAI(model="m", base_url=server.url, api_key="none", max_retries=0)

    def test_an_answer(self, chat: ChatOpenAI):
        message = chat.invoke([SystemMessage("Be brief."), HumanMessage("q")])
        assert message.text == FUSED
        assert message.usage_metadata["total_tokens"] > 0

    async def test_a_stream(self, server: Serving):
        chat = ChatOpenAI(model="m", base_url=server.url, api_key="none", max_retries=0, stream_usage=True)
        pieces = [piece async for piece in chat.astream("q")]
        assert "".join(piece.text for piece in pieces) == FUSED
        assert sum((piece.usage_metadata or {}).get("total_tokens", 0) for piece in pieces) > 0

    def test_several_answers(self, chat: ChatOpenAI):
        [generations] = chat.generate([[HumanMessage("q")]], n=2).generations
        assert [generation.text for generation in generations] == [FUSED, FUSED]

    def test_an_object(self, start: Callable[..., Serving]):
        server = start(Generator(ScriptedModel(lambda _: {"name": "Ada"}, json=True)).alone())
        chat = ChatOpenAI(model="m", base_url=server.url, api_key="none", max_retries=0)
        schema = {"title": "Person", "type": "object", "properties": {"name": {"type": "string"}}}
        for method in ("json_schema", "json_mode"):
            assert chat.with_structured_output(schema, method=method).invoke("q") == {"name": "Ada"}


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not on the PATH")
class TestCurl:
    def curl(self, server: Serving, *arguments: str, path: str = "/chat/completions") -> str:
        command = [
            "curl",
            "--silent",
            "--show-error",
            "--noproxy",
            "*",
            "--no-buffer",
            *arguments,
            server.url + path,
        ]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout

    BODY = json.dumps({"model": "m", "messages": QUESTION})
    JSON = ("--header", "Content-Type: application/json")

    def test_an_answer(self, server: Serving):
        reply = json.loads(self.curl(server, *self.JSON, "--data", self.BODY))
        assert reply["choices"][0]["message"]["content"] == FUSED

    def test_a_stream_ends_with_done(self, server: Serving):
        body = json.dumps({"model": "m", "messages": QUESTION, "stream": True})
        text = self.curl(server, *self.JSON, "--data", body)
        assert text.endswith("data: [DONE]\n\n")

    def test_a_body_that_is_not_said_to_be_json(self, server: Serving):
        error = json.loads(self.curl(server, "--data", self.BODY))["error"]
        assert "Content-Type: application/json" in error["message"]

    def test_a_body_so_large_that_curl_asks_first(self, start: Callable[..., Serving]):
        small = start({"m": Generator(ScriptedModel(lambda _: "a")).alone()}, max_body=10_000)
        body = json.dumps({"model": "m", "messages": QUESTION, "user": "x" * 2_000_000})
        command = ["curl", "--silent", "--noproxy", "*", *self.JSON, "--data", "@-", "--write-out", "%{http_code}"]
        command.append(f"{small.url}/chat/completions")
        ran = subprocess.run(command, check=True, input=body, capture_output=True, text=True, timeout=30)
        assert ran.stdout.endswith("413")
