"""Arena-Hard's figures as its tool of 2025 makes them: a mean of weighted scores, and its bootstrap interval.

Those of 2024, which the published tables of v0.1 have, are in `archon_graph.evals.judges.battles`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from archon_graph.evals.judges.battles import STRONG_WEIGHT

_WIN, _TIE, _LOSS = 1.0, 0.5, 0.0
# What each label says of the answer that stood first. Unlike the tool of 2024, this one also takes turned signs.
SCORES_2025: Final = {
    "A>>B": (_WIN, STRONG_WEIGHT),
    "B<<A": (_WIN, STRONG_WEIGHT),
    "A>B": (_WIN, 1),
    "B<A": (_WIN, 1),
    "A=B": (_TIE, 1),
    "B=A": (_TIE, 1),
    "A<B": (_LOSS, 1),
    "B>A": (_LOSS, 1),
    "A<<B": (_LOSS, STRONG_WEIGHT),
    "B>>A": (_LOSS, STRONG_WEIGHT),
}


@dataclass(frozen=True, kw_only=True)
class Score2025:
    """What the table of 2025 shows of a model."""

    score: float | None
    """Mean of the samples' means, in percent; ``None`` if no question counts."""
    low: float | None
    """Their 5th percentile, in percent."""
    high: float | None
    """Their 95th percentile, in percent."""
    mean: float | None
    """Mean of the weighted scores themselves, in percent, without any drawing."""
    questions: int
    """Questions that count."""
    dropped: int
    """Questions left out since one of their games has no label that is known."""

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


def scores_2025(first: str | None, second: str | None) -> list[float]:
    """The model's weighted scores for one question; none if either game has no label that is known.

    Args:
        first: The label of the game in which the baseline's answer was A.
        second: The label of the game in which the model's was.
    """
    baseline, model = SCORES_2025.get(first or ""), SCORES_2025.get(second or "")
    if baseline is None or model is None:
        return []
    return [1.0 - baseline[0]] * baseline[1] + [model[0]] * model[1]


def score_2025(
    labels: Iterable[Sequence[str | None]], *, rounds: int = 100, seed: int = 0, level: float = 0.9
) -> Score2025:
    """The score of a model, from the labels of all its games.

    Samples are drawn from the weighted scores, not from the questions, as the tool draws them: the interval takes
    the games of a question, and the copies of one verdict, for independent.

    Args:
        labels: For each question the labels of its two games, that with the baseline's answer as A first.
        rounds: How many samples are drawn.
        seed: Of these draws.
        level: Share of the samples that the interval holds.

    Source: the public repository lmarena/arena-hard-auto; Li et al. (arXiv 2406.11939).

    Raises:
        ValueError: A question has other than two games, there is no round, or the level is none.
    """
    if rounds < 1 or not 0 < level < 1:
        raise ValueError(f"rounds are at least 1 and a level is between 0 and 1, got {rounds} and {level}")
    each: list[list[float]] = []
    for place, games in enumerate(labels):
        if len(games) != 2 or isinstance(games, str):
            raise ValueError(f"a question has the labels of two games, got {games!r:.60} at place {place}")
        each.append(scores_2025(games[0], games[1]))
    pooled = np.array([score for scores in each for score in scores])
    counted = sum(1 for scores in each if scores)
    if not counted:
        return Score2025(score=None, low=None, high=None, mean=None, questions=0, dropped=len(each))
    generator = np.random.default_rng(seed)
    means = [100 * pooled[generator.integers(len(pooled), size=len(pooled))].mean() for _ in range(rounds)]
    tail = 50 * (1 - level)
    low, high = np.percentile(means, [tail, 100 - tail])
    return Score2025(
        score=float(np.mean(means)),
        low=float(low),
        high=float(high),
        mean=100 * float(pooled.mean()),
        questions=counted,
        dropped=len(each) - counted,
    )
