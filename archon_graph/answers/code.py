"""Finds the program in a text: the right block of several, or the code that stands among the words.

    block = fence [language] newline lines fence        fence: three or more backticks, or tildes

A block that was never closed goes on to the end: the model ran out of tokens there.
"""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass

_FENCE = re.compile(r"^([ \t]{0,12})(`{3,20}|~{3,20})[ \t]*([^\s`]{0,40})[^`\n]{0,200}$")
_PYTHON = frozenset({"", "py", "python", "python3", "python2", "{.python}", "ipython"})
_TOP_LEVEL = re.compile(
    r"^(?:async[ \t]+def|def|class|import|from)[ \t]+\w|^@\w|^[A-Za-z_]\w{0,60}[ \t]*(?::[^=\n]{0,80})?=[^=]"
)
_DEFINITION = re.compile(r"^(?:async[ \t]+)?(?:def|class)[ \t]", re.MULTILINE)


@dataclass(frozen=True)
class CodeBlock:
    """A fenced block of a text."""

    language: str
    """What stands behind the fence, in lower case; may be empty."""
    code: str
    """What stands between the fences; its indentation is kept, but for that of the fence."""


def code_blocks(text: str) -> list[CodeBlock]:
    """The fenced blocks of a text, in order."""
    blocks: list[CodeBlock] = []
    opened: re.Match[str] | None = None
    lines: list[str] = []
    for line in _lines(text):
        fence = _FENCE.match(line)
        if opened is None:
            if fence is not None:
                opened, lines = fence, []
        elif fence is not None and not fence[3] and fence[2].startswith(opened[2]):
            blocks.append(_block(opened, lines))
            opened = None
        else:
            lines.append(line)
    if opened is not None:
        blocks.append(_block(opened, lines))
    return blocks


def extract_code(text: str, entry_point: str | None = None) -> str | None:
    """The program in a text; ``None`` if there is no code in it.

    Of several blocks it is the last that defines ``entry_point``, else the last that defines anything, else the
    last. Blocks that call themselves another language than Python count only if there is no other. A text without
    a block is code itself if it defines ``entry_point`` or anything else, from the first line that looks like code
    to the last; it is returned as it stands if it is indented: the body of a function.

    Args:
        text: Anything a model wrote.
        entry_point: The name that the program has to define.
    """
    blocks = [block for block in code_blocks(text) if block.code.strip()]
    if blocks:
        python = [block.code for block in blocks if block.language in _PYTHON] or [block.code for block in blocks]
        defining = [code for code in python if entry_point is not None and defines(code, entry_point)]
        return (defining or [code for code in python if _DEFINITION.search(code)] or python)[-1]
    if _DEFINITION.search(text):
        return _among_words(text)
    body = text.strip("\r\n")
    return text if body[:1] in (" ", "\t") and body.strip() else None


def defines(code: str, name: str) -> bool:
    """Whether code defines a name at its top level."""
    named = re.escape(name)
    pattern = rf"^(?:(?:async[ \t]+)?def|class)[ \t]+{named}\b|^{named}[ \t]*(?::[^=\n]{{0,80}})?=[^=]"
    return re.search(pattern, code, re.MULTILINE) is not None


def _block(opened: re.Match[str], lines: list[str]) -> CodeBlock:
    margin = len(opened[1])
    if margin:
        # A block in a list is indented with its fence, and that much is not the code's own.
        lines = [line[min(margin, len(line) - len(line.lstrip())) :] for line in lines]
    return CodeBlock(opened[3].lower(), "".join(f"{line}\n" for line in lines))


def _lines(text: str) -> list[str]:
    """The lines of a text; str.splitlines() would also cut at characters that a string in code may hold."""
    return text.replace("\r\n", "\n").removesuffix("\n").split("\n")


def _among_words(text: str) -> str:
    lines = _lines(textwrap.dedent(text))
    first = next((place for place, line in enumerate(lines) if _TOP_LEVEL.match(line)), 0)
    last = first
    for place in range(first, len(lines)):
        line = lines[place]
        if line.strip() and not line[0].isspace() and not _continues(line):
            # Words behind the code end it; what was code until then stays.
            break
        if line.strip():
            last = place
    return "\n".join(lines[first : last + 1]) + "\n"


def _continues(line: str) -> bool:
    """Whether a line that is not indented may belong to a program."""
    return (
        bool(_TOP_LEVEL.match(line))
        or line[0] in "#)]}@\"'"
        or line.startswith(
            ("if ", "for ", "while ", "try:", "with ", "else:", "elif ", "except", "finally:", "print(", "assert ")
        )
    )
