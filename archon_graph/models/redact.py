"""Keeps secrets out of what we print: errors, logs and records go through ``redact``."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

_SECRET_NAME = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD|PASSWD|_PAT)S?(_\d+)?$", re.IGNORECASE)
# Shorter values of such variables ("1", "none") are words, not secrets, and would blank out prose.
_SHORTEST_SECRET = 8

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


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """The text with keys blanked out: values of secret-looking environment variables, and the shapes of keys.

    Args:
        text: What is to be printed.
        secrets: More values to blank out, known to be secret.
    """
    named = (value for name, value in os.environ.items() if _SECRET_NAME.search(name))
    values = {value.strip() for value in (*named, *secrets)}
    # The longest first: one value may be the beginning of another.
    for value in sorted(values, key=len, reverse=True):
        if len(value) >= _SHORTEST_SECRET:
            text = text.replace(value, "[secret]")
    for shape in _SHAPES:
        text = shape.sub("[secret]", text)
    return text
