"""AlpacaEval 2.0: instructions whose answers are compared with a baseline's outputs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from archon_graph.evals.benchmarks.benchmark import Benchmark
from archon_graph.evals.benchmarks.fields import take_text
from archon_graph.evals.benchmarks.item import Item
from archon_graph.evals.benchmarks.problems import Draft
from archon_graph.evals.benchmarks.reading import Row, need_path, read_objects

_WAY_OUT = "Give the path of gpt4_1106_preview's model_outputs.json, from the repository tatsu-lab/alpaca_eval"


def alpaca_eval(path: str | Path | None = None, *, outputs: str | Path | None = None) -> Benchmark:
    """AlpacaEval 2.0, from the baseline's outputs as its authors publish them: they are the evaluation set.

    The file is a JSON list of ``{"dataset", "instruction", "output", "generator"}``. Instructions are asked as
    they stand, since the order in which a judge sees the outputs is drawn from their characters. Ids are
    ``alpaca_eval/1`` for the first record and so on. An item's metadata are its ``dataset``, the ``baseline``
    (that output), the ``baseline_model`` and the ``index``, its number in the published set from 0. No rule scores
    these items: they are of the kind ``preference``, for a judge.

    There is no way to the hub: the data set there is read by code that comes with it, and such code is never run.
    The data may not be used commercially (CC BY-NC 4.0).

    Source: Dubois et al., Length-controlled AlpacaEval (arXiv 2404.04475).

    Args:
        path: The file.
        outputs: Another baseline: a file of the same form, with an output to each of these instructions.

    Raises:
        BenchmarkError: There is no path, or the data has problems; all are reported.
    """
    file = need_path(path, "alpaca_eval", _WAY_OUT)
    draft = Draft(file=str(file))
    items = _items(read_objects(file, draft), draft)
    if outputs is not None:
        items = _with_baseline(items, Path(outputs), draft)
    draft.raise_if_any()
    source = str(path) if outputs is None else f"{path}, baseline {outputs}"
    return Benchmark(name="alpaca_eval", items=tuple(items), source=source)


def _items(rows: list[Row], draft: Draft) -> list[Item]:
    items = []
    first: dict[str, int] = {}
    for number, row in enumerate(rows):
        taken = {name: take_text(row, name, draft) for name in ("dataset", "instruction", "generator")}
        output = _output(row, draft)
        found = {name: text for name, text in taken.items() if text is not None}
        if len(found) < len(taken) or output is None:
            continue
        instruction = found["instruction"]
        if instruction in first:
            message = f"{instruction[:60]!r} stands at record {first[instruction]} already"
            draft.add(row.line, "instruction", message, "Remove one of the two")
        first.setdefault(instruction, row.line)
        items.append(
            Item(
                id=f"alpaca_eval/{number + 1}",
                input=instruction,
                metadata={
                    "dataset": found["dataset"],
                    "baseline": output,
                    "baseline_model": found["generator"],
                    "index": number,
                },
                kind="preference",
            )
        )
    return items


def _with_baseline(items: list[Item], path: Path, draft: Draft) -> list[Item]:
    """The items, held against the outputs in another file."""
    own = Draft(file=str(path))
    baselines: dict[str, tuple[str, str]] = {}
    for row in read_objects(path, own):
        instruction = take_text(row, "instruction", own)
        generator = take_text(row, "generator", own)
        output = _output(row, own)
        if instruction is None or generator is None or output is None:
            continue
        if instruction in baselines:
            own.add(row.line, "instruction", f"{instruction[:60]!r} stands here twice", "Remove one of the two")
        baselines[instruction] = output, generator
    read = not own.problems
    changed = []
    for item in items:
        output, generator = baselines.get(str(item.input), ("", ""))
        if generator:
            metadata = {**item.metadata, "baseline": output, "baseline_model": generator}
            changed.append(replace(item, metadata=metadata))
        elif read:
            message = f"no output to {item.id}, {str(item.input)[:60]!r}"
            own.add(None, "instruction", message, "Add it; the instruction has to be the same to the character")
    draft.problems.extend(own.problems)
    return changed


def _output(row: Row, draft: Draft) -> str | None:
    """An output; a model may have written nothing, which is an output, too."""
    value = row.data.get("output")
    return value if isinstance(value, str) and not value.strip() else take_text(row, "output", draft)
