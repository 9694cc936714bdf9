"""Keys appear nowhere: planted in every place they come from, and looked for in every place they could go to.

What is searched: results, errors with their tracebacks (the values of our own variables included), reprs, logs,
tracer records, checkpoints, caches, tapes, the command line, and everything that was printed.
"""

from __future__ import annotations

import base64
import io
import json
import logging
import re
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from langchain_core.messages import HumanMessage
from langchain_core.tracers.base import BaseTracer
from langchain_core.tracers.schemas import Run
from langgraph.checkpoint.memory import InMemorySaver
from pydantic import SecretStr

import archon_graph
from archon_graph import Critic, Fuser, Generator, Ranker
from archon_graph.core import NoAnswerError
from archon_graph.models import Client, ModelPolicy, Request
from archon_graph.models.cache import ResponseCache
from tests.cli.command import Command
from tests.faults.behaviour import PASSING, SILENT, Fault, Plan
from tests.faults.running import Server

# One as a provider forms it, and one that nothing but its value gives away.
SHAPED, PLAIN = "sk-proj-Zq81LmN0pRsT4uVw9xYz", "tangerine-walrus-orbit"
MODEL = "openai:served"
GRAPH = Generator(MODEL, samples=3) | Critic(MODEL) | Ranker(MODEL) | Fuser(MODEL)
ECHOING = (Fault.RATE_LIMIT, Fault.SERVER_ERROR, Fault.UNAVAILABLE, Fault.ERROR_INSIDE, Fault.PAGE, Fault.BAD_KEY)
OUR_FILES = str(Path(archon_graph.__file__).parent)

# Where the libraries below us write down what a provider sent, before we see it. Of a provider that repeats keys,
# that is a key.
OF_OTHERS = re.compile(r"log of (httpcore|httpx|openai)|tracer, (error|outputs) of llm runs")
# They log addresses as they are.
OF_OTHERS_WITH_ADDRESS = re.compile(r"log of httpx")


class Haul:
    """What was found, by the place where it lay."""

    def __init__(self) -> None:
        self.places: dict[str, str] = {}

    def add(self, place: str, text: object) -> None:
        self.places[place] = f"{self.places.get(place, '')}\n{text}"

    def add_error(self, place: str, error: BaseException) -> None:
        """An error in every form it is shown in, and the variables in our own code that it went through."""
        self.add(place, f"{error!r} {error} {vars(error)}")
        self.add(f"{place}, traceback", "".join(traceback.format_exception(error)))
        link: BaseException | None = error
        while link is not None:
            told = traceback.TracebackException.from_exception(link, capture_locals=True)
            for frame in told.stack:
                if frame.filename.startswith(OUR_FILES):
                    self.add(f"{place}, variables in {Path(frame.filename).name}:{frame.name}", frame.locals)
            link = link.__cause__ or link.__context__

    def add_run(self, run: Run) -> None:
        """A run of a tracer and all runs below it, field by field."""
        for name in ("name", "inputs", "outputs", "error", "extra", "serialized", "tags", "events"):
            self.add(f"tracer, {name} of {run.run_type} runs", repr(getattr(run, name)))
        for below in run.child_runs:
            self.add_run(below)

    def add_files(self, folder: Path, *patterns: str) -> None:
        """Files as they lie on the disk."""
        for pattern in patterns:
            for path in sorted(folder.glob(pattern)):
                self.add(path.name, path.read_bytes().decode("latin-1"))

    def add_log(self, lines: str) -> None:
        for line in lines.splitlines():
            self.add(f"log of {line.split(' ')[0]}", line)

    def leaks(self, *secrets: str) -> list[str]:
        """The places in which a secret lies: as it is, or as it goes into a header with a user's name."""
        forms = [*secrets, *(base64.b64encode(f"me:{secret}".encode()).decode() for secret in secrets)]
        return sorted(place for place, text in self.places.items() if any(form in text for form in forms))


