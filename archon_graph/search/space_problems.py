"""What can be wrong with a search space, or with what it is asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from archon_graph.core.config import nearest
from archon_graph.core.errors import Problem
from archon_graph.models import ConfigurationError
from archon_graph.search.point import Point, Value

if TYPE_CHECKING:
    from archon_graph.search.axes import Axis


class SpaceError(ConfigurationError, ValueError):
    """A search space cannot be made, or was asked for what is not in it; all problems are reported at once.

    Args:
        problems: Every problem found.
        source: The file, if the space came from one.
    """

    def __init__(self, problems: Sequence[Problem], *, source: str | None = None) -> None:
        self.problems = tuple(problems)
        self.source = source
        count = len(self.problems)
        head = f"{'one problem' if count == 1 else f'{count} problems'} in {source or 'this search space'}"
        super().__init__(f"{head}:\n" + "\n".join(f"- {problem}" for problem in self.problems))

    def __reduce__(self) -> tuple[Any, ...]:
        return _space_error, (self.problems, self.source)


def _space_error(problems: Sequence[Problem], source: str | None) -> SpaceError:
    return SpaceError(problems, source=source)


def unknown_axis(name: str, known: Sequence[str]) -> Problem:
    """There is no such axis."""
    return Problem(
        rule="unknown-axis",
        where=str(name),
        message=f"there is no axis {name!r}{nearest(str(name), known)}",
        way_out=f"Axes are {', '.join(known)}",
    )


def unknown_value(axis: Axis, value: Value) -> Problem:
    """An axis of this space has no such value."""
    return Problem(
        rule="unknown-value",
        where=axis.name,
        message=f"here it is never {value!r}",
        way_out=f"Its values are {', '.join(map(repr, axis.values))}",
    )


def foreign(point: Point) -> Problem:
    """It is no point of this space."""
    return Problem(
        rule="unknown-point",
        where="the point",
        message=f"{point!r} is no point of this space",
        way_out="Make one of its values with space.canonical(values), which also tells whether it can be afforded",
    )
