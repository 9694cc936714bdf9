"""What every test stands on: no network but loopback, no keys, and a registry that is put back."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace

import hypothesis
import pytest
from pytest_socket import socket_allow_hosts

from archon_graph.core import registry
from archon_graph.models import policy, providers, redact

# How long an example takes says what else the machine is doing, and nothing of our code. What has to end in
# time has a test of its own. The rest of the profile stays as it is: in CI, Hypothesis takes another one.
hypothesis.settings.register_profile(
    "any machine",
    parent=hypothesis.settings.default,
    deadline=None,
    suppress_health_check=[*hypothesis.settings.default.suppress_health_check, hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("any machine")

# Tests run side by side: on two threads a model waits for whichever of them has no core.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("ARCHON_GRAPH_LOCAL_THREADS", "1")

_KEYS = (
    "ANTHROPIC_API_KEY",
    "ARCHON_GRAPH_CACHE",
    "ARCHON_GRAPH_MODEL",
    "OPENAI_API_BASE",
    "OPENAI_API_KEY",
    "OPENAI_BASE_URL",
    "TOGETHER_API_BASE",
    "TOGETHER_API_KEY",
)


def pytest_runtest_setup() -> None:
    """A test that reaches for a model on the network fails, whatever keys the machine has."""
    socket_allow_hosts(["127.0.0.1", "::1", "localhost"], allow_unix_socket=True)


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """No key of the machine reaches a test."""
    for key in _KEYS:
        monkeypatch.delenv(key, raising=False)
    # What one test planted is no secret in the next one.
    monkeypatch.setattr(redact, "_remembered", {})


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that failed is tried again at once, unless a test's own policy says otherwise."""
    monkeypatch.setattr(policy, "DEFAULT", replace(policy.DEFAULT, first_wait=0.0))


@pytest.fixture(autouse=True)
def same_registry(request: pytest.FixtureRequest) -> Iterator[None]:
    """Components that a test defines and models that it registers are gone after it.

    Components of other test modules, which register when those are collected, are not there at all.
    """
    tables = (registry._defined, providers._custom)
    before = [dict(table) for table in tables]
    for technique, cls in before[0].items():
        if cls.__module__.startswith("tests.") and cls.__module__ != request.module.__name__:
            del registry._defined[technique]
    yield
    for table, entries in zip(tables, before, strict=True):
        table.clear()
        table.update(entries)
