"""``identify``: what makes two calls the same call.

Two requests with one identity are the same question to the same model, asked in the same way; what differs
between their answers is the sample. LangChain's own key will not do: it is equal for different custom models,
knows no sample, and holds headers with their keys in clear.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from langchain_core.language_models import BaseChatModel

from archon_graph.models.cache import endpoints
from archon_graph.models.cache.conversation import conversation
from archon_graph.models.cache.plain import NotPlainError, canonical, digest_of, plain
from archon_graph.models.errors import ModelFileError
from archon_graph.models.json_schema import bounded_schema, whole_characters
from archon_graph.models.providers import _LOCAL_MAX_TOKENS, _custom, identity
from archon_graph.models.request import ModelLike, Request, Sampling

# Of the form below: a change that would give one call another record gets another number.
_FORM = 1
_PART_LENGTH = 12
# What a chat model may have been made with that decides how it answers, by the names that LangChain's have.
_OWN_NAMES = ("model_name", "model", "model_id", "deployment_name", "azure_deployment", "repo_id")
_OWN_SETTINGS = (
    "temperature",
    "top_p",
    "top_k",
    "max_tokens",
    "max_output_tokens",
    "num_predict",
    "num_ctx",
    "stop",
    "stop_sequences",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "repetition_penalty",
    "repeat_penalty",
    "logit_bias",
    "reasoning",
    "reasoning_effort",
    "thinking",
    "thinking_budget",
    "effort",
    "verbosity",
    "model_kwargs",
    "extra_body",
)
# Among settings that are passed on as they are, there may be some that carry keys.
_SECRET_SETTING = re.compile(r"api[-_]?key|access[-_]?token|secret|password|authorization|headers", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Identity:
    """What a request is, but for the sample's index and the replicate."""

    digest: str
    """The sha256 of the record's canonical JSON, in hex."""
    record: Mapping[str, Any] = field(compare=False, repr=False)
    """Everything that counts, in plain data."""
    parts: Mapping[str, str] = field(compare=False, repr=False)
    """A short digest of each field of the record: they tell how two calls differ when only digests were kept."""
    model: str
    """The digest of provider, model, endpoint and sampling alone: what is known about a model is kept under it."""
    label: str
    """The model's name in tables and messages; for a model in a file, without the folder."""


class _Model(NamedTuple):
    provider: str
    name: str
    endpoint: str
    label: str
    defaults: Mapping[str, Any] = {}
    """Settings that hold where the request says nothing."""


def identify(request: Request) -> Identity | None:
    """The identity of a request. Opens no model, needs no key and no network.

    Returns:
        ``None`` where nothing says that a call is the same one in another process: the model is an instance
        without a name or `cache_id`, or a message holds something that is no plain data. Such calls run, and
        are not recorded.

    Raises:
        ConfigurationError: The model is a file that cannot be read, or no local model has this name.
    """
    model = _model(request.model)
    if model is None:
        return None
    local = model.provider == "local"
    schema = request.schema
    record = {
        "form": _FORM,
        "provider": model.provider,
        "model": model.name,
        "endpoint": model.endpoint,
        "sampling": _sampling(model.defaults, request.sampling),
        "messages": conversation(request.messages),
        # As it is sent: to a local model with an end to every string and list.
        "schema": bounded_schema(schema) if schema is not None and local else schema,
        "prompt_version": request.prompt_version,
        **_form_of(request),
    }
    try:
        record = plain(record)
        texts = {name: canonical(value) for name, value in record.items()}
    except NotPlainError:
        return None
    return Identity(
        digest=_digest(texts),
        record=record,
        parts={name: digest_of(text)[:_PART_LENGTH] for name, text in texts.items()},
        model=_digest({name: texts[name] for name in ("provider", "model", "endpoint", "sampling")}),
        label=whole_characters(model.label),
    )


def _form_of(request: Request) -> dict[str, Any]:
    """What a user's form of the answer adds; nothing without one, so that what was recorded before is found."""
    form: dict[str, Any] = {}
    if request.schema is not None and not request.strict:
        form["strict"] = False
    if request.tools:
        form["tools"] = [dict(tool) for tool in request.tools]
        form["tool_choice"] = request.tool_choice
        form["parallel_tool_calls"] = request.parallel_tool_calls
    return form


def _digest(texts: Mapping[str, str]) -> str:
    """The digest of an object's canonical JSON, from that of its fields."""
    return digest_of("{" + ",".join(f'"{name}":{texts[name]}' for name in sorted(texts)) + "}")


def _model(model: ModelLike) -> _Model | None:
    if not isinstance(model, str):
        own = identity(model)
        return None if own is None else _instance(own.removeprefix("custom:"), model)
    provider, _, name = model.partition(":")
    if provider == "custom":
        return _instance(name, _custom.get(name))
    if provider == "local":
        return _local(name)
    if provider == "scripted":
        return _Model("scripted", _sha256_of_script(name), endpoints.DEFAULT, f"scripted:{Path(name).name}")
    return _Model(provider, name, endpoints.of_provider(provider), model)


def _local(name: str) -> _Model:
    from archon_graph.models import local

    sha256, known = local.identity_of(name)
    return _Model(
        "local",
        f"sha256:{sha256}",
        endpoints.DEFAULT,
        f"local:{known.name if known else Path(name).name}",
        {
            "max_tokens": _LOCAL_MAX_TOKENS,
            **({str(name): value for name, value in known.sampling.items()} if known else {}),
        },
    )


def _instance(name: str, chat: BaseChatModel | None) -> _Model:
    """A model with a name of its own. The name is the user's word; what can be seen of its settings counts, too.

    So a model that is registered anew under the same name with another temperature is another model.
    """
    label = f"custom:{name}"
    if chat is None:
        return _Model("custom", name, endpoints.DEFAULT, label)
    named = (getattr(chat, attribute, None) for attribute in _OWN_NAMES)
    own = next((value for value in named if isinstance(value, str) and value), None)
    return _Model(
        "custom", name if own is None else f"{name}={own}", endpoints.of_instance(chat), label, _own_settings(chat)
    )


def _own_settings(chat: BaseChatModel) -> dict[str, Any]:
    settings = {}
    for name in _OWN_SETTINGS:
        try:
            value = _without_secrets(plain(getattr(chat, name, None)))
        except NotPlainError:
            continue
        if value not in (None, "", [], {}):
            settings[name] = value
    return settings


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_secrets(item) for key, item in value.items() if _SECRET_SETTING.search(key) is None}
    return [_without_secrets(item) for item in value] if isinstance(value, list) else value


def _sampling(defaults: Mapping[str, Any], sampling: Sampling) -> dict[str, Any]:
    """The settings in force; whole numbers are the same with and without a point."""
    settings = {**defaults, **sampling.settings()}
    return {
        name: int(value) if isinstance(value, float) and value.is_integer() else value
        for name, value in settings.items()
    }


def _sha256_of_script(path: str) -> str:
    if not path:
        return "empty"
    try:
        with Path(path).open("rb") as file:
            return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    except OSError as error:
        raise ModelFileError(f"the script {path!r} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise ModelFileError(f"the script {path!r} cannot be read: {error}") from error
