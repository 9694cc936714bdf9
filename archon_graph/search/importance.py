"""``axis_importance``: which axes of a space made a difference to the scores of a study's trials.

Two ways, by how many trials there are:

- From 20 on, a random forest learns scores from points. It predicts trials that it has not seen (five parts, each
  predicted from the other four), once as they are, and once with one axis exchanged between them by lot. By how
  much the error grows, as a share of the variance of the scores, is what that axis matters. How well the forest
  predicts at all is told beside it: where it is no better than the mean of all scores, its shares say nothing.
- With fewer trials, or where the forest predicts nothing, the mean scores by the values of an axis: how far they
  lie apart.

Both describe the trials that were made. A strategy tries more of what it likes, axes that always go together share
what they matter, and scores have errors of their own; with few trials much of what is seen is chance.

Sources: permutation importance, Breiman, Random Forests (Machine Learning 45, 2001); on parts that were held out,
as in Fisher, Rudin and Dominici (arXiv 1801.01489).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from archon_graph.search.axes import DOMAINS
from archon_graph.search.point import Value
from archon_graph.search.trial import Trial

Floats = NDArray[np.float64]

FEWEST = 4
"""With fewer trials nothing is said."""
FEWEST_FOR_FOREST = 20
"""With fewer trials means are compared, and no forest is grown."""

_PARTS, _TREES, _EXCHANGES, _SEED = 5, 100, 20, 0
_NOT_THERE = "not there"


@dataclass(frozen=True, kw_only=True)
class ValueMean:
    """The trials with one value of an axis."""

    value: str
    """The value, as text; ``not there`` for trials in which the axis has no say."""
    trials: int
    """How many."""
    mean: float
    """The mean of their scores."""


@dataclass(frozen=True, kw_only=True)
class AxisImportance:
    """What one axis matters."""

    axis: str
    """Its name."""
    about: str
    """What it says of an architecture."""
    share: float | None
    """By how much the forest's error grows without it, as a share of the variance; ``None`` without a forest."""
    spread: float | None
    """How far apart the means of its values are, of those that at least two trials have; ``None`` if fewer than
    two values have as many."""
    values: tuple[ValueMean, ...]
    """The mean for each value, the best first."""


@dataclass(frozen=True, kw_only=True)
class Importance:
    """What the axes matter."""

    method: Literal["forest", "means", "none"]
    """How it was found: see the module. ``none`` if there are too few trials or nothing varied."""
    trials: int
    """How many trials it is from: those with a score and a place in the space."""
    explained: float | None
    """The share of the variance that the forest predicts of trials it has not seen; ``None`` without one."""
    error: float | None
    """The standard error of a trial's score, on average: means of few trials differ by as much by chance."""
    axes: tuple[AxisImportance, ...]
    """The axes that varied, what matters most first."""

    @property
    def told(self) -> tuple[str, ...]:
        """How it was found and what it is worth, in sentences."""
        if self.method == "none":
            trials = "trial" if self.trials == 1 else "trials"
            told = (
                f"From {self.trials} {trials} nothing can be said of the axes; it takes at least {FEWEST} of them"
            )
            return (f"{told}, and an axis that varies.",)
        error = (
            "" if self.error is None else f" By itself, a trial's score has an error of about {self.error:.3f}."
        )
        if self.method == "forest" and self.explained is not None:
            forest = (
                f"A random forest, grown on {self.trials} trials, predicts {100 * self.explained:.0f} % of the "
                f"variance of trials that it has not seen; the rest is chance, or beyond so few trials.{error}"
            )
            share = (
                "A share is by how much of the variance the error of the forest grows when that axis is exchanged "
                "between trials by lot; axes that always go together share what they matter."
            )
            return (forest, share)
        why = (
            f"Fewer than {FEWEST_FOR_FOREST} trials are too few to tell the axes apart"
            if self.explained is None
            else "A random forest predicts trials that it has not seen no better than the mean of all does"
        )
        means = (
            f"{why}, so these are plain means of {self.trials} trials: how far the values of an axis lie apart, "
            f"whatever else differed.{error} Take it as a hint and no more."
        )
        return (means,)

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


