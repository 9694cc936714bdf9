"""``FiveLabels`` and ``ThreeLabels``: judges who compare an answer with a baseline's, in both orders."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from archon_graph.evals.judges.arena_hard import SCORES_2025, score_2025, scores_2025
from archon_graph.evals.judges.baselines import baseline_of, lacks_baseline, one_turn
from archon_graph.evals.judges.battles import LABELS, arena_figures, battles_of
from archon_graph.evals.judges.protocol import NO_VERDICT, Game, Protocol, Reading, Verdict, verdicts_of
from archon_graph.evals.judges.turns import numbered, questions_of, told_of
from archon_graph.evals.judges.words import ARENA_HARD_2025, Words, arena_hard_words, mt_bench_words, own_words
from archon_graph.models import Sampling

if TYPE_CHECKING:
    from archon_graph.evals.benchmarks.item import Item
    from archon_graph.evals.scorers.base import Score

_MAX_TOKENS_FIVE, _MAX_TOKENS_THREE = 4096, 2048
_TIE = 0.5

Rule = Literal["2024", "2025"]
"""How a reply with several labels is read: of 2024 not at all, of 2025 by the last one."""

_LABEL, _LABEL_2025 = re.compile(r"\[\[([AB<>=]{1,9})\]\]"), re.compile(r"\[([AB<>=]{1,9})\]")


def read_label(text: str, *, rule: Rule = "2024") -> str | None:
    """The label in a judge's reply, as it stands there; it may be none of the five.

    Args:
        text: Anything a model wrote.
        rule: In 2024 the one label in double square brackets, and none where there are several different ones; in
            2025 the last in double ones, else the last in single ones, in any case.

    Returns:
        The label; ``None`` if there is none, or more than the rule allows.
    """
    if rule == "2024":
        found = set(_LABEL.findall(text))
        return found.pop() if len(found) == 1 else None
    for pattern in (_LABEL, _LABEL_2025):
        if several := pattern.findall(text.upper()):
            return str(several[-1])
    return None


def has_labels(text: str) -> bool:
    """Whether a reply holds any label: one that holds several is not asked for again."""
    return _LABEL.search(text) is not None


def read_pair(text: str) -> str | None:
    """The verdict in a reply of MT-Bench's pairwise judge: ``A``, ``B`` or ``tie``; ``None`` if there is none."""
    return next((told for mark, told in (("[[A]]", "A"), ("[[B]]", "B"), ("[[C]]", "tie")) if mark in text), None)


@dataclass(frozen=True, kw_only=True)
class _Compared(Protocol):
    """Two games for each comparison: the baseline's answer first, and then the other way round."""

    compares: ClassVar[bool] = True

    words: Words
    """What the judge is told."""

    @property
    def prompt(self) -> str:
        """Identity of the words."""
        return self.words.identity

    @abstractmethod
    def _told(self, item: Item, first: Sequence[str], second: Sequence[str], turn: int) -> tuple[BaseMessage, ...]:
        """What the judge is told of two answers."""

    def _pair(self, item: Item, answers: Sequence[str], turn: int) -> list[Game]:
        baseline = baseline_of(item)
        orders = ((baseline, answers), (answers, baseline))
        prefix = f"turn-{turn}/" if item.follow_ups else ""
        return [
            Game(
                name=f"{prefix}game-{number}",
                messages=self._told(item, first, second, turn),
                answer=answers[turn - 1],
                other=baseline[turn - 1],
                swapped=number == 2,
                pair=f"turn-{turn}",
            )
            for number, (first, second) in enumerate(orders, 1)
        ]

    def other_answer(self, item: Item) -> str | None:
        """The baseline's answer; of several turns all."""
        return "".join(baseline_of(item))

    def problem(self, item: Item) -> str | None:
        """It needs a baseline's answer to each turn."""
        return lacks_baseline(item)


