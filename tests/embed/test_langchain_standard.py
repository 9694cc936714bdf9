"""LangChain's own standard tests of chat models, on scripts and on a real local model."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests

from archon_graph import Fuser, Generator, Ranker, ScriptedModel
from archon_graph.embed import ArchonChat
from archon_graph.models import ConfigurationError, local

MODEL = "coder-0.5b"


def available() -> bool:
    try:
        local.check(MODEL)
    except ConfigurationError:
        return False
    return True


class TestStandardUnits(ChatModelUnitTests):
    """Those that need no model."""

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ArchonChat

    @property
    def chat_model_params(self) -> dict[str, Any]:
        model = ScriptedModel(lambda call: "said")
        return {"architecture": Generator(model, samples=3) | Ranker(model, top_k=2) | Fuser(model)}

    @property
    def standard_chat_model_params(self) -> dict[str, Any]:
        # Times out and repeats are settings of the client, model by model.
        return {"temperature": 0, "max_tokens": 100, "stop": []}


@pytest.mark.slow
@pytest.mark.real_model
@pytest.mark.skipif(not available(), reason=f"the model {MODEL} is not here: archon-graph models pull {MODEL}")
class TestStandardIntegration(ChatModelIntegrationTests):
    """On a small model in this process, through sampling and fusing."""

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ArchonChat

    @property
    def chat_model_params(self) -> dict[str, Any]:
        spec = f"local:{MODEL}"
        return {"architecture": Generator(spec, samples=2) | Fuser(spec), "max_tokens": 250, "temperature": 0.0}

    @property
    def standard_chat_model_params(self) -> dict[str, Any]:
        return {}

    @property
    def supports_model_override(self) -> bool:
        # Which models answer is what an architecture says.
        return False

    @property
    def supports_json_mode(self) -> bool:
        return True
