"""Specs: what each one opens, and what is said about one that cannot be opened, before anything is sent."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import HumanMessage

from archon_graph.models import (
    Client,
    ConfigurationError,
    MissingExtraError,
    MissingKeyError,
    ModelFileError,
    Request,
    Sampling,
    ScriptedModel,
    UnknownModelError,
    local,
    providers,
    register_model,
)
from archon_graph.models.providers import check_model, identity, label, open_model


@pytest.fixture(autouse=True)
def same_names() -> Iterator[None]:
    """Models that a test registers are gone after it."""
    before = dict(providers._custom)
    yield
    providers._custom.clear()
    providers._custom.update(before)


class Named(FakeListChatModel):
    """A user's model that knows its name."""

    model_name: str = "mine-7b"
    responses: list[str] = ["x"]  # noqa: RUF012


# --- keys --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "variable"), [("openai:x", "OPENAI_API_KEY"), ("together:a/b", "TOGETHER_API_KEY")]
)
@pytest.mark.parametrize("value", [None, "", "  \n"])
def test_a_missing_key_is_named_before_anything_is_sent(
    spec: str, variable: str, value: str | None, monkeypatch: pytest.MonkeyPatch
):
    if value is not None:
        monkeypatch.setenv(variable, value)
    with pytest.raises(MissingKeyError, match=variable) as caught:
        check_model(spec)
    assert spec in str(caught.value)


async def test_a_missing_key_ends_a_draw_with_the_same_error():
    with pytest.raises(MissingKeyError, match="OPENAI_API_KEY"):
        await Client().draw(Request(model="openai:x", messages=(HumanMessage("q"),)), [0])


# --- misspelt ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("opnai:gpt-4o", "did you mean 'openai'?"),
        ("OpenAI:gpt-4o", "did you mean 'openai'?"),
        (" openai:gpt-4o", "did you mean 'openai'?"),
        ("togeter:x", "did you mean 'together'?"),
        ("antropic:claude", "did you mean 'anthropic'?"),
        ("locl:coder", "did you mean 'local'?"),
        ("xyzzy:x", "no provider is called 'xyzzy'"),
        ("gpt-4o", "names no provider"),
        ("claude-sonnet-4", "names no provider"),
        ("", "names no provider"),
        (":gpt-4o", "names no provider"),
        ("openai", "names no model"),
        ("openai:", "names no model"),
        ("together:", "names no model"),
        ("x" * 10_000, "names no provider"),
        ("a\0b:c", "no provider is called"),
    ],
)
def test_a_misspelt_spec_is_answered_with_the_way_out(spec: str, says: str):
    with pytest.raises(UnknownModelError) as caught:
        check_model(spec)
    assert says in str(caught.value)
    assert "provider:name" in str(caught.value)


