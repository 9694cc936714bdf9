"""Finds the blocks of code in the pages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = (
    "README.md",
    "CONTRIBUTING.md",
    *(str(path.relative_to(ROOT)) for path in sorted(ROOT.glob("docs/**/*.md"))),
)
_FENCE = re.compile(r"^(?P<indent> *)(?P<fence>`{3,})(?P<language>[\w-]*)")
_OPT_OUT = re.compile(r"<!-- not run: (?P<reason>.+?) -->")


@dataclass(frozen=True)
class Block:
    """One fenced block."""

    page: str
    line: int
    """Of its first line of code, from 1."""
    language: str
    text: str
    reason: str | None
    """Why it is not run, if the page says so in a comment right before it."""
    follows: bool
    """Whether nothing but blank lines stands between it and the block before."""

    @property
    def place(self) -> str:
        """Where it is, as editors read it."""
        return f"{self.page}:{self.line}"

    @property
    def file(self) -> str | None:
        """The name of the file that it shows, if its first line is a comment with one."""
        named = re.match(r"# ([\w./-]+\.\w+)(:|\n)", self.text)
        return named[1] if named else None


def blocks_of(page: str) -> list[Block]:
    """The blocks of a page, in order."""
    return list(_blocks(page, (ROOT / page).read_text(encoding="utf-8").splitlines()))


def _blocks(page: str, lines: list[str]) -> Iterator[Block]:
    inside: re.Match[str] | None = None
    start, before = 0, ""  # the last line of text before it that is not blank
    for number, line in enumerate(lines, start=1):
        if inside is None:
            inside, start = _FENCE.match(line), number + 1
            if inside is None and line.strip():
                before = line.strip()
        elif line.strip() == inside["fence"]:
            text = "".join(f"{each.removeprefix(inside['indent'])}\n" for each in lines[start - 1 : number - 1])
            opted_out = _OPT_OUT.fullmatch(before)
            reason = opted_out["reason"] if opted_out else None
            yield Block(page, start, inside["language"], text, reason, follows=before == "```")
            inside, before = None, "```"
    assert inside is None, f"{page}:{start}: this block has no end"
