"""What an answer is worth, by rule: as text, number, mathematics, choice, or program."""

from archon_graph.evals.scorers.base import UNSCORED, Score, Scorer, Unscored, Value
from archon_graph.evals.scorers.by_kind import SCORERS, ByKind
from archon_graph.evals.scorers.choice import Choice
from archon_graph.evals.scorers.code import Code
from archon_graph.evals.scorers.exact import Exact
from archon_graph.evals.scorers.math_equivalence import MathEquivalence
from archon_graph.evals.scorers.numeric import Numeric

__all__ = [
    "SCORERS",
    "UNSCORED",
    "ByKind",
    "Choice",
    "Code",
    "Exact",
    "MathEquivalence",
    "Numeric",
    "Score",
    "Scorer",
    "Unscored",
    "Value",
]
