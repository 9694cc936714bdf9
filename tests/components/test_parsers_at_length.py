"""Every parser on ten thousand texts and ten thousand objects: none may crash, lose or mix up a candidate.

Takes minutes, so it runs with `pytest -m slow`; the parsers' own tests do the same with fewer cases.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archon_graph.answers import EXTRACTORS, extract_answer
from archon_graph.components.critic import read_critiques_json, read_critiques_text
from archon_graph.components.ranker import read_ranking_json, read_ranking_text
from archon_graph.components.unit_test_evaluator import read_results_json, read_results_text
from archon_graph.components.unit_test_generator import read_tests_json, read_tests_text
from archon_graph.components.verifier import read_verdict_json, read_verdict_text
from archon_graph.components.worked_examples import read_examples

pytestmark = pytest.mark.slow

# What the grammars are made of, mixed with anything: plain random text hardly ever comes near a grammar.
PIECES = st.sampled_from(
    [
        "[1]",
        "[2]",
        "[3]",
        "[9]",
        ">",
        ",",
        "\n",
        "\n\n",
        " ",
        "- ",
        "* ",
        "1. ",
        "2) ",
        "**",
        "```",
        ":",
        ".",
        "not ",
        "Strengths:",
        "Weaknesses:",
        "Correct",
        "Incorrect",
        "Verdict:",
        "PASSED",
        "FAILED",
        "passed",
        "Answer",
        "####",
        "\\boxed{",
        "}",
        "the answer is",
        "B",
        "12",
        "-3.5",
        "1,000",
        ">>> ",
        "f(1)",
        " => ",
        " == ",
        "assert ",
    ]
)
TEXTS = st.lists(st.one_of(PIECES, st.text(max_size=12)), max_size=40).map("".join)
LEAVES = st.none() | st.booleans() | st.integers(-3, 12) | st.floats() | st.text(max_size=6)
KEYS = st.sampled_from(
    [
        "ranking",
        "critiques",
        "results",
        "tests",
        "correct",
        "summary",
        "reasoning",
        "answer",
        "test",
        "passed",
        "strengths",
        "weaknesses",
        "x",
    ]
)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=15
)
OBJECTS = st.dictionaries(KEYS, VALUES, max_size=4)
COUNTS = st.integers(1, 9)


def ranking(read: Callable[..., Any], given_: Any, count: int) -> None:
    """A permutation, or nothing."""
    outcome = read(given_, count)
    assert outcome is None or sorted(outcome.order) == list(range(count))


def critiques(read: Callable[..., Any], given_: Any, count: int) -> None:
    """Critiques of candidates that there are."""
    outcome = read(given_, count)
    assert outcome is None or all(0 <= place < count for place in outcome.by_place)


def results(read: Callable[..., Any], given_: Any, count: int) -> None:
    """A result for each test, or nothing."""
    outcome = read(given_, count)
    assert outcome is None or len(outcome.passed) == count


def statements(read: Callable[..., Any], given_: Any, count: int) -> None:
    """No more than were asked for, each a different text."""
    outcome = read(given_, count)
    assert len(outcome) <= count
    assert len(set(outcome)) == len(outcome)
    assert all(text.strip() for text in outcome)


def verdict(read: Callable[..., Any], given_: Any, count: int) -> None:
    """Correct, not correct, or unreadable."""
    assert read(given_) in {True, False, None}


@pytest.mark.parametrize(
    ("holds", "read"),
    [
        (ranking, read_ranking_text),
        (critiques, read_critiques_text),
        (results, read_results_text),
        (statements, read_tests_text),
        (statements, read_examples),
        (verdict, read_verdict_text),
    ],
)
def test_text(holds: Callable[..., None], read: Callable[..., Any]):
    """Ten thousand texts made of what the grammars are made of."""

    @settings(max_examples=10_000, deadline=None)
    @given(TEXTS, COUNTS)
    def run(text: str, count: int) -> None:
        holds(read, text, count)

    run()


@pytest.mark.parametrize(
    ("holds", "read"),
    [
        (ranking, read_ranking_json),
        (critiques, read_critiques_json),
        (results, read_results_json),
        (statements, read_tests_json),
        (verdict, read_verdict_json),
    ],
)
def test_json(holds: Callable[..., None], read: Callable[..., Any]):
    """Ten thousand objects with the keys that are looked for and any values."""

    @settings(max_examples=10_000, deadline=None)
    @given(OBJECTS, COUNTS)
    def run(data: dict[str, Any], count: int) -> None:
        holds(read, data, count)

    run()


@settings(max_examples=10_000, deadline=None)
@given(TEXTS, st.sampled_from(sorted(EXTRACTORS)))
def test_final_answers(text: str, kind: str):
    """A text or nothing."""
    answer = extract_answer(text, kind)  # type: ignore[arg-type]
    assert answer is None or answer
