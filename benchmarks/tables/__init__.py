"""Tables: spaces in which the true score of every architecture is known. What they are is told in README.md."""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archon_graph.search.point import Point
from archon_graph.search.space import SearchSpace

HERE = Path(__file__).parent

SPACES: Mapping[str, Mapping[str, Any]] = json.loads((HERE / "spaces.json").read_text(encoding="utf-8"))
"""What each table's space is made of, by name."""


@dataclass(frozen=True)
class Table:
    """Every architecture of a space with its true score, and how a study would see it."""

    name: str
    space: SearchSpace
    scores: Mapping[Point, float]
    """The true score of each point: the share of questions it answers right."""
    questions: int
    """How many questions a trial asks."""
    shared: float
    """Correlation of two architectures' results on one question; they answer the same questions."""

    @property
    def optimum(self) -> float:
        """The highest true score."""
        return max(self.scores.values())

    def measured(self, point: Point, study: int) -> tuple[float, float]:
        """The score and its standard error, as a trial of that study sees them.

        Each question is answered right with the true score as its probability, so one trial's score is off by
        sqrt(p (1 - p) / questions). A part of that is common to all trials of the study, as they answer the same
        questions; the error that is reported does not know which part.
        """
        true = self.scores[point]
        error = math.sqrt(true * (1 - true) / self.questions)
        common = random.Random(f"{study}").gauss(0.0, 1.0)
        own = random.Random(f"{study} {point.key}").gauss(0.0, 1.0)
        off = error * (math.sqrt(self.shared) * common + math.sqrt(1 - self.shared) * own)
        score = min(max(true + off, 0.0), 1.0)
        estimated = max(math.sqrt(score * (1 - score) / self.questions), 0.5 / self.questions)
        return score, estimated


def space_of(name: str) -> SearchSpace:
    """The space of a table."""
    return SearchSpace(**SPACES[name]["space"])


def write(name: str, scores: Mapping[Point, float], shared: float) -> None:
    """Write a table to its file; the same table is always the same bytes."""
    space = space_of(name)
    axes = [axis.name for axis in space.axes if len(axis.values) > 1]
    rows = io.StringIO()
    writer = csv.writer(rows, lineterminator="\n")
    writer.writerow([*axes, "score"])
    for point, score in scores.items():
        values = [json.dumps(point[axis]) if axis in point else "" for axis in axes]
        writer.writerow([*values, f"{score:.5f}"])
    packed = gzip.compress(rows.getvalue().encode(), mtime=0)
    (HERE / f"{name}.csv.gz").write_bytes(packed)
    facts = {"architectures": len(scores), "best": max(scores.values()), "shared": round(shared, 3)}
    (HERE / f"{name}.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def load(name: str) -> Table:
    """Read a table.

    Raises:
        ValueError: Its architectures are not those of the space any more: it has to be made anew.
    """
    space = space_of(name)
    text = gzip.decompress((HERE / f"{name}.csv.gz").read_bytes()).decode()
    header, *rows = csv.reader(text.splitlines())
    scores = {}
    for *values, score in rows:
        given = {axis: json.loads(value) for axis, value in zip(header, values, strict=False) if value}
        point = space.canonical(given)
        if point is not None:
            scores[point] = float(score)
    points = space.points()
    if points is None or set(points) != set(scores):
        raise ValueError(
            f"the space of {name} is not what it was when its table was made; run make_tables.py anew"
        )
    facts = json.loads((HERE / f"{name}.json").read_text(encoding="utf-8"))
    return Table(name, space, scores, SPACES[name]["questions"], facts["shared"])


def names() -> Sequence[str]:
    """The names of all tables."""
    return tuple(SPACES)
