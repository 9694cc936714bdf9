"""What the loaders of published benchmarks share: where rows come from, and how items are made of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from archon_graph.core import Prompt, load_prompt
from archon_graph.evals.benchmarks.benchmark import Benchmark
from archon_graph.evals.benchmarks.fields import check_ids
from archon_graph.evals.benchmarks.hub import HubSet, read_hub
from archon_graph.evals.benchmarks.item import Item
from archon_graph.evals.benchmarks.problems import Draft, UnknownBenchmarkError, nearest
from archon_graph.evals.benchmarks.reading import Row, read_objects

MakeItem = Callable[[Row, Prompt, Draft], Item | None]
"""Makes an item of a row, or notes in the draft why it cannot."""


@dataclass(frozen=True, kw_only=True)
class PublishedFormat:
    """A published benchmark: its name, its places, and how its rows become items."""

    name: str
    """What it is called, and the name of its prompt file."""
    hub: HubSet
    """Where it lies on the hub."""
    parts: Sequence[str]
    """The parts of the data set that the hub knows; the first is the default."""
    make: MakeItem
    """Makes an item of a row."""
    prepare: Callable[[list[Row]], list[Row]] = list
    """Looks at all rows before the first one is made an item."""

    def load(
        self,
        path: str | Path | None,
        *,
        part: str | None = None,
        revision: str | None = None,
        prompt: Prompt | None = None,
        read: Callable[[Path, Draft], list[Row]] = read_objects,
    ) -> Benchmark:
        """Read the benchmark.

        Args:
            path: A file in the published format; ``None`` to load it from the hub.
            part: Which part of the data set on the hub.
            revision: Which version of the data set on the hub.
            prompt: Other words around the questions.
            read: Reads the rows of a file.

        Raises:
            BenchmarkError: The data has problems; all are reported.
            UnknownBenchmarkError: The data set has no such part.
            MissingExtraError: The hub is asked for, and ``datasets`` is not installed.
        """
        base = load_prompt(__package__, self.name)
        words = base if prompt is None else prompt.over(base)
        if path is not None:
            draft = Draft(file=str(path))
            rows = read(Path(path), draft)
        else:
            part = part or self.parts[0]
            if part not in self.parts:
                raise UnknownBenchmarkError(
                    f"{self.name} has no part {part!r}{nearest(part, self.parts)}; it has {', '.join(self.parts)}"
                )
            draft = Draft(file=f"{self.hub}[{part}]")
            rows = read_hub(self.hub, part, revision=revision, draft=draft)
        items = []
        for row in self.prepare(rows):
            own = Draft(file=row.file or draft.file)
            item = self.make(row, words, own)
            draft.problems.extend(own.problems)
            if item is not None:
                items.append((row.line, item))
        check_ids(((line, item.id) for line, item in items), draft, way_out="Remove one of the two")
        draft.raise_if_any()
        return Benchmark(
            name=self.name,
            items=tuple(item for _, item in items),
            source=draft.file,
            prompt=words.identity,
        )
