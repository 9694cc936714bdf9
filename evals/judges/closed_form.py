"""``ClosedForm``: MixEval's judge, who reads answers to questions whose right answer is known, as a protocol."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from langchain_core.messages import AIMessage

from archon_graph.core import Prompt
from archon_graph.evals.judges.mixeval import (
    ATTEMPTS,
    MAX_TOKENS,
    choice_messages,
    free_form_messages,
    judge_prompt,
    read_choice,
    read_score,
)
from archon_graph.evals.judges.mixeval_published import read_judge_prompts
from archon_graph.evals.judges.protocol import NO_VERDICT, Game, Protocol, Reading, Verdict
from archon_graph.evals.scorers.mixeval_figures import mixeval_figures
from archon_graph.models import Sampling

if TYPE_CHECKING:
    from archon_graph.evals.benchmarks.item import Item
    from archon_graph.evals.scorers.base import Score

_FREE_FORM, _CHOICE = "mixeval_free_form", "mixeval_choice"


@dataclass(frozen=True, kw_only=True)
class ClosedForm(Protocol):
    """A judge who grades short answers from 0 to 1, and reads which option an answer takes.

    Of a choice the judge is not told what is right: it says which letter the answer means, and a rule compares.
    The published protocol asks up to ten times until a reply can be read, and then draws lots; here the answer is
    unscored.

    Model calls: one for each answer, up to ten where replies cannot be read.

    Source: Ni et al., MixEval (arXiv 2406.06565).
    """

    name: ClassVar[str] = "mixeval"
    attempts: ClassVar[int] = ATTEMPTS

    words: Prompt
    """What the judge is told."""

    @property
    def prompt(self) -> str:
        """Identity of the words."""
        return self.words.identity

    @property
    def sampling(self) -> Sampling:
        """As published: the provider's own temperature."""
        return Sampling(max_tokens=MAX_TOKENS)

    def games(self, item: Item, answers: Sequence[str]) -> list[Game]:
        """One question to the judge; its name tells a choice with its right letter."""
        if item.kind == _CHOICE:
            told = choice_messages(item, answers[-1], prompt=self.words)
            return [Game(name=f"{_CHOICE}:{item.targets[0]}", messages=tuple(told), answer=answers[-1])]
        told = free_form_messages(item, answers[-1], prompt=self.words)
        return [Game(name=_FREE_FORM, messages=tuple(told), answer=answers[-1])]

    def lost(self, game: Game) -> Reading:  # noqa: ARG002
        """Wrong."""
        return Reading(label="nothing", value=0.0)

    def read(self, game: Game, reply: AIMessage) -> Reading:
        """The grade, or the letter."""
        text = str(reply.text)
        if game.name == _FREE_FORM:
            grade = read_score(text)
            return NO_VERDICT if grade is None else Reading(label=f"{grade:g}", value=grade)
        letter = read_choice(text)
        right = game.name.rpartition(":")[2]
        return NO_VERDICT if letter is None else Reading(label=letter, value=float(letter == right))

    def score(self, verdicts: Sequence[Verdict]) -> tuple[float | None, str]:
        """The grade."""
        [verdict] = verdicts
        return verdict.value, f"the judge read {verdict.label}"

    def figures(self, scored: Sequence[tuple[Item, Score]]) -> dict[str, Any]:
        """The means of all parts, and of the whole, as the published tables have them."""
        return mixeval_figures(scored)

    def problem(self, item: Item) -> str | None:
        """It needs an item of MixEval."""
        if item.kind in (_FREE_FORM, _CHOICE) and item.targets:
            return None
        return f"the protocol mixeval is for MixEval's questions, and this one is of the kind {item.kind!r}"


def closed_form(prompts: Path | None = None) -> ClosedForm:
    """The protocol with our own words, or with those of MixEval's published ``judge_prompts.py``."""
    return ClosedForm(words=judge_prompt() if prompts is None else read_judge_prompts(prompts))
