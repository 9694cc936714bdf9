"""Whole runs on what a real model said, replayed from the tape: no model, no file of one, no network."""

from __future__ import annotations

import argparse
import shlex
import socket
from pathlib import Path
from typing import Any

import pytest
from syrupy.assertion import SnapshotAssertion

from archon_graph import Generator
from archon_graph.models import Client, TapeMissError
from tests.scripts import ROOT, load

TAPES = Path(__file__).parent / "tapes"


def recorded_by() -> argparse.Namespace:
    """The command in the folder's page, as its program reads it."""
    page = (TAPES / "README.md").read_text(encoding="utf-8")
    block = page.partition("```console\n")[2].partition("```")[0]
    line = block.replace("\\\n", " ").partition("\n")[0]
    given = load("record").arguments().parse_args(shlex.split(line)[2:])
    # They are given as seen from the root, and the tests may be started elsewhere.
    given.tasks, given.tape = ROOT / given.tasks, ROOT / given.tape
    return given


COMMAND = recorded_by()


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Client:
    """Answers from the tape alone; there is no model on this machine and nobody to connect to."""
    if not COMMAND.tape.exists():
        pytest.skip(f"{COMMAND.tape.name} is not recorded yet; tests/tapes/README.md says how")

    def connect(*_: object) -> None:
        raise AssertionError("something reached for the network")

    monkeypatch.setenv("ARCHON_GRAPH_MODELS", str(tmp_path))
    monkeypatch.setattr(socket.socket, "connect", connect)
    return Client(cache=COMMAND.tape, replay="strict")


@pytest.mark.parametrize("graph", [load("record").POOL, *COMMAND.graph])
async def test_runs_on_real_answers(graph: str, client: Client, snapshot: SnapshotAssertion):
    """Every question has an answer, losses are those that were recorded, and nothing is paid; twice the same."""
    runs = [run for run in load("record").planned(COMMAND) if run.architecture.name == graph]
    assert len(runs) == COMMAND.limit
    seen: dict[str, Any] = {}
    for run in runs:
        result = await run.architecture.arun(run.task.input, client=client)
        assert result.answer.strip()
        assert result.paid.calls == 0
        assert result.usage.calls > 0
        again = await run.architecture.arun(run.task.input, client=client)
        assert again.stable_json() == result.stable_json()
        losses = [f"{loss.node}: {loss.kind}" for loss in result.losses]
        seen[run.task.id] = {"answer": result.answer, "calls": len(result.trace), "losses": losses}
    assert seen == snapshot


async def test_what_is_not_on_the_tape_is_refused(client: Client):
    """Another question, and a sample more than was recorded."""
    with pytest.raises(TapeMissError, match=r"sample 0 of this call to local:coder-0\.5b"):
        await Generator(COMMAND.model[0]).alone().arun("What was never asked?", client=client)
    task = load("record").read_tasks(COMMAND.tasks)[0]
    one_more = Generator(COMMAND.model[0], samples=COMMAND.samples + 1, max_tokens=COMMAND.max_tokens)
    with pytest.raises(TapeMissError, match=rf"sample {COMMAND.samples} of this call"):
        await one_more.alone().arun(task.input, client=client)


def test_the_tape_is_small(client: Client):
    """It lies in every clone."""
    assert COMMAND.tape.stat().st_size < 300_000
