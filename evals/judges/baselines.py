"""The answers that others are compared with: where an item keeps one, and how a file of them is read."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from archon_graph.evals.benchmarks.benchmark import Benchmark
from archon_graph.evals.benchmarks.problems import BenchmarkError, DataProblem

if TYPE_CHECKING:
    from archon_graph.evals.benchmarks.item import Item

_KEY, _WHO = "baseline", "baseline_model"


def baseline_of(item: Item) -> tuple[str, ...]:
    """The baseline's answers to the turns of an item; empty if it has none."""
    given = item.metadata.get(_KEY)
    if isinstance(given, str):
        return (given,)
    if not isinstance(given, list | tuple) or not all(isinstance(turn, str) for turn in given):
        return ()
    return tuple(given)


def one_turn(item: Item, protocol: str) -> str | None:
    """What is in the way of a protocol for single answers; ``None`` if nothing."""
    if not item.follow_ups:
        return None
    return f"the protocol {protocol} compares single answers, and there are several turns; take mt_bench_pair"


def lacks_baseline(item: Item) -> str | None:
    """What an item lacks to be compared; ``None`` if nothing."""
    turns = 1 + len(item.follow_ups)
    found = len(baseline_of(item))
    if found >= turns:
        return None
    lacking = "no answer" if not found else f"{found} of {turns} answers"
    return (
        f"there is {lacking} to compare with. Name a file of them (--against), or put one into each item: "
        f'"metadata": {{"baseline": "..."}}'
    )


def with_baseline(
    benchmark: Benchmark,
    answers: Mapping[str, Sequence[str]],
    *,
    source: str,
    model: str | None = None,
    kinds: Collection[str] | None = None,
) -> Benchmark:
    """The benchmark with these answers as its baseline, in the place of those that it has.

    Args:
        benchmark: The questions.
        answers: The answers to each item's turns, by its id; those to other items are left out.
        source: Where they come from, for errors.
        model: Who gave them.
        kinds: The kinds of items that need one; ``None`` for all.

    Raises:
        BenchmarkError: Items have no answer; all are told.
    """
    needing = [item.id for item in benchmark.items if kinds is None or item.kind in kinds]
    lacking = [name for name in needing if name not in answers]
    if lacking:
        listed = ", ".join(repr(name) for name in lacking[:5]) + (", ..." if len(lacking) > 5 else "")
        raise BenchmarkError(
            [
                DataProblem(
                    file=source,
                    line=None,
                    field="id",
                    message=f"holds no answer to {len(lacking)} of {len(needing)} questions: {listed}",
                    way_out="Give an answer to each, or leave these questions out with a filter or --limit",
                )
            ]
        )
    return replace(benchmark, items=tuple(_changed(item, answers.get(item.id), model) for item in benchmark.items))


def _changed(item: Item, answers: Sequence[str] | None, model: str | None) -> Item:
    kept = {name: value for name, value in item.metadata.items() if name not in (_KEY, _WHO)}
    if answers is None:
        return replace(item, metadata=kept)
    who = {} if model is None else {_WHO: model}
    return replace(item, metadata={**kept, _KEY: _plain(answers), **who})


def _plain(answers: Sequence[str]) -> str | list[str]:
    return answers[0] if len(answers) == 1 else list(answers)
