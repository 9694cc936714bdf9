"""docs/write_a_component.md says what is so: its files make a package, which passes the kit and runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from archon_graph.testing import ComponentConformance
from tests.testing.plugin import install, python

ROOT = Path(__file__).parent.parent.parent
HOWTO = (ROOT / "docs" / "write_a_component.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```\w+\n(.*?)^```", HOWTO, flags=re.MULTILINE | re.DOTALL)
FILES = {named[1]: block[named.end() :] for block in BLOCKS if (named := re.match(r"# (\S+\.\w+)\n", block))}
PROGRAMS = [block for block in BLOCKS if not re.match(r"# \S+\.\w+\n", block)]


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """The files of the page, each where it says."""
    where = tmp_path_factory.mktemp("project")
    for name, text in FILES.items():
        path = where / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return where


@pytest.fixture(scope="module")
def target(project, tmp_path_factory) -> Path:
    """Where the package of the page is installed."""
    where = tmp_path_factory.mktemp("installed")
    install(project, where)
    return where


def test_the_page_shows_the_package_that_is_tested():
    """Where it shows a file of tests/plugin_package, it shows all of it."""
    package = ROOT / "tests" / "plugin_package"
    shown = [name for name in FILES if (package / name).is_file()]
    assert len(shown) == 4
    for name in shown:
        assert FILES[name] == (package / name).read_text(encoding="utf-8")


def test_its_components_keep_the_laws(project, target):
    """As their own tests say, with warnings as errors."""
    ran = python("-m", "pytest", "-q", "-W", "error", "tests", target=target, cwd=project)
    assert ran.returncode == 0, ran.stdout
    assert len(list(project.glob("tests/test_*.py"))) == 2


def test_its_program_runs(project, target):
    """With the package installed and never imported by hand."""
    [program] = PROGRAMS
    ran = python("-W", "error", "-c", program, target=target, cwd=project)
    assert (ran.returncode, ran.stderr) == (0, "")


def test_it_names_every_law():
    """Each once, and no other."""
    laws = [name for name in dir(ComponentConformance) if name.startswith("test_")]
    assert sorted(re.findall(r"^\| `(test_\w+)`", HOWTO, flags=re.MULTILINE)) == laws
