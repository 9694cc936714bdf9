"""``Benchmark``: items with a way to score an answer, and the ways to take a part of them.

Parts are drawn by hashing names, never by position: adding an item moves no other one to another split, and the
first 50 of a sample are part of the first 100.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import Any, Final

from archon_graph.evals.benchmarks.item import Item
from archon_graph.evals.benchmarks.problems import BenchmarkError, DataProblem, UnknownBenchmarkError, nearest
from archon_graph.evals.scorers.base import Scorer
from archon_graph.evals.scorers.by_kind import ByKind

SPLITS: Final[Mapping[str, float]] = {"search": 0.5, "selection": 0.2, "holdout": 0.3}
"""The splits and their shares of the items: to search with, to choose among finalists, and to report on."""


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """Questions with a way to score an answer.

    Raises:
        BenchmarkError: Two items have the same id.
    """

    name: str
    """What reports call it."""
    items: tuple[Item, ...]
    """The questions, in the order of the file."""
    scorer: Scorer = field(default_factory=ByKind)
    """Scores an answer; by default each kind of item in its own way."""
    split: str | None = None
    """The split that the items are; ``None`` for all of them."""
    source: str = ""
    """The file, or the data set on the hub, that it was read from."""
    prompt: str | None = None
    """Version and digest of the words put around the questions; ``None`` if they are asked as they stand."""

    def __post_init__(self) -> None:
        repeated = [name for name, count in Counter(item.id for item in self.items).items() if count > 1]
        if repeated:
            raise BenchmarkError(
                [
                    DataProblem(
                        file=self.source or self.name,
                        line=None,
                        field="id",
                        message=f"{name!r} is the id of more than one item",
                        way_out="Give each item an id of its own",
                    )
                    for name in repeated
                ]
            )

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Item]:
        return iter(self.items)

    def __getitem__(self, item_id: str) -> Item:
        """The item of this id.

        Raises:
            UnknownBenchmarkError: There is none; names the nearest.
        """
        for item in self.items:
            if item.id == item_id:
                return item
        raise UnknownBenchmarkError(f"no item of {self.name} has the id {item_id!r}{self._nearest_id(item_id)}")

    def where(
        self,
        keep: Mapping[str, Any] | Callable[[Item], bool] | None = None,
        *,
        ids: Iterable[str] | None = None,
        span: tuple[int, int] | None = None,
    ) -> Benchmark:
        """The items that pass every filter, in their order.

        Args:
            keep: What their metadata must be: ``{"level": 5}``, ``{"level": [4, 5]}``,
                ``{"task_id": range(11, 511)}``; a text also matches the number that it writes. Or a function of
                the item.
            ids: Their ids.
            span: Their positions, first and one past the last, from 0.

        Raises:
            UnknownBenchmarkError: A metadata field or an id that no item has; names the nearest.
            ValueError: No item passes.
        """
        items = self.items if span is None else self.items[slice(*_checked_span(span))]
        if ids is not None:
            wanted = set(ids)
            for name in sorted(wanted - {item.id for item in self.items}):
                raise UnknownBenchmarkError(f"no item of {self.name} has the id {name!r}{self._nearest_id(name)}")
            items = tuple(item for item in items if item.id in wanted)
        if callable(keep):
            items = tuple(item for item in items if keep(item))
        elif keep:
            self._check_fields(keep)
            items = tuple(
                item
                for item in items
                if all(_matches(item.metadata.get(name), wanted) for name, wanted in keep.items())
            )
        if not items:
            raise ValueError(f"no item of {self.name} is left by this filter{self._values(keep)}; widen it")
        return replace(self, items=items)

    def in_split(self, name: str) -> Benchmark:
        """The items of one split: those whose metadata says so under ``split``, or those drawn for it.

        Drawn splits are `SPLITS`. Which one an item is in depends on its cluster, or if it has none on its id,
        and on nothing else: the splits of a data set never overlap, whatever was sampled or filtered before.

        Raises:
            UnknownBenchmarkError: No such split; names the nearest.
            ValueError: Some items name their split and some do not, or the split holds none of the items.
        """
        given = Counter(item.metadata["split"] for item in self.items if "split" in item.metadata)
        if given and given.total() < len(self.items):
            lost = next(item.id for item in self.items if "split" not in item.metadata)
            raise ValueError(
                f"{given.total()} of the {len(self)} items of {self.name} name their split in their metadata, and "
                f"others do not, {lost!r} for one; give all of them a split, or none"
            )
        known = [*map(str, given)] if given else [*SPLITS]
        if name not in known:
            raise UnknownBenchmarkError(
                f"{self.name} has no split {name!r}{nearest(name, known)}; it has {', '.join(sorted(known))}"
                + (", named by the metadata of its items" if given else "")
            )
        items = tuple(
            item for item in self.items if (str(item.metadata["split"]) if given else drawn_split(item)) == name
        )
        if not items:
            raise ValueError(f"none of the {len(self)} items of {self.name} is in the split {name!r}; take more")
        return replace(self, items=items, split=name)

    def sample(self, size: int, *, seed: int = 0) -> Benchmark:
        """At most ``size`` items, drawn without regard to their order and kept in it.

        The same seed draws the same items again, and of two sizes the smaller sample is part of the larger.

        Raises:
            ValueError: The size is not positive.
        """
        if size < 1:
            raise ValueError(f"a sample has at least one item, got size {size}")
        drawn = sorted(self.items, key=lambda item: (_share("sample", seed, item.id), item.id))[:size]
        kept = {item.id for item in drawn}
        return replace(self, items=tuple(item for item in self.items if item.id in kept))

    @property
    def fingerprint(self) -> str:
        """Digest of all items, in their order."""
        text = json.dumps([item.fingerprint for item in self.items])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def describe(self) -> dict[str, Any]:
        """What a log needs to tell whether it was the same benchmark, as plain data."""
        return {
            "name": self.name,
            "source": self.source,
            "split": self.split,
            "items": len(self),
            "fingerprint": self.fingerprint,
            "prompt": self.prompt,
            "scorer": self.scorer.identity,
        }

    def _nearest_id(self, name: str) -> str:
        return nearest(name, [item.id for item in self.items])

    def _check_fields(self, keep: Mapping[str, Any]) -> None:
        known = sorted({name for item in self.items for name in item.metadata})
        for name in keep:
            if name not in known:
                raise UnknownBenchmarkError(
                    f"no item of {self.name} has the metadata {name!r}{nearest(name, known)}; "
                    f"there is {', '.join(known) or 'none'}"
                )

    def _values(self, keep: Mapping[str, Any] | Callable[[Item], bool] | None) -> str:
        if keep is None or callable(keep):
            return ""
        said = []
        for name in keep:
            values = sorted({str(item.metadata.get(name)) for item in self.items})
            said.append(f"{name} is {', '.join(values[:8])}{', ...' if len(values) > 8 else ''}")
        return f" ({'; '.join(said)})"


def drawn_split(item: Item) -> str:
    """The split that an item falls into when its metadata names none; equal for the items of a cluster."""
    # The seed is fixed: with another one, what was held out would be searched on.
    place = _share("split", 0, item.unit)
    bounds = accumulate(SPLITS.values())
    return next((name for name, bound in zip(SPLITS, bounds, strict=True) if place < bound), [*SPLITS][-1])


def _share(purpose: str, seed: int, name: str) -> float:
    """A number in [0, 1) that looks drawn, and is the same on every machine."""
    digest = hashlib.sha256(f"{purpose}\0{seed}\0{name}".encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def _matches(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, str):
        return str(value) == wanted
    if isinstance(wanted, Collection):
        return any(_matches(value, one) for one in wanted)
    return bool(value == wanted)


def _checked_span(span: tuple[int, int]) -> tuple[int, int]:
    first, last = span
    if not 0 <= first < last:
        raise ValueError(f"a span goes from a first position, 0 or more, to a later one, got {first} to {last}")
    return first, last
