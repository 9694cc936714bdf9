"""Where a model is served: enough to tell models apart, nothing that is secret or changes by itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archon_graph.models.cache.endpoints import alias, of_provider

words = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=8, max_size=20)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("", "default"),
        ("  ", "default"),
        ("https://api.openai.com/v1", "default"),
        ("https://api.openai.com:443/v1/", "default"),
        ("https://api.together.xyz/v1/", "default"),
        ("http://127.0.0.1:43123/v1", "loopback"),
        ("http://localhost:32768", "loopback"),
        ("http://[::1]:60000/v1", "loopback"),
        ("http://127.0.0.1:11434/v1", "http://127.0.0.1:11434/v1"),
        ("http://[::1]:8000/v1", "http://[::1]:8000/v1"),
        ("https://Proxy.Example:8443/v1/?key=abc#x", "https://proxy.example:8443/v1"),
        ("https://proxy.example:43123/v1", "https://proxy.example:43123/v1"),
        ("127.0.0.1:11434", "127.0.0.1:11434"),
        ("user:word@host.example", "host.example"),
    ],
)
def test_aliases(address: str, expected: str):
    assert alias(address) == expected


@given(user=words, password=words, query=words, fragment=words)
def test_no_credential_survives(user: str, password: str, query: str, fragment: str):
    told = alias(f"https://{user}:{password}@host.example/v1?key={query}#{fragment}")
    assert told == "https://host.example/v1"


@given(st.text())
def test_any_text_has_an_alias(text: str):
    assert alias(text)
    assert alias(text) == alias(text)


@pytest.mark.parametrize("broken", ["https://host:port/v1", "https://[::1/v1", "https:///v1", "http://h:99999999"])
def test_what_cannot_be_read_is_not_shown(broken: str):
    assert alias(broken).startswith("unreadable-")
    assert alias(broken) != alias(broken + "x")


def test_a_secret_in_the_path_is_blanked_out(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GATEWAY_TOKEN", "planted-in-the-path")
    assert alias("https://gateway.example/planted-in-the-path/v1") == "https://gateway.example/[secret]/v1"


def test_an_empty_variable_is_not_set(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OPENAI_API_BASE", "")
    monkeypatch.setenv("OPENAI_BASE_URL", "https://second.example")
    assert of_provider("openai") == "https://second.example"
    assert of_provider("together") == "default"
