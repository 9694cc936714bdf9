"""``Protocol``: what a judge is asked about an answer, how its replies are read, and what they are worth together.

A protocol knows words and arithmetic, and no model: `JudgeScorer` draws the replies.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from langchain_core.messages import AIMessage, BaseMessage

from archon_graph.models import Sampling

if TYPE_CHECKING:
    from archon_graph.evals.benchmarks.item import Item
    from archon_graph.evals.scorers.base import Score


@dataclass(frozen=True, kw_only=True)
class Game:
    """One thing that a judge is asked: to rate an answer, or to compare it with another one."""

    name: str
    """Unique among the games of an answer, and the same in every run: ``turn-1``, ``game-2``."""
    messages: tuple[BaseMessage, ...]
    """What the judge is told."""
    answer: str
    """The answer that it is about."""
    other: str | None = None
    """The one that it is compared with; ``None`` if it is rated by itself."""
    swapped: bool | None = None
    """Whether the answer under test stands first, and the other one second; ``None`` if there is no other one."""
    pair: str = ""
    """Games of one pair compare the same two answers in both orders."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What a reply says."""

    label: str | None
    """The verdict in the protocol's own terms; ``None`` if the reply holds none that can be read."""
    value: float | None
    """The same as a number: a share of a win from 0 (the other one wins) to 1, or a rating on the protocol's
    scale; ``None`` if there is none."""


NO_VERDICT = Reading(label=None, value=None)
"""Of a reply that cannot be read."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """How a game ended."""

    game: str
    """Its name."""
    pair: str
    """The games that it is to be held against."""
    swapped: bool | None
    """Whether the answer under test stood first."""
    label: str | None
    """See `Reading.label`."""
    value: float | None
    """See `Reading.value`."""
    text: str
    """The reply, as it came."""
    attempts: int
    """How many replies were asked for; 0 if nobody had to be asked."""

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Verdict:
        """Read back what `to_json` wrote."""
        return cls(**data)


@dataclass(frozen=True, kw_only=True)
class Protocol(ABC):
    """What a judge is asked, and what comes of its replies.

    Holds settings only, and raises on no text.
    """

    name: ClassVar[str]
    """What reports and logs call it."""
    version: ClassVar[int] = 1
    """Raised whenever the same settings come to read or weigh some reply differently."""
    compares: ClassVar[bool] = False
    """Whether it compares an answer with a baseline's."""
    attempts: ClassVar[int] = 1
    """Most replies that are asked for in one game, until one can be read."""

    @property
    @abstractmethod
    def prompt(self) -> str:
        """Identity of the words that the judge is told."""

    @property
    @abstractmethod
    def sampling(self) -> Sampling:
        """How the judge is sampled."""

    @abstractmethod
    def games(self, item: Item, answers: Sequence[str]) -> list[Game]:
        """What the judge is asked about an answer.

        Args:
            item: The question.
            answers: The answers to all turns, empty ones included.
        """

    @abstractmethod
    def lost(self, game: Game) -> Reading:
        """The verdict on an answer that is empty: the worst there is."""

    def tied(self, game: Game) -> Reading:  # noqa: ARG002
        """The verdict on two answers that are the same."""
        return Reading(label="tie", value=0.5)

    def unheard(self, game: Game) -> Reading | None:
        """A verdict for which nobody has to be asked; ``None`` if the judge has to be."""
        if game.other is not None and game.answer == game.other:
            return self.tied(game)
        return None if game.answer.strip() else self.lost(game)

    @abstractmethod
    def read(self, game: Game, reply: AIMessage) -> Reading:
        """What a reply says about the answer under test."""

    def again(self, game: Game, reply: AIMessage) -> tuple[BaseMessage, ...]:  # noqa: ARG002
        """What the judge is told after a reply that could not be read; by default the same once more."""
        return game.messages

    @abstractmethod
    def score(self, verdicts: Sequence[Verdict]) -> tuple[float | None, str]:
        """The score from 0 to 1, and how it came to it; ``None`` if no verdict could be read."""

    def figures(self, scored: Sequence[tuple[Item, Score]]) -> dict[str, Any]:  # noqa: ARG002
        """What the protocol's authors would print, see `Scorer.figures`."""
        return {}

    def other_answer(self, item: Item) -> str | None:  # noqa: ARG002
        """What the answer is compared with; ``None`` if it is rated by itself."""
        return None

    def lengths(self, item: Item, answers: Sequence[str]) -> tuple[int, int | None]:
        """Characters of the answer, and of the one that it is compared with."""
        other = self.other_answer(item)
        return sum(map(len, answers)), None if other is None else len(other)

    def problem(self, item: Item) -> str | None:  # noqa: ARG002
        """What the item lacks to be judged; ``None`` if nothing."""
        return None

    def settings(self) -> dict[str, Any]:
        """What else decides how answers are judged, as plain data."""
        return {}

    @property
    def identity(self) -> str:
        """Name, version, settings and words: logs may be compared if theirs are equal."""
        told = ", ".join(f"{name}={value}" for name, value in sorted(self.settings().items()))
        return f"{self.name}@{self.version}({told}) {self.prompt}"


def verdicts_of(score: Score) -> list[Verdict]:
    """The verdicts behind a score; none where no judge was asked."""
    return [Verdict.from_json(each) for each in (score.judgment or {}).get("verdicts", ())]
