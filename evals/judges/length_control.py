"""The length-controlled win rate: AlpacaEval's, if the model's outputs were as long as the baseline's.

A logistic regression explains each preference by the difference in length, by how hard the instruction is, and by
the model itself; then the win rate is predicted with the difference in length set to none.

Source: Dubois et al., Length-controlled AlpacaEval (arXiv 2404.04475), the model ``length_controlled_v1`` of the
public repository tatsu-lab/alpaca_eval.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit  # type: ignore[import-untyped,unused-ignore]
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped,unused-ignore]
from sklearn.model_selection import GroupKFold  # type: ignore[import-untyped,unused-ignore]

from archon_graph.evals.judges.alpaca_eval import as_shares

DifficultyBy = Literal["position", "question"]
"""How a row finds the difficulty of its instruction, see `length_controlled_win_rate`."""

Floats = NDArray[np.float64]

FOLDS: Final = 5
"""Folds of the cross-validation that chooses how strongly the weights are held near 0."""
_STRENGTHS: Final = np.logspace(-4, 4, 10)
_SEED: Final = 123  # the published one; it orders the solver's steps
_GAMED_WEIGHT: Final = 0.1
_LEAST_LIKELY: Final = 1e-15
# The solver drops rows of no weight, and says so on the terminal if a side loses all of its rows.
_LEAST_WEIGHT: Final = 1e-12


@dataclass(frozen=True, kw_only=True)
class LengthWeights:
    """What the regression found out: the logit of a win is the sum of each weight times its feature."""

    length: float
    """Weight of the difference in length, see `length_feature`."""
    difficulty: float
    """Weight of the instruction's difficulty; 0 where no difficulties were given."""
    model: float
    """The model's own."""

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class GamedBaselines:
    """Rows of the baseline told to be brief and to be wordy, against itself: they differ from it by length alone.

    They keep the weight of length from taking what is the model's own.

    Raises:
        ValueError: The three have different lengths.
    """

    lengths: tuple[float, ...]
    """The length feature of each row, as `length_feature` makes it."""
    difficulties: tuple[float, ...]
    """The difficulty of its instruction."""
    shares: tuple[float, ...]
    """The share of a win of the changed baseline, from 0 to 1."""

    def __post_init__(self) -> None:
        counts = {len(self.lengths), len(self.difficulties), len(self.shares)}
        if len(counts) > 1:
            raise ValueError(
                f"each gamed row has a length, a difficulty and a share; got {sorted(counts)} of them"
            )

    def __len__(self) -> int:
        return len(self.shares)


@dataclass(frozen=True, kw_only=True)
class LengthControlled:
    """A length-controlled win rate, and how it came about."""

    win_rate: float
    """In percent."""
    weights: LengthWeights
    """What it was predicted from."""
    strength: float
    """The C that the cross-validation chose: the larger, the freer the weights."""
    n_total: int
    """Rows that the prediction is a mean over."""
    n_trained: int
    """Those of them with a preference, which the weights were fitted to."""
    n_gamed: int
    """Gamed rows that the weights were fitted to as well."""
    difficulty_by: DifficultyBy | None
    """How rows found their difficulties; ``None`` if there were none."""

    @property
    def statement(self) -> str:
        """In words, what the figure may be held against."""
        lacking = []
        if self.difficulty_by is None:
            lacking.append("the difficulties of the instructions")
        if not self.n_gamed:
            lacking.append("the rows of the gamed baselines")
        if not lacking:
            own = ", with the difficulty of each row's own question" if self.difficulty_by == "question" else ""
            return f"Fitted as the published length-controlled win rates are{own}."
        return (
            f"Fitted without {' and '.join(lacking)}: corrected for length, and not to be held against published "
            "length-controlled win rates."
        )

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {**asdict(self), "statement": self.statement}


