"""The tables of benchmarks/ are what their page says, and the programs that make and use them run."""

from __future__ import annotations

import json
import math
import re
import statistics
import subprocess
import sys

import pytest

from tests.scripts import BENCHMARKS, ROOT

TABLES = BENCHMARKS / "tables"


@pytest.fixture(scope="module")
def tables():
    """The package that reads them, as the programs import it."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import tables

        yield tables
    finally:
        sys.path.remove(str(BENCHMARKS))
        for name in ("tables", "strategies"):
            sys.modules.pop(name, None)


@pytest.mark.parametrize("name", ["recorded", "additive", "ridge"])
def test_a_table_covers_its_space(tables, name):
    """Each point of the space once, within what a score can be, and one best; the page states its size."""
    table = tables.load(name)
    assert len(table.scores) == table.space.size() >= 2000
    assert all(0 < score < 1 for score in table.scores.values())
    assert sum(score == table.optimum for score in table.scores.values()) == 1
    assert f"| `{name}` | {table.space.size():,} |" in (TABLES / "README.md").read_text(encoding="utf-8")
    assert (TABLES / f"{name}.csv.gz").stat().st_size < 300_000


def test_all_tables_are_tested(tables):
    assert set(tables.names()) == {"recorded", "additive", "ridge"}


def test_noise_is_what_the_page_says(tables):
    """A study's errors have the stated size, and a part of them in common; a study always sees the same."""
    table = tables.load("ridge")
    points = list(table.scores)[::20]
    assert table.measured(points[0], 3) == table.measured(points[0], 3)
    off = [[(table.measured(point, study)[0] - table.scores[point]) for point in points] for study in range(60)]
    sizes = [math.sqrt(table.scores[point] * (1 - table.scores[point]) / table.questions) for point in points]
    relative = [[one / size for one, size in zip(row, sizes, strict=True)] for row in off]
    assert statistics.pstdev(one for row in relative for one in row) == pytest.approx(1.0, abs=0.12)
    assert statistics.pstdev(statistics.fmean(row) for row in relative) ** 2 == pytest.approx(
        table.shared, abs=0.2
    )


def test_no_texts_are_in_the_tables(tables):
    """Numbers, and names of settings."""
    import gzip

    for name in tables.names():
        text = gzip.decompress((TABLES / f"{name}.csv.gz").read_bytes()).decode()
        assert re.fullmatch(r'[\w,."\n]+', text)


def test_made_up_tables_are_made_as_they_stand(tables):
    """The program gives the scores that are in the file."""
    code = (
        "import sys, tables, make_tables as make\n"
        "space = tables.space_of('ridge')\n"
        "scores, _ = make.ridge(space)\n"
        "stored = tables.load('ridge').scores\n"
        "print(max(abs(scores[point] - stored[point]) for point in stored))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=BENCHMARKS, timeout=900, check=True
    )
    assert float(ran.stdout) < 1e-5


def test_greedy_is_walked_as_it_is_asked(tables):
    """The benchmark's short cut for it takes as many trials to each tolerance as asking does."""
    import strategies as benchmark

    task = benchmark.Task("additive", "greedy", (), 1, 60)
    assert benchmark.walked_study(task).found == benchmark.study(task).found != {}


def test_the_benchmark_runs(tmp_path):
    """With what costs little; it prints every tolerance and writes its figures."""
    out = tmp_path / "results.json"
    command = [
        sys.executable,
        str(BENCHMARKS / "strategies.py"),
        "--tables",
        "ridge",
        "--strategies",
        "random",
        "grid",
    ]
    ran = subprocess.run(
        [*command, "--studies", "2", "--jobs", "1", "--out", str(out)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=900,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "ridge: 2676 architectures, best 0.7700; 200 questions a trial" in ran.stdout
    rows = json.loads(out.read_text(encoding="utf-8"))["ridge"]["strategies"]["random"]["rows"]
    assert [row["tolerance"] for row in rows][:2] == [0.0, 0.0025]
    assert rows[0]["found"] == 1.0
