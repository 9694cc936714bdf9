r"""Extracts the final answer of a text: a number, a choice, a boxed expression, or what it says it is.

An extracted answer is a short text made canonical, so that answers can be compared: ``1,200.0`` and ``$1200``
are both ``1200``, ``(b)`` and ``B.`` both ``B``.

What counts as the final answer, first match in this order; of several matches the last, since a text reasons
first and concludes at the end:

    boxed     = "\boxed{" balanced braces "}"                         (MATH)
    hashes    = "####" rest of the line                               (GSM8K)
    statement = "answer" [" is" | ":" | " =" ] rest of the line up to the end of its sentence
    last      = the last number, or the last choice letter that stands alone
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from types import MappingProxyType
from typing import Literal

Extraction = Literal["auto", "number", "choice", "boxed", "exact"]
"""Which kind of answer is looked for."""

# Repeats are bounded, so that a hostile text costs linear time.
_NUMBER = re.compile(
    r"(?<![\w.])[-+\u2212]?[$€£]?\s?[-+]?(?:\d{1,3}(?:,\d{3}){1,9}|\d{1,40})(?:\.\d{1,40})?(?:[eE][-+]?\d{1,3})?"
    r"(?!\d|\.\d)"
)
_FRACTION = re.compile(r"[-+]?\d{1,20}\s?/\s?\d{1,20}")
_HASHES = re.compile(r"####[ \t]*([^\n]{1,200})")
_STATEMENT = re.compile(
    r"\banswer\b(?:\s{0,3}(?:is|would be|should be|=|:)){1,2}\s{0,3}([^\n]{1,200})", re.IGNORECASE
)
_CHOICE = re.compile(r"(?<![A-Za-z0-9'\u2019])\(?([A-J])\)?(?![A-Za-z0-9'\u2019])")
_EMPHASIS = re.compile(r"[*_`]{1,3}")
_LONGEST_INTEGER = 60


def extract_answer(text: str, kind: Extraction = "auto") -> str | None:
    """The final answer of a text in canonical form; ``None`` if there is none of this kind.

    Args:
        text: Anything a model wrote.
        kind: ``number``, ``choice`` (a letter from A to J), ``boxed``, ``exact`` (the whole text, without
            differences of case and white space), or ``auto``: a boxed, hashed or stated answer, else the last
            number.
    """
    return EXTRACTORS[kind](text)


def _auto(text: str) -> str | None:
    stated = _stated(text)
    if stated is not None:
        return _canonical(stated)
    return _last_number(text)


def _number(text: str) -> str | None:
    stated = _stated(text)
    if stated is not None and (found := _first_number(stated)) is not None:
        return found
    return _last_number(text)


def _choice(text: str) -> str | None:
    stated = _stated(text)
    if stated is not None and (found := _CHOICE.search(stated)) is not None:
        return found[1]
    letters = _CHOICE.findall(_EMPHASIS.sub("", text))
    # "A" and "I" are words too; alone they count only where nothing else stands.
    sure = [letter for letter in letters if letter not in "AI" or text.strip(" ().*\n") == letter]
    bracketed = re.findall(r"\(([A-J])\)", text)
    return bracketed[-1] if bracketed else sure[-1] if sure else None


def _boxed(text: str) -> str | None:
    inside = _inside_last_box(text)
    return None if inside is None else _canonical(inside)


def _exact(text: str) -> str | None:
    return " ".join(text.casefold().split()) or None


EXTRACTORS: Mapping[Extraction, Callable[[str], str | None]] = MappingProxyType(
    {"auto": _auto, "number": _number, "choice": _choice, "boxed": _boxed, "exact": _exact}
)
"""The extractors by their kind."""


def _stated(text: str) -> str | None:
    """What the text itself calls its answer."""
    boxed = _inside_last_box(text)
    if boxed is not None:
        return boxed
    plain = _EMPHASIS.sub("", text)
    for pattern in (_HASHES, _STATEMENT):
        found = pattern.findall(plain)
        if found:
            return _first_sentence(found[-1])
    return None


def _first_sentence(line: str) -> str:
    """Up to a full stop that ends a sentence, and not one inside a number."""
    return re.split(r"[.;!?](?:\s|$)", line, maxsplit=1)[0].strip()


def _inside_last_box(text: str) -> str | None:
    start = text.rfind("\\boxed{")
    if start < 0:
        return None
    depth, begin = 0, start + len("\\boxed")
    for place in range(begin, len(text)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if depth == 0:
            return text[begin + 1 : place].strip()
    return None


def _canonical(answer: str) -> str | None:
    """A number as a number if that is all there is, anything else without case, white space and dress."""
    bare = answer.strip().strip("()[]\"'$ ").rstrip(".,;:!")
    found = _NUMBER.fullmatch(answer.strip().rstrip(".%")) or _NUMBER.fullmatch(bare)
    if found is not None and _FRACTION.search(answer) is None:
        return _plain_number(found[0])
    return _exact(bare)


def _first_number(text: str) -> str | None:
    found = _NUMBER.search(text)
    return None if found is None else _plain_number(found[0])


def _last_number(text: str) -> str | None:
    found = _NUMBER.findall(text)
    return _plain_number(found[-1]) if found else None


def _plain_number(text: str) -> str | None:
    digits = re.sub(r"[$€£,\s]", "", text).replace("\u2212", "-")
    try:
        value = Decimal(digits)
    except InvalidOperation:
        return None
    if value == value.to_integral_value() and abs(value.adjusted()) < _LONGEST_INTEGER:
        return str(int(value))
    return str(value.normalize())
