"""What the page on searching says is so: its example runs, its keys and options are there, and no others."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from typer.main import get_command

from archon_graph import Architecture
from archon_graph.cli import app
from archon_graph.models import register_model
from archon_graph.search.axes import NAMES
from archon_graph.search.spec import _KEYS, StudySpec
from tests.evals import doubling

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "search.md").read_text(encoding="utf-8")


async def test_the_example_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    [code] = re.findall(r"^```python\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ARCHON_GRAPH_CACHE", str(tmp_path / "cache.sqlite"))
    doubling.write_benchmark(tmp_path / "questions.jsonl", 12)
    spec = register_model("page", doubling.model())
    body = "".join(f"    {line}\n" for line in code.replace("local:coder-0.5b", spec).splitlines())
    scope: dict[str, object] = {}
    exec(f"async def block():\n{body}", scope)  # noqa: S102 - our own page
    await scope["block"]()  # type: ignore[operator]
    assert "my-study/report.html" in capsys.readouterr().out
    assert Architecture.load("cheap.yaml").max_calls == 1


def test_the_file_it_shows_is_a_study(tmp_path: Path):
    [text] = re.findall(r"^```yaml\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)
    doubling.write_benchmark(tmp_path / "questions.jsonl", 30)
    (tmp_path / "study.yaml").write_text(text, encoding="utf-8")
    spec = StudySpec.load(tmp_path / "study.yaml")
    assert spec.trials == yaml.safe_load(text)["trials"]


def rows(head: str) -> list[list[str]]:
    """The names in the first column of the table with this head."""
    table = PAGE.split(f"| {head} |", 1)[1].split("\n\n", 1)[0]
    return [re.findall(r"`([a-z_]+)`", line.split("|")[1]) for line in table.splitlines()[2:]]


def test_it_names_every_key_and_every_axis():
    assert sorted(name for names in rows("key") for name in names) == sorted(_KEYS)
    assert sorted(name for names in rows("axis") for name in names) == sorted(NAMES)


def test_what_holds_without_a_key_is_the_default():
    told = dict(re.findall(r"^\| `(\w+)` \|[^|]*\| `?([\w.]+)`? \|$", PAGE, flags=re.MULTILINE))
    fields = StudySpec.__dataclass_fields__
    for key in ("trials", "parallel", "cost", "finalists", "search_share", "seed"):
        assert told[key] == str(fields[key].default), key
    assert told["ablate"] == str(fields["ablate"].default).lower()


def test_its_options_are_options():
    known = {
        option
        for name in ("search", "report")
        for parameter in get_command(app).commands[name].params  # type: ignore[attr-defined]
        for option in parameter.opts
    }
    assert set(re.findall(r"--[a-z-]+[a-z]", PAGE)) <= known


def test_its_links_lead_to_files():
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", PAGE):
        assert (DOCS / target).exists(), target
