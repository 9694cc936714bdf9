"""``Keys``: where they come from, and that they go nowhere else."""

from __future__ import annotations

import copy
import io
import logging
import os
import pickle
import string
import sys
import traceback
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from archon_graph.models import ConfigurationError, Prices, redact
from archon_graph.models.keys import Keys

# No shape of a known provider: what blanks them out knows the value itself.
GIVEN = "Zq81LmN0pRsT4uVw-given"
IN_FILE = "Zq81LmN0pRsT4uVw-in-file"
IN_ENVIRONMENT = "Zq81LmN0pRsT4uVw-in-environment"
CORE = "Zq81LmN0pRsT4uVw"

bodies = st.text(string.ascii_letters + string.digits + "-_.+/=", min_size=8, max_size=60)


@pytest.fixture(autouse=True)
def forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one test plants, the next one does not know."""
    monkeypatch.setattr(redact, "_remembered", {})


@pytest.fixture
def env_file(tmp_path: Path) -> Path:
    path = tmp_path / ".env"
    path.write_text(
        f'# keys\nexport OPENAI_API_KEY="{IN_FILE}"\nOTHER_SETTING=information\nMISTRAL_API_KEY={IN_FILE}2\n'
    )
    return path


def value(key: SecretStr | None) -> str | None:
    return None if key is None else key.get_secret_value()


# -- where they come from --------------------------------------------------------------------------------------


def test_given_comes_before_the_environment_and_that_before_the_file(
    env_file: Path, monkeypatch: pytest.MonkeyPatch
):
    assert value(Keys().of("OPENAI_API_KEY", "openai")) is None
    assert value(Keys(env_file=env_file).of("OPENAI_API_KEY", "openai")) == IN_FILE
    keys = Keys(env_file=env_file)
    monkeypatch.setenv("OPENAI_API_KEY", IN_ENVIRONMENT)
    assert value(keys.of("OPENAI_API_KEY", "openai")) == IN_ENVIRONMENT
    for key in (GIVEN, SecretStr(GIVEN), f"  {GIVEN}\n", SecretStr(f"\t{GIVEN} ")):
        assert value(Keys({"openai": key}, env_file=env_file).of("OPENAI_API_KEY", "openai")) == GIVEN
    assert value(Keys({"together": GIVEN}).of("OPENAI_API_KEY", "openai")) == IN_ENVIRONMENT


def test_the_environment_is_read_each_time_and_what_is_blank_is_not_set(
    env_file: Path, monkeypatch: pytest.MonkeyPatch
):
    keys = Keys(env_file=str(env_file))
    for set_to, found in ((f" {IN_ENVIRONMENT}\n", IN_ENVIRONMENT), ("", IN_FILE), (" \n", IN_FILE)):
        monkeypatch.setenv("OPENAI_API_KEY", set_to)
        assert value(keys.of("OPENAI_API_KEY", "openai")) == found


@given(body=bodies)
def test_a_key_comes_through_as_it_is(body: str, tmp_path_factory: pytest.TempPathFactory):
    path = tmp_path_factory.mktemp("keys") / "keys.env"
    path.write_text(f"ACME_API_KEY='{body}'\n")
    assert value(Keys({"acme": body}).of("ACME_API_KEY", "acme")) == body
    assert value(Keys(env_file=path).of("ACME_API_KEY", "acme")) == body


def test_a_file_is_read_as_it_stands_and_the_environment_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("NAME", "expanded")
    path = tmp_path / "keys.env"
    path.write_text("\ufeffA_KEY=${NAME}-12345678\nB_KEY=\nC_KEY\nD_KEY='with # and $NAME'\n", encoding="utf-8")
    before = dict(os.environ)
    keys = Keys(env_file=path)
    found = {name: value(keys.of(name, "p")) for name in ("A_KEY", "B_KEY", "C_KEY", "D_KEY")}
    assert found == {"A_KEY": "${NAME}-12345678", "B_KEY": None, "C_KEY": None, "D_KEY": "with # and $NAME"}
    assert dict(os.environ) == before


def test_what_langchain_finds_by_itself_is_left_to_it(env_file: Path, monkeypatch: pytest.MonkeyPatch):
    keys = Keys({"groq": GIVEN}, env_file=env_file)
    assert value(keys.given("groq")) == GIVEN
    assert value(keys.given("mistralai")) == f"{IN_FILE}2"
    assert value(keys.given("openai")) == IN_FILE
    assert keys.given("anthropic") is None
    assert keys.given("bedrock") is None
    monkeypatch.setenv("MISTRAL_API_KEY", IN_ENVIRONMENT)
    assert keys.given("mistralai") is None


# -- what is refused -------------------------------------------------------------------------------------------

BROKEN = (
    (f"{CORE}\nrest", "a line break at character 17"),
    (f"{CORE}\r\nrest", "a line break at character 17"),
    (f"{CORE}\trest", "a tab at character 17"),
    (f"{CORE}\u2026", "a character outside ASCII at character 17"),
    (f"{CORE}\x7f.", "a character outside ASCII at character 17"),
)


@pytest.mark.parametrize(("key", "said"), BROKEN)
def test_a_key_that_no_header_can_hold_is_refused_unseen(
    key: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = tmp_path / "keys.env"
    path.write_text(f'TOGETHER_API_KEY="{key}"\n', encoding="utf-8", newline="")
    monkeypatch.setenv("OPENAI_API_KEY", key)
    keys = Keys(env_file=path)
    for make, where in (
        (lambda: keys.of("OPENAI_API_KEY", "openai"), "OPENAI_API_KEY of the environment"),
        (lambda: keys.of("TOGETHER_API_KEY", "together"), f"TOGETHER_API_KEY of {path}"),
        (lambda: Keys({"openai": key}), "keys, 'openai'"),
        (lambda: Keys({"openai": SecretStr(key)}), "keys, 'openai'"),
    ):
        with pytest.raises(ConfigurationError) as caught:
            make()
        assert where in str(caught.value)
        assert said in str(caught.value)
        assert CORE not in shown(caught.value)


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path):
    given: Any = {
        "openai": "",
        "together": None,
        "anthropc": GIVEN,
        "OPENAI_API_KEY": GIVEN,
        "openai:gpt-4o": GIVEN,
        CORE: "openai",
        f"{CORE}:": "openai",
        7: GIVEN,
        "brand_new_provider": GIVEN,
    }
    with pytest.raises(ConfigurationError) as caught:
        Keys(given, env_file=tmp_path / "none.env")
    assert str(caught.value).splitlines() == [
        "keys, 'openai': the key is empty",
        "keys, 'together': a key is a text or a SecretStr, got NoneType",
        "keys, 'anthropc': no provider is called that (did you mean 'anthropic'?)",
        "keys, 'OPENAI_API_KEY': no provider is called that (did you mean 'openai'?)",
        "keys, one name: a key is given for a provider, not for a model: 'openai'",
        "keys, one name: a provider's name is written in small letters, as in 'openai'",
        "keys, one name: a key is given for a provider, not for a model",
        "keys, one name: a key is given for the name of a provider, got int",
        f"env_file {tmp_path / 'none.env'}: the file cannot be read: No such file or directory",
    ]
    assert CORE not in shown(caught.value)


@pytest.mark.parametrize(
    ("content", "said"), [(b"A_KEY=\xff\xfe" + CORE.encode(), "is not UTF-8"), (None, "directory")]
)
def test_a_file_that_cannot_be_read_is_named(content: bytes | None, said: str, tmp_path: Path):
    path = tmp_path / "keys.env"
    path.mkdir() if content is None else path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=said) as caught:
        Keys(env_file=path)
    assert str(path) in str(caught.value)
    assert CORE not in shown(caught.value)


def test_a_table_of_keys_is_no_text():
    with pytest.raises(ConfigurationError, match="given by provider") as caught:
        Keys(GIVEN)  # type: ignore[arg-type]
    assert CORE not in shown(caught.value)


# -- where they do not go --------------------------------------------------------------------------------------


def shown(error: BaseException) -> str:
    """The error in every way it may be shown, with the values of our own frames' variables, causes included."""
    told = traceback.TracebackException.from_exception(error, capture_locals=True)
    chain: list[traceback.TracebackException | None] = [told]
    kept = []
    while chain:
        each = chain.pop()
        if each is None:
            continue
        chain += [each.__cause__, each.__context__]
        kept += ["".join(each.format_exception_only())]
        for frame in each.stack:
            if Path(frame.filename).name != Path(__file__).name:
                kept += [frame.line or "", repr(frame.locals)]
    return "\n".join([*kept, repr(error), str(error), repr(error.args), repr(vars(error))])


