"""``identify``: equal calls have one identity, different ones never do, and nothing secret is in it."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, ToolMessage
from langchain_core.messages.content import create_text_block
from langchain_core.outputs import ChatResult
from pydantic import Field

from archon_graph import ScriptedModel, register_model
from archon_graph.models import providers
from archon_graph.models.cache import identify
from archon_graph.models.cache.plain import canonical
from archon_graph.models.errors import ModelFileError, UnknownModelError
from archon_graph.models.local import catalogue
from archon_graph.models.local.settings import Settings
from archon_graph.models.request import Request, Sampling
from archon_graph.models.stream import AnswerStream
from tests.models.cache.entries import answers, asked, asking, identity, requests, samplings

# Deliberately not part of it: columns of their own, and records.
NOT_IN_IDENTITY = {"replicate", "node", "part", "hidden", "stream"}


def digest(request: Request) -> str:
    found = identify(request)
    assert found is not None
    return found.digest


def test_every_field_of_a_request_was_decided_on():
    """Who adds a field to `Request` has to say here whether it makes another call."""
    assert {each.name for each in fields(Request)} - NOT_IN_IDENTITY == {
        "model",
        "messages",
        "sampling",
        "schema",
        "strict",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "prompt_version",
    }


def test_tools_and_a_loose_schema_make_another_call_and_their_absence_the_same_as_ever():
    """What was recorded before there were tools is still found; each of their settings counts."""
    tool = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}
    plain = Request(model="openai:a", messages=(HumanMessage("q"),), schema={"title": "x", "type": "object"})
    assert set(identify(plain).record) == {  # type: ignore[union-attr]
        "endpoint", "form", "messages", "model", "prompt_version", "provider", "sampling", "schema",
    }  # fmt: skip
    with_tools = replace(plain, tools=(tool,))
    others = [
        replace(plain, strict=False),
        with_tools,
        replace(with_tools, tool_choice="any"),
        replace(with_tools, parallel_tool_calls=False),
        replace(with_tools, tools=(tool, {**tool, "function": {"name": "sub"}})),
    ]
    assert len({digest(one) for one in (plain, *others)}) == 1 + len(others)
    assert digest(replace(plain, hidden=True, stream=AnswerStream(lambda _: None))) == digest(plain)


@given(requests)
def test_the_digest_is_that_of_the_records_canonical_json(request_: Request):
    found = identify(request_)
    assert found is not None
    text = json.dumps(found.record, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert text == canonical(found.record)
    assert found.digest == hashlib.sha256(text.encode()).hexdigest()
    assert found.parts.keys() == found.record.keys()


@given(requests, st.randoms(use_true_random=False), st.integers(), st.text())
def test_ids_answers_accounts_and_order_of_keys_do_not_matter(
    request_: Request, chance: random.Random, replicate: int, node: str
):
    def shuffled(value: Any) -> Any:
        if isinstance(value, Mapping):
            items = [(key, shuffled(item)) for key, item in value.items()]
            chance.shuffle(items)
            return dict(items)
        return [shuffled(item) for item in value] if isinstance(value, list) else value

    messages = []
    for message in request_.messages:
        update = {
            "id": f"run-{chance.random()}",
            "content": shuffled(message.content),
            "additional_kwargs": shuffled(message.additional_kwargs),
            "response_metadata": {"id": chance.random()},
        }
        if isinstance(message, AIMessage):
            update["usage_metadata"] = None
            update["tool_calls"] = shuffled(message.tool_calls)
        messages.append(message.model_copy(update=update))
    same = replace(
        request_, messages=tuple(messages), schema=shuffled(request_.schema), replicate=replicate, node=node
    )
    assert digest(same) == digest(request_)


@given(requests, requests)
def test_different_requests_have_different_digests(left: Request, right: Request):
    one, two = identify(left), identify(right)
    assert one is not None
    assert two is not None
    assert (one.digest == two.digest) == (one.record == two.record)
    same_model = left.model == right.model and left.sampling == right.sampling
    assert not same_model or one.model == two.model
    if left.model != right.model:
        assert one.model != two.model


@given(
    request_=requests,
    model=st.sampled_from(["openai:z", "groq:a", "custom:z", "local:smollm2-135m"]),
    sampling=samplings,
    message=asked,
    text=st.text(min_size=1),
)
def test_each_thing_that_counts_changes_the_digest(
    request_: Request, model: str, sampling: Sampling, message: Any, text: str
):
    before = digest(request_)
    assert digest(replace(request_, model=model)) != before
    assert digest(replace(request_, messages=(*request_.messages, message))) != before
    assert digest(replace(request_, prompt_version=request_.prompt_version + text)) != before
    assert digest(replace(request_, schema={"title": "other", "and": request_.schema})) != before
    if not request_.model.startswith("local:"):
        assert (digest(replace(request_, sampling=sampling)) == before) == (sampling == request_.sampling)


@given(answers(), answers())
def test_of_two_answers_in_a_conversation_all_that_is_sent_counts(left: AIMessage, right: AIMessage):
    def sent(message: AIMessage) -> str:
        calls = [{**call, "id": bool(call["id"])} for call in message.tool_calls]
        return canonical([message.content, message.name, calls, message.additional_kwargs])

    assume(sent(left) != sent(right))
    assume(
        all(block.get("type") != "text" for m in (left, right) for block in m.content if isinstance(block, dict))
    )
    assert digest(asking(messages=(left,))) != digest(asking(messages=(right,)))


def test_a_text_and_a_single_block_of_text_are_sent_differently():
    block = [{"type": "text", "text": "hi"}]
    assert digest(asking(messages=(HumanMessage("hi"),))) != digest(asking(messages=(HumanMessage(block),)))


def test_text_is_taken_as_it_is():
    """The two ways to write an é are different tokens to a model; half a character is no reason to fail."""
    assert digest(asking("caf\u00e9")) != digest(asking("cafe\u0301"))
    assert digest(asking("\ud83c")) != digest(asking("\ud83d"))


@pytest.mark.parametrize(("one", "two"), [(1, 1.0), (0, 0.0), (0.0, -0.0)])
def test_whole_numbers_are_the_same_with_and_without_a_point(one: float, two: float):
    same = [asking(sampling=Sampling(temperature=value)) for value in (one, two)]
    assert digest(same[0]) == digest(same[1])
    assert digest(same[0]) != digest(asking())


def test_ids_of_tool_calls_are_numbered_and_still_say_what_belongs_together():
    def conversation(first: str, second: str, answered: str) -> Request:
        calls = [
            {"name": "look", "args": {"at": "sky"}, "id": first, "type": "tool_call"},
            {"name": "look", "args": {"at": "sea"}, "id": second, "type": "tool_call"},
        ]
        blocks = [{"type": "tool_use", "id": first, "name": "look", "input": {"at": "sky"}}]
        return asking(messages=(AIMessage(blocks, tool_calls=calls), ToolMessage("blue", tool_call_id=answered)))

    assert digest(conversation("a1", "b1", "a1")) == digest(conversation("x9", "y9", "x9"))
    assert digest(conversation("a1", "b1", "a1")) != digest(conversation("a1", "b1", "b1"))


def test_ids_that_langchain_makes_up_for_blocks_do_not_matter():
    one, two = (asking(messages=(HumanMessage([create_text_block("hi")]),)) for _ in range(2))
    assert one.messages[0].content != two.messages[0].content
    assert digest(one) == digest(two)
    # But what a provider calls its own reasoning by is sent back to it.
    kept = [asking(messages=(AIMessage([{"type": "reasoning", "id": each}]),)) for each in ("rs_1", "rs_2")]
    assert digest(kept[0]) != digest(kept[1])


def test_a_streamed_message_is_the_message():
    assert digest(asking(messages=(AIMessageChunk("hi"),))) == digest(asking(messages=(AIMessage("hi"),)))


def test_what_a_tool_keeps_for_its_caller_is_not_sent():
    one, two = (asking(messages=(ToolMessage("x", tool_call_id="1", artifact=object()),)) for _ in range(2))
    assert digest(one) == digest(two)


def test_fields_somebody_added_count():
    one, two = (asking(messages=(HumanMessage("x", cache_control=each),)) for each in ("a", "b"))
    assert digest(one) != digest(two)


class Custom(BaseChatModel):
    """A model whose settings LangChain's own key does not see."""

    temperature: float = 0.0
    model_name: str = "m"
    base_url: str | None = None
    api_key: str = "sk-secret"
    model_kwargs: dict[str, Any] = Field(default_factory=dict)
    cache_id: str | None = None

    @property
    def _llm_type(self) -> str:
        return "custom"

    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> ChatResult:
        raise NotImplementedError


