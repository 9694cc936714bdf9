"""What a cache and a tape are made of: rows, and counts of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from archon_graph.models.cache.entry import Packed
from archon_graph.models.request import Usage


class RequestRow(NamedTuple):
    """One request, whatever the number of its samples."""

    digest: str
    label: str
    parts: Mapping[str, str]
    record: Mapping[str, Any] | None
    """``None`` where only digests are kept."""


class ResponseRow(NamedTuple):
    """One recorded answer."""

    digest: str
    replicate: int
    sample: int
    packed: Packed


class FactRow(NamedTuple):
    """What is known about a model."""

    model: str
    label: str
    offers_json: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelStats:
    """What is recorded of one model."""

    model: str
    """The model's name."""
    requests: int
    """Different requests."""
    entries: int
    """Recorded answers."""
    usage: Usage
    """What they cost when they were paid for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheStats:
    """What a cache or a tape holds."""

    path: Path
    """The file."""
    bytes: int
    """Its size on disk, with SQLite's log."""
    entries: int
    """Recorded answers."""
    requests: int
    """Different requests."""
    models: tuple[ModelStats, ...] = field(default=())
    """By model, the one with the most answers first."""
    oldest: dt.datetime | None = None
    """When the oldest answer was recorded, in UTC; a tape does not say."""
    newest: dt.datetime | None = None
    """When the newest answer was recorded, in UTC; a tape does not say."""


def by_model(answers: Iterable[tuple[str, str, Usage]]) -> tuple[ModelStats, ...]:
    """The counts for each model, from label, request digest and usage of each answer."""
    requests: dict[str, set[str]] = {}
    usages: dict[str, list[Usage]] = {}
    for label, digest, usage in answers:
        requests.setdefault(label, set()).add(digest)
        usages.setdefault(label, []).append(usage)
    stats = [
        ModelStats(
            model=label,
            requests=len(requests[label]),
            entries=len(usages[label]),
            usage=Usage.total(usages[label]),
        )
        for label in usages
    ]
    return tuple(sorted(stats, key=lambda each: (-each.entries, each.model)))


def ranges(numbers: Iterable[int]) -> str:
    """Numbers in short: ``0-9, 12``."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)
