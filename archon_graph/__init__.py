"""Turn several language-model calls into one better answer, as a LangGraph graph.

>>> from archon_graph import Fuser, Generator, Ranker
>>> model = "local:coder-0.5b"
>>> architecture = Generator(model, samples=5) | Ranker(model, top_k=3) | Fuser(model)
>>> print(architecture)
<Architecture architecture: [generator_1] | [ranker_1] | [fuser_1]>
"""

from archon_graph._version import __version__
from archon_graph.components import (
    CodeExecutor,
    Critic,
    ExampleTests,
    Fuser,
    Generator,
    Ranker,
    Reviser,
    UnitTestEvaluator,
    UnitTestGenerator,
    Verifier,
    Voter,
    agreement,
)
from archon_graph.core import Architecture, ArchitectureError, Candidate, Component, NoAnswerError, Result
from archon_graph.models import (
    ArchonError,
    Budget,
    Client,
    ConfigurationError,
    Ledger,
    ModelError,
    ScriptedModel,
    register_model,
)

__all__ = [
    "Architecture",
    "ArchitectureError",
    "ArchonError",
    "Budget",
    "Candidate",
    "Client",
    "CodeExecutor",
    "Component",
    "ConfigurationError",
    "Critic",
    "ExampleTests",
    "Fuser",
    "Generator",
    "Ledger",
    "ModelError",
    "NoAnswerError",
    "Ranker",
    "Result",
    "Reviser",
    "ScriptedModel",
    "UnitTestEvaluator",
    "UnitTestGenerator",
    "Verifier",
    "Voter",
    "__version__",
    "agreement",
    "register_model",
]