@dataclass(frozen=True, kw_only=True)
class FiveLabels(_Compared):
    """Which of two answers is better, and whether much or a little: Arena-Hard's judge.

    The score of an answer is its share of the battles that the labels stand for: *much better* is three of them. A
    reply without any label is asked for once more; one with several different labels is none.

    Model calls: two for each answer, up to four where there is no label.

    Source: Li et al., Arena-Hard (arXiv 2406.11939).
    """

    name: ClassVar[str] = "arena_hard"

    words: Words = field(default_factory=lambda: own_words("arena_hard"))
    rule: Rule = "2024"
    """How replies with several labels are read."""

    attempts: ClassVar[int] = 2

    @property
    def sampling(self) -> Sampling:
        """As published."""
        return Sampling(temperature=0.0, max_tokens=_MAX_TOKENS_FIVE)

    def games(self, item: Item, answers: Sequence[str]) -> list[Game]:
        """Both orders of the one answer; a conversation before it is part of the question."""
        return self._pair(item, answers, 1)

    def lost(self, game: Game) -> Reading:
        """The baseline is better, not much: one battle in each order."""
        return Reading(label="B>A" if game.swapped else "A>B", value=0.0)

    def tied(self, game: Game) -> Reading:  # noqa: ARG002
        """Neither is better."""
        return Reading(label="A=B", value=_TIE)

    def problem(self, item: Item) -> str | None:
        """It needs a baseline's answer, and a single turn."""
        return one_turn(item, self.name) or lacks_baseline(item)

    def _told(self, item: Item, first: Sequence[str], second: Sequence[str], turn: int) -> tuple[BaseMessage, ...]:
        asked = questions_of(item)[turn - 1]
        return self.words.messages("user", question=asked, answer_a=first[turn - 1], answer_b=second[turn - 1])

    def read(self, game: Game, reply: AIMessage) -> Reading:
        """The one label, as what it says of the answer under test."""
        text = str(reply.text)
        label = read_label(text, rule=self.rule)
        if label is None:
            # Several labels are a verdict, too: one that counts for nothing, and is not asked for again.
            return Reading(label="several", value=None) if has_labels(text) else NO_VERDICT
        known = (SCORES_2025 if self.rule == "2025" else LABELS).get(label)
        if known is None:
            return Reading(label=label, value=None)
        return Reading(label=label, value=known[0] if game.swapped else 1 - known[0])

    def again(self, game: Game, reply: AIMessage) -> tuple[BaseMessage, ...]:
        """The reply, and that a verdict is still wanted."""
        return (*game.messages, AIMessage(str(reply.text)), HumanMessage(self.words.prompt.parts["again"]))

    def score(self, verdicts: Sequence[Verdict]) -> tuple[float | None, str]:
        """The share of the battles; none if one of the orders has no verdict, or the order would decide."""
        told = ", ".join(verdict.label or "nothing" for verdict in verdicts)
        if any(verdict.value is None for verdict in verdicts):
            return None, f"the judge said {told}"
        if self.rule == "2025":
            battles = scores_2025(*(verdict.label for verdict in verdicts))
        else:
            battles = _battles(verdicts)
        return sum(battles) / len(battles), f"the judge said {told}"

    def figures(self, scored: Sequence[tuple[Item, Score]]) -> dict[str, Any]:
        """Win rate in percent with its bootstrap interval, and the battles behind it."""
        if self.rule == "2025":
            return self._figures_2025(scored)
        battles = [battle for _, score in scored for battle in _battles(verdicts_of(score))]
        return {name: value for name, value in arena_figures(battles).to_json().items() if value is not None}

    def _figures_2025(self, scored: Sequence[tuple[Item, Score]]) -> dict[str, Any]:
        labels = [[verdict.label for verdict in verdicts_of(score)] for _, score in scored if score.judgment]
        return {name: value for name, value in score_2025(labels).to_json().items() if value is not None}

    def settings(self) -> dict[str, Any]:
        """How labels are read."""
        return {"rule": self.rule}


