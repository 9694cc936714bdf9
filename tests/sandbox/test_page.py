"""docs/sandbox.md: its examples run, and the backend in it holds. Figures of the design page are right."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

from archon_graph.sandbox import probe, probing
from tests.sandbox.attacks import ATTACKS
from tests.sandbox.cheats import IN_ONE_PROCESS, WITH_A_WEAK_TEST, WITH_ONE_ANSWER
from tests.sandbox.conftest import works_here
from tests.sandbox.test_users import as_nobody, as_root, has_python

PAGE = Path(__file__).parents[2] / "docs" / "sandbox.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def test_the_design_page_counts_what_is_there() -> None:
    text = (PAGE.parent / "design" / "sandbox.md").read_text(encoding="utf-8")
    cheats = [*IN_ONE_PROCESS, *WITH_ONE_ANSWER, *WITH_A_WEAK_TEST]
    told = re.findall(r"(\d+) attacks\b.*?\b(\d+) cheats", text, flags=re.DOTALL)
    assert told == [(str(len(ATTACKS)), str(len(cheats)))]


@works_here
def test_the_examples_run(capsys: pytest.CaptureFixture[str]) -> None:
    scope: dict[str, object] = {}
    for block in BLOCKS[:2]:
        exec(block, scope)  # noqa: S102
    assert capsys.readouterr().out.endswith(
        "ok 42\n\nFalse line 1: assert square(3) == 10: the left side is 9, the right side 10\nTrue\n"
    )


def test_the_backend_can_be_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "_backends", dict(probing._backends))
    monkeypatch.setattr(probing, "_probed", {})
    monkeypatch.setenv("PATH", "/not/there")
    exec(BLOCKS[2], {})  # noqa: S102
    assert probe("bubblewrap").problem == "there is no bwrap on the path; install the package bubblewrap"


@as_root
@has_python
@pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed")
def test_the_backend_holds() -> None:
    printed = as_nobody(
        f"import os\nos.environ['PATH'] = {os.environ['PATH']!r}\n{BLOCKS[2]}"
        "print(probe('bubblewrap').problem, probe().backend)\n"
        "sandbox = Sandbox()\n"
        "print(sandbox.run_python_sync('import os\\nos.fork()\\nprint(1)', limits=TIGHT).status)\n"
        "print(sandbox.run_python_sync('import time\\ntime.sleep(99)', limits=Limits(wall_seconds=1)).status)\n"
        "print(sandbox.run_python_sync('import os\\nos.abort()', limits=TIGHT).detail)\n"
        "print(check_sync(sandbox, 'def f(x): return x * x', 'assert f(3) == 9', limits=TIGHT).passed)\n"
    )
    assert printed == " bubblewrap\nok\ntimeout\nSIGABRT ended it\nTrue\n"