def length_controlled_win_rate(
    preferences: Sequence[float | None],
    *,
    lengths: Sequence[int],
    baseline_lengths: Sequence[int],
    difficulties: Sequence[float] | None = None,
    gamed: GamedBaselines | None = None,
    difficulty_by: DifficultyBy = "position",
    indices: Sequence[int] | None = None,
) -> LengthControlled:
    """Fit the regression to a model's preferences, and predict its win rate at equal lengths.

    A preference is entered as a row that is won and one that is lost, weighted by the share of a win. The weights
    have an l1 penalty whose strength is chosen by cross-validation. Rows without a preference are not fitted, but
    their lengths and difficulties count, as in the published figures. The baseline against itself is 50 by
    definition; this function is not for it.

    For published figures the difficulties and the gamed rows are needed, both from files that are not part of this
    package (`archon_graph.evals.judges.length_files`). Without difficulties their term is left out, and without
    gamed rows the weights are fitted to the model's rows alone. The result's ``statement`` says so. Published win
    rates fitted again without gamed rows are off by 1.4 points on average, and by up to 13.6.

    Args:
        preferences: For each row from 1 (baseline) to 2 (model), 0 for a draw, ``None`` for none.
        lengths: Characters of the model's outputs.
        baseline_lengths: Characters of the baseline's outputs to the same instructions.
        difficulties: The difficulty of each instruction of the whole published set, in its order.
        gamed: Rows of the gamed baselines.
        difficulty_by: ``position`` gives the n-th row the n-th difficulty, whatever its instruction is. The
            published figures are made so, also those of models that lack some rows, whose later rows get
            another instruction's difficulty. ``question`` goes by ``indices``, which is right for any part of the
            set; for the whole set in its order both are the same.
        indices: For each row the number of its instruction in the published set, from 0; for ``question``.

    Raises:
        ValueError: The arguments have different lengths, a row has no difficulty, a number is none, or fewer than
            5 rows have a preference.
    """
    shares, there = as_shares(preferences)
    difference = length_feature(lengths=lengths, baseline_lengths=baseline_lengths)
    if len(difference) != len(shares):
        raise ValueError(f"each preference has its lengths, got {len(shares)} preferences, {len(lengths)} lengths")
    trained = int(there.sum())
    if trained < FOLDS:
        raise ValueError(f"{FOLDS} rows with a preference are needed at least to fit weights to, got {trained}")
    hardness = _difficulties(len(shares), difficulties, difficulty_by, indices)
    features = np.column_stack([difference, hardness, np.ones(len(shares))])
    fitted, targets, weight = features[there], shares[there], np.ones(trained)
    if gamed is not None:
        # First, as in the published fit: folds go by the order of rows.
        extra = np.column_stack([gamed.lengths, gamed.difficulties, np.zeros(len(gamed))])
        fitted = np.vstack([extra, fitted])
        targets = np.concatenate([np.asarray(gamed.shares, dtype=np.float64), targets])
        weight = np.concatenate([np.full(len(gamed), _GAMED_WEIGHT), weight])
    if difficulties is None:
        fitted[:, 1] = 0.0
    strength = _choose_strength(fitted, targets, weight)
    length, difficulty, model = map(float, _fit(fitted, targets, weight, strength).coef_[0])
    weights = LengthWeights(length=length, difficulty=difficulty, model=model)
    return LengthControlled(
        win_rate=lc_win_rate_from_weights(weights, difficulties=hardness),
        weights=weights,
        strength=strength,
        n_total=len(shares),
        n_trained=trained,
        n_gamed=0 if gamed is None else len(gamed),
        difficulty_by=None if difficulties is None else difficulty_by,
    )


def lc_win_rate_from_weights(
    weights: LengthWeights, *, difficulties: Sequence[float] | Floats, baseline: LengthWeights | None = None
) -> float:
    """The win rate in percent that weights predict at equal lengths, on instructions of these difficulties.

    Args:
        weights: The model's.
        difficulties: One for each row that the mean is taken over. For a published figure of a model with n rows
            these are the first n, see ``difficulty_by`` of `length_controlled_win_rate`.
        baseline: The weights of another model, to be the baseline in place of the one that both were fitted to.

    Raises:
        ValueError: There is no difficulty, or one is not finite.
    """
    hardness = _finite(difficulties, "a difficulty")
    if not len(hardness):
        raise ValueError("a win rate is a mean over at least one instruction, got no difficulty")
    difficulty, model = weights.difficulty, weights.model
    if baseline is not None:
        difficulty, model = difficulty - baseline.difficulty, model - baseline.model
    return float(expit(difficulty * hardness + model).mean()) * 100


