"""A component from another package is as good as ours: found by name, loaded from a file, held to the laws."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from archon_graph.testing import ComponentConformance
from tests.testing.plugin import install, python

PACKAGE = Path(__file__).parent.parent / "plugin_package"


@pytest.fixture(scope="module")
def target(tmp_path_factory) -> Path:
    """Where the plug-in is installed."""
    where = tmp_path_factory.mktemp("installed")
    install(PACKAGE, where)
    return where


def test_an_architecture_with_a_plugin_is_loaded_and_run(target, tmp_path):
    """By a program that never imports the plug-in; the kit is not loaded either."""
    shutil.copy(PACKAGE / "three_drafts.yaml", tmp_path)
    code = """
import sys
from archon_graph import Architecture, ScriptedModel, register_model
from archon_graph.core import techniques

register_model("drafts", ScriptedModel(["a long one", "short", "longer"]))
assert not {"archon_graph_shortest", "archon_graph.testing", "pytest"} & set(sys.modules)
assert "shortest" in techniques()
architecture = Architecture.load("three_drafts.yaml")
print(architecture.run("q").answer)
assert "shortest_1" in architecture.draw_mermaid()
"""
    ran = python("-W", "error", "-c", code, target=target, cwd=tmp_path)
    assert (ran.stdout, ran.stderr) == ("short\n", "")


def test_the_command_line_knows_a_plugin(target, tmp_path):
    """And its own rules are applied."""
    text = (PACKAGE / "three_drafts.yaml").read_text(encoding="utf-8")
    (tmp_path / "greedy.yaml").write_text(text.replace("keep: 1", "keep: 9"), encoding="utf-8")
    command = "from archon_graph.cli import main; main()"
    ran = python("-c", command, "check", "greedy.yaml", target=target, cwd=tmp_path)
    assert ran.returncode != 0
    assert "keep is 9, and only 3 candidates come in" in " ".join((ran.stdout + ran.stderr).split())


def test_the_kit_passes_in_the_plugins_own_tests(target, tmp_path):
    """Under a pytest without plug-ins of its own or configuration of ours, with warnings as errors."""
    shutil.copytree(PACKAGE / "tests", tmp_path / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    ran = python("-m", "pytest", "-q", "-W", "error", "tests", target=target, cwd=tmp_path)
    assert ran.returncode == 0, ran.stdout
    counted = re.search(r"(\d+) passed, (\d+) skipped", ran.stdout)
    assert counted is not None
    # Two settings, and a test of its own; the laws about models are skipped.
    laws = sum(name.startswith("test_") for name in dir(ComponentConformance))
    assert int(counted[1]) + int(counted[2]) == 2 * laws + 1
