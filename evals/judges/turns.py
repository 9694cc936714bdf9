"""What an item's turns ask, and what is right: as judges are shown it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import takewhile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from archon_graph.evals.benchmarks.benchmark import Benchmark
    from archon_graph.evals.benchmarks.item import Item

_ROLES = {"human": "User", "ai": "Assistant", "system": "System"}


def questions_of(item: Item) -> tuple[str, ...]:
    """What is asked in each turn; a conversation that comes before the first is told with it."""
    if isinstance(item.input, str):
        return (item.input, *item.follow_ups)
    if len(item.input) == 1:
        return (str(item.input[0].text), *item.follow_ups)
    talk = "\n\n".join(f"{_ROLES.get(one.type, one.type)}: {one.text}" for one in item.input)
    return (talk, *item.follow_ups)


def with_references(benchmark: Benchmark, answers: Mapping[str, Sequence[str]]) -> Benchmark:
    """The benchmark with these right answers in view of its judge.

    Args:
        benchmark: The questions.
        answers: The right answers to an item's turns, by its id; items that are not there have none.
    """
    return replace(
        benchmark,
        items=tuple(
            replace(item, metadata={**item.metadata, "reference": list(answers[item.id])})
            if item.id in answers
            else item
            for item in benchmark.items
        ),
    )


def told_of(item: Item, turn: int) -> tuple[str, dict[str, str]]:
    """What MT-Bench's judges are told of a turn beside the answers.

    Returns:
        The end of the template's name, and the texts of the turn: its question, or that and the one before it, and
        the right answers to them, where they are known.
    """
    questions, references = questions_of(item), references_of(item)
    first = max(0, turn - 2)
    suffix, texts = (
        ("", {"question": questions[0]}) if turn == 1 else ("_second", numbered("question", questions, turn))
    )
    if len(references) < turn:
        return suffix, texts
    return f"{suffix}_reference", texts | {
        f"ref_answer_{number}": text for number, text in enumerate(references[first:turn], 1)
    }


def numbered(name: str, texts: Sequence[str], turn: int) -> dict[str, str]:
    """The texts of a turn and of the one before it, as ``NAME_1`` and ``NAME_2``."""
    return {f"{name}_1": texts[turn - 2], f"{name}_2": texts[turn - 1]}


def references_of(item: Item) -> tuple[str, ...]:
    """The right answers to the turns, as far as they are known: the metadata's ``reference``, or the target."""
    given = item.metadata.get("reference")
    if given is None:
        # Of a conversation the target is the right answer to its end, and a judge goes turn by turn.
        return () if item.follow_ups else item.targets[:1]
    several = [given] if isinstance(given, str) else given if isinstance(given, list | tuple) else []
    # Up to the first that is none: the judge is shown those of the turns before with it.
    return tuple(takewhile(lambda one: isinstance(one, str) and bool(one.strip()), several))
