"""What MixEval's judge is told, and how its replies are read: grades of short answers, letters of choices."""

from __future__ import annotations

import re
from collections.abc import Sequence
from string import Template, ascii_uppercase
from typing import TYPE_CHECKING, Final

from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage

from archon_graph.core import Prompt, load_prompt
from archon_graph.evals.benchmarks.mixeval import listed

# The figures are the rule parser's, too.
from archon_graph.evals.scorers.mixeval_figures import mixeval_figures

if TYPE_CHECKING:
    from archon_graph.evals.benchmarks.item import Item

__all__ = [
    "ATTEMPTS",
    "MAX_TOKENS",
    "choice_messages",
    "free_form_messages",
    "gold_answers",
    "judge_prompt",
    "mixeval_figures",
    "read_choice",
    "read_score",
]

ATTEMPTS: Final = 10
"""How often the protocol asks in all, until a reply can be read."""
MAX_TOKENS: Final = 999
"""Longest reply of the judge in the protocol, in tokens; its temperature is the service's default."""

# At most so many digits: what is longer is no grade, and would only take time.
_GRADES = (
    re.compile(r"\[\[([0-9]{1,20}(?:\.[0-9]{0,40})?)\]\]"),
    re.compile(r"\[([0-9]{1,20}(?:\.[0-9]{0,40})?)\]"),
)
_LETTERS = (re.compile(r"\[\[([A-Z])\]\]"), re.compile(r"\[([A-Z])\]"))


def judge_prompt() -> Prompt:
    """Our own words for the judge; `read_judge_prompts` reads the published ones from their file.

    Parts: ``free_form_system`` and ``free_form`` (with ``$question``, ``$answers``, ``$response``),
    ``choice_system`` and ``choice`` (with ``$question``, ``$options``, ``$response``).
    """
    return load_prompt(__package__ or "archon_graph.evals.judges", "mixeval")


def free_form_messages(item: Item, response: str, *, prompt: Prompt | None = None) -> list[BaseMessage]:
    """What the judge is told about a short answer: the question without its context, all targets, the answer.

    Args:
        item: An item of the kind ``mixeval_free_form``.
        response: The answer; nothing in it is read as a placeholder.
        prompt: Other words; parts that it leaves out are ours.

    Raises:
        ValueError: The prompt has an unknown part or placeholder.
    """
    told = {"question": _question(item), "answers": gold_answers(item.targets), "response": response}
    return _messages("free_form", prompt, told)


def choice_messages(item: Item, response: str, *, prompt: Prompt | None = None) -> list[BaseMessage]:
    """What the judge is told about a choice: the question without its context, the options, the answer.

    It is not told which option is right.

    Args:
        item: An item of the kind ``mixeval_choice``.
        response: The answer; nothing in it is read as a placeholder.
        prompt: Other words; parts that it leaves out are ours.

    Raises:
        ValueError: The prompt has an unknown part or placeholder.
    """
    options = listed(item.metadata.get("options") or ())
    return _messages("choice", prompt, {"question": _question(item), "options": options, "response": response})


def gold_answers(targets: Sequence[str]) -> str:
    """All right answers as one text, each after its number: ``<answer 1> Oslo; <answer 2> Kristiania``."""
    return "; ".join(f"<answer {number}> {target}" for number, target in enumerate(targets, start=1))


def read_score(text: str) -> float | None:
    """The grade in a judge's reply: the first number in double square brackets, else the first in single ones.

    Takes time linear in the text.

    Args:
        text: Anything a model wrote.

    Returns:
        From 0 to 1; ``None`` if there is none or it lies outside, where the protocol asks again. After the tenth
        reply without one the authors draw a grade at random, which nobody should do here.
    """
    found = _first(_GRADES, text)
    grade = None if found is None else float(found)
    return grade if grade is not None and 0.0 <= grade <= 1.0 else None


def read_choice(text: str, options: Sequence[str] | None = None) -> str | None:
    """The letter in a judge's reply: the first in double square brackets, else the first in single ones.

    Takes time linear in the text.

    Args:
        text: Anything a model wrote.
        options: The texts of the options: a letter that none of them has is no verdict then. Without them it is
            one, and so the answer is wrong, as in the authors' own evaluation.

    Returns:
        The letter; ``None`` if there is none, where the protocol asks again. After the tenth reply without one the
        authors draw an option at random, which nobody should do here.
    """
    letter = _first(_LETTERS, text)
    if letter is not None and options is not None and letter not in ascii_uppercase[: len(options)]:
        return None
    return letter


def _first(patterns: Sequence[re.Pattern[str]], text: str) -> str | None:
    found = next((match for pattern in patterns if (match := pattern.search(text)) is not None), None)
    return None if found is None else found[1]


def _question(item: Item) -> str:
    return str(item.metadata.get("question", item.input))


def _messages(part: str, prompt: Prompt | None, values: dict[str, str]) -> list[BaseMessage]:
    base = judge_prompt()
    words = base if prompt is None else prompt.over(base)
    words.render(part, **values)  # raises if the words want what is not here
    # Not what it returns: that is stripped, and published words are told letter by letter.
    asked = Template(words.parts[part]).substitute(values)
    return [SystemMessage(words.render(f"{part}_system")), HumanMessage(asked)]
