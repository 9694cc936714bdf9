"""Turns a model spec into a chat model that is ready to be called.

A spec is ``provider:name``. Some are ours (`scripted`, `local`, `custom`), two have their settings known here
(`openai`, `together`), and every other one goes to LangChain's ``init_chat_model``. The provider is never
guessed from the name: one model shall have one spec. A provider's package is imported when its first model is
opened, never before: importing archon-graph must stay fast.
"""

from __future__ import annotations

import difflib
import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Literal

from langchain_core.globals import get_llm_cache
from langchain_core.language_models import BaseChatModel
from pydantic import SecretStr, ValidationError

from archon_graph.models.errors import (
    ArchonError,
    ConfigurationError,
    MissingExtraError,
    MissingKeyError,
    UnknownModelError,
)
from archon_graph.models.keys import Keys
from archon_graph.models.redact import redact
from archon_graph.models.request import ModelLike, Sampling
from archon_graph.models.scripted import ScriptedModel

_KEYS = {"openai": "OPENAI_API_KEY", "together": "TOGETHER_API_KEY"}
_OUR_PROVIDERS = (*_KEYS, "local", "scripted", "custom")
# `Caller` repeats what may pass, and counts it: what a library did on top would be counted by nobody.
_LIBRARY_RETRIES = 0
# Several samples in one request share the fate of that request, and the wait for the longest of them.
_SAMPLES_PER_REQUEST = 16
# A small model that begins to repeat itself never ends its answer, and would fill its whole context.
_LOCAL_MAX_TOKENS = 1024
_HINT = "a spec is provider:name, as in openai:gpt-4o or local:coder-0.5b"
_ENVIRONMENT = Keys()
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
    samples_per_request: int = 1
    """How many samples one request may ask for."""
    max_tokens: int | None = None
    """Most tokens of an answer where the request says nothing else; ``None`` if nothing bounds it."""
    bounds_json: bool = False
    """Whether schemas are sent with an end to every string and list; see `bounded_schema`."""
    writes_calls: bool = False
    """Whether it writes tool calls as text, which nobody else reads; see `written_calls`."""
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
    # A copy, because another thread may register a model meanwhile.
    for name, registered in list(_custom.items()):
        if registered is model:
            return f"custom:{name}"
    cache_id = getattr(model, "cache_id", None)
    return f"custom:{cache_id}" if isinstance(cache_id, str) and cache_id else None


def seed_of(replicate: int, sample: int) -> int:
    """The seed of a sample: depends on its index and the replicate alone, so equal calls get equal seeds."""
    digest = hashlib.blake2b(f"{replicate}:{sample}".encode(), digest_size=4).digest()
    return int.from_bytes(digest) & 0x7FFFFFFF


def check_model(model: ModelLike, keys: Keys = _ENVIRONMENT) -> None:
    """See that a model can be opened: its provider is known, its package, key and file are there.

    Sends nothing and loads no weights.

    Raises:
        ConfigurationError: Something is wrong or missing; the message says what and the way out.
    """
    if isinstance(model, str) and model.startswith("local:"):
        from archon_graph.models import local

        local.check(model.removeprefix("local:"))
    else:
        open_model(model, Sampling(), keys)


def open_model(model: ModelLike, sampling: Sampling, keys: Keys = _ENVIRONMENT) -> Opened:
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
        return _open_provider(provider, name, model, sampling, keys)
    return _open_any(model, sampling, keys)


def secrets_of(chat: BaseChatModel) -> list[str]:
    """The keys a chat model was given, which may be in no environment variable."""
    return [value.get_secret_value() for value in vars(chat).values() if isinstance(value, SecretStr)]


def with_settings(chat: BaseChatModel, settings: Mapping[str, Any]) -> BaseChatModel:
    """The chat model with these settings as its own, as a copy; itself if there are none.

    ``with_structured_output`` gives a runnable that drops the arguments of a call, so a call that wants JSON
    can only be sampled as asked if the settings are the model's own.

    Raises:
        KeyError: It has no field for one of them; see `json_mode_of`.
    """
    if not settings:
        return chat
    fields = _fields_by_name(chat)
    return chat.model_copy(update={fields[name]: value for name, value in settings.items()})


