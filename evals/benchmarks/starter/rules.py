r"""The rules that an answer's form is checked by: a closed vocabulary, each rule a name and its parameters.

The text that is checked is the whole answer, without white space around it.

    equals        text                 the whole text, differences of case and white space aside
    regex         pattern              the whole text matches
    each_line     pattern              every line that is not blank matches
    line_count    count | min, max     so many lines that are not blank
    word_count    count | min, max     so many words: stretches without white space, with a letter or digit
    starts_with   text                 its beginning, in this case
    ends_with     text                 its end, in this case; a last . ! or ? is looked past
    contains      texts                each of them, in any case
    excludes      texts                none of them, in any case
    letter_case   is: upper | lower    every letter, and there is one
    json_keys     keys                 a JSON object with these keys and no others
    json_equals   value                JSON of this value; the order of keys is free, true is not 1

A code fence around the whole text is looked past by the two rules of JSON, and by no other.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

Rule = Mapping[str, Any]
"""A rule as it stands in a file: its name as ``rule``, and its parameters."""


def broken_rules(text: str, check: Iterable[Rule]) -> list[str]:
    """Why a text does not keep the rules: a sentence for each one it breaks, nothing if it keeps them all.

    Raises:
        ValueError: A rule that nobody knows, or one that has not the parameters it needs.
    """
    bare = text.strip()
    sentences = []
    for rule in check:
        name, parameters = _read(rule)
        if not _RULES[name][1](bare, parameters):
            wanted = ", ".join(f"{key}={value!r}" for key, value in parameters.items())
            sentences.append(f"{name}: wanted {wanted}")
    return sentences


def misstated(check: Iterable[Rule]) -> list[str]:
    """What is wrong with the rules themselves: a sentence for each one that could not be checked."""
    sentences = []
    for rule in check:
        try:
            _read(rule)
        except ValueError as error:
            sentences.append(str(error))
    return sentences


def _read(rule: Rule) -> tuple[str, dict[str, Any]]:
    """The name and the parameters of a rule that can be checked."""
    if not isinstance(rule, Mapping):
        raise ValueError(f"a rule is a mapping such as {{rule: word_count, count: 5}}, not {rule!r}")  # noqa: TRY004 - data of a file
    parameters = dict(rule)
    name = parameters.pop("rule", None)
    if not isinstance(name, str) or name not in _RULES:
        near = difflib.get_close_matches(str(name), _RULES, n=1)
        guess = f" (did you mean {near[0]!r}?)" if near else ""
        raise ValueError(f"no rule is called {name!r}{guess}; the rules are {', '.join(_RULES)}")
    accepts = _RULES[name][0]
    problem = accepts(parameters)
    if problem:
        raise ValueError(f"rule {name!r}: {problem}, not {parameters!r}")
    return name, parameters


def _needs(key: str, kind: type | tuple[type, ...]) -> Callable[[dict[str, Any]], str]:
    """Accepts exactly one parameter, of one kind."""

    def accepts(parameters: dict[str, Any]) -> str:
        good = set(parameters) == {key} and isinstance(parameters[key], kind)
        return "" if good else f"takes {key!r} and nothing else"

    return accepts


def _needs_pattern(parameters: dict[str, Any]) -> str:
    problem = _needs("pattern", str)(parameters)
    if not problem:
        try:
            re.compile(parameters["pattern"])
        except re.error as error:
            return f"takes a regular expression ({error})"
    return problem


def _needs_texts(key: str) -> Callable[[dict[str, Any]], str]:
    """Accepts one parameter, a list of texts with something in it."""

    def accepts(parameters: dict[str, Any]) -> str:
        texts = parameters.get(key) if len(parameters) == 1 else None
        if isinstance(texts, list) and texts and all(isinstance(text, str) and text for text in texts):
            return ""
        return f"takes {key!r}, a list of texts"

    return accepts


def _needs_amount(parameters: dict[str, Any]) -> str:
    keys = set(parameters)
    good = keys == {"count"} or (keys and keys <= {"min", "max"})
    if good and all(type(value) is int and value >= 0 for value in parameters.values()):
        return ""
    return "takes 'count', or 'min' or 'max' or both, whole numbers from 0 up"


def _needs_case(parameters: dict[str, Any]) -> str:
    return "" if parameters in ({"is": "upper"}, {"is": "lower"}) else "takes 'is', upper or lower"


def _amounts_to(number: int, parameters: dict[str, Any]) -> bool:
    if "count" in parameters:
        return bool(number == parameters["count"])
    return bool(parameters.get("min", 0) <= number <= parameters.get("max", number))


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _words(text: str) -> list[str]:
    return [word for word in text.split() if any(character.isalnum() for character in word)]


def _json(text: str) -> Any:
    """The value that the text is the JSON of; ``...`` if it is no JSON."""
    opening, _, rest = text.partition("\n")
    if opening.strip().lower() in ("```", "```json") and rest.endswith("```"):
        text = rest[:-3]
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return ...


def _same(one: Any, other: Any) -> bool:
    """Equal as JSON: Python's own ``==`` takes true for 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)


def _has_keys(text: str, parameters: dict[str, Any]) -> bool:
    value = _json(text)
    return isinstance(value, dict) and value.keys() == set(parameters["keys"])


def _contains(text: str, parameters: dict[str, Any]) -> bool:
    return all(part.casefold() in text.casefold() for part in parameters["texts"])


def _excludes(text: str, parameters: dict[str, Any]) -> bool:
    return not any(part.casefold() in text.casefold() for part in parameters["texts"])


def _each_line(text: str, parameters: dict[str, Any]) -> bool:
    return all(re.fullmatch(parameters["pattern"], line) for line in _lines(text))


_RULES: dict[str, tuple[Callable[[dict[str, Any]], str], Callable[[str, dict[str, Any]], bool]]] = {
    "equals": (_needs("text", str), lambda text, p: text.casefold().split() == p["text"].casefold().split()),
    "regex": (_needs_pattern, lambda text, p: re.fullmatch(p["pattern"], text) is not None),
    "each_line": (_needs_pattern, _each_line),
    "line_count": (_needs_amount, lambda text, p: _amounts_to(len(_lines(text)), p)),
    "word_count": (_needs_amount, lambda text, p: _amounts_to(len(_words(text)), p)),
    "starts_with": (_needs("text", str), lambda text, p: text.startswith(p["text"])),
    "ends_with": (_needs("text", str), lambda text, p: text.rstrip(".!?").endswith(p["text"])),
    "contains": (_needs_texts("texts"), _contains),
    "excludes": (_needs_texts("texts"), _excludes),
    "letter_case": (_needs_case, lambda text, p: text.isupper() if p["is"] == "upper" else text.islower()),
    "json_keys": (_needs_texts("keys"), _has_keys),
    "json_equals": (_needs("value", object), lambda text, p: _same(_json(text), p["value"])),
}
"""For each rule: what is wrong with its parameters, if anything; and whether a text keeps it."""

RULES = tuple(_RULES)
"""The names of all rules."""
