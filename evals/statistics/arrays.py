"""Turns scores and cluster labels into arrays, and refuses what is no score."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archon_graph.evals.scorers.base import UNSCORED, Value

Floats = NDArray[np.float64]
Values = Sequence[Value | None] | Floats
"""Scores; `UNSCORED` and ``None``, its form in JSON, stand for an answer that could not be scored."""
Clusters = Sequence[Hashable | None]
"""For each value the cluster of its item; ``None`` for an item that stands alone."""


def as_floats(values: Values) -> tuple[Floats, NDArray[np.bool_]]:
    """The values as an array, and where there is one.

    Raises:
        TypeError: A value is no number.
        ValueError: A value is not finite: NaN is not how an unscored answer is written.
    """
    there = np.array([value is not UNSCORED and value is not None for value in values], dtype=bool)
    numbers: list[float] = []
    for place, value in enumerate(values):
        if value is UNSCORED or value is None:
            numbers.append(0.0)
        elif isinstance(value, int | float | np.integer | np.floating | np.bool_):
            numbers.append(float(value))
        else:
            raise TypeError(
                f"a score is a number or UNSCORED, got {type(value).__name__} at place {place}: {value!r}"
            )
    array = np.array(numbers, dtype=np.float64)
    if not np.isfinite(array).all():
        place = int(np.flatnonzero(~np.isfinite(array))[0])
        raise ValueError(f"a score is a finite number or UNSCORED, got {array[place]} at place {place}")
    return array, there


def as_groups(clusters: Clusters | None, size: int) -> NDArray[np.intp]:
    """For each value the number of its cluster, from 0; a value without a cluster is one by itself.

    Raises:
        ValueError: There are not as many labels as values.
    """
    if clusters is None:
        return np.arange(size)
    if len(clusters) != size:
        raise ValueError(f"every value needs a cluster or None, got {len(clusters)} labels for {size} values")
    numbers: dict[Any, int] = {}
    return np.array(
        [
            numbers.setdefault(("alone", place) if one is None else one, len(numbers))
            for place, one in enumerate(clusters)
        ],
        dtype=np.intp,
    )


def regroup(groups: NDArray[np.intp]) -> NDArray[np.intp]:
    """Numbers from 0 without gaps, after some values were left out."""
    return np.unique(groups, return_inverse=True)[1]


def group_sums(values: Floats, groups: NDArray[np.intp]) -> tuple[Floats, Floats]:
    """For each cluster the sum of its values, and how many there are."""
    sums = np.bincount(groups, weights=values).astype(np.float64)
    return sums, np.bincount(groups).astype(np.float64)


def check_level(level: float) -> float:
    """A confidence level between 0 and 1.

    Raises:
        ValueError: It is not; 95 is written 0.95.
    """
    if not 0.0 < level < 1.0:
        raise ValueError(f"a confidence level lies between 0 and 1 (0.95 for 95 %), got {level!r}")
    return level
