"""Numbers read exactly."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archon_graph.answers import extract_answer, parse_number


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("18", Fraction(18)),
        ("-1,234,567.50", Fraction(-123456750, 100)),
        ("\u22125", Fraction(-5)),
        ("$3.50", Fraction(7, 2)),
        ("50 %", Fraction(50)),
        ("3/4", Fraction(3, 4)),
        ("-1 3/4", Fraction(-7, 4)),
        ("1e3", Fraction(1000)),
        ("1e-3", Fraction(1, 1000)),
        ("+7", Fraction(7)),
        ("1,2", None),
        ("12,34", None),
        ("1/0", None),
        ("1e999999999", None),
        ("1e-999999999", None),
        ("9" * 5000, None),
        ("NaN", None),
        ("Infinity", None),
        ("seven", None),
        ("", None),
        ("3 apples", None),
    ],
)
def test_reads_a_number(text: str, expected: Fraction | None):
    """Exactly, or not at all; a pair of numbers is not one."""
    assert parse_number(text) == expected


@given(st.fractions(min_value=-(10**9), max_value=10**9, max_denominator=10**9))
def test_reads_back_every_fraction(number: Fraction):
    assert parse_number(str(number)) == number
    assert parse_number(extract_answer(f"The answer is {number}.", "number") or "") == number


@given(st.text(max_size=50))
def test_no_text_can_crash(text: str):
    number = parse_number(text)
    assert number is None or isinstance(number, Fraction)


@pytest.mark.parametrize(
    "same", [["1/2", "0.5", "2/4", "0.50"], ["-1 1/2", "-1.5", "-3/2"], ["6", "12/2", "18/3 = 6"]]
)
def test_equal_numbers_are_extracted_equal(same: list[str]):
    """However they are written, so that votes on them agree."""
    assert len({extract_answer(f"The answer is {number}.", "number") for number in same}) == 1


def test_a_date_is_no_fraction():
    assert extract_answer("It was on 3/4/2024", "number") == "2024"
