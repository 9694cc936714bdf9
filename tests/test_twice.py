"""The same run twice: the second is free and equal; so is the third, from a tape and without a network."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pytest_socket import SocketBlockedError, disable_socket, enable_socket

from archon_graph import Architecture, ScriptedModel
from archon_graph.core import Result
from archon_graph.graphs import READY_MADE
from archon_graph.models import Client, ModelPolicy, ScriptedCall, TapeMissError
from archon_graph.models.cache import ResponseCache
from tests.faults.behaviour import PASSING, SILENT, Plan
from tests.faults.running import Server
from tests.graphs.names import NAMES
from tests.replies import good_reply

QUESTION = "Which of the two is larger, 9.9 or 9.11?"
OTHER = "Which of the two is larger, 9.9 or 8.11?"


def good_model() -> ScriptedModel:
    """A model that answers as asked, and has a name for its content."""
    return ScriptedModel(good_reply, json=True, cache_id="good")


def never_called() -> ScriptedModel:
    """The same model by its name; whoever calls it learns that it is another."""

    def fail(call: ScriptedCall) -> str:
        raise AssertionError(f"called with {call.prompt!r}")

    return ScriptedModel(fail, json=True, cache_id="good")


@contextmanager
def no_network() -> Iterator[None]:
    """Not even loopback; an event loop needs a pair of sockets of its own."""
    disable_socket(allow_unix_socket=True)
    try:
        yield
    finally:
        enable_socket()


async def record(architecture: Architecture, cache: Path, *, seed: int = 0) -> Result:
    """A run through a cache that is opened for it and closed after it, as two runs of a program are."""
    client = Client(cache=cache)
    try:
        return await architecture.arun(QUESTION, client=client, seed=seed)
    finally:
        client.close()


def export(cache: Path, tape: Path, *, hashes_only: bool = False) -> Path:
    with ResponseCache(cache) as opened:
        opened.export(tape, hashes_only=hashes_only)
    return tape


def _identities(model: ScriptedModel) -> list[tuple[str, int, str]]:
    return [(call.prompt, call.sample, str(call.schema)) for call in model.calls]


def check_free_and_equal(again: Result, first: Result) -> None:
    assert again.stable_json() == first.stable_json()
    assert again.paid.calls == 0
    assert again.paid.tokens == 0
    assert (again.usage.calls, again.usage.tokens) == (first.usage.calls, first.usage.tokens)
    assert all(row["cached"] for row in again.trace)


def test_nothing_is_open():
    """What this module stands on: with the network away, nothing can be reached."""
    with no_network(), pytest.warns(UserWarning, match="socket"), pytest.raises(SocketBlockedError):
        socket.create_connection(("127.0.0.1", 9))


@pytest.mark.parametrize("name", NAMES)
async def test_the_second_run_makes_no_call(name: str, tmp_path: Path):
    """Of every ready-made architecture; the third comes from a tape, in strict replay."""
    model = good_model()
    first = await record(READY_MADE[name]().with_model(model), tmp_path / "cache.db")
    # Equal calls within a run (a verdict on two equal drafts) are paid once, too.
    assert 0 < first.paid.calls == len(model.calls) <= first.usage.calls

    again = READY_MADE[name]().with_model(never_called())
    check_free_and_equal(await record(again, tmp_path / "cache.db"), first)

    tape = export(tmp_path / "cache.db", tmp_path / "tape.jsonl")
    with no_network():
        check_free_and_equal(await again.arun(QUESTION, client=Client(cache=tape, replay="strict")), first)


@pytest.mark.parametrize("name", NAMES)
async def test_at_the_same_time(name: str, tmp_path: Path):
    """Two equal runs side by side pay for each call once, whoever makes it."""
    model, client = good_model(), Client(cache=tmp_path / "cache.db")
    architecture = READY_MADE[name]().with_model(model)
    one, other = await asyncio.gather(*(architecture.arun(QUESTION, client=client) for _ in range(2)))
    client.close()
    assert one.stable_json() == other.stable_json()
    assert one.paid.calls + other.paid.calls == len(model.calls) == len(set(_identities(model))) > 0


async def test_another_seed_is_another_run(tmp_path: Path):
    """Recorded beside the first, which stays."""
    model = good_model()
    architecture = READY_MADE["best-of-n"]().with_model(model)
    first = await record(architecture, tmp_path / "cache.db")
    calls = len(model.calls)
    other = await record(architecture, tmp_path / "cache.db", seed=1)
    assert len(model.calls) == 2 * calls
    assert other.paid.calls == calls
    check_free_and_equal(await record(architecture, tmp_path / "cache.db"), first)
    check_free_and_equal(await record(architecture, tmp_path / "cache.db", seed=1), other)


def test_from_synchronous_code(tmp_path: Path):
    """Run, run again, replay, each through the background loop."""
    architecture = READY_MADE["critique-rank-fuse"]().with_model(good_model())
    cache = ResponseCache(tmp_path / "cache.db")
    first = architecture.run(QUESTION, client=Client(cache=cache))
    again = READY_MADE["critique-rank-fuse"]().with_model(never_called())
    check_free_and_equal(again.run(QUESTION, client=Client(cache=cache)), first)
    cache.close()
    tape = export(tmp_path / "cache.db", tmp_path / "tape.jsonl.gz", hashes_only=True)
    with no_network():
        check_free_and_equal(again.run(QUESTION, client=Client(cache=tape, replay="strict")), first)


class TestMiss:
    """What a strict replay says of a call that is not on its tape."""

    @pytest.fixture
    async def tapes(self, tmp_path: Path) -> tuple[Path, Path]:
        """A tape with the texts of its requests, and one with digests alone."""
        await record(READY_MADE["ensemble-rank-fuse"]().with_model(good_model()), tmp_path / "cache.db")
        whole = export(tmp_path / "cache.db", tmp_path / "whole.jsonl")
        return whole, export(tmp_path / "cache.db", tmp_path / "hashes.jsonl", hashes_only=True)

    async def miss(self, tape: Path, question: str, *, seed: int = 0, model: ScriptedModel | None = None) -> str:
        architecture = READY_MADE["ensemble-rank-fuse"]().with_model(model or never_called())
        with no_network(), pytest.raises(TapeMissError) as missed:
            await architecture.arun(question, client=Client(cache=tape, replay="strict"), seed=seed)
        return str(missed.value)

    async def test_a_changed_question(self, tapes: tuple[Path, Path]):
        """The nearest recorded call is named by what it says, and where it differs."""
        told = await self.miss(tapes[0], OTHER)
        assert "custom:good" in told
        assert str(tapes[0]) in told
        assert "the nearest recorded call differs in message 1 (human) from character 36 on" in told
        assert "recorded '… of the two is larger, 9.9 or 9.11?'" in told
        assert "asked '… of the two is larger, 9.9 or 8.11?'" in told

    async def test_a_changed_question_by_its_digest(self, tapes: tuple[Path, Path]):
        """Where only digests were kept, the field that differs is told."""
        told = await self.miss(tapes[1], OTHER)
        assert "the nearest recorded call differs in messages (of which only a digest is kept)" in told
        assert "larger" not in told

    async def test_another_seed(self, tapes: tuple[Path, Path]):
        told = await self.miss(tapes[0], QUESTION, seed=7)
        assert "sample 0 of replicate 7" in told
        assert "the call itself is there, recorded samples: 0" in told

    async def test_another_model(self, tapes: tuple[Path, Path]):
        told = await self.miss(tapes[0], QUESTION, model=ScriptedModel([], json=True, cache_id="other"))
        assert "custom:other" in told
        assert str(tapes[0]) in told or "on the tape" in told

    async def test_nothing_is_opened(self, tapes: tuple[Path, Path]):
        """A model that cannot even be opened here is missed on the tape, and not for its key."""
        architecture = READY_MADE["single"]().with_model("openai:served")
        with no_network(), pytest.raises(TapeMissError, match="openai:served"):
            await architecture.arun(QUESTION, client=Client(cache=tapes[0], replay="strict"))


class TestOverTheWire:
    """The same against a server, where a call is a request that it counts."""

    def client(self, cache: Path) -> Client:
        return Client(cache=cache, policies={"openai": ModelPolicy(attempts=8, first_wait=0.0)})

    @pytest.mark.parametrize("rate", [0.0, 0.5])
    async def test_again_and_again(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rate: float):
        """Also at another port, with faults on the way, and at last without a server, a key, or a network."""
        architecture = READY_MADE["critique-rank-fuse"]().with_model("openai:served")
        kinds = tuple(fault for fault in PASSING if fault not in SILENT)
        plan = Plan(rate=rate, seed=3, kinds=kinds, retry_after=0.0)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-test-none-at-all")
        with Server(plan) as server:
            monkeypatch.setenv("OPENAI_BASE_URL", server.url)
            client = self.client(tmp_path / "cache.db")
            first = await architecture.arun(QUESTION, client=client)
            client.close()
            assert first.losses == ()
            assert server.counts.draws == first.paid.calls == first.usage.calls
            assert (server.counts.draws > server.counts.answered) == (rate > 0)
        with Server(plan) as server:
            monkeypatch.setenv("OPENAI_BASE_URL", server.url)
            client = self.client(tmp_path / "cache.db")
            check_free_and_equal(await architecture.arun(QUESTION, client=client), first)
            client.close()
            assert server.counts.requests == 0
        tape = export(tmp_path / "cache.db", tmp_path / "tape.jsonl")
        monkeypatch.delenv("OPENAI_API_KEY")
        with no_network():
            check_free_and_equal(
                await architecture.arun(QUESTION, client=Client(cache=tape, replay="strict")), first
            )
