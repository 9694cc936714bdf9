"""Keeps secrets out of what we print: errors, logs and records go through ``redact``."""

from __future__ import annotations

import os
import re

_SECRET_NAME = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD)$", re.IGNORECASE)
# Keys as the big providers form them, also where a provider's error masks the middle with asterisks.
_KEY_SHAPE = re.compile(r"\b(?:sk|gsk|tgp|xai|hf|key)[-_][A-Za-z0-9_*\-]{6,}|Bearer\s+\S+", re.IGNORECASE)
# Shorter values of such variables ("1", "none") are words, not secrets, and would blank out prose.
_SHORTEST_SECRET = 8


def redact(text: str) -> str:
    """The text with API keys blanked out: values of secret-looking environment variables, and key shapes."""
    for name, value in os.environ.items():
        if len(value) >= _SHORTEST_SECRET and _SECRET_NAME.search(name):
            text = text.replace(value, "[secret]")
    return _KEY_SHAPE.sub("[secret]", text)
