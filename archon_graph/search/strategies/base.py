"""``Strategy``: decides which architecture a search tries next. ``Observation``: what came of those tried."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from archon_graph.search.point import Point
    from archon_graph.search.space import SearchSpace


@dataclass(frozen=True, kw_only=True)
class Observation:
    """What came of one trial, as far as a strategy is concerned."""

    point: Point
    """Which architecture."""
    score: float | None
    """How good it is, more is better; ``None`` if the trial failed, which says nothing of how good it is."""
    error: float | None = None
    """Standard error of the score; ``None`` if it is not known."""


@dataclass(frozen=True)
class Strategy(ABC):
    """Proposes points of a search space that have not been tried yet.

    A strategy holds settings only. Everything it knows of the search is handed to it each time, so that a search
    can be stopped anywhere and go on, and equal histories have equal futures: `ask` is a pure function of its
    arguments and draws on no generator but its own, made of ``seed`` and the history.

    To write one: subclass, set `name`, implement `ask`, and run the kit in `archon_graph.search.testing`.
    """

    name: ClassVar[str]
    """What studies and the command line call it."""

    @abstractmethod
    def ask(
        self,
        space: SearchSpace,
        observations: Sequence[Observation],
        *,
        count: int = 1,
        seed: int = 0,
        pending: Sequence[Point] = (),
    ) -> list[Point]:
        """Propose what to try next. Calls no model and changes nothing it was given.

        Args:
            space: Where to look; every point of it is valid and affordable.
            observations: What was tried, in the order in which it was proposed; a point stands there once.
            count: How many points are wanted.
            seed: Which of the many possible searches this is.
            pending: Points proposed earlier whose trials are under way.

        Returns:
            At most ``count`` different canonical points of the space, none of them observed or pending; fewer only
            if no more are left, none if the space is exhausted.
        """

    def settings(self) -> dict[str, Any]:
        """Its settings as plain data."""
        return asdict(self)

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Strategy:
        """A strategy from its settings.

        Raises:
            TypeError: There is no such setting; names those there are.
        """
        known = [field.name for field in fields(cls)]
        for setting in settings:
            if setting not in known:
                raise TypeError(
                    f"the strategy {cls.name} has no setting {setting!r}; it has {', '.join(known) or 'none'}"
                )
        return cls(**settings)