def test_the_check_of_tracebacks_sees_locals_and_causes():
    """It would find a key if one were there."""
    with pytest.raises(ConfigurationError) as caught:
        Prices.from_file(Path(f"{CORE}.toml"))
    assert CORE in shown(caught.value)


def test_keys_show_nothing_but_the_names_of_providers(
    env_file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setenv("OPENAI_API_KEY", IN_ENVIRONMENT)
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", out)
    with caplog.at_level(logging.DEBUG):
        keys = Keys({"together": GIVEN, "groq": SecretStr(f"{GIVEN}2")}, env_file=env_file)
        found = [keys.of("OPENAI_API_KEY", "openai"), keys.of("X", "together"), keys.given("mistralai")]
    assert repr(keys) == "<Keys: groq, together>"
    assert repr(Keys()) == "<Keys: none given>"
    texts = [
        repr(keys),
        str(keys),
        f"{keys}",
        repr(vars(keys)),
        repr(found),
        str(found),
        caplog.text,
        out.getvalue(),
    ]
    assert CORE not in "".join(texts)


def test_keys_are_not_pickled_and_a_copy_is_the_same():
    keys = Keys({"together": GIVEN})
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError, match="not pickled") as caught:
            pickle.dumps(keys, protocol)
        assert CORE not in shown(caught.value)
    assert copy.copy(keys) is keys
    assert copy.deepcopy({"k": keys})["k"] is keys