class Recorder(BaseTracer):
    """A tracer that keeps every run whole, as those do that send it somewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.runs: list[Run] = []

    def _persist_run(self, run: Run) -> None:
        self.runs.append(run)


class Source(NamedTuple):
    """A place that keys come from."""

    name: str
    client: Callable[..., Client]
    secrets: tuple[str, ...]


@pytest.fixture(params=["environment", "env file", "secret object", "text", "address"])
def source(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Source:
    """Every place that keys come from, one at a time."""
    given: dict[str, Any] = {}
    secrets: tuple[str, ...] = (PLAIN,)
    match request.param:
        case "environment":
            monkeypatch.setenv("OPENAI_API_KEY", PLAIN)
        case "env file":
            given["env_file"] = tmp_path / ".env"
            given["env_file"].write_text(f"OPENAI_API_KEY={PLAIN}\nTOGETHER_API_KEY={SHAPED}\n")
            secrets = (PLAIN, SHAPED)
        case "secret object":
            given["keys"] = {"openai": SecretStr(PLAIN)}
        case "text":
            given["keys"] = {"openai": SHAPED}
            secrets = (SHAPED,)
        case "address":
            # The password of a user whom a gateway in front of the provider asks for.
            monkeypatch.setenv("OPENAI_API_KEY", SHAPED)
            secrets = (SHAPED, PLAIN)
    policies = {"openai": ModelPolicy(attempts=2, first_wait=0.0, timeout=1.0)}
    return Source(request.param, lambda **more: Client(policies=policies, **given, **more), secrets)


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch, source: Source) -> Iterator[Callable[[Plan], Server]]:
    """Servers; where the address is to hold a password, it does."""
    servers: list[Server] = []

    def start(plan: Plan) -> Server:
        servers.append(Server(plan))
        user = f"me:{PLAIN}@" if source.name == "address" else ""
        monkeypatch.setenv("OPENAI_BASE_URL", servers[-1].url.replace("//", f"//{user}"))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def logs() -> Iterator[io.StringIO]:
    """Everything that anybody logs, down to the last detail."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(name)s %(message)s"))
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield stream
    root.setLevel(before)
    root.removeHandler(handler)


async def ask(client: Client, haul: Haul, tracer: Recorder, question: str) -> None:
    """Ask, and keep all that comes of it."""
    try:
        result = await GRAPH.arun(question, client=client, config={"callbacks": [tracer]})
    except NoAnswerError as error:
        haul.add_error("NoAnswerError", error)
        haul.add("losses of an error", [*error.losses])
        return
    haul.add("result", repr(result))
    haul.add("result.to_dict()", json.dumps(result.to_dict()))
    haul.add("result.stable_json()", result.stable_json())
    haul.add("messages", [candidate.message.model_dump_json() for candidate in result.candidates])


async def draw(client: Client, haul: Haul, question: str) -> None:
    """Draw without a graph, whose errors the caller sees as they are."""
    for each in await client.draw(Request(model=MODEL, messages=(HumanMessage(question),)), range(2)):
        haul.add("draw", repr(each))
        if each.error is not None:
            haul.add_error("draw.error", each.error)
            outer = RuntimeError("no draw")
            outer.__cause__ = each.error
            haul.add_error("an error with a draw's error as its cause", outer)


async def with_checkpoints(client: Client, haul: Haul, question: str) -> None:
    """Run with everything that is passed on written down between the nodes."""
    saver = InMemorySaver()
    graph = GRAPH.compile(checkpointer=saver)
    try:
        state = await graph.ainvoke(
            {"messages": [("user", question)]}, {"configurable": {"thread_id": "1"}}, context={"client": client}
        )
        haul.add("state", repr(state))
    except NoAnswerError as error:
        haul.add_error("NoAnswerError of a graph", error)
    haul.add("checkpoints", [dict(saver.storage), dict(saver.writes), dict(saver.blobs)])


async def everything(
    source: Source, plans: list[Plan], serve: Callable[[Plan], Server], folder: Path, haul: Haul
) -> None:
    """Whatever can be done with a client, against servers of these plans."""
    tracer = Recorder()
    cache = ResponseCache(folder / "cache.db")
    for turn, plan in enumerate(plans):
        server = serve(plan)
        client = source.client(cache=cache)
        # Each time in other words, so that nothing is answered from the cache.
        for number in range(1 if plan.rate == 1 else 5):
            await ask(client, haul, tracer, f"Question {turn}.{number}?")
        await draw(client, haul, f"Without a graph, {turn}?")
        await with_checkpoints(client, haul, f"With checkpoints, {turn}?")
        assert server.counts.requests > 0
        haul.add("client", [repr(client), str(client), vars(client)])
        haul.add("what a client is made of", [vars(client._caller), vars(client._opener)])
        opened = [future.result(timeout=0) for future in client._opener._opened.values()]
        haul.add("opened models", [(repr(each), str(each.chat), each.settings) for each in opened])
    haul.add("statistics", cache.stats())
    cache.export(folder / "whole.jsonl")
    cache.export(folder / "hashes.jsonl", hashes_only=True)
    haul.add_files(folder, "cache.db*")
    cache.close()
    haul.add_files(folder, "cache.db", "*.jsonl")
    for run in tracer.runs:
        haul.add_run(run)


