"""A provider on loopback, for every test of what goes over the wire."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.models.loopback import Loopback

KEY = "sk-proj-Zq81LmN0pRsT4uVw"

Serve = Callable[[Any], Loopback]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Start a server that gives this reply, or asks this function for each; both providers are sent to it."""
    servers = []

    def start(reply: Any) -> Loopback:
        server = Loopback(reply if callable(reply) else lambda sent, number: reply)
        servers.append(server)
        for provider in ("OPENAI", "TOGETHER"):
            monkeypatch.setenv(f"{provider}_API_KEY", KEY)
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("TOGETHER_API_BASE", server.url)
        return server

    yield start
    for server in servers:
        server.close()
