"""The techniques: one file each, every one a node type that can be stacked with the others."""

from archon_graph.components.agreement import Agreement, agreement
from archon_graph.components.code_executor import CodeExecutor
from archon_graph.components.critic import Critic
from archon_graph.components.example_tests import ExampleTests
from archon_graph.components.fuser import Fuser
from archon_graph.components.generator import Generator
from archon_graph.components.ranker import Ranker
from archon_graph.components.reviser import Reviser
from archon_graph.components.unit_test_evaluator import UnitTestEvaluator
from archon_graph.components.unit_test_generator import UnitTestGenerator
from archon_graph.components.verifier import Verifier
from archon_graph.components.voter import Voter

__all__ = [
    "Agreement",
    "CodeExecutor",
    "Critic",
    "ExampleTests",
    "Fuser",
    "Generator",
    "Ranker",
    "Reviser",
    "UnitTestEvaluator",
    "UnitTestGenerator",
    "Verifier",
    "Voter",
    "agreement",
]
