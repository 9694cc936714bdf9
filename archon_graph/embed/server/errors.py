"""What goes wrong, as OpenAI's clients expect to be told: a status and ``{"error": {...}}``.

Nothing that a client sends is answered with a 5xx. Those are for models that failed (502), for time that ran out
(504), for a server that is going away (503), and for what is wrong with the server itself (500). What an error of
ours says may name files and addresses of this machine, so most of them are told in the server's log alone.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from archon_graph.core import NoAnswerError
from archon_graph.core.errors import ArchitectureError
from archon_graph.models import (
    BudgetError,
    CacheError,
    ConfigurationError,
    MissingExtraError,
    MissingKeyError,
    ModelError,
    ModelFileError,
    TapeMissError,
    UnknownModelError,
)
from archon_graph.models.redact import redact

# The client of OpenAI repeats what failed. A run is many calls, each of which was repeated already.
_NO_REPEAT = {"x-should-retry": "false"}
_OPERATORS = (
    ArchitectureError,
    CacheError,
    MissingExtraError,
    MissingKeyError,
    ModelFileError,
    UnknownModelError,
)
# How a provider's refusal of what was asked stands in a loss; see archon_graph.models.faults.
_REFUSED = re.compile(
    r"\b(?:BadRequest|UnprocessableEntity|RequestEntityTooLarge)|\bError code: (?:400|413|422)\b"
)
_TOO_LONG = re.compile(r"context[ _](?:length|size|window)|maximum context|prompt is too long", re.IGNORECASE)
# Kinds of losses that say how a node came to have nothing, and not why.
_FOLLOWING = frozenset({"no-input", "quorum", "straggler"})
_TOLD: dict[type[Exception], tuple[int, str, str]] = {
    ModelError: (502, "a model failed in the middle of the answer", "upstream_error"),
    TapeMissError: (404, "this server replays recorded answers, and has none to this", "not_recorded"),
}
_OUR_FAULT = (500, "the server failed; its log says why", "internal_error")
_PATHS = re.compile(r"(?:file://|(?<![\w/:.])~?/|\b[A-Za-z]:\\|\\\\)[^\s'\",;:)\]}]+")
_LONGEST = 600


@dataclass
class RequestError(Exception):
    """An answer that is an error.

    Raised where the reason is found, turned into a response at the door.
    """

    status: int
    """The HTTP status."""
    message: str
    """What is wrong, and the way out."""
    code: str | None = None
    """OpenAI's word for it, where there is one."""
    param: str | None = None
    """The parameter that is wrong."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Headers of the response."""

    @property
    def type(self) -> str:
        """OpenAI's class of error."""
        if self.status == 429:
            return "insufficient_quota" if self.code == "insufficient_quota" else "rate_limit_error"
        return "server_error" if self.status >= 500 else "invalid_request_error"

    def body(self) -> dict[str, Any]:
        """As OpenAI has it."""
        return {
            "error": {"message": redact(self.message), "type": self.type, "param": self.param, "code": self.code}
        }


def public(text: str) -> str:
    """A text that may leave the machine: without keys and paths, and no longer than it is read."""
    text = _PATHS.sub("[path]", redact(text[: 20 * _LONGEST]))
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def bad_request(message: str, param: str | None = None, code: str | None = None) -> RequestError:
    """A request that is wrong."""
    return RequestError(400, message, code, param)


def as_request_error(error: BaseException) -> RequestError:
    """An error of a run as it is told to the client.

    Args:
        error: What was raised. What is no error of ours is a fault of the server.
    """
    if isinstance(error, RequestError):
        return error
    if isinstance(error, NoAnswerError):
        return _of_losses(error)
    if isinstance(error, BudgetError):
        return _spent()
    if isinstance(error, ConfigurationError) and not isinstance(error, _OPERATORS):
        # The models were looked at when the server started: what is wrong now is what was asked of them.
        return bad_request(public(str(error)))
    status, message, code = next((told for kind, told in _TOLD.items() if isinstance(error, kind)), _OUR_FAULT)
    return RequestError(status, message, code, None, _NO_REPEAT)


def _of_losses(error: NoAnswerError) -> RequestError:
    """Why there is no answer: the client's doing, the budget's, or the models'."""
    if error.stopped == "budget":
        return _spent()
    causes = [loss for loss in error.losses if loss.kind not in _FOLLOWING]
    if causes and all(loss.kind == "error" and _REFUSED.search(loss.detail) for loss in causes):
        if any(_TOO_LONG.search(loss.detail) for loss in causes):
            return bad_request(
                "the conversation is longer than a model can read; shorten it",
                "messages",
                "context_length_exceeded",
            )
        return bad_request("the models refused the request", None, "upstream_refused")
    if causes and all(loss.kind in {"form", "empty", "unreadable"} for loss in causes):
        return RequestError(
            422,
            "the models answered, and no answer had the form asked for (tools, response_format, stop, max_tokens)",
            "no_fitting_answer",
        )
    counts = Counter(loss.kind for loss in causes or error.losses)
    lost = ", ".join(f"{count} {kind}" for kind, count in counts.items()) or "nothing was drawn"
    return RequestError(502, f"no model brought an answer ({lost})", "upstream_error", None, _NO_REPEAT)


def _spent() -> RequestError:
    return RequestError(
        429,
        "what this server may spend is spent, or does not suffice for this request",
        "insufficient_quota",
        None,
        _NO_REPEAT,
    )
