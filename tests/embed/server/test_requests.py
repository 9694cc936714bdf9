"""What a request may hold: all of it reaches the models, or is refused by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

from archon_graph import Generator, ScriptedModel
from archon_graph.embed.server.answering import seed_of
from archon_graph.models import ScriptedCall
from tests.embed.server.serving import QUESTION, Serving

CALL = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
TOOL = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}


def form(schema: Any, name: str = "thing") -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": name, "schema": schema}}


class TestWhatReachesTheModel:
    @pytest.fixture
    def asked(self, start: Callable[..., Serving]) -> Callable[..., ScriptedCall]:
        """Asks, and gives the call that the model saw."""

        def ask(reply: Any = "yes", *, json: bool = False, **parameters: Any) -> ScriptedCall:
            model = ScriptedModel(lambda _: reply, json=json)
            server = start(Generator(model).alone())
            answer = server.post(**parameters)
            assert answer.status_code == 200, answer.text
            return model.calls[-1]

        return ask

    def test_every_role_and_part(self, asked: Callable[..., ScriptedCall]):
        image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}}
        sound = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}
        words = {"type": "text", "text": "what is it?"}
        call = asked(
            messages=[
                {"role": "developer", "content": "Be brief."},
                {"role": "user", "content": [words, image, sound], "name": "ada"},
                {"role": "assistant", "content": None, "tool_calls": [CALL], "refusal": None, "annotations": []},
                {"role": "tool", "tool_call_id": "c1", "content": "3"},
                {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]},
                {"role": "user", "content": "go on"},
            ]
        )
        system, user, assistant, result, refusal, last = call.messages[-6:]
        assert isinstance(system, SystemMessage)
        assert isinstance(user, HumanMessage)
        assert user.content == [words, image, {"type": "audio", "base64": "AAAA", "mime_type": "audio/wav"}]
        assert user.name == "ada"
        assert isinstance(assistant, AIMessage)
        assert assistant.tool_calls == [{"name": "add", "args": {"a": 1}, "id": "c1", "type": "tool_call"}]
        assert isinstance(result, ToolMessage)
        assert (result.tool_call_id, result.content) == ("c1", "3")
        assert refusal.content == [{"type": "text", "text": "no"}]
        assert last.text == "go on"

    @pytest.mark.parametrize("stop", ["END", ["END"]])
    def test_stop(self, asked: Callable[..., ScriptedCall], stop: Any):
        assert asked(stop=stop).stop == ("END",)

    def test_tools(self, asked: Callable[..., ScriptedCall]):
        call = asked(tools=[TOOL])
        assert [tool["function"]["name"] for tool in call.tools] == ["add"]

    def test_a_tool_that_must_be_called(self, asked: Callable[..., ScriptedCall]):
        reply = AIMessage("", tool_calls=[{"name": "add", "args": {}, "id": "x"}])
        assert asked(reply, tools=[TOOL], tool_choice="required").tool_choice == "any"
        chosen = {"type": "function", "function": {"name": "add"}}
        assert asked(reply, tools=[TOOL], tool_choice=chosen).tool_choice == "add"

    def test_a_schema(self, asked: Callable[..., ScriptedCall]):
        call = asked({"a": 1}, json=True, response_format=form(SCHEMA))
        assert call.schema["properties"] == SCHEMA["properties"]
        assert asked({"a": 1}, json=True, response_format={"type": "json_object"}).schema["type"] == "object"
        assert asked(response_format={"type": "text"}).schema is None

    @pytest.mark.parametrize(
        "parameters",
        [
            {"user": "ada", "metadata": {"a": "b"}, "service_tier": "auto", "safety_identifier": "x"},
            {"store": False, "logprobs": False, "top_logprobs": 0, "logit_bias": {}, "modalities": ["text"]},
            {
                "frequency_penalty": 0,
                "presence_penalty": 0.0,
                "verbosity": "medium",
                "prediction": {"type": "content"},
            },
            dict.fromkeys(
                ("n", "stop", "seed", "tools", "tool_choice", "response_format", "stream", "audio", "foo")
            ),
            {"temperature": 1, "top_p": 0.5, "max_tokens": 5, "max_completion_tokens": 5, "seed": -3},
            {"stream_options": {"include_usage": True}, "tools": [], "tool_choice": "auto", "stop": []},
        ],
    )
    def test_what_is_harmless_is_accepted(self, server: Serving, parameters: dict[str, Any]):
        assert server.post(**parameters).status_code == 200


class TestSeeds:
    """The seed is the namespace of the samples."""

    @pytest.fixture
    def answers(self, start: Callable[..., Serving], monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
        """Asks of a model that says which seed it was given."""
        import archon_graph.models.asking as module

        monkeypatch.setattr(module, "seed_of", lambda replicate, _: replicate)
        server = start(Generator(SaysItsSeed()).alone())

        def ask(**parameters: Any) -> list[str]:
            reply = server.post(**parameters)
            assert reply.status_code == 200, reply.text
            return [choice["message"]["content"] for choice in reply.json()["choices"]]

        return ask

    def test_the_first_answer_has_the_seed_and_the_others_one_made_of_it(self, answers: Callable[..., list[str]]):
        three = answers(seed=7, n=3)
        assert three == ["7", str(seed_of(7, 1)), str(seed_of(7, 2))]
        assert len(set(three)) == 3
        assert answers(seed=7) == ["7"]

    def test_without_one_asking_again_is_asking_anew(self, answers: Callable[..., list[str]]):
        assert answers() != answers()

    def test_the_servers_own_holds_where_a_request_has_none(self, start: Callable[..., Serving]):
        server = start({"m": Generator(SaysItsSeed()).alone()}, seed=0)
        assert server.post().json()["choices"] == server.post().json()["choices"]
        assert server.post().json()["choices"] != server.post(seed=1).json()["choices"]


class SaysItsSeed(ScriptedModel):
    """A model that answers with the seed of its call."""

    def __init__(self) -> None:
        super().__init__(lambda _: "")

    def _call(self, messages: Any, stop: Any, settings: Any) -> Any:
        call, _ = super()._call(messages, stop, settings)
        return call, str(settings["seed"])


def messages(*given: Any) -> dict[str, Any]:
    return {"messages": list(given)}


REFUSED: list[tuple[dict[str, Any], str | None, str]] = [
    ({"model": None}, "model", "is missing"),
    ({"model": 3}, "model", "valid string"),
    ({"messages": []}, "messages", "at least 1"),
    ({"messages": "hi"}, "messages", "valid list"),
    (messages("hi"), "messages[0]", "must be an object"),
    (messages({"content": "hi"}), "messages[0]", "'role'"),
    (messages({"role": "function", "name": "f", "content": ""}), "messages[0]", "'function'"),
    (messages({"role": "user"}), "messages[0].content", "is missing"),
    (messages({"role": "user", "content": None}), "messages[0].content", "text"),
    (messages({"role": "user", "content": []}), "messages[0].content", "list of parts"),
    (messages({"role": "user", "content": [{"type": "video"}]}), "messages[0].content", "part 0"),
    (messages({"role": "user", "content": [{"type": "text"}]}), "messages[0].content", "must have a 'text'"),
    (
        messages({"role": "user", "content": [{"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}]}),
        "messages[0].content",
        "https:, http: or data:",
    ),
    (
        messages({"role": "system", "content": [{"type": "image_url", "image_url": {"url": "data:"}}]}),
        "messages[0].content",
        "'text'",
    ),
    (messages({"role": "assistant"}), "messages[0]", "content or tool_calls"),
    (messages(*QUESTION, {"role": "tool", "tool_call_id": "x", "content": ""}), "messages[1].tool_call_id", "'x'"),
    (messages({"role": "assistant", "tool_calls": [CALL]}, *QUESTION), "messages", "must answer 'c1'"),
    (messages({"role": "assistant", "tool_calls": [CALL, CALL]}), "messages[0].tool_calls", "same id"),
    (
        messages(
            {"role": "assistant", "tool_calls": [{**CALL, "function": {"name": "f", "arguments": "{"}}]},
            {"role": "tool", "tool_call_id": "c1", "content": ""},
        ),
        "messages[0].tool_calls[0].function.arguments",
        "JSON object",
    ),
    (messages({"role": "assistant", "audio": {"id": "a"}, "content": ""}), "messages[0].audio", "None"),
    ({"n": 0}, "n", "greater than"),
    ({"n": 99}, "n", "at most 8"),
    ({"n": "2"}, "n", "integer"),
    ({"n": True}, "n", "integer"),
    ({"stream": "yes"}, "stream", "boolean"),
    ({"stream_options": 1}, "stream_options", "object"),
    ({"seed": 1.5}, "seed", "integer"),
    ({"seed": 2**64}, "seed", "less than"),
    ({"stop": ["a"] * 5}, "stop", "up to 4"),
    ({"stop": [1]}, "stop", "up to 4"),
    ({"temperature": 3}, "temperature", "less than"),
    ({"top_p": -1}, "top_p", "greater than"),
    ({"max_tokens": 0}, "max_tokens", "greater than"),
    ({"max_tokens": 3, "max_completion_tokens": 4}, "max_tokens", "give one"),
    ({"tools": [{"type": "custom", "custom": {"name": "x"}}]}, "tools[0].type", "'function'"),
    ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, "tools[0].function.name", "pattern"),
    ({"tools": [TOOL, TOOL]}, "tools", "same name"),
    (
        {"tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "objec"}}}]},
        None,
        "'objec'",
    ),
    ({"tool_choice": "required"}, "tool_choice", "needs tools"),
    ({"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "g"}}}, None, "'g'"),
    ({"tools": [TOOL], "tool_choice": "add"}, "tool_choice", "'auto', 'none' or 'required'"),
    ({"response_format": {"type": "xml"}}, "response_format", "'xml'"),
    ({"response_format": {"type": "json_schema"}}, "response_format.json_schema", "is missing"),
    ({"response_format": form({"type": 3})}, None, "not a JSON schema"),
    ({"response_format": form({"$schema": [1]})}, "response_format.json_schema.schema", "must be a text"),
    ({"response_format": form(SCHEMA, name="a b")}, "response_format.json_schema.name", "pattern"),
    ({"logprobs": True}, "logprobs", "not supported"),
    ({"audio": {"voice": "a"}}, "audio", "answers are text"),
    ({"modalities": ["text", "audio"]}, "modalities", "answers are text"),
    ({"functions": [{"name": "f"}]}, "functions", "use tools"),
    ({"store": True}, "store", "nothing is stored"),
    ({"reasoning_effort": "low"}, "reasoning_effort", "architecture's models"),
    ({"frequency_penalty": 0.5}, "frequency_penalty", "architecture's models"),
    ({"temprature": 1}, "temprature", "did you mean 'temperature'?"),
]


@pytest.mark.parametrize(("parameters", "param", "says"), REFUSED)
def test_what_is_refused_is_refused_by_name(
    server: Serving, parameters: dict[str, Any], param: str | None, says: str
):
    reply = server.post(**parameters)
    error = reply.json()["error"]
    assert reply.status_code == 400
    assert set(error) == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"
    assert says in error["message"]
    if param is not None:
        assert error["param"] == param


class TestSchemasOfStrangers:
    """Whoever validates with a schema follows where it leads."""

    @pytest.mark.parametrize(
        "schema",
        [
            {"$ref": "http://169.254.169.254/latest"},
            {"$ref": "file:///etc/passwd"},
            {"$id": "http://other/", "properties": {"a": {"$ref": "thing.json"}}},
            {"allOf": [{"$dynamicRef": "http://other/#x"}]},
        ],
    )
    def test_another_document_is_not_fetched(self, server: Serving, schema: Any):
        reply = server.post(response_format=form(schema))
        assert reply.status_code == 400
        assert "refers to another document" in reply.json()["error"]["message"]
        tool = {"type": "function", "function": {"name": "f", "parameters": schema}}
        assert server.post(tools=[tool]).status_code == 400

    def test_a_schema_may_refer_to_itself(self, start: Callable[..., Serving]):
        server = start(Generator(ScriptedModel(lambda _: {"a": 1}, json=True)).alone())
        inside = {
            "type": "object",
            "properties": {"a": {"$ref": "#/$defs/n"}},
            "$defs": {"n": {"type": "integer"}},
        }
        assert server.post(response_format=form(inside)).status_code == 200

    def test_a_property_may_be_called_so(self, start: Callable[..., Serving]):
        server = start(Generator(ScriptedModel(lambda _: {"$ref": "x"}, json=True)).alone())
        named = {"type": "object", "properties": {"$ref": {"type": "string"}, "$id": {"type": "string"}}}
        assert server.post(response_format=form(named)).status_code == 200

    def test_a_schema_that_nothing_keeps_to_is_the_clients_affair(self, start: Callable[..., Serving]):
        server = start(Generator(ScriptedModel(lambda _: {"a": 1}, json=True), samples=3).alone())
        reply = server.post(response_format=form({"not": {}}))
        assert reply.status_code == 422
        assert reply.json()["error"]["code"] == "no_fitting_answer"

    def test_one_too_large_to_be_checked(self, server: Serving):
        large = {"properties": {f"p{number}": {} for number in range(6000)}}
        assert "more than 5,000 values" in server.post(response_format=form(large)).json()["error"]["message"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b'{"model": "m", "messages": [{"role": "user", "content": "\\ud800"}]}',
        b'{"model": "m", "temperature": NaN}',
        b'{"model": "m", "temperature": 1e999}',
        b'{"model": "m", "seed": ' + b"9" * 4000 + b"}",
        b'{"model": "m", "seed": ' + b"9" * 5000 + b"}",
        b'{"a": ' + b"[" * 100 + b"]" * 100 + b"}",
        b'{"a": ' + b"[" * 100_000,
        b'{"a": [' + b"[]," * 200_000 + b"[]]}",
    ],
    ids=lambda body: repr(body[:24]),
)
def test_bodies_that_are_no_requests(server: Serving, body: bytes):
    reply = server.post(body)
    assert reply.status_code == 400
    assert reply.json()["error"]["type"] == "invalid_request_error"
