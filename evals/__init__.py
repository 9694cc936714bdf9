"""What architectures are worth: benchmarks, scorers, the runner, statistics, and a report."""

from archon_graph.evals.benchmarks import Benchmark, Item, load_benchmark
from archon_graph.evals.comparison import Standing, Summary, compare_architectures
from archon_graph.evals.curves import SampleCurves, recorded_curves, sample_curves
from archon_graph.evals.log import EvaluationLog, LogError, Row
from archon_graph.evals.runner import Evaluation, Progress, evaluate
from archon_graph.evals.scorers import UNSCORED, ByKind, Score, Scorer

__all__ = [
    "UNSCORED",
    "Benchmark",
    "ByKind",
    "Evaluation",
    "EvaluationLog",
    "Item",
    "LogError",
    "Progress",
    "Row",
    "SampleCurves",
    "Score",
    "Scorer",
    "Standing",
    "Summary",
    "compare_architectures",
    "evaluate",
    "load_benchmark",
    "recorded_curves",
    "sample_curves",
]
