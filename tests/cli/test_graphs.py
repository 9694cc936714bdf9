"""``archon-graph graphs``: what there is, and what it costs."""

from __future__ import annotations

import json
import re

from archon_graph.graphs import READY_MADE
from tests.cli.command import Command


def test_every_ready_made_architecture_is_listed_with_its_calls(command: Command):
    ran = command("graphs")
    assert (ran.code, ran.err) == (0, "")
    for name, make in READY_MADE.items():
        architecture = make()
        assert re.search(rf"^ *{name} +{len(architecture.components)} +{architecture.max_calls} ", ran.out, re.M)


def test_json_has_the_same(command: Command):
    rows = json.loads(command("graphs", "--json").out)
    calls = {row["name"]: row["calls"] for row in rows}
    assert list(calls) == list(READY_MADE)
    assert (calls["single"], calls["best-of-n"], calls["ensemble-rank-fuse"]) == (1, 6, 7)
    assert all(row["what it does"].endswith(".") for row in rows)
