"""From a point to numbers for a surrogate: as many for every point of a space, each between 0 and 1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from archon_graph.search.axes import Axis
from archon_graph.search.point import Value

_CAN_BE_INACTIVE = frozenset(
    {"fusers", "evaluation", "eval_top_k", "critic", "ranker", "rank_top_k", "judge_model", "fuser_model"}
)


class Encoder:
    """Encodes the points of one space.

    An ordered axis is one number: the rank of the value, from 0 for the first to 1 for the last. A choice is one
    number for each of its values, 1 for the one it has. An axis that can be inactive has one number more, 1 if it
    is; its other numbers are then 0. An axis with a single value says nothing and is left out.

    Args:
        axes: The axes of the space.
    """

    def __init__(self, axes: Sequence[Axis]) -> None:
        self._axes = [axis for axis in axes if len(axis.values) > 1]
        names: list[str] = []
        for axis in self._axes:
            names += [axis.name] if axis.ordered else [f"{axis.name}={value}" for value in axis.values]
            names += [f"{axis.name} inactive"] if axis.name in _CAN_BE_INACTIVE else []
        self.names = tuple(names)
        """What each of the numbers stands for."""

    def encode(self, point: Mapping[str, Value]) -> tuple[float, ...]:
        """The numbers of a point, in the order of `names`."""
        numbers: list[float] = []
        for axis in self._axes:
            active = axis.name in point
            place = axis.values.index(point[axis.name]) if active else -1
            if axis.ordered:
                numbers.append(place / (len(axis.values) - 1) if active else 0.0)
            else:
                numbers += [float(place == other) for other in range(len(axis.values))]
            if axis.name in _CAN_BE_INACTIVE:
                numbers.append(float(not active))
        return tuple(numbers)
