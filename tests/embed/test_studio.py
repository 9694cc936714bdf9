"""The template for LangGraph Studio: ``langgraph dev`` serves the architecture, its endpoints draw and run it."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest
from langgraph_sdk import get_sync_client
from langgraph_sdk.client import SyncLangGraphClient

from archon_graph import Architecture
from tests.models.loopback import Loopback, Reply, Sent, completion

TEMPLATE = Path(__file__).parent.parent.parent / "examples" / "studio"
MODEL = "openai:gpt-4o"
QUESTION = {"messages": [{"role": "user", "content": "Name a river in France."}]}


def reply(sent: Sent, number: int) -> Reply | dict[str, Any]:
    """What each technique of the template needs to go on: it is told apart by what it asks for."""
    prompt = str(sent.body["messages"])
    if "response_format" not in sent.body and not re.search("rank|critici", prompt, re.IGNORECASE):
        return completion("The Loire.")
    ids = re.findall(r"\[(\d+)\]", prompt) or ["1"]
    return completion(" > ".join(f"[{one}]" for one in dict.fromkeys(ids)))


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SyncLangGraphClient]:
    """A copy of the template, served, with a provider on loopback in the place of the local model."""
    folder = tmp_path_factory.mktemp("studio") / "template"
    shutil.copytree(TEMPLATE, folder)
    file = folder / "architecture.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("local:coder-0.5b", MODEL), encoding="utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    provider = Loopback(reply)
    env = {
        **os.environ,
        "OPENAI_API_KEY": "sk-test-none-at-all",
        "OPENAI_BASE_URL": provider.url,
        "LANGGRAPH_CLI_NO_ANALYTICS": "1",
        "LANGSMITH_TRACING": "false",
    }
    log = folder / "log.txt"
    options = ["--no-browser", "--no-reload", "--port", str(port)]
    with log.open("w", encoding="utf-8") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "langgraph_cli", "dev", *options], cwd=folder, env=env, stdout=out, stderr=out
        )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(f"{url}/ok", process, log)
        with get_sync_client(url=url, timeout=60) as client:
            yield client
    finally:
        process.terminate()
        process.wait(timeout=60)
        provider.close()


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Return once the server answers."""
    ends = time.monotonic() + 120
    while time.monotonic() < ends:
        if process.poll() is not None:
            break
        try:
            if httpx.get(url).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
    pytest.fail(f"langgraph dev does not answer:\n{log.read_text(encoding='utf-8')}")


def test_the_architecture_is_found(studio: SyncLangGraphClient):
    [assistant] = studio.assistants.search(graph_id="architecture")

    graph = studio.assistants.get_graph(assistant["assistant_id"])

    architecture = Architecture.load(TEMPLATE / "architecture.yaml")
    nodes = {str(node["id"]): node for node in graph["nodes"]}
    assert set(nodes) == {"__start__", "question", *architecture.components, "answer", "__end__"}
    assert nodes["ranker_1"]["metadata"] == {"technique": "ranker"}
    joined = [(edge["source"], edge["target"]) for edge in graph["edges"]]
    way = ["__start__", "question", "generator_1", "critic_1", "ranker_1", "fuser_1", "answer", "__end__"]
    assert sorted(joined) == sorted(pairwise(way))


def test_what_goes_in_is_messages(studio: SyncLangGraphClient):
    [assistant] = studio.assistants.search(graph_id="architecture")

    schema = studio.assistants.get_schemas(assistant["assistant_id"])["input_schema"]

    # From this, Studio knows that it can offer a chat.
    assert schema is not None
    assert "messages" in schema["properties"]


def test_a_run(studio: SyncLangGraphClient):
    state = studio.runs.wait(None, "architecture", input=QUESTION)

    assert isinstance(state, dict)
    assert [(message["type"], message["content"]) for message in state["messages"]] == [
        ("human", "Name a river in France."),
        ("ai", "The Loire."),
    ]


def test_a_thread_keeps_its_turns(studio: SyncLangGraphClient):
    thread = studio.threads.create()["thread_id"]
    for _ in range(2):
        studio.runs.wait(thread, "architecture", input=QUESTION)

    values = studio.threads.get_state(thread)["values"]

    assert isinstance(values, dict)
    assert [message["type"] for message in values["messages"]] == ["human", "ai"] * 2


def test_each_node_is_seen_as_it_ends(studio: SyncLangGraphClient):
    parts = studio.runs.stream(None, "architecture", input=QUESTION, stream_mode="updates")

    seen = [name for part in parts if part.event == "updates" for name in part.data]
    assert seen == ["question", "generator_1", "critic_1", "ranker_1", "fuser_1", "answer"]
