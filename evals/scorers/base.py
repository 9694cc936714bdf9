"""``Scorer`` and ``Score``: what an answer is worth, or why nobody can say."""

from __future__ import annotations

import enum
import json
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

if TYPE_CHECKING:
    from archon_graph.evals.benchmarks.item import Item
    from archon_graph.models import Client
    from archon_graph.models.request import ModelLike


class Unscored(enum.Enum):
    """The value of an answer that could not be scored; not zero, and no arithmetic takes it for a number."""

    UNSCORED = "unscored"

    def __bool__(self) -> bool:
        raise TypeError("an unscored answer is neither right nor wrong; ask `score.scored` first")

    def __repr__(self) -> str:
        return "UNSCORED"


UNSCORED: Final = Unscored.UNSCORED
"""Stands where a score would stand if there was one; ``null`` in JSON. Left out of means, counted beside them."""

Value = float | Literal[Unscored.UNSCORED]
"""A score, or `UNSCORED`."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """What a scorer found out about one answer."""

    value: Value
    """Usually from 0 to 1; `UNSCORED` if the scorer could not do its work. An answer that holds nothing, or
    nothing readable, is wrong, and not unscored."""
    detail: str = ""
    """How it came to this, in a sentence; for an unscored answer the reason."""
    extracted: str | None = None
    """The part of the answer that was compared or run; ``None`` if none was found."""
    judgment: Mapping[str, Any] | None = field(default=None, hash=False)
    """What a judge said and what that took, as plain data (`JudgeScorer`); ``None`` where a rule scored."""

    def __post_init__(self) -> None:
        if self.value is UNSCORED:
            if not self.detail:
                raise ValueError("an unscored answer needs a detail that says why it is unscored")
            return
        object.__setattr__(self, "value", _checked(self.value))

    @classmethod
    def unscored(cls, reason: str) -> Score:
        """The score of an answer that could not be scored, with the reason."""
        return cls(value=UNSCORED, detail=reason)

    @property
    def scored(self) -> bool:
        """Whether there is a value to reckon with."""
        return self.value is not UNSCORED

    def to_json(self) -> dict[str, Any]:
        """As plain data; `UNSCORED` is ``null``."""
        value = None if self.value is UNSCORED else self.value
        data = {"value": value, "detail": self.detail, "extracted": self.extracted}
        return data if self.judgment is None else {**data, "judgment": dict(self.judgment)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Score:
        """Read back what `to_json` wrote.

        Raises:
            KeyError: It has no ``value``: a score that was lost is not an unscored answer.
        """
        value = data["value"]
        return cls(
            value=UNSCORED if value is None else value,
            detail=data.get("detail", ""),
            extracted=data.get("extracted"),
            judgment=data.get("judgment"),
        )


class Scorer(ABC):
    """Says what an answer to an item is worth.

    Called by the runner, for many answers at once and from any event loop; an instance holds settings only. It
    gets plain text, which is hostile input: no text may make it raise, hang or call a model. (A judge, which does
    call one, is a scorer too: it implements `score_turns`, which is given the client to draw through.)

    To write one, subclass, set `name`, and implement `score`; a frozen dataclass gets its `identity` for free.
    """

    name: ClassVar[str]
    """What reports and logs call it."""
    version: ClassVar[int] = 1
    """Raised whenever the same settings come to score some answer differently."""

    @abstractmethod
    async def score(self, item: Item, answer: str) -> Score:
        """Score one answer. Nothing given is changed.

        Raises:
            ConfigurationError: The scorer cannot work at all here: an extra is missing, there is no sandbox.
        """

    async def score_turns(self, item: Item, answers: Sequence[str], client: Client) -> Score:  # noqa: ARG002
        """Score the answers to an item and to each of its follow-ups; a rule looks at the last one alone.

        Model calls: none, but for a judge's.

        Args:
            item: The question.
            answers: The answers in order, one for each turn.
            client: What a judge draws through, and pays with.

        Raises:
            ConfigurationError: The scorer cannot work here at all.
        """
        return await self.score(item, answers[-1])

    @property
    def models(self) -> tuple[ModelLike, ...]:
        """The models that it calls; none, if it is no judge."""
        return ()

    def problems(self, items: Sequence[Item]) -> list[str]:  # noqa: ARG002
        """What items lack to be scored, in sentences; seen before any model is paid."""
        return []

    def figures(self, scored: Sequence[tuple[Item, Score]]) -> Mapping[str, Any]:  # noqa: ARG002
        """What the benchmark's authors would print for these answers, by name, where that is not the mean score.

        Args:
            scored: Every item with the score of the answer to it, unscored ones included.
        """
        return {}

    def settings(self) -> dict[str, Any]:
        """The settings that are part of the scorer's identity, as plain data."""
        made: object = self
        declared = fields(made) if is_dataclass(made) else ()
        return {one.name: _plain(getattr(self, one.name)) for one in declared if one.repr}

    @property
    def identity(self) -> str:
        """Name, version and settings, for the record: two logs may be compared if theirs are equal."""
        text = json.dumps(self.settings(), sort_keys=True, default=str)
        return f"{self.name}@{self.version}" + (text if text != "{}" else "")


def wrong(detail: str, extracted: str | None = None) -> Score:
    """The score of a wrong answer."""
    return Score(value=0.0, detail=detail, extracted=extracted)


def right(detail: str, extracted: str | None = None) -> Score:
    """The score of a right answer."""
    return Score(value=1.0, detail=detail, extracted=extracted)


def _checked(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"a score is a number or UNSCORED, got {type(value).__name__}: {value!r}")
    if not math.isfinite(value):
        raise ValueError(f"a score is a finite number or UNSCORED, got {value!r}")
    return float(value)


def _plain(value: Any) -> Any:
    if isinstance(value, Scorer):
        return value.identity
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value
