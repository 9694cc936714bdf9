"""Every way to fail, one at a time, through the client: a typed error that names the cause, and what was paid."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from langchain_core.messages import HumanMessage

from archon_graph.models import Client, ModelError, ModelPolicy, Request, Sampling
from tests.faults.behaviour import HARMLESS, PASSING, SILENT, Fault, Plan
from tests.faults.running import Server

Serve = Callable[[Plan], Server]

# What each error has to say, so that whoever reads it knows what happened.
CAUSES = {
    Fault.RATE_LIMIT: "429",
    Fault.RATE_LIMIT_MS: "429",
    Fault.SERVER_ERROR: "something broke",
    Fault.UNAVAILABLE: "503",
    Fault.ERROR_INSIDE: "the provider behind is down",
    Fault.RESET: "Connection",
    Fault.RESET_MIDWAY: "Connection",
    Fault.HANG_UP: "peer closed connection",
    Fault.STALL: "no whole answer within 0.3 seconds",
    Fault.STALL_MIDWAY: "no whole answer within 0.3 seconds",
    Fault.DRIP: "no whole answer within 0.3 seconds",
    Fault.TRUNCATED: "JSON",
    Fault.EMPTY: "JSON",
    Fault.NO_CHOICES: "without choices",
    Fault.NO_MESSAGE: "not be read|NoneType",
    Fault.CONTENT_NUMBER: "not be read|input_value=42",
    Fault.CHOICES_OBJECT: "not be read|indices must be integers",
    Fault.PAGE: "<!doctype html>",
    Fault.QUOTA: "the account is empty",
    Fault.BAD_KEY: "no such key",
}


def request() -> Request:
    # In words of its own, so that no limit of another test holds for it.
    return Request(
        model="openai:served", messages=(HumanMessage("What is 2 + 2?"),), sampling=Sampling(max_tokens=50)
    )


def client(fault: Fault, **policy: float) -> Client:
    # Only what never answers is cut short: on a busy machine an answer may take its time.
    timeout = 0.3 if fault in SILENT else 30.0
    return Client(policies={"openai": ModelPolicy(**{"timeout": timeout, "attempts": 1, **policy})})  # type: ignore[arg-type]


@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize("fault", sorted(set(Fault) - HARMLESS))
async def test_is_a_typed_error(serve: Serve, fault: Fault, samples: int):
    """It says the model and the cause, and whether a repeat may help; each draw that was asked for is counted."""
    server = serve(Plan(rate=1.0, kinds=(fault,)))
    draws = await client(fault).draw(request(), range(samples))
    for draw in draws:
        assert draw.message is None
        with pytest.raises(ModelError, match=CAUSES[fault]) as raised:
            raise draw.error or AssertionError("no error")
        assert raised.value.model == "openai:served"
        assert "openai:served" in str(raised.value)
        assert raised.value.retryable == (fault in PASSING)
        assert (draw.usage.calls, draw.cached, draw.faults) == (1, False, ())
    counts = server.counts
    assert counts.draws == sum(draw.usage.calls for draw in draws) == samples
    assert counts.lost == {fault: samples}


@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize("fault", sorted(HARMLESS))
async def test_what_is_harmless_is_an_answer(serve: Serve, fault: Fault, samples: int):
    """An answer is not thrown away for what is wrong around it: unreadable numbers of tokens are unknown ones."""
    server = serve(Plan(rate=1.0, kinds=(fault,)))
    draws = await client(fault).draw(request(), range(samples))
    for draw in draws:
        assert draw.error is None
        assert draw.message is not None
        assert draw.usage.calls == 1
        assert draw.usage.unmetered_calls == (fault is Fault.USAGE_TEXT)
    assert server.counts.answered == samples


@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize("fault", sorted(set(PASSING) - HARMLESS))
async def test_passes_at_the_next_attempt(serve: Serve, fault: Fault, samples: int):
    """The answer is there, and what went wrong before it is on record, paid and counted."""
    server = serve(Plan(rate=1.0, kinds=(fault,), relents_after=1))
    # The second attempt has to answer in time, also where the first may not.
    patience = {"timeout": 2.0} if fault in SILENT else {}
    draws = await client(fault, attempts=2, **patience).draw(request(), range(samples))
    for draw in draws:
        assert draw.error is None
        assert draw.message is not None
        assert draw.usage.calls == 2
        (told,) = draw.faults
        assert "openai:served" in told
        assert str(draw.message.content).startswith("I find ")
    assert len({str(draw.message.content) for draw in draws if draw.message}) == samples
    counts = server.counts
    assert counts.draws == sum(draw.usage.calls for draw in draws) == 2 * samples
    assert (counts.answered, counts.lost) == (samples, {fault: samples})


@pytest.mark.parametrize("fault", [Fault.QUOTA, Fault.BAD_KEY])
async def test_what_lasts_is_not_repeated(serve: Serve, fault: Fault):
    """Waiting fills no account and makes no key valid."""
    server = serve(Plan(rate=1.0, kinds=(fault,)))
    (draw,) = await client(fault, attempts=4).draw(request(), [0])
    assert draw.error is not None
    assert (draw.usage.calls, server.counts.requests) == (1, 1)


@pytest.mark.parametrize("fault", sorted(SILENT))
async def test_a_silent_call_is_hung_up_on(serve: Serve, fault: Fault):
    """A call that was given up is ended, not left behind: its connection is closed."""
    server = serve(Plan(rate=1.0, kinds=(fault,)))
    draws = await client(fault).draw(request(), [0])
    assert all(draw.error is not None for draw in draws)
    async with asyncio.timeout(10):
        while server.counts.gone == 0:  # noqa: ASYNC110 - the server is in another thread
            await asyncio.sleep(0.01)
    assert server.counts.requests == 1