def test_the_model_that_is_no_spec_is_never_guessed_from_its_name(monkeypatch: pytest.MonkeyPatch):
    """LangChain would take gpt-4o for OpenAI's; then one model had two specs, and two identities in caches."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-123456")
    with pytest.raises(UnknownModelError, match="openai:gpt-4o"):
        check_model("gpt-4o")


def test_a_path_is_told_how_to_name_a_file(tmp_path: Any):
    file = tmp_path / "weights.bin"
    file.write_text("x")
    for spec in (str(file), "models/tiny.gguf"):
        with pytest.raises(UnknownModelError, match=f"local:{spec}"):
            check_model(spec)


@given(st.text(max_size=40))
def test_any_text_is_a_spec_or_a_configuration_error(spec: str):
    try:
        check_model(spec)
    except ConfigurationError as error:
        assert str(error)


# --- custom ------------------------------------------------------------------------------------------------------


def test_a_name_nobody_registered_tells_how_to_register_it():
    register_model("summariser", Named())
    with pytest.raises(UnknownModelError) as caught:
        check_model("custom:sumariser")
    assert "did you mean 'summariser'?" in str(caught.value)
    assert "register_model('sumariser'" in str(caught.value)


def test_a_registered_model_is_opened_itself():
    model = Named()
    assert register_model("mine", model) == "custom:mine"
    assert open_model("custom:mine", Sampling()).chat is model


@pytest.mark.parametrize("name", ["", "a:b"])
def test_a_name_has_no_colon(name: str):
    with pytest.raises(ValueError, match="without a colon"):
        register_model(name, Named())


def test_identity_is_what_another_process_would_know_it_by():
    model = Named()
    assert identity(model) is None
    register_model("mine", model)
    assert identity(model) == "custom:mine"
    register_model("mine", Named())
    assert identity(model) is None, "the name now stands for another model"
    assert identity(ScriptedModel(["x"])) is None
    assert identity(ScriptedModel(["x"], cache_id="s1")) == "custom:s1"
    assert identity("openai:gpt-4o") == "openai:gpt-4o"


def test_a_label_is_readable():
    assert label(Named()) == "Named:mine-7b"
    assert label(FakeListChatModel(responses=["x"])) == "FakeListChatModel"
    assert label(ScriptedModel(["x"], label="echo")) == "echo"
    assert label(register_model("mine", Named())) == "custom:mine"


# --- scripted and local ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "cannot be read"),
        (b"\xff\xfe\xff", "not UTF-8"),
        (b"a: [", "not valid YAML"),
        (b"", "it holds nothing"),
        (b"just text", "it holds str 'just text'"),
        (b"[fine, 4]", "reply 2 .* got int 4; put quotes"),
        (b"[fine, null]", "reply 2 .* got nothing"),
        (b"[true]", "reply 1 .* got bool True"),
    ],
)
def test_a_broken_script_says_what_is_broken(content: bytes | None, says: str, tmp_path: Any):
    path = tmp_path / "script.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelFileError, match=says) as caught:
        check_model(f"scripted:{path}")
    assert str(path) in str(caught.value)


def test_a_local_spec_is_looked_at_without_loading_it(monkeypatch: pytest.MonkeyPatch):
    looked = []
    monkeypatch.setattr(local, "check", looked.append)
    monkeypatch.setattr(local, "endpoint", lambda name: pytest.fail("weights were loaded"))
    check_model("local:coder-0.5b")
    check_model("local:/models/a:b.gguf")
    assert looked == ["coder-0.5b", "/models/a:b.gguf"]


def test_a_local_spec_is_opened_at_its_endpoint(monkeypatch: pytest.MonkeyPatch):
    endpoint = SimpleNamespace(
        name="tiny", base_url="http://127.0.0.1:9/v1", api_key="k", sha256="abc", defaults={"temperature": 0.2}
    )
    monkeypatch.setattr(local, "endpoint", lambda name: {"coder-0.5b": endpoint}[name])
    opened = open_model("local:coder-0.5b", Sampling(max_tokens=5))
    assert opened.spec == "local:coder-0.5b"
    assert (opened.json_mode, opened.takes_seed) == ("response_format", True)
    assert (opened.chat.temperature, opened.chat.max_tokens) == (0.2, 5)


# --- LangChain's other providers ---------------------------------------------------------------------------------


@pytest.fixture
def fake_provider(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """A provider's integration package that is installed: what its chat model is made with."""
    made: list[dict[str, Any]] = []

    class ChatGroq(FakeListChatModel):
        responses: list[str] = ["groq says"]  # noqa: RUF012

        def __init__(self, **kwargs: Any) -> None:
            made.append(kwargs)
            super().__init__(profile={"structured_output": kwargs["model"] != "plain"})

    from langchain.chat_models import base

    base._get_chat_model_creator.cache_clear()
    monkeypatch.setitem(sys.modules, "langchain_groq", SimpleNamespace(ChatGroq=ChatGroq))
    yield made
    base._get_chat_model_creator.cache_clear()


async def test_any_spec_of_init_chat_model_works(fake_provider: list[dict[str, Any]]):
    sampling = Sampling(temperature=0.5, max_tokens=7)
    request = Request(model="groq:org/llama:free", messages=(HumanMessage("q"),), sampling=sampling)
    [draw] = await Client().draw(request, [0])
    assert draw.message.text == "groq says"
    assert fake_provider == [{"model": "org/llama:free", "temperature": 0.5, "max_tokens": 7, "cache": False}]


@pytest.mark.usefixtures("fake_provider")
def test_json_is_offered_where_the_models_profile_says_so():
    assert open_model("groq:able", Sampling()).json_mode == "with_structured_output"
    assert open_model("groq:plain", Sampling()).json_mode is None


@pytest.mark.parametrize("spec", ["anthropic:claude-x", "google_genai:gemini-x", "mistralai:m"])
def test_a_missing_integration_package_is_named_as_pip_knows_it(spec: str):
    package = f"langchain-{spec.partition(':')[0].replace('_', '-')}"
    with pytest.raises(ConfigurationError, match=f"pip install {package}") as caught:
        check_model(spec)
    assert spec in str(caught.value)


def test_without_langchain_the_extra_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "langchain.chat_models", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'archon-graph\[providers\]'") as caught:
        check_model("anthropic:claude-x")
    assert caught.value.extra == "providers"


def test_without_langchain_a_misspelt_provider_of_ours_is_not_taken_for_one_of_theirs(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setitem(sys.modules, "langchain.chat_models", None)
    with pytest.raises(UnknownModelError, match="did you mean 'openai'"):
        check_model("opnai:gpt-4o")
    with pytest.raises(MissingExtraError):
        check_model("azure_openai:gpt-4o")


def test_what_a_provider_refuses_is_told_in_one_line_without_keys(monkeypatch: pytest.MonkeyPatch):
    import langchain.chat_models

    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("the key sk-live-abc123456 is not one\nand more")

    monkeypatch.setattr(langchain.chat_models, "init_chat_model", refuse)
    with pytest.raises(ConfigurationError) as caught:
        check_model("groq:x")
    assert str(caught.value) == "model 'groq:x' cannot be set up: the key [secret] is not one"


def test_a_missing_key_of_another_provider_is_told_too():
    with pytest.raises(ConfigurationError, match=r"azure_openai:x.*cannot be set up"):
        check_model("azure_openai:x")