def test_an_instance_without_a_name_has_no_identity():
    assert identify(asking(model=ScriptedModel(["x"]))) is None
    assert identify(asking(model=Custom())) is None


def test_an_instance_is_the_same_by_its_name_and_by_its_spec():
    chat = Custom()
    spec = register_model("mine", chat)
    assert digest(asking(model=chat)) == digest(asking(model=spec))
    assert digest(asking(model=Custom(cache_id="mine"))) == digest(asking(model=spec))
    assert digest(asking(model=Custom(cache_id="other"))) != digest(asking(model=spec))
    assert identity(model=chat).label == "custom:mine"


@pytest.mark.parametrize(
    "change",
    [
        {"temperature": 0.5},
        {"model_name": "other"},
        {"base_url": "https://proxy.example/v1"},
        {"model_kwargs": {"top_k": 3}},
    ],
)
def test_a_model_registered_anew_with_other_settings_is_another(change: dict[str, Any]):
    """LangChain's own key, in contrast, is the same for all of them."""
    before, after = Custom(), Custom(**change)
    assert before._get_llm_string() == after._get_llm_string()
    register_model("mine", before)
    first = digest(asking(model="custom:mine"))
    register_model("mine", after)
    assert digest(asking(model="custom:mine")) != first


def test_a_requests_sampling_stands_before_the_instances_own():
    hot, cold = Custom(cache_id="a", temperature=1.0), Custom(cache_id="a")
    same = Sampling(temperature=1.0)
    assert digest(asking(model=hot, sampling=same)) == digest(asking(model=cold, sampling=same))


