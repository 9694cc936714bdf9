"""The README says what is so: its examples run, its diagram and its messages are the real ones.

`pytest --snapshot-update tests/test_readme.py` writes the generated parts anew.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from typer.testing import CliRunner

from archon_graph import Architecture, Fuser, Generator, Ranker, ScriptedModel, register_model
from archon_graph.cli import app

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", README.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def diagram() -> str:
    """The diagram the README shows, of the architecture it names."""
    architecture = (
        [Generator("openai:gpt-4o", samples=3), Generator("together:Qwen/Qwen2.5-72B-Instruct-Turbo", samples=3)]
        | Ranker("openai:gpt-4o", top_k=3)
        | Fuser("openai:gpt-4o")
    )
    return f"```mermaid\n{architecture.draw_mermaid()}\n```"


def refusal() -> str:
    """What the command in the README prints."""
    outcome = CliRunner().invoke(app, ["check", "tests/resources/five_problems.yaml"])
    return f"```text\n{outcome.output.rstrip()}\n```"


@tool
def look_up(word: str) -> str:
    """Look a word up."""
    return f"{word} is a word"


@pytest.mark.parametrize(("name", "made"), [("diagram", diagram), ("refusal", refusal)])
def test_generated_parts_are_current(name, made, request, monkeypatch):
    """The part between the comments is what the code gives today."""
    monkeypatch.chdir(ROOT)
    text = README.read_text(encoding="utf-8")
    pattern = re.compile(rf"(<!-- {name}: [^>]*-->\n\n).*?(\n<!-- end -->)", re.DOTALL)
    found = pattern.search(text)
    assert found, f"the README has no part called {name}"
    current = f"{found[1]}{made()}\n{found[2]}"
    if request.config.getoption("--snapshot-update"):
        README.write_text(text.replace(found[0], current), encoding="utf-8")
    assert current in README.read_text(encoding="utf-8"), "run: pytest --snapshot-update tests/test_readme.py"


async def test_examples_run(monkeypatch, capsys, tmp_path):
    """Each Python block, in order, with a model that needs no file."""
    monkeypatch.chdir(tmp_path)  # one of them keeps its answers in a file
    model = ScriptedModel(lambda call: "[2] > [1]" if "judge" in call.prompt else "answer")
    spec = register_model("readme", model)
    scope: dict[str, object] = {"checkpointer": InMemorySaver(), "look_up": look_up}
    assert BLOCKS
    for block in BLOCKS:
        code = block.replace("local:coder-0.5b", spec)
        if "await " in code:
            body = "".join(f"    {line}\n" for line in code.splitlines())
            exec(f"async def block():\n{body}    return state\n", scope)  # noqa: S102 - our own README
            state = await scope["block"]()  # type: ignore[operator]
            assert state["messages"][-1].text == "answer"
        else:
            exec(code, scope)  # noqa: S102
    assert "answer" in capsys.readouterr().out
    assert isinstance(scope["architecture"], Architecture)


def test_links_lead_to_files():
    """Every relative link of the README exists."""
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README.read_text(encoding="utf-8")):
        assert (ROOT / target).exists(), target
