"""``Trial``: one architecture evaluated on the search questions, and what it took."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from archon_graph.models import Usage
from archon_graph.search.point import Point
from archon_graph.search.strategies.base import Observation

Status = Literal["complete", "dropped", "failed"]
"""``complete``: all questions were answered; ``dropped``: shown to be worse before; ``failed``: no score came."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What an architecture takes for one question, on average, as it was when it was paid."""

    calls: float
    """Model calls."""
    tokens: float | None
    """Tokens sent and received; ``None`` if a provider did not count them."""
    money: float | None
    """US dollars; ``None`` if a price is not known, which is not zero."""
    seconds: float
    """Seconds from the question to the answer, as the calls took them that had to wait for each other."""

    def of(self, unit: str) -> float | None:
        """The cost in this unit: ``calls``, ``tokens``, ``money`` or ``seconds``."""
        value: float | None = getattr(self, unit)
        return value


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One architecture on the search questions."""

    number: int
    """Place in the study, from 1."""
    round: int
    """Round in which it was proposed; 0 for the single models that are measured first."""
    fingerprint: str
    """Of its architecture."""
    name: str
    """Of its architecture."""
    point: Point
    """Where in the space it is; empty for a single model that is measured first."""
    status: Status
    """How it ended."""
    score: float | None
    """Mean score over all search questions; of a dropped trial an estimate, see `archon_graph.search.racing`."""
    error: float | None
    """Standard error of the score."""
    scored: int
    """Questions that have a score."""
    asked: int
    """Questions that were put to it."""
    questions: int
    """Search questions in all."""
    against: int | None
    """Number of the trial that it was raced against."""
    cost: Cost | None
    """What a question takes, on average; ``None`` if no question was answered."""
    usage: Mapping[str, Any]
    """What its questions took, whether or not it was paid in this trial."""
    paid: Mapping[str, Any]
    """The part that was paid in this trial; the rest was shared with earlier ones."""

    @property
    def observation(self) -> Observation:
        """What a strategy is told of it."""
        return Observation(point=self.point, score=self.score, error=self.error)

    @property
    def calls_paid(self) -> int:
        """Model calls that were paid in this trial."""
        return Usage(**self.paid).calls

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {**asdict(self), "point": self.point.to_json()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Trial:
        """Read back what `to_json` wrote.

        Raises:
            KeyError, TypeError: It did not write this.
        """
        cost = data["cost"]
        return cls(
            **{**data, "point": Point(data["point"]), "cost": None if cost is None else Cost(**cost)},
        )
