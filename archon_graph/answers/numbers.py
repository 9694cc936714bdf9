"""Reads a number exactly, however it is written."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from fractions import Fraction

_DRESS = re.compile(r"[$€£\s%]")
_THOUSANDS = re.compile(r"[-+]?\d{1,3}(?:,\d{3})+(?:\.\d*)?")
_FRACTION = re.compile(r"([-+]?)(?:(\d{1,20})\s)?(\d{1,40})\s?/\s?(\d{1,40})")
_LARGEST_EXPONENT = 999


def parse_number(text: str) -> Fraction | None:
    """The number that a text is, as an exact fraction; ``None`` if it is anything else.

    Reads signs, thousands separators, decimals, exponents up to 999, and fractions: ``3/4``, ``1 3/4``. Currency
    and percent signs are not read.
    """
    if (fraction := _FRACTION.fullmatch(text.strip().replace("\u2212", "-"))) is not None:
        sign, whole, above, below = fraction.groups()
        if not int(below):
            return None
        value = int(whole or 0) + Fraction(int(above), int(below))
        return -value if sign == "-" else value
    bare = _DRESS.sub("", text).replace("\u2212", "-")
    if _THOUSANDS.fullmatch(bare):
        bare = bare.replace(",", "")
    try:
        number = Decimal(bare)
    except InvalidOperation:
        return None
    # A short text can write a number that takes all memory to write out.
    if not number.is_finite() or abs(number.adjusted()) > _LARGEST_EXPONENT or len(bare) > 2 * _LARGEST_EXPONENT:
        return None
    return Fraction(number)
