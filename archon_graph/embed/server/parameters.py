"""Parameters of OpenAI's API that this server does not have: which are harmless, and what the others ask for."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from archon_graph.embed.server.errors import RequestError, bad_request

# They say who asks, or how to bill and keep what is asked: nothing about the answer.
_HARMLESS = frozenset(
    {
        "metadata",
        "prediction",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "safety_identifier",
        "service_tier",
        "user",
    }
)


def _is_nothing(value: Any) -> bool:
    return value in (0, False, "", [], {})


# Values that ask for what happens anyway.
_UNLESS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "audio": (_is_nothing, "answers are text"),
    "frequency_penalty": (_is_nothing, "set it in the architecture's models"),
    "function_call": (lambda value: value in ("auto", "none"), "use tool_choice"),
    "functions": (_is_nothing, "use tools"),
    "logit_bias": (_is_nothing, "an answer is made by several models, each with tokens of its own"),
    "logprobs": (_is_nothing, "an answer is made by several models, and has no probability of its own"),
    "modalities": (lambda value: value == ["text"], "answers are text"),
    "moderation": (_is_nothing, "nothing is moderated here"),
    "presence_penalty": (_is_nothing, "set it in the architecture's models"),
    "reasoning_effort": (lambda _: False, "set it in the architecture's models"),
    "store": (_is_nothing, "nothing is stored here"),
    "top_logprobs": (_is_nothing, "an answer is made by several models, and has no probability of its own"),
    "verbosity": (lambda value: value == "medium", "say it in the system message"),
    "web_search_options": (lambda _: False, "nothing is searched here"),
}


def without_unsupported(data: Mapping[str, Any], known: Iterable[str]) -> dict[str, Any]:
    """The parameters that this server has, of those of a request.

    Args:
        data: The request.
        known: Their names.

    Raises:
        RequestError: Another one asks for something.
    """
    known = frozenset(known)
    for name, value in data.items():
        if name in known or name in _HARMLESS or value is None:
            continue
        if name not in _UNLESS:
            raise _unknown(name, known)
        asks_nothing, way_out = _UNLESS[name]
        if not asks_nothing(value):
            raise bad_request(
                f"{name!r} is not supported by this server: {way_out}", name, code="unsupported_parameter"
            )
    # What is null is as if it were not there.
    return {name: value for name, value in data.items() if name in known and value is not None}


def _unknown(name: str, known: frozenset[str]) -> RequestError:
    nearest = difflib.get_close_matches(name[:80], [*known, *_UNLESS, *_HARMLESS], n=1)
    hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
    return bad_request(f"there is no parameter {name[:80]!r}{hint}", name[:80], code="unknown_parameter")