def json_mode_of(chat: BaseChatModel, settings: Mapping[str, Any]) -> JsonMode | None:
    """How a LangChain chat model can be asked for JSON while these settings stay in force."""
    if not (chat.profile or {}).get("structured_output"):
        return None
    if type(chat).__module__.split(".")[0] == "langchain_openai":
        # Its with_structured_output raises on an answer that was cut short, which was paid for all the same.
        return "response_format"
    return "with_structured_output" if settings.keys() <= _fields_by_name(chat).keys() else None


def _fields_by_name(chat: BaseChatModel) -> dict[str, str]:
    """The chat model's fields by every name they go by."""
    fields = type(chat).model_fields
    aliases = {info.alias: name for name, info in fields.items() if info.alias}
    return {**aliases, **{name: name for name in fields}}


def _open_instance(chat: BaseChatModel, spec: str, sampling: Sampling) -> Opened:
    if isinstance(chat, ScriptedModel):
        return Opened(
            spec=spec,
            chat=_uncached(chat),
            # The rest of the sampling is nothing to a script.
            settings={"stop": list(sampling.stop)} if sampling.stop else {},
            json_mode="scripted" if chat.offers_json else None,
            takes_seed=True,
        )
    settings = sampling.settings()
    bound = getattr(chat, "max_tokens", None)
    return Opened(
        spec=spec,
        chat=_without_retries(_uncached(chat)),
        settings=settings,
        json_mode=json_mode_of(chat, settings),
        samples_per_request=_SAMPLES_PER_REQUEST if _is_openais_own(chat) else 1,
        max_tokens=bound if isinstance(bound, int) and bound > 0 else None,
    )


def _is_openais_own(chat: Any) -> bool:
    """Whether an instance asks OpenAI itself; who else understands ``n`` is not known."""
    own = type(chat).__module__.split(".")[0] == "langchain_openai" and type(chat).__name__ == "ChatOpenAI"
    return own and chat.openai_api_base is None and not chat.use_responses_api and not chat.streaming


def _without_retries(chat: BaseChatModel) -> BaseChatModel:
    """A copy whose client of OpenAI's library repeats nothing: repeats are ours to make and to count.

    Instances of other providers keep what they were made with.
    """
    made: dict[str, Any] = {}
    for root, name in (("root_client", "client"), ("root_async_client", "async_client")):
        client = getattr(chat, root, None)
        if client is not None and client.max_retries:
            made |= {root: client.with_options(max_retries=0)}
            made |= {name: made[root].chat.completions}
    return chat.model_copy(update=made) if made else chat


def _uncached(chat: BaseChatModel) -> BaseChatModel:
    """The chat model without LangChain's cache, whose key has no sample index: ten samples would be one."""
    in_use = chat.cache if chat.cache is not None else get_llm_cache() is not None
    return chat.model_copy(update={"cache": False}) if in_use else chat


def _open_local(name: str, spec: str, sampling: Sampling) -> Opened:
    from archon_graph.models import local

    endpoint = local.endpoint(name)
    from langchain_openai import ChatOpenAI
    from openai import DefaultAsyncHttpxClient, DefaultHttpxClient

    settings = {"max_tokens": _LOCAL_MAX_TOKENS, **endpoint.defaults, **sampling.settings()}
    chat = ChatOpenAI(
        model=endpoint.name,
        base_url=endpoint.base_url,
        api_key=endpoint.api_key,
        # A slow machine is not a fault: a long answer on two cores takes minutes.
        timeout=1800,
        max_retries=0,
        stream_usage=True,
        cache=False,
        # On one machine a new connection costs nothing, and none is left to outlive its event loop.
        default_headers={"Connection": "close"},
        # A proxy of the environment is for the network; it shall see no prompt that never leaves this machine.
        http_client=DefaultHttpxClient(trust_env=False),
        http_async_client=DefaultAsyncHttpxClient(trust_env=False),
        **settings,
    )
    return Opened(
        spec=spec,
        chat=chat,
        json_mode="response_format",
        bounds_json=True,
        writes_calls=True,
        takes_seed=True,
        max_tokens=int(settings["max_tokens"]),
        turn=lambda: local.turn(endpoint.sha256),
    )