def test_prices_hold_no_keys_and_a_wrong_file_shows_none(tmp_path: Path):
    for name, content in (
        ("a.json", f'{{"openai": "{CORE}", "{CORE}": {{"prompt": "{CORE}", "completion": 1}}'),
        ("b.json", f'{{"openai": "{CORE}", "together": {{"prompt": "{CORE}", "completion": ["{CORE}"]}}}}'),
        ("c.yaml", f"OPENAI_API_KEY={CORE}\nOTHER: [{CORE}\n"),
        ("d.yaml", f"OPENAI_API_KEY={CORE}\n"),
        ("e.yaml", f"openai: {CORE}\n"),
        ("f.json", f"OPENAI_API_KEY={CORE}"),
        ("g.json", f'{{"sk-proj-{CORE}": {{"prompt": 1, "completion": 1}}}}'),
    ):
        (tmp_path / name).write_text(content)
        with pytest.raises(ConfigurationError) as caught:
            Prices.from_file(tmp_path / name)
        assert CORE not in str(caught.value)
        assert CORE not in "".join(traceback.format_exception(caught.value))


def test_all_that_is_given_or_read_is_blanked_out_from_then_on(env_file: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ACME_ACCESS", IN_ENVIRONMENT)
    text = f"{GIVEN} {IN_FILE} {IN_ENVIRONMENT} information"
    assert redact.redact(text) == text
    keys = Keys({"together": GIVEN}, env_file=env_file)
    assert set(keys.values()) == {GIVEN, IN_FILE, f"{IN_FILE}2"}
    # Nothing in the name of the variable tells that it is a key, but that it was asked for as one.
    keys.of("ACME_ACCESS", "acme")
    monkeypatch.delenv("ACME_ACCESS")
    del keys
    assert redact.redact(text) == "[secret] [secret] [secret] information"