@dataclass(frozen=True, kw_only=True)
class ThreeLabels(_Compared):
    """Which of two answers is better, or neither: MT-Bench's pairwise judge, turn by turn.

    A turn is won only if both orders say so; whatever else was said in them is a tie. An item's reference answers,
    if it has any, are shown to the judge.

    Model calls: two for each turn.

    Source: Zheng et al., Judging LLM-as-a-judge (arXiv 2306.05685).
    """

    name: ClassVar[str] = "mt_bench_pair"

    words: Words = field(default_factory=lambda: own_words("mt_bench"))

    @property
    def sampling(self) -> Sampling:
        """As published."""
        return Sampling(temperature=0.0, max_tokens=_MAX_TOKENS_THREE)

    def games(self, item: Item, answers: Sequence[str]) -> list[Game]:
        """Both orders of each turn, of which MT-Bench has two."""
        return [game for turn in range(1, len(answers) + 1) for game in self._pair(item, answers, turn)]

    def _told(self, item: Item, first: Sequence[str], second: Sequence[str], turn: int) -> tuple[BaseMessage, ...]:
        suffix, texts = told_of(item, turn)
        if turn == 1:
            both = {"answer_a": first[0], "answer_b": second[0]}
        else:
            both = numbered("answer_a", first, turn) | numbered("answer_b", second, turn)
        return self.words.messages(f"pair{suffix}", **texts, **both)

    def lost(self, game: Game) -> Reading:
        """The baseline is better."""
        return Reading(label="B" if game.swapped else "A", value=0.0)

    def read(self, game: Game, reply: AIMessage) -> Reading:
        """A, B or a tie, as what it says of the answer under test."""
        label = read_pair(str(reply.text))
        if label is None:
            return NO_VERDICT
        value = {"A": 1.0, "B": 0.0, "tie": _TIE}[label]
        return Reading(label=label, value=value if game.swapped else 1 - value)

    def score(self, verdicts: Sequence[Verdict]) -> tuple[float | None, str]:
        """The mean of the turns: 1 for a win in both orders, 0 for a loss in both, a half for all else."""
        turns = _turns(verdicts)
        told = ", ".join(verdict.label or "nothing" for verdict in verdicts)
        return (sum(turns) / len(turns) if turns else None), f"the judge said {told}"

    def figures(self, scored: Sequence[tuple[Item, Score]]) -> dict[str, Any]:
        """Turns won, lost and tied, and the rates that are made of them."""
        return pair_figures([turn for _, score in scored for turn in _turns(verdicts_of(score))])


def pair_figures(turns: Sequence[float]) -> dict[str, Any]:
    """MT-Bench's pairwise table of one model against one other.

    Args:
        turns: 1 for a turn won in both orders, 0 for one lost in both, a half for all else; turns with an order
            that could not be read are left out.
    """
    wins, losses = sum(turn == 1.0 for turn in turns), sum(turn == 0.0 for turn in turns)
    ties, count = len(turns) - wins - losses, len(turns)
    rates = (
        {
            "win_rate": wins / count,
            "loss_rate": losses / count,
            "win_rate_adjusted": (wins + ties / 2) / count,
        }
        if count
        else {}
    )
    return {"win": wins, "loss": losses, "tie": ties, **rates}


def _turns(verdicts: Sequence[Verdict]) -> list[float]:
    by_pair: dict[str, list[float | None]] = {}
    for verdict in verdicts:
        by_pair.setdefault(verdict.pair, []).append(verdict.value)
    return [
        float(games[0]) if games[0] == games[1] and games[0] is not None else _TIE
        for games in by_pair.values()
        if len(games) == 2 and None not in games
    ]


def _battles(verdicts: Sequence[Verdict]) -> list[float]:
    return [battle for one in verdicts for battle in battles_of(one.label, swapped=bool(one.swapped))]


def five_labels(prompts: Path | None = None) -> FiveLabels:
    """The protocol with our own words, or with those of Arena-Hard's published judge configuration.

    With a configuration of 2025 labels are read and weighed as in 2025.
    """
    if prompts is None:
        return FiveLabels()
    words = arena_hard_words(prompts)
    return FiveLabels(words=words, rule="2025" if words.prompt.version == ARENA_HARD_2025 else "2024")


def three_labels(prompts: Path | None = None) -> ThreeLabels:
    """The protocol with our own words, or with those of MT-Bench's published ``judge_prompts.jsonl``."""
    return ThreeLabels() if prompts is None else ThreeLabels(words=mt_bench_words(prompts))
