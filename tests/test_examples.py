"""Every example runs, from its first line to its last, with models that answer at once."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

from tests.docs.fakes import use_fakes

EXAMPLES = Path(__file__).parent.parent / "examples"

# What an example shows is in what it prints.
SHOWS = {
    "agent.py": "It is 21 degrees in a text.",
    "agent_tool.py": "think",
    "budgets.py": "stopped by: budget; calls paid: 3",
    "chat_model.py": "generator_1",
    "compose_a_graph.py": "6 calls, 3 of them one after the other",
    "evaluate_your_questions.py": "vote",
    "judge_answers.py": "of 2 pairs in both orders",
    "lcel_pipe.py": "- ",
    "node_in_a_graph.py": "4 messages are kept",
    "search_small.py": "single",
    "structured_output.py": "name='a text' country='a text'",
    "subgraph_with_approval.py": "draft: ",
}


@pytest.mark.parametrize("file", sorted(path.name for path in EXAMPLES.glob("*.py")))
def test_an_example_runs(
    file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ARCHON_GRAPH_MODEL", raising=False)
    use_fakes(monkeypatch)

    runpy.run_path(str(EXAMPLES / file), run_name="__main__")

    assert SHOWS[file] in capsys.readouterr().out


def test_the_table_of_examples_is_whole():
    named = re.findall(r"^\| `([^`]+)`", (EXAMPLES / "README.md").read_text(encoding="utf-8"), flags=re.MULTILINE)

    assert sorted(named) == sorted([*SHOWS, "studio/"])
    assert sorted(SHOWS) == sorted(path.name for path in EXAMPLES.glob("*.py"))
