"""docs/rules.md: each rule with a graph it refuses, drawn; the page is made from these examples.

`pytest --snapshot-update tests/test_rules_page.py` writes the page anew.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from archon_graph import (
    Architecture,
    Critic,
    Fuser,
    Generator,
    Ranker,
    UnitTestEvaluator,
    UnitTestGenerator,
)
from archon_graph.core import archon_rules, validation

PAGE = Path(__file__).parent.parent / "docs" / "rules.md"
M = "openai:gpt-4o"

EXAMPLES: dict[str, Architecture] = {
    "empty": Architecture.from_layers([]),
    "bad-name": Generator(M, name="two words") | Fuser(M),
    "cycle": Architecture.from_edges(
        {"draft": Generator(M), "chicken": Fuser(M), "egg": Fuser(M), "last": Fuser(M)},
        [("draft", "chicken"), ("chicken", "egg"), ("egg", "chicken"), ("egg", "last")],
    ),
    "unreachable": Architecture.from_edges(
        {"draft": Generator(M), "a": Fuser(M), "b": Fuser(M), "behind": Fuser(M), "last": Fuser(M)},
        [("draft", "last"), ("a", "b"), ("b", "a"), ("b", "behind"), ("behind", "last")],
    ),
    "dead-end": Architecture.from_edges(
        {"draft": Generator(M), "spare": Fuser(M), "best": Fuser(M), "last": Fuser(M)},
        [("draft", "spare"), ("draft", "best"), ("best", "last")],
    ),
    "first-layer": Ranker(M) | Fuser(M),
    "no-generator": UnitTestGenerator(M) | UnitTestEvaluator(M),
    "top-k": Generator(M, samples=2) | Ranker(M, top_k=5),
    "no-tests": Generator(M, samples=3) | UnitTestEvaluator(M, top_k=1),
    "quorum-too-large": Generator(M, samples=3) | Fuser(M, min_candidates=5),
    "timeout-without-quorum": Generator(M, samples=3) | Fuser(M, straggler_timeout=2.0),
    "idle-quorum": Generator(M, samples=3) | [Fuser(M, min_candidates=2), Ranker(M, top_k=1)] | Fuser(M),
    "many-candidates": Generator(M, samples=40) | Fuser(M),
    "unread-critiques": Generator(M) | Critic(M),
    "unread-tests": Generator(M, use_tests=False) | UnitTestGenerator(M),
    "several-answers": Generator(M, samples=3) | Ranker(M),
    "archon-one-technique": Generator(M, samples=3) | [Ranker(M, top_k=1), Fuser(M)] | Fuser(M),
    "archon-generators-first": Generator(M, samples=3) | Ranker(M, top_k=1) | Generator(M),
    "archon-full-layers": Architecture.from_edges(
        {"draft": Generator(M), "better": Fuser(M), "best": Fuser(M)},
        [("draft", "better"), ("better", "best"), ("draft", "best")],
    ),
    "archon-critic": Generator(M, samples=3) | UnitTestGenerator(M) | Critic(M) | UnitTestEvaluator(M) | Fuser(M),
}

HEAD = """# Rules

An architecture is checked before any model is called: by `compile`, `run` and `load`, by `archon-graph check`,
and by `Architecture.validate()`. Everything that is wrong is reported at once. An error stops the run, a warning
does not.

`validate(rules="archon")` adds the stricter rules of the Archon paper (their ids begin with `archon-`), under
which its architectures are searched. Files have rules of their own about keys and settings; those are in the
messages.
"""


def section(rule: str) -> str:
    """A rule with its message, its way out, and a picture of the graph."""
    architecture = EXAMPLES[rule]
    [problem] = [problem for problem in architecture.problems("archon") if problem.rule == rule][:1]
    picture = (
        f"```mermaid\n{architecture.draw_mermaid(direction='LR', models=False)}\n```\n"
        if architecture.graph
        else ""
    )
    return (
        f"## {rule}\n\n{problem.severity.capitalize()} at `{problem.where}`: {problem.message}.\n"
        f"{problem.way_out}.\n\n{picture}"
    ).rstrip()


@pytest.mark.parametrize("rule", EXAMPLES)
def test_an_example_breaks_its_rule(rule: str):
    """And, but for what follows from it, no other: a page of examples that are wrong in one way each."""
    found = {problem.rule for problem in EXAMPLES[rule].problems("archon")}
    assert rule in found
    default = {problem.rule for problem in EXAMPLES[rule].problems()}
    if rule.startswith("archon-"):
        assert {problem.rule for problem in EXAMPLES[rule].problems() if problem.severity == "error"} == set()
    else:
        assert rule in default


def test_every_rule_has_an_example():
    """Those of both tables."""
    tables = (validation.__doc__ or "") + (archon_rules.__doc__ or "")
    assert set(re.findall(r"^\| ``([a-z-]+)`` \|", tables, flags=re.MULTILINE)) == set(EXAMPLES)


def test_the_page_is_current(request):
    """Made from the examples above."""
    page = "\n\n".join([HEAD.rstrip(), *map(section, EXAMPLES)]) + "\n"
    if request.config.getoption("--snapshot-update"):
        PAGE.write_text(page, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == page, "run: pytest --snapshot-update tests/test_rules_page.py"
