"""Keeps secrets out of what we print: errors, logs and records go through ``redact``."""

from __future__ import annotations

import base64
import json
import os
import re
import threading
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import quote, unquote

_SECRET_NAME = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD|PASSWD|_PAT)S?(_\d+)?$", re.IGNORECASE)
# Shorter values of such variables ("1", "none") are words, not secrets, and would blank out prose.
_SHORTEST_SECRET = 8
# More keys than a process ever holds; a program that makes one for each request must not grow for ever.
_MOST_REMEMBERED = 4096

# A run of a key's letters that holds a digit, or the asterisks with which providers mask a key's middle. Words
# joined by hyphens ("key-value-store", "bearer of") have neither and are left alone. Repeats are bounded, so
# that a hostile text costs linear time.
_KEY_RUN = r"(?=[A-Za-z_\-./+=]{0,80}[0-9*])[A-Za-z0-9_*\-./+=]{6,}"
_SHAPES = (
    # As the big providers form them.
    re.compile(rf"\b(?:sk|csk|gsk|tgp|xai|hf|fw|r8|pplx|nvapi|ghp|key)[-_]{_KEY_RUN}", re.IGNORECASE),
    re.compile(r"\b(?:AIza[A-Za-z0-9_\-]{10,}|AKIA[A-Z0-9]{12,})"),
    # As they stand in headers, in addresses, and in settings that an error repeats.
    re.compile(
        rf"(?<=authorization)[\"']?\s{{0,2}}[:=]\s{{0,2}}b?[\"']?"
        rf"(?:(?:bearer|basic)\s{{1,4}}[^\s\"',}}]+|{_KEY_RUN})",
        re.IGNORECASE,
    ),
    re.compile(rf"\bbearer\s{{1,4}}(?:{_KEY_RUN}|[^\s\"',}}]{{20,}})", re.IGNORECASE),
    re.compile(r"(?<=[?&])(?:api[-_]?key|key|(?:access[-_]?)?token)=[^\s&\"']{1,}", re.IGNORECASE),
    re.compile(rf"\b(?:x-)?api[-_]?key[\"']?\s{{0,2}}[:=]\s{{0,2}}b?[\"']?{_KEY_RUN}", re.IGNORECASE),
)


# A user and a password, as they stand in an address.
_USER = re.compile(r"//([^/?#@:\s]*):([^/?#@\s]+)@")

_lock = threading.Lock()
# A dict, for its order: when it is full, the oldest go. Replaced and never changed, so that it is read without
# the lock.
_remembered: dict[str, None] = {}


def redact(text: str, secrets: Iterable[str] = (), *, shapes: bool = True) -> str:
    """The text with keys blanked out: values known to be secret, and what is shaped like a key.

    Known are the values of secret-looking environment variables, and those that were told to `remember`.

    Args:
        text: What is to be printed or kept.
        secrets: More values to blank out.
        shapes: Whether what only looks like a key goes, too; without it, text that holds no secret stays as it is
            to the letter.
    """
    text = blank(text, secret_values(secrets))
    if shapes:
        for shape in _SHAPES:
            text = shape.sub("[secret]", text)
    return text


def remember(secrets: Iterable[str]) -> None:
    """Blank these values out of everything that is printed or kept from now on, until the process ends.

    Values shorter than eight characters are words and are left alone. Thread-safe; of more than 4,096 values, the
    last ones are known.
    """
    global _remembered  # noqa: PLW0603 - one memory for the process: what is secret here is secret everywhere
    new = dict.fromkeys(value for value in (secret.strip() for secret in secrets) if _is_long(value))
    with _lock:
        # Those that are told again come last: they are in use.
        known = [*(value for value in _remembered if value not in new), *new]
        _remembered = dict.fromkeys(known[-_MOST_REMEMBERED:])


def is_secret_name(name: str) -> bool:
    """Whether a variable of this name holds a secret: a key, a token, a password."""
    return _SECRET_NAME.search(name) is not None


def secret_values(secrets: Iterable[str] = ()) -> list[str]:
    """The values known to be secret, and those given, in every form they are written in; longest first."""
    # Read anew each time, for a variable may be set while the process runs. The names alone are looked at: one in
    # fifty is of interest. Another thread may take one away meanwhile.
    named = [os.environ.get(name, "") for name in os.environ if _is_secret_name(name)]
    in_addresses = [secret for name in os.environ for secret in _in_address(os.environ.get(name, ""))]
    return list(_in_order(frozenset({*named, *in_addresses, *secrets, *_remembered})))


def _in_address(address: str) -> Iterable[str]:
    """The passwords in an address, and the header they go into."""
    for user, password in _USER.findall(address) if "@" in address else ():
        yield password
        yield unquote(password)
        yield base64.b64encode(f"{unquote(user)}:{unquote(password)}".encode()).decode()


def blank(text: str, values: Iterable[str]) -> str:
    """The text with these values blanked out and nothing else: what only looks like a key stays."""
    for value in values:
        text = text.replace(value, "[secret]")
    return text


_is_secret_name = lru_cache(maxsize=4096)(is_secret_name)


@lru_cache(maxsize=8)
def _in_order(values: frozenset[str]) -> tuple[str, ...]:
    stripped = {value.strip() for value in values}
    forms = {form for value in stripped if _is_long(value) for form in _forms(value)}
    # The longest first: one value may be the beginning of another.
    return tuple(sorted(forms, key=len, reverse=True))


def _forms(value: str) -> Iterable[str]:
    """How a value is written: as it is, in JSON, in a repr, in an address."""
    yield value
    yield json.dumps(value)[1:-1]
    yield json.dumps(value, ensure_ascii=False)[1:-1]
    yield repr(value)[1:-1]
    # Bytes that are no text come from the environment as lone surrogates, which no address can hold.
    yield quote(value, safe="", errors="replace")


def _is_long(value: str) -> bool:
    return len(value) >= _SHORTEST_SECRET