def test_no_key_reaches_the_record():
    secret = "tgp_v1_planted-0123456789"  # noqa: S105 - as one would look
    chat = Custom(
        cache_id="a",
        api_key=secret,
        base_url=f"https://user:{secret}@host.example:8443/v1/?key={secret}#{secret}",
        model_kwargs={"extra_headers": {"Authorization": f"Bearer {secret}"}, "deep": {"api_key": secret}},
    )
    found = identity(model=chat)
    assert secret not in repr(found.record)
    assert found.record["endpoint"] == "https://host.example:8443/v1"
    assert found.record["sampling"]["model_kwargs"] == {"deep": {}}
    chat.api_key = "another"
    chat.model_kwargs["extra_headers"]["Authorization"] = "Bearer another"
    assert identity(model=chat).digest == found.digest


def test_a_real_chat_models_endpoint_and_settings_count():
    openai = pytest.importorskip("langchain_openai")

    def of(**settings: Any) -> Any:
        register_model("mine", openai.ChatOpenAI(model="a", api_key="sk-planted-1234567", **settings))
        return identity(model="custom:mine")

    assert of().record["endpoint"] == "default"
    assert of(base_url="http://127.0.0.1:40001/v1").record["endpoint"] == "loopback"
    assert of(base_url="http://127.0.0.1:40001/v1").digest == of(base_url="http://127.0.0.1:50002/v1").digest
    assert of(base_url="https://u:p@proxy.example/v1").record["endpoint"] == "https://proxy.example/v1"
    assert of(reasoning_effort="low").digest != of(reasoning_effort="high").digest
    assert "planted" not in repr(of().record)


def test_environment_addresses_make_another_endpoint(monkeypatch: pytest.MonkeyPatch):
    default = identity()
    monkeypatch.setenv("OPENAI_BASE_URL", "https://api.openai.com/v1/")
    assert identity().digest == default.digest
    monkeypatch.setenv("OPENAI_BASE_URL", "https://second.example/v1")
    assert identity().record["endpoint"] == "https://second.example/v1"
    # LangChain looks here first.
    monkeypatch.setenv("OPENAI_API_BASE", "https://first.example/v1")
    assert identity().record["endpoint"] == "https://first.example/v1"
    together = identity(model="together:a")
    monkeypatch.setenv("TOGETHER_API_BASE", "http://localhost:8000/v1")
    assert identity(model="together:a").digest != together.digest
    azure = identity(model="azure_openai:a")
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://mine.azure.example")
    assert identity(model="azure_openai:a").record["endpoint"] == "https://mine.azure.example"
    assert azure.record["endpoint"] == "default"


