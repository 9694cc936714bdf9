"""Final answers: found where texts put them, and equal where they mean the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archon_graph.answers import EXTRACTORS, boxed_answer, extract_answer, extract_choice, stated_answer


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        ("3 apples and 4 pears make 7 pieces.\n#### 7", "auto", "7"),
        ("So 2 + 2 = 4, then 4 * 300 = 1,200.\n\nThe answer is $1,200.00.", "auto", "1200"),
        ("The answer is 12. I checked it 3 times.", "auto", "12"),
        ("Final answer: **-5**", "auto", "-5"),
        (r"Thus $\boxed{\frac{1}{2}}$, that is 0.5", "auto", r"\frac{1}{2}"),
        (r"\boxed{3} no, wait: \boxed{ 4 }", "boxed", "4"),
        ("no box here", "boxed", None),
        (r"\boxed{never closed", "boxed", None),
        ("It costs 3.50 dollars", "number", "3.5"),
        ("first 1, then 2, at last 3", "number", "3"),
        ("Version 1.2.3", "number", None),
        ("nothing", "number", None),
        ("The answer is Paris.", "auto", "paris"),
        ("Answer: (B)", "choice", "B"),
        ("I think it is C because A is wrong. The answer is C.", "choice", "C"),
        ("B", "choice", "B"),
        ("A", "choice", "A"),
        ("**D.** It is the only prime.", "choice", "D"),
        ("(a) is a word here; I choose (D)", "choice", "D"),
        ("I like A small cat", "choice", None),
        ("A. The bow", "choice", "A"),
        ("Answer: b", "choice", "B"),
        (r"\boxed{\text{(B)}}", "choice", "B"),
        ("The answer is 5. No: the answer is 6", "auto", "6"),
        ("#### 5 #### 6", "number", "6"),
        ("The answer is x = 18/3 = 6", "number", "6"),
        ("It is -1/2", "number", "-0.5"),
        ("so 1/3", "number", "1/3"),
        ("  Some   TEXT ", "exact", "some text"),
        ("", "exact", None),
    ],
)
def test_extracts(text: str, kind: str, expected: str | None):
    """Each kind, in the forms models use."""
    assert extract_answer(text, kind) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize("same", [["1200", "1,200", "$1200.00", "1200.0", "1.2e3"], ["-5", "\u22125", "-5.0"]])
def test_equal_numbers_are_equal(same: list[str]):
    """However they are written."""
    assert len({extract_answer(f"The answer is {number}") for number in same}) == 1


@given(st.text(max_size=200), st.sampled_from(sorted(EXTRACTORS)))
def test_no_text_can_crash(text: str, kind: str):
    """The outcome is a text or nothing."""
    answer = extract_answer(text, kind)  # type: ignore[arg-type]
    assert answer is None or answer


@given(st.integers(-(10**12), 10**12), st.text(max_size=50))
def test_a_stated_number_is_found(number: int, preamble: str):
    """Whatever was said before."""
    text = preamble.replace("boxed", "") + f"\n#### {number:,}"
    assert extract_answer(text, "number") == str(number)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("B", "B"),
        ("Paris.", "B"),
        ("The answer is paris", "B"),
        ("I think it is Paris, the capital.", "B"),
        ("Not London but Paris", None),
        ("The answer is C", "C"),
        ("The answer is E", None),
        ("Parisian", None),
        ("", None),
    ],
)
def test_a_choice_by_its_letter_or_its_words(text: str, expected: str | None):
    """Letters beyond the choices do not count."""
    assert extract_choice(text, ["London", "Paris", "Rome", "Bern"]) == expected


def test_choices_in_the_same_words_are_not_chosen_by_them():
    assert extract_choice("the same", ["the same", "the same"]) is None


def test_answers_as_they_stand():
    """Without any change of case or dress."""
    assert boxed_answer(r"\boxed{ \frac{A}{b} }") == r"\frac{A}{b}"
    assert stated_answer("So the answer is New York. Really.") == "New York"
    assert boxed_answer("none") is stated_answer("none") is None


def test_takes_linear_time():
    """A hundred thousand hostile characters."""
    for unit in (
        "1,",
        "answer ",
        "answer is ",
        "#",
        "(",
        "\\boxed{",
        "-",
        "1.",
        " ",
        "1/",
        "1 1/",
        "=",
        "answer is 1/2 ",
    ):
        for kind in EXTRACTORS:
            extract_answer(unit * (100_000 // len(unit)), kind)
        extract_choice(unit * (100_000 // len(unit)), ["answer", "1"])
