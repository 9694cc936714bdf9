"""What the tests of faults share: a server that the provider ``openai`` is sent to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.faults.behaviour import Plan
from tests.faults.running import Server

KEY = "sk-test-Qm3vX81LzP0sTu4w"


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Plan], Server]]:
    """Starts servers in threads; models of ``openai:`` are asked of the newest."""
    with ExitStack() as servers:

        def start(plan: Plan | None = None) -> Server:
            server = servers.enter_context(Server(plan))
            monkeypatch.setenv("OPENAI_API_KEY", KEY)
            monkeypatch.setenv("OPENAI_BASE_URL", server.url)
            return server

        yield start
