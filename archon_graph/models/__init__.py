"""The one door to language models: specs, requests, draws, and the models that need no key."""

from archon_graph.models.client import Client, default_client
from archon_graph.models.errors import (
    ArchonError,
    ConfigurationError,
    MissingExtraError,
    MissingKeyError,
    ModelError,
    ModelFileError,
    ScriptExhaustedError,
    UnknownModelError,
)
from archon_graph.models.providers import register_model
from archon_graph.models.request import Draw, ModelLike, Request, Sampling, Usage
from archon_graph.models.scripted import ScriptedCall, ScriptedModel

__all__ = [
    "ArchonError",
    "Client",
    "ConfigurationError",
    "Draw",
    "MissingExtraError",
    "MissingKeyError",
    "ModelError",
    "ModelFileError",
    "ModelLike",
    "Request",
    "Sampling",
    "ScriptExhaustedError",
    "ScriptedCall",
    "ScriptedModel",
    "UnknownModelError",
    "Usage",
    "default_client",
    "register_model",
]
