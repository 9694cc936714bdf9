"""The server as a program: its socket, its signals, its command line."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from archon_graph import Fuser, Generator
from archon_graph.embed import server as package
from archon_graph.embed.server import ServerSettings, create_app
from archon_graph.embed.server.running import Server
from archon_graph.models import ConfigurationError
from tests.cli.command import Command
from tests.embed.saying import fusing
from tests.embed.server.conftest import KEY
from tests.embed.server.serving import QUESTION, Serving

PROGRAM = Path(sys.executable).with_name("archon-graph")


def test_answers_are_sent_at_once():
    # asyncio switches Nagle's algorithm off only for sockets that say that they are of TCP.
    server = Server(create_app({"m": fusing()}), ServerSettings(port=0))
    assert server._socket.proto == socket.IPPROTO_TCP
    server.close()


def test_a_port_that_is_taken(start: Callable[..., Serving]):
    taken = int(start(fusing()).url.removesuffix("/v1").rpartition(":")[2])
    with pytest.raises(ConfigurationError, match=f"port {taken}.*--port"):
        Server(create_app({"m": fusing()}), ServerSettings(port=taken))


def test_a_host_that_is_none():
    with pytest.raises(ConfigurationError, match="cannot listen at"):
        Server(create_app({"m": fusing()}), ServerSettings(host="127.0.0.999", port=0, no_auth=True))


def test_the_address_of_ipv6():
    if not socket.has_ipv6:
        pytest.skip("there is no IPv6")
    try:
        with Serving({"m": fusing()}, host="::1") as server:
            assert server.url.startswith("http://[::1]:")
            assert server.get("/health").status_code == 200
    except ConfigurationError as error:
        pytest.skip(str(error))


class TestCommandLine:
    @pytest.fixture
    def command(self, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
        return Command(monkeypatch, capfd)

    @pytest.fixture
    def served(self, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
        """What the command would serve."""
        given: dict[str, Any] = {}

        def keep(models: Any, settings: ServerSettings, **rest: Any) -> None:
            given.update(models=models, settings=settings, **rest)
            rest["on_start"]("http://127.0.0.1:1/v1")

        monkeypatch.setattr(package, "serve", keep)
        monkeypatch.delenv("ARCHON_GRAPH_SERVER_KEY", raising=False)
        return given

    def test_each_architecture_is_a_model(self, command: Command, served: dict[str, Any], tmp_path: Path):
        file = tmp_path / "best=1.yaml"
        Generator("openai:gpt-4o").alone().save(file)
        ran = command("serve", "single", "voting=self-consistency", str(file), "-m", "scripted:x")
        assert ran.code == 0
        assert list(served["models"]) == ["single", "voting", "best=1"]
        assert "without a key" in ran.out
        assert served["settings"] == ServerSettings()
        assert served["budget"] is None

    def test_options(self, command: Command, served: dict[str, Any], monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("MY_KEY", KEY)
        ran = command(
            *("serve", "single", "--host", "0.0.0.0", "--port", "0", "--api-key-env", "MY_KEY"),  # noqa: S104
            *("--max-n", "2", "--max-body", "1", "--max-calls", "9", "--allow-host", "a.example", "--grace", "1"),
            *("--time-limit", "9", "--max-running", "3", "--seed", "5"),
        )
        assert ran.code == 0
        assert "with a key" in ran.out
        assert KEY not in ran.out + ran.err
        settings = served["settings"]
        assert (settings.api_key, settings.max_n, settings.max_body) == (KEY, 2, 1024 * 1024)
        assert (settings.allowed_hosts, settings.grace, settings.time_limit) == (("a.example",), 1, 9)
        assert (settings.max_running, settings.seed, served["budget"].calls) == (3, 5, 9)

    @pytest.mark.parametrize(("options", "seed"), [((), None), (("--cache-file", "{}"), 0)])
    def test_what_is_kept_is_found_again(
        self, command: Command, served: dict[str, Any], tmp_path: Path, options: Any, seed: Any
    ):
        command("serve", "single", *(option.format(tmp_path / "a.sqlite") for option in options))
        assert served["settings"].seed == seed

    @pytest.mark.parametrize(
        ("arguments", "says"),
        [
            (["singel"], "did you mean 'single'"),
            (["single", "single"], "two architectures are called 'single'"),
            (["single", "--host", "0.0.0.0"], "--no-auth"),  # noqa: S104
            (["single", "--api-key-env", "NOT_SET"], "'NOT_SET' that --api-key-env names is not set"),
        ],
    )
    def test_what_is_to_be_mended_first(
        self, command: Command, served: dict[str, Any], arguments: list[str], says: str
    ):
        ran = command("serve", *arguments)
        assert ran.code == 2
        assert says in ran.err
        assert not served

    def test_a_key_that_is_too_short_is_not_repeated(
        self, command: Command, served: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setenv("ARCHON_GRAPH_SERVER_KEY", "hunter2")
        ran = command("serve", "single")
        assert ran.code == 2
        assert "at least 16" in ran.err
        assert "hunter2" not in ran.err

    def test_without_the_extra(self):
        code = (
            "import sys\n"
            "sys.modules['uvicorn'] = None\n"
            "from archon_graph.cli import main\n"
            "sys.argv = ['archon-graph', 'serve', 'single']\n"
            "main()"
        )
        ran = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=60)
        assert ran.returncode == 2
        assert "pip install 'archon-graph[serve]'" in ran.stderr
        assert "Traceback" not in ran.stderr

    def test_other_commands_do_not_load_it(self):
        code = (
            "import sys, archon_graph.cli, archon_graph.embed\n"
            "print([name for name in ('starlette', 'uvicorn', 'prometheus_client') if name in sys.modules])"
        )
        ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)
        assert ran.stdout == "[]\n"


class TestSignals:
    @pytest.fixture
    def program(self, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
        (tmp_path / "script.json").write_text(json.dumps(["one", "two"]))
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        command = [str(PROGRAM), "serve", "single", "--port", "0", "-m", "scripted:script.json"]
        with subprocess.Popen(
            command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            yield process
            process.kill()

    @pytest.mark.skipif(os.name != "posix", reason="needs signals")
    @pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
    def test_it_answers_until_it_is_told_to_end(
        self, program: subprocess.Popen[str], number: signal.Signals, code: int
    ):
        assert program.stdout is not None
        said = program.stdout.readline()
        url = next(word for word in said.split() if word.startswith("http"))
        asked = {"model": "single", "messages": QUESTION}
        reply = httpx.post(f"{url}/chat/completions", json=asked, trust_env=False)
        assert reply.json()["choices"][0]["message"]["content"] == "one"
        program.send_signal(number)
        _, log = program.communicate(timeout=20)
        assert program.returncode == code
        assert "Traceback" not in log
        assert "POST '/v1/chat/completions' 200" in log
        assert reply.headers["x-request-id"] in log


def test_an_architecture_of_which_only_a_part_fails_still_answers(start: Callable[..., Serving]):
    from archon_graph import ScriptedModel

    bad, good = ScriptedModel(lambda _: RuntimeError("down")), ScriptedModel(lambda _: "fine")
    reply = start([Generator(bad), Generator(good)] | Fuser(good)).post()
    assert reply.status_code == 200
