"""``ModelPolicy``: how a model is treated: how many calls at once, how long, how often again, what instead."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from archon_graph.models.errors import ConfigurationError
from archon_graph.models.limits import Lane, lane_of

_KNOWN = ("openai", "together", "local", "scripted", "custom", "anthropic", "google_genai", "mistralai", "groq")
_NOT_ON_THE_NETWORK = frozenset({"local", "scripted", "custom"})


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelPolicy:
    """How calls to a model are made; what is ``None`` is taken from a wider policy, or from the defaults."""

    concurrency: int | None = None
    """Most calls at once. Default: 256 for a provider on the network, no limit for others."""
    requests_per_second: float | None = None
    """Most requests a second; a request for several samples is one. Default: no limit."""
    timeout: float | None = None
    """Seconds after which a call is given up. Default: what the provider's own client has (ten minutes)."""
    attempts: int | None = None
    """How often a call is tried that fails for a passing reason. Default: 4."""
    first_wait: float | None = None
    """Seconds before the second attempt, at most; doubled for each one after it, and jittered. Default: 0.5."""
    longest_wait: float | None = None
    """Most seconds between two attempts; a provider that asks to wait longer is given up. Default: 60."""
    fallbacks: Sequence[str] | None = None
    """Specs of models to ask instead, in this order, when every attempt failed. Default: none."""

    def __post_init__(self) -> None:
        """See that it makes sense.

        Raises:
            ValueError: A number is out of range, or ``fallbacks`` is a bare string; all such are named.
        """
        problems = []
        for name, least, strictly in (
            ("concurrency", 1, False),
            ("requests_per_second", 0, True),
            ("timeout", 0, True),
            ("attempts", 1, False),
            ("first_wait", 0, False),
            ("longest_wait", 0, False),
        ):
            value = getattr(self, name)
            if value is not None and not (value > least if strictly else value >= least):
                problems.append(f"{name} must be {'more than' if strictly else 'at least'} {least}, got {value!r}")
        if isinstance(self.fallbacks, str):
            problems.append(
                f"fallbacks is a list of model specs, got {self.fallbacks!r}; write [{self.fallbacks!r}]"
            )
        elif self.fallbacks is not None:
            object.__setattr__(self, "fallbacks", tuple(self.fallbacks))
        if problems:
            raise ValueError("; ".join(problems))

    def over(self, wider: ModelPolicy) -> ModelPolicy:
        """This policy, with what it leaves open taken from a wider one."""
        return ModelPolicy(**{field.name: _first(self, wider, field.name) for field in fields(self)})


DEFAULT = ModelPolicy(attempts=4, first_wait=0.5, longest_wait=60.0, fallbacks=())
_NETWORK = ModelPolicy(concurrency=256)


@dataclass(frozen=True, kw_only=True, slots=True)
class Treatment:
    """What holds for one model, everything settled."""

    timeout: float | None
    attempts: int
    first_wait: float
    longest_wait: float
    fallbacks: tuple[str, ...]
    lanes: tuple[Lane, ...]
    """What its calls have to pass, the widest first."""


class Policies:
    """The policies of a client.

    Args:
        given: By what they are for: a model (``"openai:gpt-4o"``), all models of a provider (``"openai"``), or all
            models (``"*"``). The closest one wins, setting by setting; limits hold for everything they are
            given for together, across all clients of the process that have the same ones.
    """

    def __init__(self, given: Mapping[str, ModelPolicy | Mapping[str, Any]] | None = None) -> None:
        self._given = {key: _policy(key, value) for key, value in (given or {}).items()}
        self._known: dict[str, Treatment] = {}
        problems = list(_misspelt(self._given))
        if problems:
            raise ConfigurationError("\n".join(problems))

    def of(self, spec: str) -> Treatment:
        """How a model is treated."""
        known = self._known.get(spec)
        return known if known is not None else self._known.setdefault(spec, self._settle(spec))

    def without_fallbacks(self, spec: str) -> Policies:
        """The same policies, but that nobody stands in for this model."""
        return Policies(
            {**self._given, spec: ModelPolicy(fallbacks=()).over(self._given.get(spec, ModelPolicy()))}
        )

    def _settle(self, spec: str) -> Treatment:
        provider = spec.partition(":")[0]
        given = [(key, self._given[key]) for key in ("*", provider, spec) if key in self._given]
        # Specs of providers are written in small letters; an instance goes by the name of its class.
        on_the_network = provider.islower() and provider not in _NOT_ON_THE_NETWORK
        if on_the_network and not any(policy.concurrency is not None for _, policy in given):
            given.insert(0, (provider, _NETWORK))
        settled = DEFAULT
        for _, policy in given:
            settled = policy.over(settled)
        lanes = [lane_of(key, policy.concurrency, policy.requests_per_second) for key, policy in given]
        if not any(lane is not None for lane in lanes):
            # Nothing limits it, yet when it asks for a pause, all its calls keep to that.
            lanes = [lane_of(spec, None, None, always=True)]
        return Treatment(
            timeout=settled.timeout,
            attempts=settled.attempts or 1,
            first_wait=settled.first_wait or 0.0,
            longest_wait=settled.longest_wait or 0.0,
            fallbacks=tuple(settled.fallbacks or ()),
            lanes=tuple(lane for lane in lanes if lane is not None),
        )


def _first(nearer: ModelPolicy, wider: ModelPolicy, name: str) -> Any:
    value = getattr(nearer, name)
    return getattr(wider, name) if value is None else value


def _policy(key: str, value: ModelPolicy | Mapping[str, Any]) -> ModelPolicy:
    if isinstance(value, ModelPolicy):
        return value
    names = [field.name for field in fields(ModelPolicy)]
    problems = []
    for name in value:
        if name not in names:
            close = difflib.get_close_matches(name, names, n=1)
            guess = f" (did you mean {close[0]!r}?)" if close else ""
            problems.append(f"policy {key!r}: unknown key {name!r}{guess}; known are {', '.join(names)}")
    if problems:
        raise ConfigurationError("\n".join(problems))
    try:
        return ModelPolicy(**value)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"policy {key!r}: {error}") from error


def _misspelt(given: Iterable[str]) -> Iterable[str]:
    for key in given:
        provider = key.partition(":")[0]
        close = difflib.get_close_matches(provider, _KNOWN, n=1, cutoff=0.8)
        if close and provider not in _KNOWN:
            yield f"policy {key!r}: no provider is called {provider!r} (did you mean {close[0]!r}?)"
        elif not provider:
            yield f"policy {key!r}: it names no provider; give 'provider:model', 'provider' or '*'"
