"""What the pages on search spaces say is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from archon_graph.search.axes import DOMAINS
from archon_graph.search.space import SearchSpace

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "search_space.md").read_text(encoding="utf-8")
DESIGN = (DOCS / "design" / "search_space.md").read_text(encoding="utf-8")


def test_the_example_runs_and_its_file_says_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    [code] = re.findall(r"^```python\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)
    [text] = re.findall(r"^```yaml\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)
    scope: dict[str, object] = {}
    exec(code, scope)  # noqa: S102 - our own page
    assert "flowchart" in capsys.readouterr().out
    path = tmp_path / "space.yaml"
    path.write_text(text)
    assert SearchSpace.load(path) == scope["space"]


def test_every_axis_is_told_of_with_its_default_values():
    table = PAGE[PAGE.index("| axis |") : PAGE.index("### Evaluations")]
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]*) \|", table, flags=re.MULTILINE))
    for name, domain in DOMAINS.items():
        said = rows[name].replace("`", "")
        assert said == ", ".join("the provider's own" if value is None else str(value) for value in domain.default)


def test_the_command_prints_what_the_page_says(capsys: pytest.CaptureFixture[str]):
    [(code, said)] = re.findall(r'^\$ python -c "(.*)"\n(.*)$', DESIGN, flags=re.MULTILINE)
    exec(code, {})  # noqa: S102 - our own page
    assert capsys.readouterr().out.splitlines()[0] == said
