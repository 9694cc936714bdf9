"""``MixEvalRules``: MixEval's answers read by its authors' rules, without a judge."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from string import ascii_uppercase
from typing import TYPE_CHECKING, Any, ClassVar, Final

from archon_graph.evals.scorers.base import Score, Scorer, right, wrong
from archon_graph.evals.scorers.mixeval_figures import mixeval_figures

if TYPE_CHECKING:
    from archon_graph.evals.benchmarks.item import Item

FREE_FORM: Final = "mixeval_free_form"
"""Kind of the items with short answers."""
CHOICE: Final = "mixeval_choice"
"""Kind of the items with options."""

_ENDS = ",.!?;:'"
_FEWEST_WORDS_TO_NAME_AN_OPTION = 6
_SIGNS = ("could be ", "so ", "is ", "thus ", "therefore ", "final ", "answer ", "result ")
"""What the words that matter come behind."""
_TRIVIAL = frozenset(":,.!?;'")
_MOST_DIGITS = 40
_TOO_LONG = re.compile(rf"\d{{{_MOST_DIGITS + 1},}}")
_WITH_COMMAS = re.compile(r"-?\b\d{1,3}(?:,\d{3}){1,12}\b")
_SCIENTIFIC = re.compile(r"-?\d+(?:\.\d+)?[eE][+-]?\d+")
_PLAIN = re.compile(r"-?(?:\d+\.\d+|\.\d+|\d+\b)(?![eE][+-]?\d+)(?![,\d])")


@dataclass(frozen=True, kw_only=True)
class MixEvalRules(Scorer):
    """Right or wrong by the authors' rules; their published figures are by a judge, and differ by some points.

    *Choices.* The first letter that stands alone in one of 13 ways (``A``, ``A.``, ``(A)``, ``**A.`` and so on,
    not ``**A**``); if there is none, the option whose text comes first. An answer without either is wrong; the
    authors give it a random letter.

    *Short answers.* Lenient: right if what comes behind words such as "is" or "answer", in any line, contains a
    target, or holds a number that equals one to two decimals. "It is not Rome" passes for Rome.

    Departures: no random letter; runs of more than 40 digits are no numbers, so that no text takes long.

    Source: Ni et al. (arXiv 2406.06565), the rule parsers of their evaluation.
    """

    name: ClassVar[str] = "mixeval-rules"

    async def score(self, item: Item, answer: str) -> Score:
        """Read the answer, and compare it with each target."""
        if not item.targets:
            return Score.unscored("the item has no target to compare with")
        if not answer.strip():
            return wrong("the answer is empty")
        if item.kind == CHOICE:
            return _choice(item, answer)
        if item.kind == FREE_FORM:
            return _free_form(item, answer)
        return Score.unscored(f"these rules are for {FREE_FORM} and {CHOICE}, and the item is {item.kind}")

    def figures(self, scored: Sequence[tuple[Item, Score]]) -> Mapping[str, Any]:
        """The authors' figures: by benchmark, by part, and overall."""
        return mixeval_figures(scored)


def choose(answer: str, options: Sequence[str]) -> str | None:
    """The letter that an answer chooses by the authors' rule; ``None`` where they draw one at random.

    Takes time linear in the answer, for each option.

    Args:
        answer: Anything a model wrote.
        options: The texts of the options.
    """
    text = answer
    # One character after the other, each once: what is left depends on their order.
    for character in _ENDS:
        text = text.strip(character)
    text = f" {text} "
    found = _alone(min(len(options), len(ascii_uppercase))).search(text) if options else None
    if found is not None:
        return next(letter for letter in found.groups() if letter is not None)
    if len(text.split()) < _FEWEST_WORDS_TO_NAME_AN_OPTION:
        return None
    lowered = text.lower()
    places = {
        letter: place
        for letter, option in zip(ascii_uppercase, options, strict=False)
        if option and (place := lowered.find(option.lower())) >= 0
    }
    return min(places, key=lambda letter: places[letter]) if places else None


def readings(answer: str) -> list[str | float]:
    """What an answer may be taken to say by the authors' rule: phrases in lower case, and numbers.

    Takes time linear in the answer.

    Args:
        answer: Anything a model wrote.
    """
    phrases = _phrases(answer)
    found = [*phrases]
    for phrase in phrases:
        text = _TOO_LONG.sub(" ", phrase)
        for pattern in (_WITH_COMMAS, _SCIENTIFIC, _PLAIN):
            found.extend(pattern.findall(text))
    return list(dict.fromkeys(form for text in found for form in _forms(text)))


def says(answer: str, targets: Sequence[str]) -> str | float | None:
    """The reading of an answer that contains a target, or equals it as a number; ``None`` if none does."""
    forms = [form for target in targets for form in _forms(target)]
    texts = [form for form in forms if isinstance(form, str) and form]
    numbers = {form for form in forms if not isinstance(form, str)}
    for reading in readings(answer):
        if any(text in reading for text in texts) if isinstance(reading, str) else reading in numbers:
            return reading
    return None


def _choice(item: Item, answer: str) -> Score:
    options = item.metadata.get("options") or ()
    letter = choose(answer, [option for option in options if isinstance(option, str)])
    if letter is None:
        return wrong("the answer chooses no letter by the rules; the authors draw one at random")
    if letter in item.targets:
        return right("the target's letter", letter)
    return wrong("another letter than the target", letter)


def _free_form(item: Item, answer: str) -> Score:
    reading = says(answer, item.targets)
    if reading is None:
        return wrong("no key phrase contains a target, and no number equals one")
    if isinstance(reading, str):
        return right("a key phrase contains a target", reading)
    return right("a number equals a target", f"{reading:g}")


@cache
def _alone(count: int) -> re.Pattern[str]:
    """The 13 ways in which one of the first letters may stand, so that a search finds the earliest place."""
    letter = f"([A-{ascii_uppercase[count - 1]}])"
    return re.compile(
        rf"[ \n]{letter}\.?[ \n]|\({letter}\)|\*\*{letter}\.? | {letter}\.?\*\*",
    )


def _phrases(answer: str) -> list[str]:
    """Of each line the shortest end behind one of the signs; the whole answer if no line has one."""
    text = answer.strip().strip(".").lower()
    # The authors also cut behind a full stop before a capital, but lower the text first: they cut at lines alone.
    lines = text.split("\n")
    found = []
    for number, line in enumerate(lines, start=1):
        # The whole answer may be an equation.
        signs = (*_SIGNS, "=") if number == len(lines) else _SIGNS
        shortest = ""
        for sign in signs:
            if sign in line:
                end = line.rpartition(sign)[2].strip()
                if not shortest or len(end) < len(shortest):
                    shortest = end
        if shortest and shortest not in _TRIVIAL:
            found.append(shortest)
    return found or [text]


def _forms(text: str) -> list[str | float]:
    """A number to two decimals, or a text in lower case; one character only where a space is beside it."""
    text = text.strip()
    number = _number(text.replace(",", "")) if len(text) <= 2 * _MOST_DIGITS else None
    if number is not None:
        return [round(number, 2)]
    text = text.lower()
    return [f" {text}", f"{text} "] if len(text) == 1 else [text]


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
