"""Win rates from battles against one baseline, with a bootstrap interval, as Arena-Hard's authors make them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

STRONG_WEIGHT: Final = 3
"""How many battles a verdict of *much better* counts for; any other one counts for one."""

_SCALE, _BASE, _START = 400.0, 10.0, 1000.0
# What each label says of the answer that stood first, and how many battles it is.
LABELS: Final = {
    "A>>B": (1.0, STRONG_WEIGHT),
    "A>B": (1.0, 1),
    "A=B": (0.5, 1),
    "B>A": (0.0, 1),
    "B>>A": (0.0, STRONG_WEIGHT),
}


@dataclass(frozen=True, kw_only=True)
class ArenaFigures:
    """How a model does against the baseline."""

    win_rate: float | None
    """In percent, ties as halves; ``None`` without a battle."""
    low: float | None
    """Lower end of the bootstrap interval, in percent."""
    high: float | None
    """Upper end."""
    wins: int
    """Battles won, those of *much better* counted three times, as all of these are."""
    losses: int
    """Battles lost."""
    ties: int
    """Battles that neither won."""

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


def battles_of(label: str | None, *, swapped: bool) -> list[float]:
    """The battles that a label stands for, each as the model's share of a win; none for a label that is none.

    Args:
        label: ``A>>B``, ``A>B``, ``A=B``, ``B>A`` or ``B>>A``; of others Arena-Hard's authors take no notice.
        swapped: Whether the model's answer was A.
    """
    first, count = LABELS.get(label or "", (0.0, 0))
    return [first if swapped else 1 - first] * count


def arena_figures(
    battles: Sequence[float], *, rounds: int = 100, seed: int = 0, level: float = 0.95
) -> ArenaFigures:
    """The win rate against a baseline, with its interval.

    Args:
        battles: The model's share of each battle: 1, 0, or 0.5 for a tie.
        rounds: How many samples of the battles the interval is made of.
        seed: Of these samples.
        level: Share of the samples that the interval holds.

    Source: Li et al., Arena-Hard (arXiv 2406.11939).

    Raises:
        ValueError: A battle is none of the three.
    """
    shares = np.asarray(battles, dtype=float)
    if not np.isin(shares, (0.0, 0.5, 1.0)).all():
        raise ValueError(f"a battle is won (1), lost (0) or tied (0.5), got {sorted(set(battles))[:5]}")
    if not len(shares):
        return ArenaFigures(win_rate=None, low=None, high=None, wins=0, losses=0, ties=0)
    generator = np.random.default_rng(seed)
    ratings = [rating_of(shares[generator.integers(len(shares), size=len(shares))]) for _ in range(rounds)]
    tail = 50 * (1 - level)
    # Where a sample was all won or all lost a rating is infinite, and nothing lies between it and its neighbour.
    ends = [tail, 100 - tail]
    finite = np.isfinite(ratings).all()
    low, high = np.percentile(ratings, ends) if finite else np.percentile(ratings, ends, method="nearest")
    return ArenaFigures(
        win_rate=_percent(rating_of(shares)),
        low=_percent(float(low)),
        high=_percent(float(high)),
        wins=int((shares == 1.0).sum()),
        losses=int((shares == 0.0).sum()),
        ties=int((shares == 0.5).sum()),
    )


def rating_of(shares: NDArray[np.float64]) -> float:
    """The Bradley-Terry strength on Elo's scale, with the baseline at 1000.

    With one opponent the likelihood is greatest where the expected share is the share that was won: this is what a
    logistic regression over the battles, each twice and a tie once for either side, comes to in the end.
    """
    share = float(shares.mean())
    if share in (0.0, 1.0):
        return math.inf if share else -math.inf
    return _START + _SCALE * math.log(share / (1 - share), _BASE)


def _percent(rating: float) -> float:
    if math.isinf(rating):
        return 100.0 if rating > 0 else 0.0
    return float(100.0 / (1.0 + _BASE ** ((_START - rating) / _SCALE)))
