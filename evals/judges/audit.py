"""``audit``: how far the verdicts of a judge can be trusted, from the verdicts themselves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy import stats

from archon_graph.evals.judges.families import family_of
from archon_graph.evals.judges.protocol import Verdict, verdicts_of
from archon_graph.evals.scorers.base import UNSCORED, Score

_TIE = 0.5
# Below this many answers a correlation says nothing that should be printed.
_FEWEST_FOR_CORRELATION = 8
# So many equal verdicts are no chance.
_FEWEST_FOR_CONSTANT = 5


@dataclass(frozen=True, kw_only=True)
class Audit:
    """What the verdicts on one architecture's answers say of their judge."""

    judge: str
    """The model that judged."""
    verdicts: int
    """Games that were played."""
    unreadable: int
    """Those of them without a verdict that counts, after all attempts: none, several, or one of no known kind."""
    repeated: int
    """Replies that were asked for again."""
    pairs: int
    """Pairs of games that compare the same answers in both orders, with two readable verdicts."""
    flips: int
    """Those of them where the judge preferred whichever stood at the same place: its verdict is the order's."""
    wavered: int
    """Those of them where it saw a tie in one order and a winner in the other."""
    ties: int
    """Verdicts that were a tie."""
    first_preferred: int
    """Verdicts for the answer that stood first, of those with a winner."""
    decided: int
    """Verdicts with a winner."""
    length_correlation: float | None
    """Rank correlation (Spearman) between the score and how much longer the answer is than the other one, or than
    other answers where it is rated by itself; ``None`` where there is too little to tell."""
    length_p_value: float | None
    """How likely such a correlation is if length says nothing."""
    constant: str | None
    """The verdict, if there are several and they are all the same, as it was said: of pairs in both orders that is
    a judge who looks at nothing."""
    same_family: tuple[str, ...]
    """Models of the architecture that are of the judge's own family."""

    @property
    def flip_rate(self) -> float | None:
        """Share of the pairs that flipped; ``None`` if there are none."""
        return self.flips / self.pairs if self.pairs else None

    @property
    def first_rate(self) -> float | None:
        """Share of the decided verdicts that went to who stood first; about a half, if the order says nothing."""
        return self.first_preferred / self.decided if self.decided else None

    @property
    def order_p_value(self) -> float | None:
        """How likely a share so far from a half is if the order says nothing (binomial test)."""
        if not self.decided:
            return None
        return float(stats.binomtest(self.first_preferred, self.decided).pvalue)

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        rates = {"flip_rate": self.flip_rate, "first_rate": self.first_rate, "order_p_value": self.order_p_value}
        return {**asdict(self), **rates}

    @property
    def sentences(self) -> list[str]:
        """The same in words; what there is nothing to say about is left out."""
        told = [f"{self.judge} gave {self.verdicts:,} verdicts, {self.unreadable:,} of them unreadable"]
        if self.repeated:
            told[0] += f", and was asked again {self.repeated:,} times"
        if self.pairs:
            told.append(
                f"of {self.pairs:,} pairs in both orders {self.flips:,} flipped ({self.flips / self.pairs:.0%}) "
                f"and {self.wavered:,} wavered between a tie and a winner; {self.ties:,} verdicts were ties"
            )
        if self.first_rate is not None:
            told.append(
                f"who stood first won {self.first_rate:.0%} of {self.decided:,} decided verdicts "
                f"(p {self.order_p_value:.2g} if the order said nothing)"
            )
        if self.constant is not None:
            told.append(f"every verdict is {self.constant}: the judge tells none of these answers apart")
        if self.length_correlation is not None:
            told.append(
                f"scores and length: rank correlation {self.length_correlation:+.2f} (p {self.length_p_value:.2g})"
            )
        if self.same_family:
            told.append(f"of the judge's own family: {', '.join(self.same_family)}")
        return told


def audit(scores: Iterable[Score], *, models: Sequence[str] = ()) -> Audit | None:
    """Look at the verdicts behind scores.

    Model calls: none.

    Args:
        scores: The scores of one architecture's answers.
        models: The models that gave the answers.

    Returns:
        What they say; ``None`` if no judge was asked.
    """
    judged = [score for score in scores if score.judgment is not None]
    if not judged:
        return None
    # What nobody had to be asked says nothing of a judge.
    heard = [[verdict for verdict in verdicts_of(score) if verdict.attempts] for score in judged]
    verdicts = [verdict for each in heard for verdict in each]
    pairs = [pair for each in heard for pair in _pairs(each)]
    decided = [one for one in verdicts if one.swapped is not None and one.value is not None and one.value != _TIE]
    judge = str((judged[0].judgment or {})["judge"])
    correlation, p_value = _length_correlation(judged)
    family = family_of(judge)
    return Audit(
        judge=judge,
        verdicts=len(verdicts),
        unreadable=sum(verdict.value is None for verdict in verdicts),
        repeated=sum(max(0, verdict.attempts - 1) for verdict in verdicts),
        pairs=len(pairs),
        flips=sum((one - _TIE) * (other - _TIE) < 0 for one, other in pairs),
        wavered=sum((one == _TIE) != (other == _TIE) for one, other in pairs),
        ties=sum(one.swapped is not None and one.value == _TIE for one in verdicts),
        first_preferred=sum(
            (one.value or 0.0) > _TIE if one.swapped else (one.value or 0.0) < _TIE for one in decided
        ),
        decided=len(decided),
        constant=_constant([verdict.label for verdict in verdicts if verdict.value is not None]),
        length_correlation=correlation,
        length_p_value=p_value,
        same_family=tuple(
            dict.fromkeys(model for model in models if family is not None and family_of(model) == family)
        ),
    )


def _constant(labels: Sequence[str | None]) -> str | None:
    return labels[0] if len(labels) >= _FEWEST_FOR_CONSTANT and len(set(labels)) == 1 else None


def _pairs(verdicts: Sequence[Verdict]) -> list[tuple[float, float]]:
    """The values of games on the same two answers in both orders."""
    by_pair: dict[str, dict[bool, float]] = defaultdict(dict)
    for verdict in verdicts:
        if verdict.swapped is not None and verdict.value is not None:
            by_pair[verdict.pair][verdict.swapped] = verdict.value
    return [(games[False], games[True]) for games in by_pair.values() if len(games) == 2]


def _length_correlation(judged: Sequence[Score]) -> tuple[float | None, float | None]:
    points = [
        (lengths[0] - (lengths[1] or 0), score.value)
        for score in judged
        if score.value is not UNSCORED and (lengths := (score.judgment or {}).get("lengths")) is not None
    ]
    if len(points) < _FEWEST_FOR_CORRELATION:
        return None, None
    lengths, values = np.array(points, dtype=float).T
    if np.ptp(lengths) == 0 or np.ptp(values) == 0:
        return None, None
    found = stats.spearmanr(lengths, values)
    return float(found.statistic), float(found.pvalue)