async def test_nothing_shows_a_key(
    source: Source,
    serve: Callable[[Plan], Server],
    logs: io.StringIO,
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
):
    """With answers, repeats, losses, and questions that fail altogether; nobody who is asked repeats a key.

    Not even in what the libraries below us log and trace.
    """
    haul = Haul()
    kinds = tuple(fault for fault in PASSING if fault not in SILENT)
    plans = [Plan(rate=0.2, seed=2, kinds=kinds, retry_after=0.0), Plan(rate=1.0, kinds=(Fault.BAD_KEY,))]
    await everything(source, plans, serve, tmp_path, haul)
    haul.add("printed", "".join(capfd.readouterr()))
    haul.add_log(logs.getvalue())
    # There was something to find a key in.
    found = set(haul.places)
    assert found >= {"result", "NoAnswerError", "draw.error", "state", "checkpoints", "tracer, error of llm runs"}
    assert found >= {"opened models", "whole.jsonl", "hashes.jsonl", "cache.db", "cache.db-wal", "log of asyncio"}
    leaks = haul.leaks(*source.secrets)
    if source.name == "address":
        leaks = [place for place in leaks if OF_OTHERS_WITH_ADDRESS.match(place) is None]
    assert leaks == []


async def test_nothing_of_ours_shows_a_key_that_a_provider_repeats(
    source: Source,
    serve: Callable[[Plan], Server],
    logs: io.StringIO,
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
):
    """In the bodies of its errors, in a page, and in the headers of all that it sends."""
    haul = Haul()
    always = [Plan(rate=1.0, kinds=(fault,), retry_after=0.0, echo_key=True) for fault in ECHOING]
    sometimes = Plan(rate=0.3, seed=2, kinds=ECHOING, retry_after=0.0, echo_key=True)
    await everything(source, [*always, sometimes], serve, tmp_path, haul)
    haul.add("printed", "".join(capfd.readouterr()))
    haul.add_log(logs.getvalue())
    leaks = haul.leaks(*source.secrets)
    # It was repeated, and the libraries below us let it through.
    assert any(OF_OTHERS.match(place) for place in leaks)
    assert [place for place in leaks if OF_OTHERS.match(place) is None] == []


def test_the_command_line(
    source: Source,
    serve: Callable[[Plan], Server],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
):
    """What it prints, with answers and without, and the cache and the tape that it writes."""
    if source.name in {"secret object", "text"}:
        monkeypatch.setenv("OPENAI_API_KEY", source.secrets[0])
    haul, command = Haul(), Command(monkeypatch, capfd)
    monkeypatch.chdir(tmp_path)
    ask = ("critique-rank-fuse", "What is 2 + 2?", "--model", MODEL)
    file = ("--cache-file", "cache.db")

    def call(*arguments: str) -> int:
        ran = command(*arguments)
        haul.add(" ".join(arguments), f"{ran.code} {ran.out} {ran.err}")
        return int(ran.code)

    serve(Plan(rate=1.0, kinds=(Fault.BAD_KEY,), echo_key=True))
    assert call("run", *ask) != 0
    assert call("run", *ask, "--json") != 0
    serve(Plan(rate=0.3, seed=1, kinds=ECHOING, retry_after=0.0, echo_key=True))
    assert call("run", *ask, *file) == 0
    assert call("run", *ask, *file, "--json", "--seed", "1") == 0
    assert call("run", *ask, *file, "--details", "--seed", "2") == 0
    assert call("check", ask[0]) == 0
    assert call("cache", "stats", "--path", "cache.db", "--json") == 0
    assert call("cache", "export", "tape.jsonl", "--path", "cache.db") == 0
    assert call("run", *ask, "--tape", "tape.jsonl", "--replay", "--json") == 0
    assert call("run", *ask, "--tape", "tape.jsonl", "--replay", "--seed", "9") != 0
    haul.add_files(tmp_path, "cache.*", "tape.*")
    assert {"cache.db", "tape.jsonl"} <= set(haul.places)
    assert haul.leaks(*source.secrets) == []


async def test_a_key_in_a_question_is_not_recorded(
    source: Source, serve: Callable[[Plan], Server], tmp_path: Path
):
    """Whoever pastes a key into a question finds it in no cache and on no tape; a second run is free anyway."""
    serve(Plan())
    client = source.client(cache=tmp_path / "cache.db")
    question = f"Why does {source.secrets[0]} not work?"
    first = await GRAPH.arun(question, client=client)
    again = await GRAPH.arun(question, client=client)
    assert again.paid.calls == 0
    assert again.answer == first.answer
    assert isinstance(client.cache, ResponseCache)
    client.cache.export(tmp_path / "tape.jsonl")
    client.close()
    haul = Haul()
    haul.add_files(tmp_path, "cache.*", "tape.*")
    assert {"cache.db", "tape.jsonl"} <= set(haul.places)
    assert haul.leaks(*source.secrets) == []
