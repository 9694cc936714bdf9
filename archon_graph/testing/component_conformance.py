"""``ComponentConformance``: the laws every component keeps, as tests for yours to inherit.

    class TestShortest(ComponentConformance):
        @pytest.fixture
        def component(self):
            return lambda model: Shortest(keep=2)

pytest finds the class and runs one test for each law. What a component can do (start, make candidates, judge by
tests) is read from its class variables, and a law that does not concern it is skipped. Models are scripted: no
key, no network, a second or two.
"""

from __future__ import annotations

import pytest

from archon_graph.testing._bench import ComponentFactory, GoodReply
from archon_graph.testing._candidate_laws import CandidateLaws
from archon_graph.testing._model_laws import ModelLaws
from archon_graph.testing._record_laws import RecordLaws


class ComponentConformance(CandidateLaws, ModelLaws, RecordLaws):
    """The tests of a component; subclass it as ``TestSomething`` and give the fixture `component`.

    To leave a law out, override its method with one that skips and says why.
    """

    @pytest.fixture
    def component(self) -> ComponentFactory:
        """A function from a model to the component: ``return lambda model: Ranker(model, top_k=2)``.

        One that asks no model ignores it. The settings should let it work on 4 to 32 candidates.
        """
        pytest.fail(
            f"{type(self).__name__} has to say what is tested; give it a fixture:\n\n"
            f"    @pytest.fixture\n"
            f"    def component(self):\n"
            f"        return lambda model: MyComponent(model)",
            pytrace=False,
        )

    @pytest.fixture
    def good_reply(self) -> GoodReply:
        """What a good model says to a call (`ScriptedCall`): a text, an object, or ``None`` for the kit's own.

        The kit fills in any JSON schema that is asked for and answers everything else in a sentence. Give your
        own where the component reads text in a form of its own.
        """
        return lambda _: None
