"""Every block of code in the pages is run, loaded or checked; what a page shows as printed is what is printed."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from archon_graph import Generator, Ranker
from archon_graph.models.cache import ResponseCache
from tests.cli.command import Command
from tests.docs.blocks import PAGES, ROOT, Block, blocks_of
from tests.docs.fakes import use_fakes
from tests.docs.running import Runner
from tests.evals import doubling

# Pages whose Python has a test of its own, which looks at more than that it runs.
ELSEWHERE = {
    "README.md": "tests/test_readme.py",
    "docs/eval.md": "tests/evals/test_eval_page.py",
    "docs/sandbox.md": "tests/sandbox/test_page.py",
    "docs/search.md": "tests/search/test_search_page.py",
    "docs/search_space.md": "tests/search/test_space_page.py",
    "docs/write_a_component.md": "tests/testing/test_howto.py",
    "docs/write_a_strategy.md": "tests/search/test_strategies.py",
}

# Pages whose commands run. Those of the others are read by the command line's own parser: they name files of the
# reader, or are a list of what there is.
COMMANDS_RUN = {"docs/compose.md", "docs/draw.md", "docs/embed.md", "docs/index.md", "docs/tutorial.md"}


def recorded(folder: Path) -> dict[str, Any]:
    """An architecture, and a tape."""
    shutil.copy(ROOT / "tests" / "tapes" / "coder-0.5b.jsonl.gz", folder / "run.jsonl.gz")
    return {"architecture": Generator("local:coder-0.5b", samples=3) | Ranker("local:coder-0.5b")}


def tutorial(folder: Path) -> dict[str, Any]:
    """What the model said in those calls of the tutorial that are made live."""
    with ResponseCache(folder / "tutorial.sqlite") as cache:
        cache.load(ROOT / "tests" / "docs" / "tutorial.jsonl.gz")
    return {}


def open_questions(folder: Path) -> dict[str, Any]:
    """Questions with answers to beat."""
    lines = [
        {"id": name, "input": f"What is {name}?", "kind": "open", "metadata": {"baseline": f"{name}."}}
        for name in ("rust", "moss", "ice", "tea", "salt", "dew", "fog", "ash", "silt", "loam", "peat", "tar")
    ]
    answers = [{"id": line["id"], "answer": f"{line['id']}."} for line in lines]
    for file, records in (("questions.jsonl", lines), ("baseline.jsonl", answers)):
        (folder / file).write_text("".join(f"{json.dumps(one)}\n" for one in records), encoding="utf-8")
    return {}


# What pages take as given: names, and files.
GIVEN: dict[str, Callable[[Path], dict[str, Any]]] = {
    "docs/cache.md": recorded,
    "docs/judge.md": open_questions,
    "docs/tutorial.md": tutorial,
}

# Why blocks are not run, and how many. A new reason is a decision: it is written down here as well.
NOT_RUN = {
    "drawn by hand": 1,
    "it serves until it is interrupted": 1,
    "needs a server that runs": 1,
    "needs mermaid-cli and a browser": 1,
    "seconds differ from run to run": 1,
}


@pytest.mark.parametrize("page", PAGES)
def test_a_page_does_what_it_says(
    page: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
):
    blocks = blocks_of(page)
    if not blocks:
        return
    set_up(tmp_path, monkeypatch)
    runs = page in COMMANDS_RUN
    runner = Runner(
        tmp_path,
        GIVEN[page](tmp_path) if page in GIVEN else {},
        Command(monkeypatch, capfd) if runs else None,
        monkeypatch,
        update=request.config.getoption("--snapshot-update"),
    )
    blocks = [block for block in blocks if not is_elsewhere(block)]
    runner.write_files(blocks)
    for block in blocks:
        try:
            runner.run(block)
        except Exception as error:
            error.add_note(f"in the block at {block.place}")
            raise
    runner.write_page(ROOT / page)
    # Those that follow what draws them are compared there; rules.md is written by its own test.
    drawn = [block for block in blocks if block.language == "mermaid" and not block.follows and not block.reason]
    for block in drawn if page not in {*ELSEWHERE, "docs/rules.md"} else []:
        assert block.text.strip() in runner.everything, f"nothing on the page drew the diagram at {block.place}"


def is_elsewhere(block: Block) -> bool:
    """Whether another test runs it."""
    package = block.page == "docs/write_a_component.md"
    return block.page in ELSEWHERE and (block.language == "python" or (package and block.file is not None))


def set_up(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder in which a page can run: with a few questions, the tapes, and no model but fakes."""
    use_fakes(monkeypatch)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "110")
    monkeypatch.setenv("ARCHON_GRAPH_CACHE", str(folder / "cache.sqlite"))
    doubling.write_benchmark(folder / "questions.jsonl", 30)
    (folder / "benchmarks").symlink_to(ROOT / "benchmarks")


def test_who_is_run_elsewhere_is_run_there():
    for page, test in ELSEWHERE.items():
        text = (ROOT / test).read_text(encoding="utf-8")
        assert Path(page).name in text, f"{test} says nothing of {page}"


def test_reasons_not_to_run_are_known():
    said = Counter(block.reason for page in PAGES for block in blocks_of(page) if block.reason)
    assert said == NOT_RUN


def test_no_comment_means_to_opt_out_and_does_not():
    """It stands right before a block, and is written as it has to be."""
    for page in PAGES:
        meant = len(
            re.findall(r"<!--\s*not[ -]run", (ROOT / page).read_text(encoding="utf-8"), flags=re.IGNORECASE)
        )
        assert meant == sum(block.reason is not None for block in blocks_of(page)), page


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str):
    """To a file, and to a head in it."""
    text = re.sub(r"^```.*?^```", "", (ROOT / page).read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", text):
        name, _, anchor = target.partition("#")
        path = (ROOT / page).parent / name if name else ROOT / page
        assert path.exists(), f"{page}: {target}"
        if anchor and not anchor.startswith("archon_graph."):
            assert anchor in anchors(path), f"{page}: {target}"


def anchors(path: Path) -> set[str]:
    """The ids of the heads of a page."""
    heads = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", head.lower()).strip().replace(" ", "-") for head in heads}
