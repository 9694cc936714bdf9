"""The one door to language models: specs, requests, draws, and the models that need no key."""

from archon_graph.models.budget import Budget, Ledger
from archon_graph.models.client import Client, default_client
from archon_graph.models.errors import (
    ArchonError,
    BudgetError,
    CacheError,
    ConfigurationError,
    MissingExtraError,
    MissingKeyError,
    ModelError,
    ModelFileError,
    ScriptExhaustedError,
    StragglerError,
    TapeMissError,
    UnknownModelError,
)
from archon_graph.models.gate import Gate
from archon_graph.models.policy import ModelPolicy
from archon_graph.models.prices import Price, Prices
from archon_graph.models.providers import register_model
from archon_graph.models.request import Draw, ModelLike, Request, Sampling, Usage
from archon_graph.models.scripted import ScriptedCall, ScriptedModel
from archon_graph.models.stream import AnswerStream

__all__ = [
    "AnswerStream",
    "ArchonError",
    "Budget",
    "BudgetError",
    "CacheError",
    "Client",
    "ConfigurationError",
    "Draw",
    "Gate",
    "Ledger",
    "MissingExtraError",
    "MissingKeyError",
    "ModelError",
    "ModelFileError",
    "ModelLike",
    "ModelPolicy",
    "Price",
    "Prices",
    "Request",
    "Sampling",
    "ScriptExhaustedError",
    "ScriptedCall",
    "ScriptedModel",
    "StragglerError",
    "TapeMissError",
    "UnknownModelError",
    "Usage",
    "default_client",
    "register_model",
]
