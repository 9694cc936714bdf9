"""``starter``: 120 short tasks of our own that ship with the package, for a first measurement without a download.

Four areas, 30 tasks each, a file for each area:

    arithmetic   word problems; the target is a number
    code         small Python functions; the tests are asserts
    fact         short facts; the target is a number, a word, or the letter of a choice
    format       requests for an exact form, checked by `rules`

In each area are 9 easy, 12 medium and 9 hard tasks, and each of the splits ``search``, ``selection`` and
``holdout`` has a third of every area and difficulty. They are graded for a model of half a billion parameters.
"""

from archon_graph.evals.benchmarks.starter.format import Format
from archon_graph.evals.benchmarks.starter.loading import AREAS, DIFFICULTIES, SPLITS, starter
from archon_graph.evals.benchmarks.starter.rules import RULES, Rule, broken_rules, misstated

__all__ = [
    "AREAS",
    "DIFFICULTIES",
    "RULES",
    "SPLITS",
    "Format",
    "Rule",
    "broken_rules",
    "misstated",
    "starter",
]
