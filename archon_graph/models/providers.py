"""Turns a model spec into a chat model that is ready to be called.

A spec is ``provider:name``. Some are ours (`scripted`, `local`, `custom`), two have their settings known here
(`openai`, `together`), and every other one goes to LangChain's ``init_chat_model``. A provider's package is
imported when its first model is opened, never before: importing archon-graph must stay fast.
"""

from __future__ import annotations

import difflib
import hashlib
import os
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from langchain_core.language_models import BaseChatModel
from pydantic import ValidationError

from archon_graph.models.errors import (
    ArchonError,
    ConfigurationError,
    MissingExtraError,
    MissingKeyError,
    UnknownModelError,
)
from archon_graph.models.redact import redact
from archon_graph.models.request import ModelLike, Sampling
from archon_graph.models.scripted import ScriptedModel

_KEYS = {"openai": "OPENAI_API_KEY", "together": "TOGETHER_API_KEY"}
_custom: dict[str, BaseChatModel] = {}

JsonMode = Literal["response_format", "with_structured_output", "scripted"]


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A chat model ready to be called, and what the client must know about it."""

    spec: str
    """The model's name in records, as the user wrote it."""
    chat: BaseChatModel
    """The model itself."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Keyword arguments of every call."""
    json_mode: JsonMode | None = None
    """How the model is asked for JSON; ``None`` when it offers none."""
    takes_seed: bool = False
    """Whether a call takes a ``seed``, which makes a sample repeatable."""
    turn: Callable[[], AbstractAsyncContextManager[Any]] = nullcontext
    """Entered for the length of a call; lets models that share a machine take turns."""


def register_model(name: str, model: BaseChatModel) -> str:
    """Give a chat model a name of its own, so that architectures with it can be saved and loaded.

    Args:
        name: What the model shall be called; its identity in files, records and caches.
        model: The chat model. A later registration under the same name replaces it.

    Returns:
        The spec of the model, ``"custom:NAME"``.
    """
    if not name or ":" in name:
        raise ValueError(f"a model's name is a word without a colon, got {name!r}")
    _custom[name] = model
    return f"custom:{name}"


def label(model: ModelLike) -> str:
    """The name of a model in records: its spec, or for an instance its class and own model name."""
    known = identity(model)
    if known is not None:
        return known
    if isinstance(model, ScriptedModel):
        return model.label
    own = getattr(model, "model_name", None) or getattr(model, "model", None)
    return f"{type(model).__name__}:{own}" if isinstance(own, str) else type(model).__name__


def identity(model: ModelLike) -> str | None:
    """What makes a model the same model in another process; ``None`` if nothing does.

    A spec is its own identity. An instance has one if it carries a ``cache_id``, or was given a name with
    `register_model`.
    """
    if isinstance(model, str):
        return model
    for name, registered in _custom.items():
        if registered is model:
            return f"custom:{name}"
    cache_id = getattr(model, "cache_id", None)
    return f"custom:{cache_id}" if isinstance(cache_id, str) and cache_id else None


def seed_of(replicate: int, sample: int) -> int:
    """The seed of a sample: depends on its index and the replicate alone, so equal calls get equal seeds."""
    digest = hashlib.blake2b(f"{replicate}:{sample}".encode(), digest_size=4).digest()
    return int.from_bytes(digest) & 0x7FFFFFFF


def check_model(model: ModelLike) -> None:
    """See that a model can be opened: its provider is known, its package, key and file are there.

    Sends nothing and loads no weights.

    Raises:
        ConfigurationError: Something is wrong or missing; the message says what and the way out.
    """
    if isinstance(model, str) and model.startswith("local:"):
        from archon_graph.models import local

        local.check(model.removeprefix("local:"))
    else:
        open_model(model, Sampling())


def open_model(model: ModelLike, sampling: Sampling) -> Opened:
    """Make a model ready to be called with the given sampling.

    Opening ``local:`` loads its weights, which takes seconds and blocks.

    Raises:
        ConfigurationError: The spec is not understood, or a package, key or file is missing.
    """
    if not isinstance(model, str):
        return _open_instance(model, label(model), sampling)
    provider, _, name = model.partition(":")
    if provider == "custom":
        if name not in _custom:
            raise UnknownModelError(
                f"no model is registered as {name!r}{_nearest(name, _custom)}; "
                f"register it first: archon_graph.models.register_model({name!r}, chat_model)"
            )
        return _open_instance(_custom[name], model, sampling)
    if provider == "scripted":
        return _open_instance(ScriptedModel.from_file(name) if name else ScriptedModel(), model, sampling)
    if provider == "local":
        return _open_local(name, model, sampling)
    if provider in _KEYS and name:
        return _open_provider(provider, name, model, sampling)
    return _open_any(model, sampling)


