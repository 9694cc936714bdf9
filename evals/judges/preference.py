"""``WeightedPreference``: AlpacaEval 2.0's judge, who compares an answer with a baseline's, as a protocol."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from langchain_core.messages import AIMessage

from archon_graph.evals.benchmarks.problems import Draft
from archon_graph.evals.judges.alpaca_eval import (
    TOP_LOGPROBS,
    AlpacaPrompt,
    is_switched,
    read_preference,
    win_rate,
)
from archon_graph.evals.judges.baselines import baseline_of, lacks_baseline, one_turn
from archon_graph.evals.judges.protocol import NO_VERDICT, Game, Protocol, Reading, Verdict, verdicts_of
from archon_graph.models import Sampling

if TYPE_CHECKING:
    from archon_graph.evals.benchmarks.item import Item
    from archon_graph.evals.judges.length_control import GamedBaselines
    from archon_graph.evals.scorers.base import Score

# Whom the published difficulties were measured against: beside another baseline they say something else.
_BASELINE = "gpt4_1106_preview"
_FILES = ("alpaca_eval_clf.txt", "instruction_difficulty.csv", "df_gamed.csv")
_PUBLISHED, _OTHER = "published-order", "other-order"


@dataclass(frozen=True, kw_only=True)
class WeightedPreference(Protocol):
    """Which of two answers is better, weighed by the probabilities of the judge's one token.

    The published protocol shows the two in an order drawn for each instruction; its win rate (`figures`) is made
    of those games alone. The other order is played, too, unless it is left out: the score of an answer is the mean
    of both, in which a preference for a place cancels out. Equal answers are a draw, and nobody is asked. A judge
    that gives no probabilities is read by the letter that it writes.

    Model calls: two for each answer, or one.

    Source: Dubois et al. (arXiv 2404.04475).
    """

    name: ClassVar[str] = "alpaca_eval"
    compares: ClassVar[bool] = True

    words: AlpacaPrompt = field(default_factory=AlpacaPrompt.default)
    """What the judge is told."""
    both_orders: bool = True
    """Whether the order that was not drawn is played as well."""
    difficulties: tuple[float, ...] | None = None
    """How hard each instruction of the published set is, for the length-controlled win rate."""
    gamed: GamedBaselines | None = None
    """The rows of gamed baselines that the published length-controlled win rates are fitted with."""

    @property
    def prompt(self) -> str:
        """Identity of the words."""
        return self.words.identity

    @property
    def sampling(self) -> Sampling:
        """As published: one token, at the temperature that its probabilities are made for."""
        return Sampling(temperature=1.0, max_tokens=1, top_logprobs=TOP_LOGPROBS)

    def games(self, item: Item, answers: Sequence[str]) -> list[Game]:
        """The game in the order drawn for the instruction, and the one in the other order."""
        asked, other, own = _text(item), baseline_of(item)[-1], answers[-1]
        drawn = is_switched(asked)
        orders = [(_PUBLISHED, drawn), *([(_OTHER, not drawn)] if self.both_orders else [])]
        return [
            Game(
                name=name,
                messages=tuple(self.words.messages(asked, other, own, switched=switched)),
                answer=own,
                other=other,
                swapped=switched,
                pair="both",
            )
            for name, switched in orders
        ]

    def lost(self, game: Game) -> Reading:  # noqa: ARG002
        """The baseline is better for certain."""
        return Reading(label="1", value=0.0)

    def read(self, game: Game, reply: AIMessage) -> Reading:
        """By the probabilities of the first token, or else by the text."""
        preference = read_preference(reply, switched=bool(game.swapped))
        return NO_VERDICT if preference is None else Reading(label=f"{preference:.6g}", value=preference - 1)

    def score(self, verdicts: Sequence[Verdict]) -> tuple[float | None, str]:
        """The mean of the orders; none if one of them has no verdict, or the order would decide."""
        read = [verdict.value for verdict in verdicts if verdict.value is not None]
        told = f"{len(read)} of {len(verdicts)} orders were read"
        return (sum(read) / len(read) if len(read) == len(verdicts) else None), told

    def figures(self, scored: Sequence[tuple[Item, Score]]) -> dict[str, Any]:
        """Win rate and standard error in percent, as the published tables have them: of the drawn order alone."""
        preferences: list[float | None] = []
        for _, score in scored:
            value = {verdict.game: verdict.value for verdict in verdicts_of(score)}.get(_PUBLISHED)
            preferences.append(None if value is None else 1 + value)
        figures = {name: value for name, value in win_rate(preferences).to_json().items() if value is not None}
        return {**figures, **self._length_controlled(scored, preferences)}

    def _length_controlled(
        self, scored: Sequence[tuple[Item, Score]], preferences: Sequence[float | None]
    ) -> dict[str, Any]:
        """The win rate at equal lengths, and what it may be held against; nothing where it cannot be fitted."""
        # scikit-learn takes a second to load.
        from archon_graph.evals.judges.length_control import FOLDS, length_controlled_win_rate

        if sum(one is not None for one in preferences) < FOLDS:
            return {}
        lengths = [(score.judgment or {}).get("lengths", (0, 0)) for _, score in scored]
        indices = [item.metadata.get("index") for item, _ in scored]
        count = len(self.difficulties or ())
        fits = all(isinstance(index, int) and 0 <= index < count for index in indices) and all(
            item.metadata.get("baseline_model") == _BASELINE for item, _ in scored
        )
        known = self.difficulties if fits else None
        found = length_controlled_win_rate(
            preferences,
            lengths=[own for own, _ in lengths],
            baseline_lengths=[other or 0 for _, other in lengths],
            difficulties=known,
            gamed=None if known is None else self.gamed,
            # Of a part of the set, each question has its own difficulty; of the whole both are the same.
            difficulty_by="question",
            indices=None if known is None else [int(index) for index in indices],  # type: ignore[arg-type]
        )
        return {"length_controlled_win_rate": found.win_rate, "length_control": found.statement}

    def other_answer(self, item: Item) -> str | None:
        """The baseline's answer."""
        return baseline_of(item)[-1]

    def problem(self, item: Item) -> str | None:
        """It needs a baseline's answer, and a single turn."""
        return one_turn(item, self.name) or lacks_baseline(item)

    def settings(self) -> dict[str, Any]:
        """Whether both orders are played."""
        return {"both_orders": self.both_orders}