def _open_provider(provider: str, name: str, spec: str, sampling: Sampling, keys: Keys) -> Opened:
    key = keys.of(_KEYS[provider], provider)
    if key is None:
        raise MissingKeyError(
            f"model {spec!r} needs an API key: set the environment variable {_KEYS[provider]}, put it into a .env "
            f"file (Client(env_file=...)), or try without a key: local:coder-0.5b"
        )
    from openai import DefaultAsyncHttpxClient

    settings: dict[str, Any] = {
        "api_key": key,
        "timeout": 600,
        "max_retries": _LIBRARY_RETRIES,
        "cache": False,
        # Its own, not the one that langchain_openai shares: connections belong to the event loop they were
        # opened in, and fail in every other one.
        "http_async_client": DefaultAsyncHttpxClient(timeout=600),
        **sampling.settings(),
    }
    chat: BaseChatModel
    if provider == "openai":
        from langchain_openai import ChatOpenAI

        chat = ChatOpenAI(model=name, stream_usage=True, **settings)
        # A model too new to have a profile is taken to do what its family does.
        offers_json = (chat.profile or {}).get("structured_output", True)
    else:
        from langchain_together import ChatTogether

        chat = ChatTogether(model=name, stream_usage=True, **settings)
        # Only some of the models served there keep to a schema, and nothing says which.
        offers_json = (chat.profile or {}).get("structured_output", False)
    return Opened(
        spec=spec,
        chat=chat,
        json_mode="response_format" if offers_json else None,
        samples_per_request=_SAMPLES_PER_REQUEST,
    )


def _open_any(spec: str, sampling: Sampling, keys: Keys) -> Opened:
    provider, _, name = spec.partition(":")
    if spec.endswith(".gguf") or os.path.isfile(spec):  # noqa: PTH113 - Path.is_file raises on a very long name
        raise UnknownModelError(f"{spec!r} looks like a file; a model file is named with: local:{spec}")
    if not provider or not name:
        missing = "model" if provider in _OUR_PROVIDERS else "provider"
        raise UnknownModelError(f"model {spec!r} names no {missing}; {_HINT}")
    try:
        from langchain.chat_models import init_chat_model
    except ImportError as error:
        if nearest := _nearest(provider, _OUR_PROVIDERS, cutoff=0.8):
            raise _unknown_provider(spec, nearest) from error
        raise MissingExtraError(f"model {spec!r}", "providers") from error
    theirs = _langchain_providers()
    if theirs and provider not in theirs:
        raise _unknown_provider(spec, _nearest(provider, [*_OUR_PROVIDERS, *theirs]))
    try:
        # Most take their key under this name; those that don't are told of none but their environment's.
        given = keys.given(provider)
        key: dict[str, Any] = {} if given is None else {"api_key": given}
        chat = init_chat_model(name, model_provider=provider, cache=False, **key, **sampling.settings())
    except ImportError as error:
        raise ConfigurationError(f"model {spec!r} needs a package that is not installed: {error}") from error
    except ArchonError:
        raise
    except Exception as error:
        # Providers raise whatever they like here (their own error classes for a missing key, mostly).
        raise ConfigurationError(f"model {spec!r} cannot be set up: {_plain(error)}") from error
    return Opened(spec=spec, chat=chat, json_mode=json_mode_of(chat, {}))


def _unknown_provider(spec: str, nearest: str) -> UnknownModelError:
    provider = spec.partition(":")[0]
    return UnknownModelError(f"no provider is called {provider!r} in model {spec!r}{nearest}; {_HINT}")


def _plain(error: Exception) -> str:
    """An error in one line without the values it was given: among them may be a key."""
    if isinstance(error, ValidationError):
        return "; ".join(str(part["msg"]) for part in error.errors(include_input=False, include_url=False))
    return redact(str(error).strip().split("\n")[0] or type(error).__name__)


def _langchain_providers() -> list[str]:
    from langchain.chat_models import base

    return sorted(getattr(base, "_BUILTIN_PROVIDERS", ()))


def _nearest(name: str, known: Iterable[str], *, cutoff: float = 0.6) -> str:
    close = difflib.get_close_matches(name.strip().lower(), list(known), n=1, cutoff=cutoff)
    return f" (did you mean {close[0]!r}?)" if close else ""
