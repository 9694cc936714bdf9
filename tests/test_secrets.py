"""Keys appear nowhere: planted in every place they come from, and looked for in every place they could go to.

What is searched: results, errors with their tracebacks (the values of our own variables included), reprs, logs,
tracer records, caches, tapes, the command line, and everything that was printed.
"""

from __future__ import annotations

import base64
import io
import json
import logging
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from langchain_core.tracers.base import BaseTracer
from langchain_core.tracers.schemas import Run
from pydantic import SecretStr

import archon_graph
from archon_graph import Architecture, Critic, Fuser, Generator, Ranker
from archon_graph.core import NoAnswerError
from archon_graph.models import Client, ConfigurationError, ModelPolicy
from archon_graph.models.cache import ResponseCache
from tests.cli.command import Command
from tests.faults.behaviour import Fault, Plan
from tests.faults.running import Server

# One as a provider forms it, and one that nothing but its value gives away.
SHAPED, PLAIN = "sk-proj-Zq81LmN0pRsT4uVw9xYz", "tangerine-walrus-orbit"
MODEL = "openai:served"
GRAPH = Generator(MODEL, samples=3) | Critic(MODEL) | Ranker(MODEL) | Fuser(MODEL)
ECHOING = (Fault.RATE_LIMIT, Fault.SERVER_ERROR, Fault.UNAVAILABLE, Fault.ERROR_INSIDE, Fault.PAGE, Fault.BAD_KEY)
OUR_FILES = str(Path(archon_graph.__file__).parent)


class Haul:
    """What was found, by the place where it lay."""

    def __init__(self) -> None:
        self.places: dict[str, str] = {}

    def add(self, place: str, text: object) -> None:
        self.places[place] = self.places.get(place, "") + "\n" + str(text)

    def add_error(self, place: str, error: BaseException) -> None:
        """An error in every form it is shown in, and the values of the variables in our own code it went through."""
        self.add(place, repr(error))
        self.add(f"{place}, traceback", "".join(traceback.format_exception(error)))
        link: BaseException | None = error
        while link is not None:
            told = traceback.TracebackException.from_exception(link, capture_locals=True, compact=True)
            for frame in told.stack:
                if frame.filename.startswith(OUR_FILES):
                    self.add(f"{place}, variables in {Path(frame.filename).name}:{frame.name}", frame.locals)
            link = link.__cause__ or link.__context__

    def add_file(self, place: str, path: Path) -> None:
        self.add(place, path.read_bytes().decode("latin-1"))

    def leaks(self, *secrets: str) -> list[str]:
        """The places in which a secret lies, whole or as it goes into a header."""
        forms = [form for secret in secrets for form in (secret, base64.b64encode(secret.encode()).decode()[:-4])]
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

    client: Callable[..., Client]
    secrets: tuple[str, ...]


@pytest.fixture(params=["environment", "env file", "secret object", "text", "address"])
def source(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Source:
    """Every place that keys come from, one at a time."""
    given: dict[str, Any] = {}
    key = SHAPED
    match request.param:
        case "environment":
            monkeypatch.setenv("OPENAI_API_KEY", PLAIN)
            key = PLAIN
        case "env file":
            given["env_file"] = tmp_path / ".env"
            given["env_file"].write_text(f"OPENAI_API_KEY={PLAIN}\nTOGETHER_API_KEY={SHAPED}\n")
            return Source(lambda **more: Client(**given, **more), (PLAIN, SHAPED))
        case "secret object":
            given["keys"] = {"openai": SecretStr(PLAIN)}
            key = PLAIN
        case "text":
            given["keys"] = {"openai": SHAPED}
        case "address":
            monkeypatch.setenv("OPENAI_API_KEY", SHAPED)
            return Source(lambda **more: Client(**more), (SHAPED, PLAIN))
    return Source(lambda **more: Client(**given, **more), (key,))


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Callable[[Plan], Server]]:
    """Servers that repeat keys; where the address is to hold one, it does."""
    servers: list[Server] = []

    def start(plan: Plan) -> Server:
        servers.append(Server(plan))
        url = servers[-1].url
        if "source" in request.fixturenames and request.node.callspec.params.get("source") == "address":
            url = url.replace("http://", f"http://me:{PLAIN}@")
        monkeypatch.setenv("OPENAI_BASE_URL", url)
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


async def ask(architecture: Architecture, client: Client, haul: Haul, tracer: Recorder, question: str) -> None:
    """Ask, and keep all that comes of it."""
    try:
        result = await architecture.arun(question, client=client, config={"callbacks": [tracer]})
    except NoAnswerError as error:
        haul.add_error("NoAnswerError", error)
        haul.add("losses of the error", [*error.losses])
        return
    haul.add("result", repr(result))
    haul.add("result.to_dict()", json.dumps(result.to_dict(), default=repr))
    haul.add("result.stable_json()", result.stable_json())
    haul.add("messages", [candidate.message.model_dump_json() for candidate in result.candidates])


async def test_no_key_in_anything_that_is_kept_or_shown(
    source: Source,
    serve: Callable[[Plan], Server],
    logs: io.StringIO,
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
):
    """With answers, repeats, losses, and questions that fail altogether; the provider repeats the key each time."""
    haul, tracer = Haul(), Recorder()
    cache = ResponseCache(tmp_path / "cache.db")
    policies = {"openai": ModelPolicy(attempts=2, first_wait=0.0, timeout=5.0)}
    for fault in ECHOING:
        serve(Plan(rate=1.0, kinds=(fault,), retry_after=0.0, echo_key=True))
        await ask(GRAPH, source.client(cache=cache, policies=policies), haul, tracer, "All in vain?")
    client = source.client(cache=cache, policies=policies)
    server = serve(Plan(rate=0.3, seed=2, kinds=ECHOING, retry_after=0.0, echo_key=True))
    for number in range(6):
        await ask(GRAPH, client, haul, tracer, f"Question {number}?")
    assert server.counts.faults
    assert {"result", "NoAnswerError"} <= set(haul.places)

    haul.add("client", [repr(client), str(client), vars(client)])
    haul.add("what the client is made of", [vars(client._caller), vars(client._opener), client._opener._keys])
    with pytest.raises(TypeError) as unpicklable:
        client._opener._keys.__reduce__()
    haul.add_error("pickling", unpicklable.value)
    haul.add("statistics", cache.stats())
    cache.export(tmp_path / "whole.jsonl")
    cache.export(tmp_path / "hashes.jsonl", hashes_only=True)
    for path in sorted(tmp_path.glob("cache.db*")):
        haul.add_file(path.name, path)
    cache.close()
    for name in ("cache.db", "whole.jsonl", "hashes.jsonl"):
        haul.add_file(name, tmp_path / name)
        assert (tmp_path / name).stat().st_size > 1_000
    haul.add("printed", "".join(capfd.readouterr()))
    for line in logs.getvalue().splitlines():
        haul.add(f"log of {line.split(' ')[0]}", line)
    for run in tracer.runs:
        haul.add("tracer", run.model_dump_json() if hasattr(run, "model_dump_json") else run.json())
    print(
        {p: len(t) for p, t in haul.places.items()},
        "something broke" in haul.places["tracer"],
        len(tracer.runs),
        [
            t[max(0, t.find("tangerine") - 200) : t.find("tangerine") + 100]
            if "tangerine" in t
            else t[max(0, t.find("bWU6dG") - 200) : t.find("bWU6dG") + 50]
            for p, t in haul.places.items()
            if p in haul.leaks(*source.secrets) and "log" not in p
        ],
    )
    assert haul.leaks(*source.secrets) == []