def length_feature(*, lengths: Sequence[int], baseline_lengths: Sequence[int]) -> Floats:
    """The baseline's length minus the model's, in standard deviations (ddof 1) of that difference, through tanh.

    All 0 if every row has the same difference: nothing can be told from it.

    Raises:
        ValueError: There are not as many lengths of one as of the other, or one is negative or not finite.
    """
    own, other = _finite(lengths, "a length"), _finite(baseline_lengths, "a length")
    if len(own) != len(other):
        raise ValueError(f"each row has two lengths, got {len(own)} of the model and {len(other)} of the baseline")
    if (own < 0).any() or (other < 0).any():
        raise ValueError("a length is a number of characters, got a negative one")
    difference = other - own
    spread = float(difference.std(ddof=1)) if len(difference) > 1 else 0.0
    return np.tanh(difference / spread) if spread > 0 else np.zeros(len(difference))


def _difficulties(
    size: int, difficulties: Sequence[float] | None, by: DifficultyBy, indices: Sequence[int] | None
) -> Floats:
    if by not in ("position", "question"):
        raise ValueError(f"difficulty_by is 'position' or 'question', got {by!r}")
    if difficulties is None:
        return np.zeros(size)
    known = _finite(difficulties, "a difficulty")
    if by == "position":
        if size > len(known):
            raise ValueError(f"there are {len(known)} difficulties for {size} rows; give those of the whole set")
        return known[:size]
    if indices is None or len(indices) != size:
        got = "none" if indices is None else f"{len(indices)} for {size} rows"
        raise ValueError(
            f"difficulty_by='question' needs indices, the instruction's number for each row; got {got}"
        )
    outside = [index for index in indices if not 0 <= index < len(known)]
    if outside:
        told = ", ".join(map(str, outside[:5]))
        raise ValueError(f"the {len(known)} difficulties are numbered from 0; there is none for {told}")
    return known[np.asarray(indices, dtype=np.intp)]


def _choose_strength(features: Floats, shares: Floats, weight: Floats) -> float:
    """The C with the lowest weighted log loss on left-out rows, mean over the folds; of equal ones the smallest.

    Not scikit-learn's own cross-validated class: that one can score soft labels only by a switch that holds for
    the whole process.
    """
    losses = np.zeros((FOLDS, len(_STRENGTHS)))
    rows = np.tile(np.arange(len(shares)), 2)
    # Twice, as the rows are entered twice: the folds are the published ones then.
    for fold, (kept, left) in enumerate(GroupKFold(FOLDS).split(rows, groups=rows)):
        inside, outside = np.unique(rows[kept]), np.unique(rows[left])
        for place, strength in enumerate(_STRENGTHS):
            model = _fit(features[inside], shares[inside], weight[inside], strength)
            likely = np.clip(model.predict_proba(features[outside])[:, 1], _LEAST_LIKELY, 1 - _LEAST_LIKELY)
            truth = shares[outside]
            loss = -(truth * np.log(likely) + (1 - truth) * np.log1p(-likely))
            losses[fold, place] = float((weight[outside] * loss).mean())
    return float(_STRENGTHS[int(losses.mean(axis=0).argmin())])


def _fit(features: Floats, shares: Floats, weight: Floats, strength: float) -> LogisticRegression:
    # Up to scikit-learn 1.7 the penalty has a name, from 1.8 on it is a ratio.
    named = LogisticRegression().penalty != "deprecated"
    penalty = {"penalty": "l1"} if named else {"l1_ratio": 1.0}
    model = LogisticRegression(C=strength, solver="liblinear", fit_intercept=False, random_state=_SEED, **penalty)
    doubled = np.concatenate([shares * weight, (1 - shares) * weight])
    won = np.repeat([1, 0], len(shares))
    return model.fit(np.tile(features, (2, 1)), won, sample_weight=np.maximum(doubled, _LEAST_WEIGHT))


def _finite(numbers: Sequence[float] | Floats, what: str) -> Floats:
    array = np.asarray(numbers, dtype=np.float64)
    wrong = np.flatnonzero(~np.isfinite(array))
    if len(wrong):
        raise ValueError(f"{what} is a finite number, got {array[wrong[0]]} at place {wrong[0]}")
    return array
