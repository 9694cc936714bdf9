"""Finds the best architecture for a task and a budget, by measurement, and says how sure it is.

space.py strategies/  what may vary, and which point of it is tried next
racing.py             when a trial is stopped early
searching.py          the search: rounds of trials
finals.py ablation.py baselines.py   the winner, what its nodes add, and what it is held against
study.py store.py     a study: a directory that survives any end
findings.py verdict.py report/       what was found, and what it comes to
"""

from archon_graph.search.asking import AskTell
from archon_graph.search.axes import Axis
from archon_graph.search.findings import Findings
from archon_graph.search.mutation import mutations
from archon_graph.search.point import Point
from archon_graph.search.racing import RacingRule
from archon_graph.search.space import SearchSpace
from archon_graph.search.spec import StudySpec, split_data
from archon_graph.search.strategies import STRATEGIES, Observation, Strategy, find_strategy
from archon_graph.search.study import Progress, Study, run_study
from archon_graph.search.trial import Cost, Trial
from archon_graph.search.verdict import Verdict

__all__ = [
    "STRATEGIES",
    "AskTell",
    "Axis",
    "Cost",
    "Findings",
    "Observation",
    "Point",
    "Progress",
    "RacingRule",
    "SearchSpace",
    "Strategy",
    "Study",
    "StudySpec",
    "Trial",
    "Verdict",
    "find_strategy",
    "mutations",
    "run_study",
    "split_data",
]
