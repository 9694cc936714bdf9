"""``family_of``: which family a model is of. Judges are known to prefer answers of their own."""

from __future__ import annotations

import re

_FAMILIES = {
    "claude": r"claude",
    "command": r"command-(?:r|a|light|nightly)",
    "deepseek": r"deepseek",
    "falcon": r"falcon",
    "gemini": r"gemini|gemma|palm-2",
    "gpt": r"gpt-?\d|gpt4|gpt-oss|chatgpt|davinci|(?<![a-z0-9])o[134](?![a-z0-9])",
    "granite": r"granite",
    "grok": r"grok",
    "llama": r"llama|vicuna|alpaca",
    "mistral": r"mi[sx]tral|ministral|codestral|magistral",
    "phi": r"(?<![a-z])phi-?\d",
    "qwen": r"qwen|qwq|(?<![a-z])coder-\d",  # local:coder-... is a Qwen, too
    "smollm": r"smollm",
    "yi": r"(?<![a-z])yi-",
}


def family_of(model: str) -> str | None:
    """The family that a model's name tells; ``None`` if it tells none that is known here.

    Args:
        model: A spec, such as ``together:Qwen/Qwen2.5-72B-Instruct-Turbo``.
    """
    name = model.lower()
    found = {family for family, pattern in _FAMILIES.items() if re.search(pattern, name)}
    # A model that was taught by another one carries both names, and its own stands last.
    return max(found, key=lambda family: _last(name, family)) if found else None


def _last(name: str, family: str) -> int:
    return max(match.start() for match in re.finditer(_FAMILIES[family], name))
