"""What can vary in a search: every axis with its name, its values and one sentence about it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from archon_graph.components.generator import PromptStyle
from archon_graph.core.component import MOST_IN_A_PROMPT
from archon_graph.core.config import nearest
from archon_graph.search.point import Value

RANKED = "ranked"
"""Value of a role: its components take the models of the space in order, the best first."""

PLACES = ("none", "first", "every")
"""Before which steps a critic or a ranker stands."""

EVALUATIONS = ("none", "verifier", "tests", "executed", "examples")
"""What can stand as the evaluation layer."""

FINALS = ("fuser", "ranker", "voter", "none")
"""What can stand at the end."""


@dataclass(frozen=True)
class Axis:
    """One thing that may vary: its name, and what it can be set to."""

    name: str
    values: tuple[Value, ...]
    ordered: bool
    """Whether the values lie on a scale, so that one step leads to the next; otherwise it leads to any other."""
    about: str
    """What it says of an architecture, in one sentence."""


@dataclass(frozen=True)
class Domain:
    """What an axis can be given: the rule for a single value, and the values taken if none are given."""

    about: str
    default: tuple[Value, ...]
    fault: Callable[[Any], str | None]
    """What is wrong with a value; ``None`` if nothing is."""
    way_out: str
    scale: tuple[Value, ...] | None = ()
    """The order of the values: empty for that of numbers, ``None`` if there is none."""


def _whole(least: int, most: int | None = None) -> Callable[[Any], str | None]:
    span = f"{least} or more" if most is None else f"{least} to {most}"

    def fault(value: Any) -> str | None:
        fits = isinstance(value, int) and not isinstance(value, bool)
        fits = fits and value >= least and (most is None or value <= most)
        return None if fits else f"it has to be a whole number, {span}, and is {value!r}"

    return fault


def _one_of(known: Sequence[str]) -> Callable[[Any], str | None]:
    def fault(value: Any) -> str | None:
        if isinstance(value, str) and value in known:
            return None
        return f"there is no {value!r}{nearest(str(value), known)}"

    return fault


def _temperature(value: Any) -> str | None:
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 10):
        return None
    return f"it has to be a number from 0 to 10, or null for the provider's own, and is {value!r}"


def _anything(value: Any) -> str | None:  # noqa: ARG001
    """Nothing is wrong: models are read before."""
    return None


def _domain(about: str, default: Iterable[Value], fault: Callable[[Any], str | None], way_out: str) -> Domain:
    return Domain(about, tuple(default), fault, way_out)


def _places(about: str, default: Iterable[Value]) -> Domain:
    return Domain(about, tuple(default), _one_of(PLACES), f"Take of {', '.join(PLACES)}", PLACES)


def _choice(about: str, default: Iterable[Value], known: Sequence[str]) -> Domain:
    return Domain(about, tuple(default), _one_of(known), f"Take of {', '.join(known)}", None)


# In this order: what an axis can mean is settled by those before it (see archon_graph.search.canonical).
DOMAINS: Mapping[str, Domain] = {
    "generators": _domain(
        "How many models answer, the best ones first.", (1, 2, 3), _whole(1), "Take counts from 1"
    ),
    "samples": _domain("How many answers each of them gives.", (1, 3, 5), _whole(1), "Take counts from 1"),
    "revisions": _domain(
        "How often all answers are criticised and rewritten before anything else is done.",
        (0, 1),
        _whole(0, 5),
        "Take counts from 0 to 5",
    ),
    "fusion_layers": _domain(
        "How many layers of several fusers there are; a final fuser is not counted.",
        (0, 1, 2),
        _whole(0, 10),
        "Take counts from 0 to 10",
    ),
    "fusers": _domain(
        "How many fusers stand in each of these layers.",
        (2, 4),
        _whole(2, MOST_IN_A_PROMPT),
        f"Take counts from 2 to {MOST_IN_A_PROMPT}; a single fuser at the end is final: fuser",
    ),
    "evaluation": _choice(
        "What tells good answers from bad ones before the final step.", ("none", "verifier", "tests"), EVALUATIONS
    ),
    "final": _choice(
        "What makes one answer of several; with none, the evaluation layer chooses it.",
        ("fuser", "ranker", "none"),
        FINALS,
    ),
    "eval_top_k": _domain(
        "How many answers at most go on from unit tests to the final step.",
        (3,),
        _whole(2, MOST_IN_A_PROMPT),
        f"Take counts from 2 to {MOST_IN_A_PROMPT}; to keep a single answer: final: none",
    ),
    "critic": _places("Before which fusions (or final ranker) a critic stands.", ("none", "first")),
    "ranker": _places("Before which fusions a ranker stands.", ("none", "first")),
    "rank_top_k": _domain("How many answers at most it passes on.", (3,), _whole(1), "Take counts from 1"),
    "temperature": Domain(
        "How far apart the answers of a generator are drawn; null is the provider's own.",
        (None,),
        _temperature,
        "Take numbers such as 0.7, or null",
        None,
    ),
    "prompt_style": _choice("How the generators are told to go about it.", ("direct",), get_args(PromptStyle)),
    "judge_model": Domain(
        "Who criticises, ranks, verifies, and writes and judges tests; ranked is the best model.",
        (RANKED,),
        _anything,
        "",
        None,
    ),
    "fuser_model": Domain(
        "Who fuses and revises; ranked is the best model, or for several fusers as many, the best first.",
        (RANKED,),
        _anything,
        "",
        None,
    ),
}
"""Every axis there is."""

ROLES = ("judge_model", "fuser_model")
"""Axes whose values are models."""

NAMES = tuple(DOMAINS)
"""The names of the axes, in the order in which they settle each other."""

DECIDING = NAMES.index("rank_top_k") + 1
"""How many of them, from the first, decide which layers there are and so how many calls they make."""
