"""``redact``: keys go, prose stays."""

from __future__ import annotations

import json
import string
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archon_graph.models import redact as module
from archon_graph.models.redact import blank, redact, remember, secret_values

ALNUM = string.ascii_letters + string.digits
prose = st.text(max_size=60)
names = st.sampled_from(["OPENAI_API_KEY", "X_TOKEN", "my_secret", "DB_PASSWORD", "APIKEY", "SOME_KEYS", "KEY_2"])
values = st.text(st.characters(codec="ascii", exclude_categories=["Cc", "Zs"]), min_size=8, max_size=80)


@pytest.fixture(autouse=True)
def forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one test tells it to remember, the next one does not know."""
    monkeypatch.setattr(module, "_remembered", {})


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


@given(before=prose, after=prose, planted=st.lists(values, min_size=1, max_size=4))
def test_no_value_that_was_told_survives_whether_it_has_a_shape_or_not(
    before: str, after: str, planted: list[str]
):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_remembered", {})
        remember(f" {value}\n" for value in planted)
        for value in planted:
            if value not in "[secret]":
                assert value not in redact(f"{before}{value}{after}", shapes=False)


@given(text=prose, value=st.text(min_size=8).filter(lambda text: len(text.strip()) >= 8 and text == text.strip()))
def test_a_value_is_found_in_every_form_it_is_written_in(text: str, value: str):
    if value in "[secret]" or value in text:
        return
    for written in (
        value,
        json.dumps(value),
        json.dumps(value, ensure_ascii=False),
        repr(value),
        quote(value, ""),
    ):
        shown = redact(f"{text}<{written}>", [value], shapes=False)
        assert shown.endswith(("<[secret]>", '<"[secret]">', "<'[secret]'>"))


@given(
    text=st.text()
    | st.sampled_from(["sk-proj-1234567890abcdef", "Authorization: Bearer abc123abc123abc123abc123"])
)
def test_without_shapes_a_text_that_holds_no_secret_stays_to_the_letter(text: str):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module.os, "environ", {"X_KEY": "-a value that no text holds-"})
        assert redact(text, shapes=False) == text


def test_the_environment_is_looked_at_each_time(monkeypatch: pytest.MonkeyPatch):
    text = "first-value second-value"
    assert redact(text) == text
    monkeypatch.setenv("LATE_API_KEY", "first-value")
    assert redact(text) == "[secret] second-value"
    monkeypatch.setenv("LATE_API_KEY", "second-value")
    assert redact(text) == "first-value [secret]"
    monkeypatch.delenv("LATE_API_KEY")
    assert redact(text) == text


def test_a_variable_may_be_taken_away_while_they_are_looked_at(monkeypatch: pytest.MonkeyPatch):
    class Changing(dict[str, str]):
        def __iter__(self):
            yield from ("GONE_KEY", "HERE_KEY")

    monkeypatch.setattr(module.os, "environ", Changing(HERE_KEY="value-of-it"))
    assert redact("value-of-it") == "[secret]"


def test_what_was_told_is_known_to_all_that_blank_values():
    remember(["told-to-remember", "short"])
    assert "told-to-remember" in secret_values()
    assert "short" not in secret_values()
    assert blank("told-to-remember", secret_values(["and-this-one"])) == "[secret]"
    assert secret_values(["told-to-remember-longer"])[:2] == ["told-to-remember-longer", "told-to-remember"]


def test_memory_has_an_end_and_keeps_what_came_last(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "_MOST_REMEMBERED", 3)
    remember(["value-number-1", "value-number-2", "value-number-3"])
    remember(["value-number-3"])
    assert len(module._remembered) == 3
    remember(["value-number-1"])
    remember(["value-number-4", "value-number-4"])
    assert list(module._remembered) == ["value-number-3", "value-number-1", "value-number-4"]


def test_threads_may_remember_and_redact_and_set_variables_at_once(monkeypatch: pytest.MonkeyPatch):
    start = threading.Barrier(9)

    def tell(number: int) -> set[str]:
        start.wait()
        shown = set()
        for each in range(50):
            remember([f"value-{number}-{each:04}"])
            shown.add(redact(f"value-{number}-{each:04}"))
        return shown

    with ThreadPoolExecutor(8) as pool:
        told = [pool.submit(tell, number) for number in range(8)]
        start.wait()
        while not all(each.done() for each in told):
            monkeypatch.setenv("COMES_AND_GOES_KEY", "comes-and-goes")
            monkeypatch.delenv("COMES_AND_GOES_KEY")
    assert [each.result() for each in told] == [{"[secret]"}] * 8
    assert len(module._remembered) == 8 * 50


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
