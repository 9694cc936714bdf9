"""What a provider's error becomes: a ``ModelError`` that says whether to try again, and no key."""

from __future__ import annotations

import pickle
import traceback
from typing import Any

import httpx
import openai
import pytest
from langchain_core.messages import HumanMessage
from pydantic import SecretStr

from archon_graph.models import (
    ArchonError,
    Client,
    MissingExtraError,
    MissingKeyError,
    ModelError,
    ModelFileError,
    Request,
    ScriptedModel,
    ScriptExhaustedError,
    UnknownModelError,
)

# The OpenAI library has brought an httpx of its own since its version 3; its errors take that one's objects.
http = openai._exceptions.httpx2 if hasattr(openai._exceptions, "httpx2") else httpx
REQUEST = http.Request("POST", "http://127.0.0.1/v1/chat/completions")
KEY = "sk-proj-Zq81LmN0pRsT4uVw"


async def fail_with(error: Exception, **model: Any) -> ModelError:
    """What ``draw`` makes of an error that a model raises."""
    draws = await Client(policies={"*": {"attempts": 1}}).draw(
        Request(model=ScriptedModel([error], label="scripted:it", **model), messages=(HumanMessage("q"),)), [0]
    )
    assert draws[0].message is None
    assert isinstance(draws[0].error, ModelError)
    return draws[0].error


def status_error(kind: type[openai.APIStatusError], status: int, message: str = "said so", **body: Any) -> Any:
    return kind(message, response=http.Response(status, request=REQUEST), body={"message": message, **body})


class RouterError(ValueError):
    """How LangChain reports an error inside an answer with status 200."""


class SomeSdkError(Exception):
    """A provider's error that only has a ``code``."""

    code = 503


