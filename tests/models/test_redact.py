"""``redact``: keys go, prose stays."""

from __future__ import annotations

import string
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archon_graph.models.redact import redact

ALNUM = string.ascii_letters + string.digits
prose = st.text(max_size=60)
names = st.sampled_from(["OPENAI_API_KEY", "X_TOKEN", "my_secret", "DB_PASSWORD", "APIKEY", "SOME_KEYS", "KEY_2"])
values = st.text(st.characters(codec="ascii", exclude_categories=["Cc", "Zs"]), min_size=8, max_size=80)


@given(before=prose, after=prose, planted=st.dictionaries(names, values, min_size=1, max_size=4))
def test_no_value_of_a_secret_variable_survives(before: str, after: str, planted: dict[str, str]):
    with pytest.MonkeyPatch.context() as patch:
        for name, value in planted.items():
            patch.setenv(name, value)
        for value in planted.values():
            # A value that is part of our own mark ("[secret]") stands there whatever we do.
            if value not in "[secret]":
                assert value not in redact(f"{before}{value}{after}")


def test_a_longer_value_leaves_no_rest_behind(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("A_KEY", "begin-same")
    monkeypatch.setenv("B_KEY", "begin-same-and-go-on")
    assert redact("<begin-same-and-go-on>") == "<[secret]>"


keys = st.builds(
    lambda prefix, body, digit: f"{prefix}{body}{digit}{body}",
    st.sampled_from(["sk-", "sk-proj-", "sk-ant-api03-", "gsk_", "tgp_v1_", "xai-", "hf_", "AIzaSy", "nvapi-"]),
    st.text(ALNUM, min_size=10, max_size=40),
    st.sampled_from(string.digits),
)


@given(key=keys, frame=st.sampled_from(["key: {}", "'{}'", "({})", "Bearer {}", "a {} b", "{}"]))
def test_no_key_of_a_known_shape_survives_though_no_variable_holds_it(key: str, frame: str):
    shown = redact(frame.format(key))
    assert key not in shown
    assert key[-10:] not in shown
    assert "[secret]" in shown


@given(token=st.text(ALNUM, min_size=20, max_size=60))
def test_no_bearer_token_survives(token: str):
    for frame in ("Authorization: Bearer {}", "{{'authorization': 'Bearer {}'}}", "bearer {} refused"):
        assert token not in redact(frame.format(token))


def test_a_short_value_does_not_blank_out_prose(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("NO_KEY", "none")
    monkeypatch.setenv("EMPTY_TOKEN", "")
    monkeypatch.setenv("A_KEY", "a")
    assert redact("none of a kind") == "none of a kind"


@pytest.mark.parametrize(
    "text",
    [
        "a key-value-store and hf_hub_download",
        "sk-optimize is no key",
        "the bearer of bad news",
        "authorization failed because of the network",
        "api_key must be set: use the variable OPENAI_API_KEY",
        "the monkey eats; key: see below",
        "invalid token in line 3, column 14",
        "",
    ],
)
def test_prose_about_keys_stays(text: str):
    assert redact(text) == text


@pytest.mark.parametrize("piece", ["sk-", "bearer ", "authorization: ", "api_key=", "key-a", "?key="])
def test_a_hostile_text_costs_no_time(piece: str):
    started = time.perf_counter()
    redact(piece * 20_000)
    assert time.perf_counter() - started < 2
