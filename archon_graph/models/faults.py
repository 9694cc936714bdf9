"""What went wrong in a call: providers' errors become `ModelError`, which tells whether a repeat may help."""

from __future__ import annotations

import email.utils
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress

from archon_graph.models.errors import ArchonError, ModelError
from archon_graph.models.redact import redact

_PASSING_STATUS = frozenset({408, 409, 425, 429})
_LASTING_STATUS = frozenset({501, 505})
_REFUSED_STATUS = frozenset({401, 403})
# Named, not imported: importing a provider's package to compare classes would cost a second, and there are two
# httpx (the OpenAI library brings its own) whose errors are no `ConnectionError` of Python's.
_PASSING_NAMES = frozenset(
    {
        "APIConnectionError",
        "APIResponseValidationError",
        "ChunkedEncodingError",
        "ClientConnectionError",
        "ConnectionError",
        "DecodingError",
        "InternalServerError",
        "JSONDecodeError",
        "NetworkError",
        "RateLimitError",
        "RemoteProtocolError",
        "ResourceExhausted",
        "ServiceUnavailable",
        "ServiceUnavailableError",
        "Timeout",
        "TimeoutError",
        "TimeoutException",
    }
)
_LASTING_NAMES = frozenset({"InvalidURL", "LocalProtocolError", "SSLCertVerificationError", "UnsupportedProtocol"})
# Where LangChain's OpenAI client reads an answer: what is raised there says that the answer was no answer.
_READING = "_create_chat_result"
# Providers put whole pages of HTML into their errors.
_LONGEST_REASON = 600


def as_model_error(error: Exception, *, spec: str, secrets: Iterable[str] = ()) -> ModelError:
    """The error as ours: with the model's name, the reason without keys, and the cause chained.

    Args:
        error: What the provider's package raised.
        spec: Name of the model.
        secrets: Values that may appear in the reason and must not.
    """
    if isinstance(error, ModelError):
        return error
    if isinstance(error, ArchonError):
        wrapped = ModelError(str(error), model=spec)
    else:
        wrapped = ModelError(
            f"{spec} failed with {type(error).__name__}: {_reason(error, secrets)}",
            model=spec,
            retryable=is_passing(error),
        )
    wrapped.__cause__ = _harmless(error, secrets)
    return wrapped


def _harmless(error: Exception, secrets: Iterable[str]) -> Exception:
    """The error as a cause that a traceback may show: where it repeats a key, another that does not."""
    secrets = list(secrets)
    if all(redact(str(link), secrets) == str(link) for link in _causes(error)):
        return error
    return RuntimeError(f"{type(error).__name__}: {_reason(error, secrets)}").with_traceback(error.__traceback__)


def is_passing(error: Exception) -> bool:
    """Whether the same call may well succeed a moment later."""
    if isinstance(error, ModelError):
        return error.retryable
    if getattr(error, "code", None) == "insufficient_quota":
        return False  # a 429 too, but no waiting fills the account
    status = status_of(error)
    if status is not None:
        return status in _PASSING_STATUS or (status >= 500 and status not in _LASTING_STATUS)
    chain = list(_causes(error))
    names = {base.__name__ for link in chain for base in type(link).__mro__}
    if names & _LASTING_NAMES:
        return False
    # A model instance that was used in an event loop of the past: its dead connections go one by one.
    return bool(names & _PASSING_NAMES) or "Event loop is closed" in str(error) or _was_reading(error)


def is_refusal_of_key(error: Exception) -> bool:
    """Whether the provider refused the key."""
    return status_of(error) in _REFUSED_STATUS


def status_of(error: Exception) -> int | None:
    """The HTTP status an error stands for, wherever its library keeps it."""
    told = error.args[0] if error.args else None
    places = (
        getattr(error, "status_code", None),
        getattr(getattr(error, "response", None), "status_code", None),
        getattr(error, "status", None),
        getattr(error, "code", None),
        # Routers report a failure behind them as an error inside an answer with status 200.
        told.get("code") if isinstance(told, Mapping) else None,
    )
    return next((place for place in places if isinstance(place, int) and 400 <= place < 600), None)


def retry_after(error: BaseException | None) -> float | None:
    """How many seconds the provider asks to wait, if it does: ``Retry-After`` as seconds or as a date."""
    for link in _causes(error) if error is not None else ():
        headers = getattr(getattr(link, "response", None), "headers", None)
        if headers is None:
            continue
        with suppress(TypeError, ValueError):
            return max(0.0, float(headers.get("retry-after-ms")) / 1000)
        told = headers.get("retry-after")
        with suppress(TypeError, ValueError):
            return max(0.0, float(told))
        with suppress(TypeError, ValueError):
            return max(0.0, email.utils.parsedate_to_datetime(told).timestamp() - time.time())
    return None


def _reason(error: Exception, secrets: Iterable[str]) -> str:
    """What the provider says, in one line of bearable length without keys."""
    said = str(error).strip()
    if type(error) is IndexError:
        said += " (LangChain says so of an answer without choices)"
    causes = list(_causes(error))[1:]
    for cause in causes:
        below = str(cause).strip()
        if below and below not in said:
            # "Connection error." alone helps nobody; below it stands whether the name or the port was wrong.
            said = f"{said} ({type(cause).__name__}: {below})"
            break
    else:
        # A connection that was reset says nothing but its own name.
        if causes and not str(causes[-1]).strip():
            said = f"{said} ({type(causes[-1]).__name__})"
    # Cut generously first, so that no key is cut in half, and a page of megabytes costs no time.
    flat = " ".join(redact(said[: 20 * _LONGEST_REASON], secrets).split())
    return (flat if len(flat) <= _LONGEST_REASON else flat[:_LONGEST_REASON] + "…") or "no reason given"


def _was_reading(error: Exception) -> bool:
    """Whether it arose where an answer was read: a gateway's page, a body of wrong types, no choices in it."""
    trace, innermost = error.__traceback__, ""
    while trace is not None:
        if trace.tb_frame.f_code.co_name == _READING:
            return True
        innermost = str(trace.tb_frame.f_globals.get("__name__"))
        trace = trace.tb_next
    # LangChain takes the first answer without looking whether there is one.
    return type(error) is IndexError and innermost.startswith("langchain_core.")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error, what caused it, what caused that; no further than anybody chains them."""
    link: BaseException | None = error
    for _ in range(8):
        if link is None:
            return
        yield link
        link = link.__cause__