def chained(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


PASSING = {
    "rate limit": status_error(openai.RateLimitError, 429),
    "server fault": status_error(openai.InternalServerError, 500),
    "overloaded": status_error(openai.InternalServerError, 529),
    "gateway page": status_error(openai.InternalServerError, 522),
    "conflict": status_error(openai.ConflictError, 409),
    "openai time-out": openai.APITimeoutError(request=REQUEST),
    "openai connection": openai.APIConnectionError(request=REQUEST),
    "httpx refused": httpx.ConnectError("refused"),
    "httpx reset": httpx.ReadError("reset"),
    "httpx hung up": httpx.RemoteProtocolError("Server disconnected without sending a response."),
    "httpx time-out": httpx.ReadTimeout("slow"),
    "httpx pool": httpx.PoolTimeout("full"),
    "httpx status": httpx.HTTPStatusError(
        "bad gateway", request=httpx.Request("GET", "http://127.0.0.1"), response=httpx.Response(502)
    ),
    "time-out": TimeoutError("slow"),
    "asyncio time-out": TimeoutError(),
    "connection reset": ConnectionResetError("reset"),
    "wrapped by an integration": chained(RuntimeError("could not generate"), httpx.ConnectTimeout("slow")),
    "status inside a 200": RouterError({"message": "upstream", "code": 502}),
    "another library's code": SomeSdkError("unavailable"),
    "dead connections of an earlier event loop": RuntimeError("Event loop is closed"),
}
LASTING = {
    "wrong key": status_error(openai.AuthenticationError, 401),
    "not allowed": status_error(openai.PermissionDeniedError, 403),
    "no such model": status_error(openai.NotFoundError, 404),
    "bad request": status_error(openai.BadRequestError, 400),
    "empty account": status_error(openai.RateLimitError, 429, code="insufficient_quota"),
    "no such feature": status_error(openai.InternalServerError, 501),
    "wrong address": httpx.UnsupportedProtocol("Request URL is missing an 'http://' protocol"),
    "wrong address, wrapped": chained(
        openai.APIConnectionError(request=REQUEST), httpx.UnsupportedProtocol("missing 'http://'")
    ),
    "broken header": httpx.LocalProtocolError("Illegal header value"),
    "wrong value": ValueError("no such thing"),
    "a bug": KeyError("oops"),
    "status inside a 200": RouterError({"message": "who are you", "code": 401}),
    "some other number": RouterError({"message": "?", "code": 3}),
}


@pytest.mark.parametrize("error", PASSING.values(), ids=PASSING.keys())
async def test_what_may_pass_is_retryable(error: Exception):
    mapped = await fail_with(error)
    assert mapped.retryable
    assert mapped.__cause__ is error
    assert mapped.model == "scripted:it"


@pytest.mark.parametrize("error", LASTING.values(), ids=LASTING.keys())
async def test_what_stays_is_not_retryable(error: Exception):
    mapped = await fail_with(error)
    assert not mapped.retryable
    assert mapped.__cause__ is error


async def test_the_message_names_model_kind_and_reason():
    mapped = await fail_with(ValueError("the pipe is bent"))
    assert str(mapped) == "scripted:it failed with ValueError: the pipe is bent"
    assert str(await fail_with(ValueError())) == "scripted:it failed with ValueError: no reason given"


async def test_what_lies_behind_connection_error_is_told():
    """ "Connection error." alone does not say whether the name or the port was wrong."""
    mapped = await fail_with(
        chained(openai.APIConnectionError(request=REQUEST), httpx.ConnectError("Name or service not known"))
    )
    assert "Connection error." in str(mapped)
    assert "(ConnectError: Name or service not known)" in str(mapped)


async def test_a_page_of_html_is_cut_and_flattened():
    mapped = await fail_with(ValueError("<html>\n\n  <body>" + "<p>busy</p>\n" * 500_000))
    assert len(str(mapped)) < 800
    assert "\n" not in str(mapped)
    assert "<html> <body><p>busy" in str(mapped)


async def test_a_model_error_stays_as_it_is():
    error = ModelError("the answer was no answer", model="local:x", retryable=True)
    assert await fail_with(error) is error


async def test_another_error_of_ours_becomes_a_model_error_with_its_words():
    error = ArchonError("no candidate is left")
    mapped = await fail_with(error)
    assert (str(mapped), mapped.__cause__) == ("no candidate is left", error)


@pytest.mark.parametrize(
    "told",
    [
        f"Incorrect API key provided: {KEY}. You can find your API key in your account.",
        f"Illegal header value b'Bearer {KEY}\\n'",
        f'{{"headers": {{"Authorization": "Bearer {KEY}"}}}}',
        f"GET https://example.invalid/v1?key={KEY}&alt=sse failed",
        "x" * 11_995 + KEY,
    ],
)
async def test_no_key_is_in_the_message(told: str, monkeypatch: pytest.MonkeyPatch):
    for planted in (f"{KEY}\n", ""):
        monkeypatch.setenv("OPENAI_API_KEY", planted)
        mapped = await fail_with(status_error(openai.AuthenticationError, 401, told))
        shown = "".join(traceback.format_exception_only(mapped)) + repr(mapped)
        for part in (KEY, KEY[8:], KEY[:12]):
            assert part not in shown


async def test_the_key_of_an_instance_is_in_no_message_though_no_variable_holds_it():
    class Keyed(ScriptedModel):
        api_key: SecretStr = SecretStr("horse battery staple")

    model = Keyed([ValueError("horse battery staple was refused")])
    [draw] = await Client().draw(Request(model=model, messages=(HumanMessage("q"),)), [0])
    assert "[secret] was refused" in str(draw.error)


@pytest.mark.parametrize(
    "error",
    [
        ModelError("m", model="openai:x", retryable=True),
        ScriptExhaustedError("m", model="scripted"),
        MissingExtraError("model 'x:y'", "providers"),
        MissingKeyError("m"),
        ModelFileError("m"),
        UnknownModelError("m"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_travel_between_processes(error: ArchonError):
    """A worker's error that cannot be unpickled takes the whole pool with it."""
    again = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert (type(again), str(again)) == (type(error), str(error))
    for name in ("model", "retryable", "extra"):
        assert getattr(again, name, None) == getattr(error, name, None)


def test_errors_are_what_python_calls_them():
    assert issubclass(UnknownModelError, LookupError)
    assert issubclass(MissingExtraError, ImportError)
    assert issubclass(ModelFileError, OSError)
