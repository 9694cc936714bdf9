"""What every test stands on: no network but loopback, no keys, and a registry that is put back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_socket import socket_allow_hosts

from archon_graph.core import registry

_KEYS = ("OPENAI_API_KEY", "OPENAI_BASE_URL", "TOGETHER_API_KEY", "ANTHROPIC_API_KEY", "ARCHON_GRAPH_MODEL")


def pytest_runtest_setup() -> None:
    """A test that reaches for a model on the network fails, whatever keys the machine has."""
    socket_allow_hosts(["127.0.0.1", "::1", "localhost"], allow_unix_socket=True)


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """No key of the machine reaches a test."""
    for key in _KEYS:
        monkeypatch.delenv(key, raising=False)


@pytest.fixture(autouse=True)
def same_registry() -> Iterator[None]:
    """Components that a test defines are gone after it."""
    before = dict(registry._defined)
    yield
    registry._defined.clear()
    registry._defined.update(before)
