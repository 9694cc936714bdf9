"""Errors that carry what they are about, also into another process."""

from __future__ import annotations

import pickle

from archon_graph import ArchitectureError, NoAnswerError
from archon_graph.core import Loss, Problem


def test_architecture_error_survives_pickling():
    """With its problems and its source."""
    problem = Problem(rule="top-k", where="ranker_1", message="too many", way_out="Fewer")
    error = pickle.loads(pickle.dumps(ArchitectureError([problem], source="a.yaml")))  # noqa: S301 - our own bytes
    assert error.problems == (problem,)
    assert "a.yaml" in str(error)


def test_no_answer_error_survives_pickling():
    """With its losses."""
    loss = Loss(node="g", kind="error", detail="down")
    error = pickle.loads(pickle.dumps(NoAnswerError([loss])))  # noqa: S301 - our own bytes
    assert error.losses == (loss,)
    assert "g: down" in str(error)
