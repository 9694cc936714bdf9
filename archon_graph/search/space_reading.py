"""Reads what a search space is made of; everything that is wrong with it is found before anything is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

from archon_graph.answers import Extraction
from archon_graph.components import CodeExecutor
from archon_graph.core import techniques
from archon_graph.core.component import MOST_IN_A_PROMPT
from archon_graph.core.config import nearest
from archon_graph.models.request import ModelLike
from archon_graph.search.axes import DOMAINS, NAMES, Axis
from archon_graph.search.axis_reading import Reader
from archon_graph.search.decoding import EXAMPLE_TESTS
from archon_graph.search.space_problems import SpaceError

_RUNNING = ("executed", "examples")


@dataclass(frozen=True)
class ReadSpace:
    """What was read."""

    ranking: tuple[str, ...]
    """Labels of the generator models, the best first."""
    models: Mapping[str, ModelLike]
    """Every model by label, those that only a role names included."""
    axes: tuple[Axis, ...]
    """All axes, in order."""


def read_space(
    models: object,
    given: Mapping[str, Any],
    *,
    answers: object,
    max_calls: object,
    most_candidates: object,
    rules: object,
    enumerate_up_to: object,
) -> ReadSpace:
    """Read models, axes and settings.

    Args:
        models: Who generates, the best first.
        given: The values of the axes that have others than their default ones.
        answers: Where a voter looks for the final answer.
        max_calls: The most model calls that one question may take.
        most_candidates: The most candidates that may go into one prompt.
        rules: The rules.
        enumerate_up_to: Up to how many points the space is listed.

    Raises:
        SpaceError: Something in it is wrong; every problem is in it.
    """
    reader = Reader()
    known = reader.models(models)
    ranking = tuple(known)
    axes = {name: _axis(reader, name, given, known, len(ranking)) for name in NAMES}
    _generators(reader, axes["generators"], len(ranking))
    _evaluation(reader, axes["evaluation"])
    _settings(
        reader,
        answers=answers,
        max_calls=max_calls,
        most_candidates=most_candidates,
        rules=rules,
        enumerate_up_to=enumerate_up_to,
    )
    if reader.problems:
        raise SpaceError(reader.problems)
    return ReadSpace(ranking, known, tuple(axes.values()))


def _axis(
    reader: Reader, name: str, given: Mapping[str, Any], models: dict[str, ModelLike], available: int
) -> Axis:
    default = DOMAINS[name].default
    if name == "generators":
        default = tuple(count for count in default if isinstance(count, int) and count <= max(available, 1))
    return reader.axis(name, given.get(name, default), models)


def _generators(reader: Reader, axis: Axis, available: int) -> None:
    for place, count in enumerate(axis.values):
        if available and isinstance(count, int) and count > available:
            reader.add(
                "too-few-models",
                f"generators[{place}]",
                f"it is {count}, and there are {available} models",
                f"Take counts up to {available}, or name more models",
            )


def _evaluation(reader: Reader, axis: Axis) -> None:
    if "examples" in axis.values and EXAMPLE_TESTS not in techniques():
        reader.add(
            "unknown-technique",
            "evaluation",
            f"'examples' needs a component with the technique {EXAMPLE_TESTS!r}, and there is none",
            "Upgrade archon-graph, or take 'executed'",
        )
    running = [value for value in axis.values if value in _RUNNING]
    if running:
        # On a machine where programs cannot be shut in, no architecture that runs them is valid.
        for problem in CodeExecutor(top_k=1).check("evaluation", 2):
            message = f"{' and '.join(map(repr, running))}: {problem.message}"
            reader.add(problem.rule, "evaluation", message, problem.way_out)


def _settings(
    reader: Reader,
    *,
    answers: object,
    max_calls: object,
    most_candidates: object,
    rules: object,
    enumerate_up_to: object,
) -> None:
    known = [str(name) for name in get_args(Extraction)]
    if answers not in known:
        message = f"there is no {answers!r}{nearest(str(answers), known)}"
        reader.add("bad-setting", "answers", message, f"Take one of {', '.join(known)}")
    if rules != "archon":
        message = f"architectures are searched under the rules 'archon', not {rules!r}"
        reader.add("bad-setting", "rules", message, "Leave it out")
    if max_calls is not None and not _is_count(max_calls):
        message = f"it has to be a whole number from 1, and is {max_calls!r}"
        reader.add("bad-setting", "max_calls", message, "Leave it out to allow any number of calls")
    if not _is_count(most_candidates, MOST_IN_A_PROMPT):
        message = f"it has to be a whole number, 1 to {MOST_IN_A_PROMPT}, and is {most_candidates!r}"
        reader.add("bad-setting", "most_candidates", message, f"Leave it out for {MOST_IN_A_PROMPT}")
    if not _is_count(enumerate_up_to):
        message = f"it has to be a whole number from 1, and is {enumerate_up_to!r}"
        reader.add("bad-setting", "enumerate_up_to", message, "Leave it out")


def _is_count(value: object, most: int | None = None) -> bool:
    return (
        isinstance(value, int) and not isinstance(value, bool) and value >= 1 and (most is None or value <= most)
    )
