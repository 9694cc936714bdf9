"""Loads the starter tasks from their files."""

from __future__ import annotations

import re
from collections import defaultdict
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final

import yaml

from archon_graph.evals.benchmarks.benchmark import Benchmark
from archon_graph.evals.benchmarks.item import Item

AREAS: Final = MappingProxyType(
    {"arithmetic": "arithmetic.yaml", "code": "code.yaml", "fact": "facts.yaml", "format": "formats.yaml"}
)
"""The areas, and the file of each."""
SPLITS: Final = ("search", "selection", "holdout")
"""The splits; no task is in two of them."""
DIFFICULTIES: Final = ("easy", "medium", "hard")
"""The difficulties, as the author saw them and a small model confirmed them on average."""

_CHOICE = re.compile(r"^[A-D]\) (.+)$", re.MULTILINE)


def starter() -> Benchmark:
    """The starter tasks: 120 short ones of our own, which ship with the package.

        starter().in_split("search")
        starter().where({"area": "code", "difficulty": ["easy", "medium"]})

    Metadata of each item: its ``area``, ``split`` and ``difficulty``; the ``choices`` of a choice; the function
    that code has to define as ``entry_point``; and for items of the kind ``format`` as ``check`` the rules that an
    answer has to keep. Each of an item's tests is one assert.

    The order is mixed: the first tasks of the whole, or of a split, are a fair small set of all areas and
    difficulties. So a run that was cut short has seen something of everything.
    """
    strata: dict[tuple[str, ...], list[Item]] = defaultdict(list)
    for area, name in AREAS.items():
        content = yaml.load((files(__package__) / name).read_text("utf-8"), _LOADER)  # noqa: S506 - a safe one
        for task in content["tasks"]:
            item = _item(area, {"kind": content.get("kind"), **task})
            strata[item.metadata["split"], item.metadata["difficulty"], area].append(item)
    # A task's place is the one it has in its stratum, as a share of it: so strata of any size are spread evenly.
    placed = [((rank + 0.5) / len(items), item) for items in strata.values() for rank, item in enumerate(items)]
    return Benchmark(
        name="starter",
        items=tuple(item for _, item in sorted(placed, key=lambda pair: pair[0])),
        source=__package__,
    )


_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The one in C where there is one: it takes a tenth of the time."""


def _item(area: str, task: dict[str, Any]) -> Item:
    """The item of a task as it stands in a file."""
    metadata: dict[str, Any] = {"area": area, "split": task["split"], "difficulty": task["difficulty"]}
    metadata |= {key: task[key] for key in ("check", "entry_point") if key in task}
    if task["kind"] == "choice":
        metadata["choices"] = _CHOICE.findall(task["input"])
    return Item(
        id=task["id"],
        input=task["input"],
        target=task.get("target"),
        tests=tuple(task.get("tests", "").splitlines()),
        metadata=metadata,
        kind=task["kind"],
    )