def _text(item: Item) -> str:
    if isinstance(item.input, str):
        return item.input
    return "\n\n".join(str(message.text) for message in item.input)


def weighted_preference(prompts: Path | None = None) -> WeightedPreference:
    """The protocol with our own words, or with what was published.

    Args:
        prompts: ``alpaca_eval_clf.txt``, or a folder with one or more of it, ``instruction_difficulty.csv`` and
            ``df_gamed.csv``, which the published length-controlled win rates are made with.

    Raises:
        BenchmarkError: A file cannot be read, or the folder holds none of them.
    """
    if prompts is None:
        return WeightedPreference()
    if not prompts.is_dir():
        return WeightedPreference(words=AlpacaPrompt.load(prompts))
    from archon_graph.evals.judges.length_files import load_difficulties, load_gamed_baselines

    words, hard, gamed = (prompts / name for name in _FILES)
    if not any(path.is_file() for path in (words, hard, gamed)):
        draft = Draft(file=str(prompts))
        draft.add(None, None, f"the folder holds none of {', '.join(_FILES)}", "Name the folder that they are in")
        draft.raise_if_any()
    return WeightedPreference(
        words=AlpacaPrompt.load(words) if words.is_file() else AlpacaPrompt.default(),
        difficulties=load_difficulties(hard) if hard.is_file() else None,
        gamed=load_gamed_baselines(gamed) if gamed.is_file() else None,
    )
