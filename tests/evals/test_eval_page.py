"""What the page on evaluations says is so: its example runs, and its options are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.main import get_command

from archon_graph.cli import app
from archon_graph.models import register_model
from tests.evals import doubling

PAGE = (Path(__file__).parents[2] / "docs" / "eval.md").read_text(encoding="utf-8")


async def test_the_example_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    [code] = re.findall(r"^```python\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ARCHON_GRAPH_CACHE", str(tmp_path / "cache.sqlite"))
    doubling.write_benchmark(tmp_path / "questions.jsonl", 3)
    spec = register_model("page", doubling.model())
    body = "".join(f"    {line}\n" for line in code.replace("local:coder-0.5b", spec).splitlines())
    scope: dict[str, object] = {}
    exec(f"async def block():\n{body}", scope)  # noqa: S102 - our own page
    await scope["block"]()  # type: ignore[operator]
    assert "my-log/report.html" in capsys.readouterr().out


def test_its_options_are_options():
    """Every one that it names."""
    known = {
        option
        for name in ("eval", "curves")
        for parameter in get_command(app).commands[name].params  # type: ignore[attr-defined]
        for option in parameter.opts
    }
    assert set(re.findall(r"--[a-z-]+[a-z]", PAGE)) <= known


def test_its_links_lead_to_files():
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", PAGE):
        assert (Path(__file__).parents[2] / "docs" / target).exists(), target
