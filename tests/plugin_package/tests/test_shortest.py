"""The laws of components, and what only this one does."""

import pytest
from archon_graph_shortest import Shortest

from archon_graph import Generator, ScriptedModel
from archon_graph.testing import ComponentConformance


class TestShortest(ComponentConformance):
    @pytest.fixture(params=[1, 3])
    def component(self, request):
        return lambda model: Shortest(keep=request.param)


def test_the_shortest_comes_first():
    drafts = Generator(ScriptedModel(["a long one", "short", "longer"]), samples=3)
    result = (drafts | Shortest(keep=2)).run("q")
    assert [candidate.content for candidate in result.candidates] == ["short", "longer"]
