"""Everything that can go wrong between asking for a model and having its answer.

    ArchonError                       every error this package raises on purpose
    ├── ConfigurationError            nothing was sent: a spec, key, extra or file is wrong or missing
    │   ├── UnknownModelError         (LookupError) no such provider, or no such local model
    │   ├── MissingExtraError         (ImportError) an optional dependency is not installed
    │   ├── MissingKeyError           a provider's API key is not set
    │   ├── ModelFileError            (OSError) a local model's file is missing, broken or not what it should be
    │   └── CacheError                (OSError) a cache or tape cannot be read or written, or is no such file
    ├── TapeMissError                 (LookupError) a strict replay asked for what is not on the tape
    └── ModelError                    a call was sent, or tried, and brought no usable answer
        ├── BudgetError               a call was not sent, or cut off, because the budget is spent
        ├── StragglerError            a call was cut off because enough others had answered
        └── ScriptExhaustedError      a scripted model was asked once more than its script allows

A ``ConfigurationError`` stops a run before the first call. A ``ModelError`` costs the node it happened in:
the run goes on without it and records the loss.
"""

from functools import partial
from typing import Any, ClassVar


class ArchonError(Exception):
    """Base of every error that archon-graph raises on purpose."""


class ConfigurationError(ArchonError):
    """Something is wrong or missing that only the user can mend; no model was called."""


class UnknownModelError(ConfigurationError, LookupError):
    """A model spec names a provider or a model that nobody knows."""


class MissingExtraError(ConfigurationError, ImportError):
    """A feature needs an optional dependency that is not installed.

    Args:
        feature: What was asked for, as the user would say it.
        extra: The extra of archon-graph that brings it.
    """

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(
            f"{feature} needs an optional dependency that is not installed; "
            f"install it with: pip install 'archon-graph[{extra}]'"
        )
        self.extra = extra
        self._feature = feature

    def __reduce__(self) -> tuple[Any, ...]:
        """Keep both arguments when the error travels between processes."""
        return type(self), (self._feature, self.extra)


class MissingKeyError(ConfigurationError):
    """A provider needs an API key that is not set in the environment."""


class ModelFileError(ConfigurationError, OSError):
    """The file of a local model is missing, incomplete, or not the file it should be."""


class CacheError(ConfigurationError, OSError):
    """A cache or a tape cannot be read or written, or the file is something else; it is left as it is."""


class TapeMissError(ArchonError, LookupError):
    """A strict replay asked for a call that is not on the tape; the message names the nearest one that is."""


class ModelError(ArchonError):
    """A model call brought no usable answer.

    Args:
        message: What happened, in one sentence, without secrets.
        model: The spec of the model that was called.
        retryable: Whether the same call may well succeed a moment later (rate limit, time-out, server fault).
    """

    kind: ClassVar[str] = "error"
    """Kind of the loss that it is recorded as."""

    def __init__(self, message: str, *, model: str, retryable: bool = False) -> None:
        super().__init__(message)
        self.model = model
        self.retryable = retryable

    def __reduce__(self) -> tuple[Any, ...]:
        """Keep the keyword arguments when the error travels between processes."""
        make = partial(type(self), model=self.model, retryable=self.retryable)
        return make, self.args


class BudgetError(ModelError):
    """A call was not sent, or was cut off, because nothing is left of the budget for it."""

    kind = "budget"


class StragglerError(ModelError):
    """A call was cut off because enough others had answered."""

    kind = "straggler"


class ScriptExhaustedError(ModelError):
    """A scripted model was asked for one more answer than its script holds."""
