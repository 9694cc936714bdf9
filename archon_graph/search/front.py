"""What quality costs: the architectures that no other one beats in both, and the best for a budget.

The cost is in one unit that the caller chooses: calls, tokens, money, or seconds. What is not known is not free:
an entry without a cost is on no front and within no budget, and is counted.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Entry:
    """One architecture, what it is worth and what it costs.

    Raises:
        ValueError: The quality is not finite, or the cost is negative or not finite.
    """

    key: str
    """Its name, by which equal ones are put in order."""
    quality: float
    """Higher is better."""
    cost: float | None
    """Lower is better; ``None`` if it is not known."""

    def __post_init__(self) -> None:
        if not math.isfinite(self.quality):
            raise ValueError(f"the quality of {self.key!r} is a finite number, got {self.quality!r}")
        if self.cost is not None and not (math.isfinite(self.cost) and self.cost >= 0.0):
            raise ValueError(
                f"the cost of {self.key!r} is a finite number from 0, or None if not known; got {self.cost!r}"
            )


@dataclass(frozen=True, kw_only=True)
class Front:
    """The entries that are worth their cost."""

    entries: tuple[Entry, ...]
    """From the cheapest to the dearest, and so from the lowest quality to the highest. Entries that are equal in
    both are all there, by their keys."""
    dominated: int
    """Entries that another one beats: no worse in both, and better in one."""
    unknown: tuple[str, ...]
    """Keys of the entries that were left out because their cost is not known."""

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of its entries, in their order."""
        return tuple(entry.key for entry in self.entries)

    def hypervolume(self, *, cost: float, quality: float = 0.0) -> float:
        """The area between the front and a corner of a high cost and a low quality.

        It grows whenever the front gets better anywhere within the corner, so it is one number for the progress
        of a search, in the unit of the cost; only areas for the same corner can be compared. Divided by ``cost``
        it is the mean, over all budgets up to the corner, of the best quality within the budget above ``quality``.

        Source: Zitzler and Thiele (IEEE Trans. Evol. Comput. 3, 1999).

        Args:
            cost: The highest cost that counts.
            quality: The lowest quality that counts.

        Raises:
            ValueError: The corner is not finite.
        """
        if not (math.isfinite(cost) and math.isfinite(quality)):
            raise ValueError(f"the corner of a hypervolume is finite, got cost {cost!r} and quality {quality!r}")
        areas, reached = [], quality
        for entry in self.entries:
            if entry.cost is not None and entry.cost < cost and entry.quality > reached:
                areas.append((cost - entry.cost) * (entry.quality - reached))
                reached = entry.quality
        return math.fsum(areas)

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "entries": [asdict(entry) for entry in self.entries],
            "dominated": self.dominated,
            "unknown": list(self.unknown),
        }


def pareto_front(entries: Iterable[Entry]) -> Front:
    """The entries that no other one beats, the same in whatever order they come.

    Source: Pareto's optimality; Kung, Luccio and Preparata (J. ACM 22, 1975) for the pass over the sorted points.
    """
    known: list[tuple[float, float, str, Entry]] = []
    unknown: list[str] = []
    for entry in entries:
        if entry.cost is None:
            unknown.append(entry.key)
        else:
            known.append((entry.cost, -entry.quality, entry.key, entry))
    known.sort(key=lambda one: one[:3])
    front: list[Entry] = []
    for _, _, _, entry in known:
        last = front[-1] if front else None
        if (
            last is None
            or entry.quality > last.quality
            or (entry.quality, entry.cost) == (last.quality, last.cost)
        ):
            front.append(entry)
    return Front(entries=tuple(front), dominated=len(known) - len(front), unknown=tuple(sorted(unknown)))


def best_within(entries: Iterable[Entry], max_cost: float) -> Entry | None:
    """The entry of the highest quality that costs at most so much; ``None`` if there is none.

    Of equal quality the cheapest, and of those the first by its key. An unknown cost is within no limit.

    Raises:
        ValueError: The limit is NaN.
    """
    if math.isnan(max_cost):
        raise ValueError("a limit of cost is a number, got NaN")
    affordable = [
        (-entry.quality, entry.cost, entry.key, entry)
        for entry in entries
        if entry.cost is not None and entry.cost <= max_cost
    ]
    return min(affordable, key=lambda one: one[:3])[3] if affordable else None
