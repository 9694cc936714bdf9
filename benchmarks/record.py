"""Records what models say to small tasks: fills a cache, and writes it out as a tape to replay runs from.

    python benchmarks/record.py benchmarks/tasks/short.jsonl --model local:coder-0.5b --samples 3 \
        --graph best-of-n --graph sample-verify --cache recorded.sqlite --tape tape.jsonl.gz

Every model answers every question so many times, and each ready-made architecture that is named answers it once.
Killed at any time, the same command goes on from there: no answer that was written down is asked for again.
"""

from __future__ import annotations

import argparse
import asyncio
import inspect
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from archon_graph import Architecture, Generator
from archon_graph.core import ModelComponent, Result
from archon_graph.graphs import READY_MADE
from archon_graph.models import ArchonError, Client
from archon_graph.models.cache import ResponseCache

POOL = "samples"
"""Name of the runs that only draw samples."""


class Task(NamedTuple):
    """A question with a known answer."""

    id: str
    input: str
    target: str
    kind: str


class Run(NamedTuple):
    """One question for one architecture."""

    model: str
    architecture: Architecture
    task: Task

    @property
    def name(self) -> str:
        """What it is called in messages."""
        return f"{self.model} {self.architecture.name} {self.task.id}"


@dataclass
class Counts:
    """What a recording took."""

    paid: int = 0
    cached: int = 0
    losses: int = 0
    failed: int = 0

    def add(self, result: Result) -> None:
        """Count the calls of a run."""
        self.paid += result.paid.calls
        self.cached += sum(call["cached"] for call in result.trace)
        self.losses += len(result.losses)


def read_tasks(path: Path, limit: int | None = None) -> list[Task]:
    """The first tasks of a file of JSON lines.

    Raises:
        ValueError: A line is no task; the message says which.
    """
    tasks = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines()[:limit], start=1):
        try:
            tasks.append(Task(**json.loads(line)))
        except (TypeError, ValueError) as error:
            wanted = f"an object with {', '.join(Task._fields)} and nothing else"
            raise ValueError(f"{path}, line {number}: a task is {wanted}: {error}") from error
    return tasks


def ready_made(name: str, model: str, samples: int) -> Architecture:
    """A ready-made architecture of one model, as wide as so many samples make it."""
    make: Any = READY_MADE[name]
    known = inspect.signature(make).parameters
    settings: dict[str, Any] = {}
    if "samples" in known:
        settings["samples"] = samples
    elif "models" in known:
        settings["models"] = (model,) * samples
    if "top_k" in known:
        # To keep all would be no choice, to keep more than there are is against the rules.
        settings["top_k"] = min(known["top_k"].default, max(1, samples - 1))
    architecture: Architecture = make(**settings)
    return architecture.with_model(model)


def with_max_tokens(architecture: Architecture, most: int | None) -> Architecture:
    """The same architecture, none of whose answers is longer."""
    if most is None:
        return architecture
    components = {
        node: replace(component, max_tokens=most) if isinstance(component, ModelComponent) else component
        for node, component in architecture.components.items()
    }
    return Architecture.from_edges(components, architecture.graph.edges, name=architecture.name)


def arguments() -> argparse.ArgumentParser:
    """What the command takes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("tasks", type=Path, metavar="TASKS.jsonl", help="one task a line: id, input, target, kind")
    parser.add_argument("--model", action="append", required=True, help="spec of a model; may be given again")
    parser.add_argument("--samples", type=int, required=True, help="samples of each model, also in the graphs")
    graph_help = "also run this ready-made architecture; may be given again"
    parser.add_argument("--graph", action="append", default=[], choices=sorted(READY_MADE), help=graph_help)
    parser.add_argument("--cache", type=Path, required=True, help="where answers are kept: an SQLite file")
    parser.add_argument("--tape", type=Path, required=True, help="what is written at the end: .jsonl or .jsonl.gz")
    parser.add_argument("--hashes-only", action="store_true", help="leave the questions out of the tape")
    parser.add_argument("--max-tokens", type=int, help="most tokens of an answer")
    parser.add_argument("--limit", type=int, help="only the first tasks")
    parser.add_argument("--at-once", type=int, default=4, help="runs side by side (default: 4)")
    return parser


def planned(given: argparse.Namespace) -> list[Run]:
    """Every run of a command, in order: model by model, so that two local ones need not take turns."""
    tasks = read_tasks(given.tasks, given.limit)
    runs = []
    for model in given.model:
        pool = Architecture.from_layers([Generator(model, samples=given.samples)], name=POOL)
        for architecture in (pool, *(ready_made(name, model, given.samples) for name in given.graph)):
            limited = with_max_tokens(architecture, given.max_tokens)
            runs += [Run(model, limited, task) for task in tasks]
    return runs


async def record(runs: Sequence[Run], client: Client, at_once: int, console: Console) -> Counts:
    """Make the runs, so many side by side; one that fails is said and left out."""
    counts, places = Counts(), asyncio.Semaphore(at_once)
    doing = TextColumn("{task.description}", markup=False)
    columns = (doing, BarColumn(30), MofNCompleteColumn(), TimeElapsedColumn())

    async def one(run: Run) -> None:
        async with places:
            bar.update(shown, description=run.name)
            try:
                counts.add(await run.architecture.arun(run.task.input, client=client))
            except ArchonError as error:
                counts.failed += 1
                bar.console.print(f"failed: {run.name}: {error}", markup=False)
            bar.advance(shown)

    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        shown = bar.add_task("", total=len(runs))
        for model in dict.fromkeys(run.model for run in runs):
            await asyncio.gather(*(one(run) for run in runs if run.model == model))
    return counts


def main(argv: Sequence[str] | None = None) -> int:
    """Record; 1 if a run failed, 2 if the command cannot be carried out, 130 if it was interrupted."""
    given = arguments().parse_args(argv)
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        runs = planned(given)
        with ResponseCache(given.cache) as cache:
            client = Client(cache=cache)
            client.check(given.model)
            counts = asyncio.run(record(runs, client, given.at_once, console))
            cache.export(given.tape, hashes_only=given.hashes_only)
    except (ArchonError, OSError, ValueError) as error:
        console.print(str(error), markup=False)
        return 2
    except KeyboardInterrupt:
        console.print("stopped; the same command goes on from here")
        return 130
    print(
        f"{len(runs)} runs: {counts.paid} calls paid, {counts.cached} cached; "
        f"{counts.losses} losses, {counts.failed} runs failed; "
        f"{given.tape}: {given.tape.stat().st_size / 1000:.1f} kB"
    )
    return 1 if counts.failed else 0


if __name__ == "__main__":
    sys.exit(main())
