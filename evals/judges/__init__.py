"""Answers judged by language models: what judges are asked, how they are read, and how far they can be trusted."""

from archon_graph.evals.judges.answer_files import Answers, answers_of, read_answers, write_answers
from archon_graph.evals.judges.audit import Audit, audit
from archon_graph.evals.judges.baselines import baseline_of, with_baseline
from archon_graph.evals.judges.judge import JudgeScorer
from archon_graph.evals.judges.judging import PROTOCOLS, Judging, find_protocol, judged
from archon_graph.evals.judges.protocol import NO_VERDICT, Game, Protocol, Reading, Verdict, verdicts_of

__all__ = [
    "NO_VERDICT",
    "PROTOCOLS",
    "Answers",
    "Audit",
    "Game",
    "JudgeScorer",
    "Judging",
    "Protocol",
    "Reading",
    "Verdict",
    "answers_of",
    "audit",
    "baseline_of",
    "find_protocol",
    "judged",
    "read_answers",
    "verdicts_of",
    "with_baseline",
    "write_answers",
]
