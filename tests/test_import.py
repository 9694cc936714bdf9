"""Importing archon-graph is cheap: what only some runs need is loaded by those."""

from __future__ import annotations

import subprocess
import sys

HEAVY = (
    "huggingface_hub",
    "langchain",
    "langchain_openai",
    "langchain_together",
    "openai",
    "skopt",
    "sklearn",
    "typer",
    "xllamacpp",
)


def loaded_by(statement: str) -> set[str]:
    """The packages of `HEAVY` that a fresh Python has loaded after a statement."""
    code = f"{statement}\nimport sys\nprint(*(name for name in {HEAVY!r} if name in sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    return set(ran.stdout.split())


def test_importing_loads_no_provider_no_search_and_no_command_line():
    assert loaded_by("import archon_graph, archon_graph.models.local") == set()


def test_composing_and_running_a_scripted_graph_loads_none_either():
    code = """
from archon_graph import Fuser, Generator, ScriptedModel
model = ScriptedModel(lambda call: "x")
assert (Generator(model, samples=2) | Fuser(model)).run("q").answer == "x"
"""
    assert loaded_by(code) == set()


def test_a_strategy_can_be_asked_before_what_only_some_need_is_loaded():
    code = """
from archon_graph.search import AskTell, SearchSpace, find_strategy
[point] = AskTell(find_strategy("random"), SearchSpace(["openai:gpt-4o-mini"], samples=[1, 2])).ask()
"""
    assert loaded_by(code) == set()


def test_the_command_line_loads_no_provider_before_one_is_used():
    assert loaded_by("import archon_graph.cli") <= {"typer"}
