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
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from types import MappingProxyType
from typing import Literal

from archon_graph.answers.numbers import parse_number

Extraction = Literal["auto", "number", "choice", "boxed", "exact"]
"""Which kind of answer is looked for."""

# Repeats are bounded, so that a hostile text costs linear time.
_NUMBER = re.compile(
    r"(?<![\w.])[-+\u2212]?[$€£]?\s?[-+]?(?:\d{1,3}(?:,\d{3}){1,9}|\d{1,40})(?:\.\d{1,40})?(?:[eE][-+]?\d{1,3})?"
    r"(?!\d|\.\d)"
)
_FRACTION = re.compile(r"[-+]?\d{1,20}\s?/\s?\d{1,20}")
# Not within a date, a path or a version; "1 3/4" is one and three quarters.
_WHOLE_FRACTION = re.compile(r"(?<![\w./])\s?[-+\u2212]?(?:\d{1,20} )?\d{1,20} ?/ ?\d{1,20}(?![\w/]|\.\d)")
_ANY_NUMBER = re.compile(f"(?P<fraction>{_WHOLE_FRACTION.pattern})|{_NUMBER.pattern}")
_HASHES = re.compile(r"####[ \t]*([^\n]{1,200})")
_STATEMENT = re.compile(
    r"\banswer\b(?:\s{0,3}(?:is|would be|should be|=|:)){1,2}\s{0,3}([^\n]{1,200})", re.IGNORECASE
)
_CHOICE = re.compile(r"(?<![A-Za-z0-9'\u2019])\(?([A-J])\)?(?![A-Za-z0-9'\u2019])")
_LONE_CHOICE = re.compile(r"\W{0,3}([A-Ja-j])\W{0,3}")
_LEADING_CHOICE = re.compile(r"\(?([A-J])[.):]")
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


def stated_answer(text: str) -> str | None:
    """What a text itself calls its answer, as it stands there: boxed, after ``####``, or after "answer is"."""
    return _stated(text)


def boxed_answer(text: str) -> str | None:
    r"""What stands in the last ``\boxed{}`` of a text, as it stands there; ``None`` without one that is closed."""
    return _inside_last_box(text)


def extract_choice(text: str, choices: Sequence[str] = ()) -> str | None:
    """The letter that a text chooses; ``None`` if it chooses none.

    Args:
        text: Anything a model wrote.
        choices: The words of the choices, the first of which is A. With them, no later letter counts, and a text
            without a letter has chosen the one whose words it states, or the only one whose words it holds.
    """
    letter = _choice(text)
    if not choices or (letter is not None and ord(letter) - ord("A") < len(choices)):
        return letter
    words = [_exact(choice.strip().rstrip(".")) for choice in choices]
    for reading in (_stated(text), text):
        said = None if reading is None else _exact(reading.strip().rstrip("."))
        if said in words and words.count(said) == 1:
            return chr(ord("A") + words.index(said))
    whole = f" {_exact(text) or ''} "
    held = [place for place, said in enumerate(words) if said and re.search(rf"\W{re.escape(said)}\W", whole)]
    return chr(ord("A") + held[0]) if len(held) == 1 else None


def _auto(text: str) -> str | None:
    stated = _stated(text)
    if stated is not None:
        return _canonical(stated)
    return _last_number(text)


def _number(text: str) -> str | None:
    stated = _stated(text)
    if stated is not None:
        # "x = 18/3 = 6" states the number behind its last sign of equality.
        for part in (stated.rpartition("=")[2], stated):
            if (found := _first_number(part)) is not None:
                return found
    return _last_number(text)


def _choice(text: str) -> str | None:
    stated = _stated(text)
    if stated is not None:
        if (lone := _LONE_CHOICE.fullmatch(stated)) is not None:
            return lone[1].upper()
        if (found := _CHOICE.search(stated)) is not None:
            return found[1]
    letters: list[str] = _CHOICE.findall(_EMPHASIS.sub("", text))
    # "A" and "I" are words too; alone they count only where nothing else stands.
    sure = [letter for letter in letters if letter not in "AI" or text.strip(" ().*\n") == letter]
    bracketed: list[str] = re.findall(r"\(([A-J])\)", text)
    if bracketed or sure:
        return (bracketed or sure)[-1]
    leading = _LEADING_CHOICE.match(_EMPHASIS.sub("", text).strip())
    return None if leading is None else leading[1]


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
            last: str = found[-1]
            # "The answer is 5. No: the answer is 6": the second stands in what the first has taken.
            while (again := pattern.search(last)) is not None:
                last = again[1]
            return _first_sentence(last)
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
    found = _ANY_NUMBER.search(text)
    return None if found is None else _canonical_number(found)


def _last_number(text: str) -> str | None:
    found: re.Match[str] | None = None
    for found in _ANY_NUMBER.finditer(text):  # noqa: B007  the last one is wanted, and a list of all may be long
        pass
    return None if found is None else _canonical_number(found)


def _canonical_number(found: re.Match[str]) -> str | None:
    if found["fraction"] is None:
        return _plain_number(found[0])
    value = parse_number(found[0])
    if value is None:
        return None
    # As a decimal if it ends, so that 1/2 and 0.5 are equal.
    decimal = Decimal(value.numerator) / Decimal(value.denominator)
    return _plain_number(str(decimal)) if Fraction(decimal) == value else str(value)


def _plain_number(text: str) -> str | None:
    digits = re.sub(r"[$€£,\s]", "", text).replace("\u2212", "-")
    try:
        value = Decimal(digits)
    except InvalidOperation:
        return None
    if value == value.to_integral_value() and abs(value.adjusted()) < _LONGEST_INTEGER:
        return str(int(value))
    return str(value.normalize())
