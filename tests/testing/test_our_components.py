"""Every component of ours keeps the laws that are asked of others."""

from __future__ import annotations

import pytest

from archon_graph import Fuser, Generator, Ranker
from archon_graph.components.critic import Critic
from archon_graph.components.example_tests import ExampleTests
from archon_graph.components.reviser import Reviser
from archon_graph.components.unit_test_evaluator import UnitTestEvaluator
from archon_graph.components.unit_test_generator import UnitTestGenerator
from archon_graph.components.verifier import Verifier
from archon_graph.components.voter import Voter
from archon_graph.testing import ComponentConformance


class TestGenerator(ComponentConformance):
    @pytest.fixture
    def component(self):
        return lambda model: Generator(model, samples=4, temperature=0.7)


class TestFuser(ComponentConformance):
    @pytest.fixture
    def component(self):
        return lambda model: Fuser(model, samples=2)


class TestReviser(ComponentConformance):
    @pytest.fixture
    def component(self):
        return Reviser


class TestRanker(ComponentConformance):
    @pytest.fixture(params=[None, 6])
    def component(self, request):
        return lambda model: Ranker(model, top_k=request.param)

    @pytest.fixture
    def good_reply(self):
        def reply(call):
            if call.schema is not None:
                return None
            count = call.prompt.count("</answer_")
            return " > ".join(f"[{number}]" for number in range(count, 0, -1))

        return reply


class TestCritic(ComponentConformance):
    @pytest.fixture
    def component(self):
        return Critic

    @pytest.fixture
    def good_reply(self):
        def reply(call):
            if call.schema is not None:
                return None
            numbers = range(1, 1 + call.prompt.count("</answer_"))
            return "\n\n".join(f"[{n}]\nStrengths: short {n}\nWeaknesses: none {n}" for n in numbers)

        return reply


class TestVerifier(ComponentConformance):
    @pytest.fixture(params=[{}, {"keep": "none"}, {"first_k": 2}], ids=str)
    def component(self, request):
        return lambda model: Verifier(model, **request.param)

    @pytest.fixture
    def good_reply(self):
        return lambda call: "Correct" if call.messages[-2].type == "ai" and call.schema is None else None


class TestUnitTestGenerator(ComponentConformance):
    @pytest.fixture
    def component(self):
        return lambda model: UnitTestGenerator(model, count=7)

    @pytest.fixture
    def good_reply(self):
        listed = "\n".join(f"{number}. The answer says {number}." for number in range(1, 21))
        return lambda call: listed if call.schema is None else None


class TestUnitTestEvaluator(ComponentConformance):
    @pytest.fixture(params=[{"top_k": 2}, {"first_k": 2}], ids=str)
    def component(self, request):
        return lambda model: UnitTestEvaluator(model, **request.param)

    @pytest.fixture
    def good_reply(self):
        return lambda call: "[1] PASSED\n[2] FAILED" if call.schema is None else None


class TestExampleTests(ComponentConformance):
    @pytest.fixture
    def component(self):
        return lambda model: ExampleTests(count=3)


class TestVoter(ComponentConformance):
    @pytest.fixture(params=[1, 3])
    def component(self, request):
        return lambda model: Voter(top_k=request.param)
