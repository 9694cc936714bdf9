"""The rules of form: what each lets pass, what is said of one that cannot be checked, and hostile texts."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archon_graph.evals.benchmarks import Item
from archon_graph.evals.benchmarks.starter import Format, broken_rules, misstated, starter


@pytest.mark.parametrize(
    ("rule", "good", "bad"),
    [
        ({"rule": "equals", "text": "a b"}, ["A  b", "a\nB"], ["ab", "a b c", ""]),
        ({"rule": "regex", "pattern": "a+"}, ["aaa"], ["aab", "baa", ""]),
        ({"rule": "each_line", "pattern": "- .+"}, ["- a\n\n- b", ""], ["- a\nb"]),
        ({"rule": "line_count", "count": 2}, ["a\nb", "a\n\n b"], ["a", "a\nb\nc"]),
        ({"rule": "line_count", "min": 2}, ["a\nb", "a\nb\nc"], ["a", ""]),
        ({"rule": "word_count", "max": 2}, ["", "a", "a - b."], ["a b c"]),
        ({"rule": "word_count", "min": 1, "max": 2}, ["a", "it's fine"], ["", "--", "a b c"]),
        ({"rule": "starts_with", "text": "Today"}, ["Today.", "Todays"], ["today", "It is Today"]),
        ({"rule": "ends_with", "text": "end"}, ["the end", "the end!", "the end.."], ["the End", "the end,"]),
        ({"rule": "contains", "texts": ["A", "b"]}, ["b a", "xAxBx"], ["a", ""]),
        ({"rule": "excludes", "texts": ["e"]}, ["", "a"], ["e", "E", "the"]),
        ({"rule": "letter_case", "is": "upper"}, ["A", "A 1."], ["a", "Aa", "1", ""]),
        ({"rule": "letter_case", "is": "lower"}, ["a", "a 1."], ["A", "Aa", "1", ""]),
        (
            {"rule": "json_keys", "keys": ["a"]},
            ['{"a": 1}', '```json\n{"a": 1}\n```', '```\n{"a": 1}```'],
            ["{}", '{"a": 1, "b": 2}', '["a"]', "a", '```python\n{"a": 1}\n```', '```json {"a": 1}```'],
        ),
        (
            {"rule": "json_equals", "value": {"a": 1}},
            ['{"a": 1}', '{"a": 1.0}'],
            ['{"a": true}', '{"a": "1"}', '{"b": 1}', "[1]", "{", ""],
        ),
        (
            {"rule": "json_equals", "value": [True, [None]]},
            ["[true, [null]]"],
            ["[1, [null]]", "[true, [null], 0]", "[true]", "[true, [false]]"],
        ),
    ],
)
def test_rule(rule: dict[str, Any], good: list[str], bad: list[str]):
    """What each rule lets pass."""
    assert [text for text in good if broken_rules(text, [rule])] == []
    assert [text for text in bad if not broken_rules(text, [rule])] == []


def test_a_broken_rule_is_named():
    """With what it wanted; rules that are kept are not named."""
    check = [{"rule": "word_count", "min": 2, "max": 4}, {"rule": "contains", "texts": ["sea"]}]
    assert broken_rules("the sea", check) == []
    assert broken_rules("sea", check) == ["word_count: wanted min=2, max=4"]
    assert broken_rules("land", check) == ["word_count: wanted min=2, max=4", "contains: wanted texts=['sea']"]


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (
            {"rule": "word_cuont", "count": 1},
            "no rule is called 'word_cuont' (did you mean 'word_count'?); the rules",
        ),
        ({"pattern": "a"}, "no rule is called None; the rules are equals, regex"),
        ({"rule": ["regex"]}, "no rule is called ['regex']"),
        ("word_count", "a rule is a mapping such as {rule: word_count, count: 5}, not 'word_count'"),
        ({"rule": "regex", "pattern": "("}, "rule 'regex': takes a regular expression (missing )"),
        ({"rule": "regex", "patern": "a"}, "rule 'regex': takes 'pattern' and nothing else, not {'patern': 'a'}"),
        ({"rule": "word_count"}, "rule 'word_count': takes 'count', or 'min' or 'max' or both"),
        ({"rule": "word_count", "count": 1, "max": 2}, "rule 'word_count': takes 'count', or"),
        ({"rule": "line_count", "count": "1"}, "rule 'line_count': takes 'count', or"),
        ({"rule": "line_count", "min": True}, "rule 'line_count': takes 'count', or"),
        ({"rule": "contains", "texts": "sea"}, "rule 'contains': takes 'texts', a list of texts"),
        ({"rule": "excludes", "texts": []}, "rule 'excludes': takes 'texts', a list of texts"),
        ({"rule": "letter_case", "is": "title"}, "rule 'letter_case': takes 'is', upper or lower"),
        ({"rule": "json_equals"}, "rule 'json_equals': takes 'value' and nothing else"),
    ],
)
def test_a_rule_that_cannot_be_checked(rule: Any, message: str):
    """Is an error in so many words, before any text is looked at; and found among good ones."""
    with pytest.raises(ValueError, match=re.escape(message)):
        broken_rules("text", [rule])
    [sentence] = misstated([{"rule": "regex", "pattern": "a"}, rule])
    assert sentence.startswith(message)


@cache
def all_checks() -> list[dict[str, Any]]:
    """Every rule that some task has."""
    return [rule for item in starter() for rule in item.metadata.get("check", ())]


@given(st.text(max_size=300))
def test_no_text_can_crash(text: str):
    """Whatever a model writes, it keeps rules or breaks them."""
    assert set(broken_rules(text, all_checks())) <= {sentence for rule in all_checks() for sentence in told(rule)}


def told(rule: dict[str, Any]) -> list[str]:
    """What is said of a rule that is broken."""
    return [
        f"{rule['rule']}: wanted " + ", ".join(f"{key}={value!r}" for key, value in rule.items() if key != "rule")
    ]


@pytest.mark.parametrize(
    "text", ["\n" * 50_000, "[" * 50_000, "```json\n" * 9_000, "a " * 30_000, "9" * 60_000, '{"title": ' * 5_000]
)
def test_no_text_can_stall(text: str):
    """Long and hostile ones take no time to speak of."""
    assert broken_rules(text, all_checks())


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        ({}, "the item has no rules to check the answer by"),
        ({"check": []}, "the item has no rules"),
        ({"check": "regex"}, "the item has no rules"),
        ({"check": [{"rule": "upper"}, {"rule": "regex", "pattern": "("}]}, "no rule is called 'upper'"),
    ],
)
async def test_unscored(metadata: dict[str, Any], reason: str):
    """Rules that are missing or cannot be checked say nothing about the answer."""
    score = await Format().score(Item(id="i", input="?", kind="format", metadata=metadata), "text")
    assert not score.scored
    assert score.detail.startswith(reason)