def _open_instance(chat: BaseChatModel, spec: str, sampling: Sampling) -> Opened:
    if isinstance(chat, ScriptedModel):
        return Opened(
            spec=spec,
            chat=chat,
            settings=sampling.settings(),
            json_mode="scripted" if chat.offers_json else None,
            takes_seed=True,
        )
    return Opened(spec=spec, chat=chat, settings=sampling.settings(), json_mode=_profiled_json(chat))


def _open_local(name: str, spec: str, sampling: Sampling) -> Opened:
    from archon_graph.models import local

    endpoint = local.endpoint(name)
    from langchain_openai import ChatOpenAI

    settings = {**endpoint.defaults, **sampling.settings()}
    chat = ChatOpenAI(
        model=endpoint.name,
        base_url=endpoint.base_url,
        api_key=endpoint.api_key,
        # A slow machine is not a fault: a long answer on two cores takes minutes.
        timeout=1800,
        max_retries=0,
        stream_usage=True,
        **settings,
    )
    return Opened(
        spec=spec,
        chat=chat,
        json_mode="response_format",
        takes_seed=True,
        turn=lambda: local.turn(endpoint.sha256),
    )


def _open_provider(provider: str, name: str, spec: str, sampling: Sampling) -> Opened:
    key = _KEYS[provider]
    if not os.environ.get(key):
        raise MissingKeyError(
            f"model {spec!r} needs an API key: set the environment variable {key}, "
            f"or try without a key: local:coder-0.5b"
        )
    settings = {"timeout": 600, **sampling.settings()}
    chat: BaseChatModel
    if provider == "openai":
        from langchain_openai import ChatOpenAI

        chat = ChatOpenAI(model=name, stream_usage=True, **settings)
        # A model too new to have a profile is taken to do what its family does.
        offers_json = (chat.profile or {}).get("structured_output", True)
    else:
        from langchain_together import ChatTogether

        chat = ChatTogether(model=name, **settings)
        # Only some of the models served there keep to a schema, and nothing says which.
        offers_json = (chat.profile or {}).get("structured_output", False)
    return Opened(
        spec=spec,
        chat=chat,
        json_mode="response_format" if offers_json else None,
    )


def _open_any(spec: str, sampling: Sampling) -> Opened:
    provider = spec.partition(":")[0]
    if spec.endswith(".gguf") or Path(spec).exists():
        raise UnknownModelError(f"{spec!r} looks like a file; a model file is named with: local:{spec}")
    try:
        from langchain.chat_models import init_chat_model
    except ImportError as error:
        raise MissingExtraError(f"model {spec!r}", "providers") from error
    try:
        chat = init_chat_model(spec, **sampling.settings())
    except ImportError as error:
        raise ConfigurationError(f"model {spec!r} needs a package that is not installed: {error}") from error
    except ValueError as error:
        if "provider" in str(error).lower():
            known = ["openai", "together", "local", "scripted", "custom", *_langchain_providers()]
            raise UnknownModelError(
                f"no provider is called {provider!r} in model {spec!r}{_nearest(provider, known)}; "
                f"a spec is provider:name, as in openai:gpt-4o or local:coder-0.5b"
            ) from error
        raise ConfigurationError(f"model {spec!r} cannot be set up: {_plain(error)}") from error
    except Exception as error:
        # Providers raise whatever they like here (their own error classes for a missing key, mostly).
        if isinstance(error, ArchonError):
            raise
        raise ConfigurationError(f"model {spec!r} cannot be set up: {_plain(error)}") from error
    return Opened(spec=spec, chat=chat, json_mode=_profiled_json(chat))


def _profiled_json(chat: BaseChatModel) -> JsonMode | None:
    offers = bool((chat.profile or {}).get("structured_output"))
    return "with_structured_output" if offers else None


def _plain(error: Exception) -> str:
    """An error in one line without the values it was given: among them may be a key."""
    if isinstance(error, ValidationError):
        return "; ".join(str(part["msg"]) for part in error.errors(include_input=False, include_url=False))
    return redact(str(error).strip().split("\n")[0] or type(error).__name__)


def _langchain_providers() -> list[str]:
    from langchain.chat_models import base

    return sorted(getattr(base, "_BUILTIN_PROVIDERS", ()))


def _nearest(name: str, known: Any) -> str:
    close = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""