def axis_importance(trials: Sequence[Trial]) -> Importance:
    """Tell what each axis matters; the same for the same trials.

    Model calls: none.

    Args:
        trials: Those of a study. Trials without a score or without a place in the space are left out, and so are
            further trials of one architecture.
    """
    known: dict[str, Trial] = {}
    for trial in trials:
        if trial.score is not None and trial.point:
            known.setdefault(trial.fingerprint, trial)
    used = list(known.values())
    # Whether an axis has a say is decided by others, and says nothing of it.
    varied = {axis: each for axis, each in _settings(used).items() if len(set(each) - {_NOT_THERE}) > 1}
    errors = [trial.error for trial in used if trial.error is not None]
    error = float(np.mean(errors)) if errors else None
    if len(used) < FEWEST or not varied:
        return Importance(method="none", trials=len(used), explained=None, error=error, axes=())
    scores = np.array([trial.score for trial in used], dtype=np.float64)
    explained, shares = None, dict[str, float]()
    if len(used) >= FEWEST_FOR_FOREST and float(scores.std()) > 0.0:
        weights = np.array([max(1, trial.asked) / max(1, trial.questions) for trial in used])
        explained, shares = _by_forest(varied, scores, weights)
    forest = explained is not None and explained > 0.0
    axes = [_axis(axis, values, scores, share=shares[axis] if forest else None) for axis, values in varied.items()]
    axes.sort(key=lambda each: (-(each.share or 0.0), -(each.spread or 0.0), each.axis))
    return Importance(
        method="forest" if forest else "means",
        trials=len(used),
        explained=explained,
        error=error,
        axes=tuple(axes),
    )


def _settings(trials: Sequence[Trial]) -> dict[str, list[Value]]:
    """For each axis what each trial has; `_NOT_THERE` where it has no say."""
    there = {axis for trial in trials for axis in trial.point}
    order = [axis for axis in DOMAINS if axis in there] + sorted(there - set(DOMAINS))
    return {axis: [trial.point.get(axis, _NOT_THERE) for trial in trials] for axis in order}


def _axis(axis: str, values: Sequence[Value], scores: Floats, *, share: float | None) -> AxisImportance:
    means = []
    for value in dict.fromkeys(values):
        mine = scores[[other == value for other in values]]
        text = "the provider's own" if value is None else str(value)
        means.append(ValueMean(value=text, trials=len(mine), mean=float(mine.mean())))
    several = [each.mean for each in means if each.trials > 1 and each.value != _NOT_THERE]
    return AxisImportance(
        axis=axis,
        about=DOMAINS[axis].about if axis in DOMAINS else "",
        share=share,
        spread=max(several) - min(several) if len(several) > 1 else None,
        values=tuple(sorted(means, key=lambda each: (-each.mean, each.value))),
    )


def _by_forest(
    varied: Mapping[str, Sequence[Value]], scores: Floats, weights: Floats
) -> tuple[float, dict[str, float]]:
    """How much of the variance a forest predicts of trials it has not seen, and what each axis is of it."""
    from sklearn.ensemble import RandomForestRegressor  # type: ignore[import-untyped]
    from sklearn.model_selection import KFold  # type: ignore[import-untyped]

    columns: dict[str, list[int]] = {}
    numbers: list[Floats] = []
    for axis, values in varied.items():
        encoded = _encoded(values)
        columns[axis] = list(range(len(numbers), len(numbers) + len(encoded)))
        numbers += encoded
    x = np.column_stack(numbers)
    chance = np.random.default_rng(_SEED)
    lost = dict.fromkeys(varied, 0.0)
    plain = 0.0
    for seen, unseen in KFold(_PARTS, shuffle=True, random_state=_SEED).split(x):
        forest = RandomForestRegressor(_TREES, min_samples_leaf=2, random_state=_SEED, n_jobs=1)
        forest.fit(x[seen], scores[seen], sample_weight=weights[seen])
        part, truth = x[unseen], scores[unseen]
        # All at once: a forest takes as long for one row as for a hundred.
        exchanged = []
        for axis in varied:
            for _ in range(_EXCHANGES):
                other = part.copy()
                other[:, columns[axis]] = part[chance.permutation(len(part))][:, columns[axis]]
                exchanged.append(other)
        predicted = forest.predict(np.concatenate([part, *exchanged])).reshape(1 + len(exchanged), len(part))
        wrong = ((predicted - truth) ** 2).sum(axis=1)
        plain += float(wrong[0])
        for place, axis in enumerate(varied):
            mine = wrong[1 + place * _EXCHANGES : 1 + (place + 1) * _EXCHANGES]
            lost[axis] += float(mine.mean() - wrong[0])
    variance = float(((scores - scores.mean()) ** 2).sum())
    return 1.0 - plain / variance, {axis: max(0.0, more / variance) for axis, more in lost.items()}


def _encoded(values: Sequence[Value]) -> list[Floats]:
    """An axis as numbers: a scale is one, a choice has one for each of its values.

    Where it has no say, it gets the value that most have: otherwise it would tell what other axes decide.
    """
    there = [value for value in values if value != _NOT_THERE]
    usual = max(dict.fromkeys(there), key=there.count)
    filled = [usual if value == _NOT_THERE else value for value in values]
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in there):
        return [np.array([float(value or 0.0) for value in filled])]
    return [np.array([float(value == other) for value in filled]) for other in dict.fromkeys(filled)]
