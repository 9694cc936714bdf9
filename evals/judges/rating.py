"""``Rating``: a judge who gives each answer a grade from 1 to 10, as MT-Bench's, as a protocol."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from langchain_core.messages import AIMessage, BaseMessage

from archon_graph.evals.judges.protocol import NO_VERDICT, Game, Protocol, Reading, Verdict, verdicts_of
from archon_graph.evals.judges.turns import numbered, told_of
from archon_graph.evals.judges.words import Words, mt_bench_words, own_words
from archon_graph.models import Sampling

if TYPE_CHECKING:
    from archon_graph.evals.benchmarks.item import Item
    from archon_graph.evals.scorers.base import Score

_MAX_TOKENS = 2048
_WORST, _BEST = 1.0, 10.0
# At most so many digits: what is longer is no grade, and would only take time.
_GRADES = (re.compile(r"\[\[([0-9]{1,20}\.?[0-9]{0,20})\]\]"), re.compile(r"\[([0-9]{1,20}\.?[0-9]{0,20})\]"))


def read_rating(text: str) -> float | None:
    """The grade in a judge's reply: the first number in double square brackets, else the first in single ones.

    Args:
        text: Anything a model wrote.

    Returns:
        The number, whatever it is; ``None`` if there is none, for which published files have -1.
    """
    found = next((match for pattern in _GRADES if (match := pattern.search(text)) is not None), None)
    return None if found is None else float(found[1])


@dataclass(frozen=True, kw_only=True)
class Rating(Protocol):
    """Each turn's answer by itself, from 1 to 10; with the right answer in view, where the item has one.

    The score is the mean grade of the turns as a share of 10. A grade beyond 10 is none.

    Model calls: one for each turn.

    Source: Zheng et al., Judging LLM-as-a-judge (arXiv 2306.05685).
    """

    name: ClassVar[str] = "mt_bench"

    words: Words = field(default_factory=lambda: own_words("mt_bench"))
    """What the judge is told."""

    @property
    def prompt(self) -> str:
        """Identity of the words."""
        return self.words.identity

    @property
    def sampling(self) -> Sampling:
        """As published."""
        return Sampling(temperature=0.0, max_tokens=_MAX_TOKENS)

    def games(self, item: Item, answers: Sequence[str]) -> list[Game]:
        """One question to the judge for each turn."""
        return [
            Game(name=f"turn-{turn}", messages=self._told(item, answers, turn), answer=answers[turn - 1])
            for turn in range(1, len(answers) + 1)
        ]

    def _told(self, item: Item, answers: Sequence[str], turn: int) -> tuple[BaseMessage, ...]:
        suffix, texts = told_of(item, turn)
        own = {"answer": answers[0]} if turn == 1 else numbered("answer", answers, turn)
        return self.words.messages(f"single{suffix}", **texts, **own)

    def lost(self, game: Game) -> Reading:  # noqa: ARG002
        """The lowest grade."""
        return Reading(label=f"{_WORST:g}", value=_WORST)

    def read(self, game: Game, reply: AIMessage) -> Reading:  # noqa: ARG002
        """The grade."""
        grade = read_rating(str(reply.text))
        if grade is None or grade > _BEST:
            return NO_VERDICT
        return Reading(label=f"{grade:g}", value=grade)

    def score(self, verdicts: Sequence[Verdict]) -> tuple[float | None, str]:
        """The mean grade as a share of 10."""
        grades = [verdict.value for verdict in verdicts if verdict.value is not None]
        told = ", ".join(verdict.label or "nothing" for verdict in verdicts)
        return (sum(grades) / len(grades) / _BEST if grades else None), f"the judge said {told}"

    def figures(self, scored: Sequence[tuple[Item, Score]]) -> dict[str, Any]:
        """The mean grade of all turns, and of each; what could not be read is left out, and counted."""
        return rating_figures([(one.game, one.value) for _, score in scored for one in verdicts_of(score)])


def rating_figures(grades: Sequence[tuple[str, float | None]]) -> dict[str, Any]:
    """MT-Bench's means over all grades, and over those of each turn.

    Args:
        grades: Name of the turn and the grade, ``None`` where there was none; rows that are there twice count
            twice.
    """
    known = [(turn, grade) for turn, grade in grades if grade is not None]
    if not known:
        return {}
    figures: dict[str, Any] = {"average": sum(grade for _, grade in known) / len(known)}
    for turn in sorted({turn for turn, _ in known}):
        own = [grade for each, grade in known if each == turn]
        figures[turn] = sum(own) / len(own)
    unread = len(grades) - len(known)
    return {**figures, "unread": unread} if unread else figures


def rating(prompts: Path | None = None) -> Rating:
    """The protocol with our own words, or with those of MT-Bench's published ``judge_prompts.jsonl``."""
    return Rating() if prompts is None else Rating(words=mt_bench_words(prompts))
