"""Questions with a way to score an answer: benchmarks in their published formats, and your own."""

from archon_graph.evals.benchmarks.benchmark import SPLITS, Benchmark, drawn_split
from archon_graph.evals.benchmarks.catalogue import BENCHMARKS, load_benchmark
from archon_graph.evals.benchmarks.gsm8k import gsm8k
from archon_graph.evals.benchmarks.hendrycks_math import math
from archon_graph.evals.benchmarks.human_eval import human_eval
from archon_graph.evals.benchmarks.item import KINDS, Item
from archon_graph.evals.benchmarks.jsonl import jsonl
from archon_graph.evals.benchmarks.mbpp import mbpp
from archon_graph.evals.benchmarks.mmlu import mmlu
from archon_graph.evals.benchmarks.problems import BenchmarkError, DataProblem, UnknownBenchmarkError

__all__ = [
    "BENCHMARKS",
    "KINDS",
    "SPLITS",
    "Benchmark",
    "BenchmarkError",
    "DataProblem",
    "Item",
    "UnknownBenchmarkError",
    "drawn_split",
    "gsm8k",
    "human_eval",
    "jsonl",
    "load_benchmark",
    "math",
    "mbpp",
    "mmlu",
]
