"""``read_chatml``: the words for a judge, from a file of messages with ChatML marks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from archon_graph.core import Prompt
from archon_graph.evals.benchmarks.problems import Draft, nearest
from archon_graph.evals.benchmarks.reading import read_text

ROLES: Final = ("system", "user", "assistant")
"""Who can speak in such a file."""

_START, _END = "<|im_start|>", "<|im_end|>"
_PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]{0,40})\}")


def read_chatml(path: str | Path, fields: Sequence[str]) -> Prompt:
    """Read a prompt whose messages each are ``<|im_start|>``, a role, a line break, a text and ``<|im_end|>``.

    White space around a text is no part of it. A name in braces is a placeholder; other braces, and dollar signs,
    stand for themselves.

    Args:
        path: The file.
        fields: The placeholders; each must be somewhere in the file, and no other.

    Returns:
        A part for each message, named by its role, from the second of a role on with a number: ``user``,
        ``assistant``, ``user 2``. The version is the file's name.

    Raises:
        BenchmarkError: The file cannot be read as that; all problems are reported.
    """
    draft = Draft(file=str(path))
    text = read_text(Path(path), draft)
    parts = {} if text is None else _messages(text.replace("\r\n", "\n"), fields, draft)
    draft.raise_if_any()
    return Prompt(version=Path(path).stem, parts=parts)


def _messages(text: str, fields: Sequence[str], draft: Draft) -> dict[str, str]:
    before, *pieces = text.split(_START)
    if not pieces:
        way_out = f"Write each message as {_START}role, a line break, its text, {_END}"
        draft.add(None, None, f"holds no {_START}", way_out)
        return {}
    if before.strip():
        draft.add(1, None, f"text stands before the first {_START}: {before.strip()[:40]!r}", "Remove it")
    parts: dict[str, str] = {}
    count = dict.fromkeys(ROLES, 0)
    used: set[str] = set()
    line = 1 + before.count("\n")
    for piece in pieces:
        head, _, body = piece.partition("\n")
        content, end, after = body.partition(_END)
        role = head.strip()
        if role not in count:
            way_out = f"It is one of {', '.join(ROLES)}, and the text starts on the next line"
            draft.add(line, "role", f"no role is called {role[:40]!r}{nearest(role[:40], ROLES)}", way_out)
        if not end:
            draft.add(line, None, f"this message has no end, got {piece[-40:]!r}", f"End it with {_END}")
        elif after.strip():
            draft.add(line, None, f"text stands behind {_END}: {after.strip()[:40]!r}", "Move it into a message")
        for match in _PLACEHOLDER.finditer(content):
            used.add(match[1])
            if match[1] not in fields:
                place = line + 1 + content.count("\n", 0, match.start())
                message = f"no such placeholder{nearest(match[1], fields)}"
                draft.add(place, match[1], message, f"Known are {_braced(fields)}")
        count[role] = count.get(role, 0) + 1
        name = role if count[role] == 1 else f"{role} {count[role]}"
        # From here on the text is a template of `Prompt`, whose own mark is the dollar sign.
        parts[name] = _PLACEHOLDER.sub(r"${\1}", content.strip().replace("$", "$$"))
        line += piece.count("\n")
    for name in fields:
        if name not in used:
            draft.add(None, name, f"the placeholder {{{name}}} is missing", "Put it where the text belongs")
    return parts


def _braced(fields: Sequence[str]) -> str:
    return ", ".join(f"{{{name}}}" for name in fields)
