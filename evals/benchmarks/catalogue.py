"""Finds a benchmark by its name, or reads a file, and takes the part of it that is wanted."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any

from archon_graph.evals.benchmarks.benchmark import Benchmark
from archon_graph.evals.benchmarks.problems import UnknownBenchmarkError, nearest
from archon_graph.evals.benchmarks.reading import looks_like_path

BENCHMARKS: Mapping[str, str] = MappingProxyType(
    {
        "starter": "archon_graph.evals.benchmarks.starter:starter",
        "gsm8k": "archon_graph.evals.benchmarks.gsm8k:gsm8k",
        "math": "archon_graph.evals.benchmarks.hendrycks_math:math",
        "human_eval": "archon_graph.evals.benchmarks.human_eval:human_eval",
        "mbpp": "archon_graph.evals.benchmarks.mbpp:mbpp",
        "mmlu": "archon_graph.evals.benchmarks.mmlu:mmlu",
        "mt_bench": "archon_graph.evals.benchmarks.mt_bench:mt_bench",
        "arena_hard": "archon_graph.evals.benchmarks.arena_hard:arena_hard",
        "alpaca_eval": "archon_graph.evals.benchmarks.alpaca_eval:alpaca_eval",
        "mixeval": "archon_graph.evals.benchmarks.mixeval:mixeval",
        "mixeval_hard": "archon_graph.evals.benchmarks.mixeval:mixeval_hard",
        "code_contests": "archon_graph.evals.benchmarks.code_contests:code_contests",
        "jsonl": "archon_graph.evals.benchmarks.jsonl:jsonl",
    }
)
"""The function that loads each benchmark, as ``module:function``."""


def load_benchmark(
    name: str | Path,
    *,
    path: str | Path | None = None,
    where: Mapping[str, Any] | None = None,
    split: str | None = None,
    limit: int | None = None,
    seed: int = 0,
    **options: Any,
) -> Benchmark:
    """Load a benchmark by name, or questions of your own from a file, and take a part of it.

        load_benchmark("questions.jsonl", split="search", limit=50)
        load_benchmark("gsm8k", path="test.jsonl", limit=100)
        load_benchmark("math", where={"level": 5})

    Filters come first, then the split, then the sample.

    Args:
        name: A name of `BENCHMARKS`, with ``-`` or ``_``, or the path of a JSON lines file.
        path: The file of a published benchmark; without it, the benchmark comes from the hub.
        where: What the items' metadata must be, see `Benchmark.where`.
        split: ``search``, ``selection``, ``holdout``, or a split that the items' metadata names.
        limit: At most so many items, drawn by the seed.
        seed: Which sample ``limit`` draws. It has no say in the splits.
        options: What else the benchmark's own loader takes: ``part``, ``revision``, ``prompt``, ``kind``.

    Raises:
        UnknownBenchmarkError: No such benchmark, split or metadata field; names the nearest.
        BenchmarkError: The data has problems; all are reported.
        MissingExtraError: The hub is asked for, and ``datasets`` is not installed.
        TypeError: The benchmark's loader does not take one of the options.
        ValueError: No item is left.
    """
    benchmark = _load(name, path, options)
    if where:
        benchmark = benchmark.where(where)
    if split is not None:
        benchmark = benchmark.in_split(split)
    return benchmark if limit is None else benchmark.sample(limit, seed=seed)


def _load(name: str | Path, path: str | Path | None, options: dict[str, Any]) -> Benchmark:
    known = str(name).lower().replace("-", "_")
    if isinstance(name, Path) or (known not in BENCHMARKS and looks_like_path(name)):
        known, path = "jsonl", name
    if known not in BENCHMARKS:
        raise UnknownBenchmarkError(
            f"no benchmark is called {str(name)!r}{nearest(known, BENCHMARKS)}; known are "
            f"{', '.join(BENCHMARKS)}, and the path of a file of your own (questions.jsonl)"
        )
    module, _, function = BENCHMARKS[known].partition(":")
    loader: Callable[..., Benchmark] = getattr(import_module(module), function)
    taken = inspect.signature(loader).parameters
    if known == "jsonl" and path is None:
        raise UnknownBenchmarkError("jsonl is the form of a file of your own; give its path: questions.jsonl")
    if path is None and "path" in taken and taken["path"].default is inspect.Parameter.empty:
        raise UnknownBenchmarkError(f"{known} is read from a file, and none was given; give its path: --path FILE")
    for option in options:
        if option not in taken:
            own = [key for key in taken if key != "path"]
            raise TypeError(
                f"benchmark {known} takes no {option!r}{nearest(option, own)}; it takes {', '.join(own) or 'none'}"
            )
    if path is None:
        return loader(**options)
    if "path" not in taken:
        raise TypeError(f"benchmark {known} comes with the package and takes no path, got {str(path)!r}")
    return loader(path, **options)