def test_a_local_model_needs_no_file_and_is_its_checksum(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ARCHON_GRAPH_MODELS", str(tmp_path))
    for name, model in catalogue().items():
        found = identity(model=f"local:{name}")
        assert found.record["model"] == f"sha256:{model.sha256}"
        assert found.label == f"local:{name}"
        # What holds where the request says nothing: the same that the runtime is started with.
        defaults = {"max_tokens": providers._LOCAL_MAX_TOKENS, **Settings.read(model).sampling}
        assert found.record["sampling"] == defaults
        named = identity(model=f"local:{name}", sampling=Sampling(**defaults))
        assert named.digest == found.digest
        assert identity(model=f"local:{name}", sampling=Sampling(max_tokens=5)).digest != found.digest
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UnknownModelError):
        identity(model="local:nobody")


def test_a_changed_local_default_makes_another_call(monkeypatch: pytest.MonkeyPatch):
    before = identity(model="local:coder-0.5b").digest
    monkeypatch.setattr("archon_graph.models.cache.identity._LOCAL_MAX_TOKENS", 2048)
    assert identity(model="local:coder-0.5b").digest != before


def test_a_models_file_is_its_content_wherever_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ARCHON_GRAPH_MODELS", str(tmp_path / "models"))
    paths = [tmp_path / name for name in ("one.gguf", "two.gguf", "three.gguf")]
    for path, content in zip(paths, (b"GGUF1", b"GGUF1", b"GGUF2"), strict=True):
        path.write_bytes(content)
    one, two, three = (identity(model=f"local:{path}") for path in paths)
    assert one.digest == two.digest != three.digest
    assert one.label == "local:one.gguf"
    with pytest.raises(ModelFileError):
        identity(model=f"local:{tmp_path / 'absent.gguf'}")


def test_a_schema_counts_as_a_local_model_gets_it():
    """A bound that changes is another question to the model."""
    schema = {"title": "A", "type": "string"}
    assert identity(model="local:coder-0.5b", schema=schema).record["schema"]["maxLength"] > 0
    assert identity(schema=schema).record["schema"] == schema


def test_a_script_is_its_content(tmp_path: Path):
    paths = [tmp_path / name for name in ("a.json", "b.json", "c.json")]
    for path, content in zip(paths, ('["x"]', '["x"]', '["y"]'), strict=True):
        path.write_text(content)
    one, two, three = (identity(model=f"scripted:{path}") for path in paths)
    assert one.digest == two.digest != three.digest
    assert one.label == "scripted:a.json"
    assert str(tmp_path) not in repr(one.record)
    with pytest.raises(ModelFileError, match="absent"):
        identity(model=f"scripted:{tmp_path / 'absent.json'}")
    assert identity(model="scripted:").digest != one.digest


@pytest.mark.parametrize(
    "message",
    [
        HumanMessage("x", additional_kwargs={"o": object()}),
        HumanMessage("x", additional_kwargs={1: "a"}),
        HumanMessage("x", additional_kwargs={"n": float("nan")}),
        HumanMessage([{"type": "media", "data": b"bytes"}]),
    ],
)
def test_what_has_no_form_in_json_has_no_identity(message: HumanMessage):
    assert identify(asking(messages=(message,))) is None


def test_nothing_that_was_asked_is_changed():
    message = HumanMessage([{"type": "text", "text": "hi", "id": "lc_1"}], id="m")
    before = message.model_copy(deep=True)
    found = identity(messages=(message,))
    assert message == before
    found.record["messages"][0]["content"].clear()
    assert message == before


def test_a_model_is_known_by_how_it_is_sampled_whatever_it_is_asked():
    assert identity("a").model == identity("b", schema={"title": "A"}).model
    assert identity(messages=()).model == identity().model
    assert identity(sampling=Sampling(temperature=0.5)).model != identity().model
