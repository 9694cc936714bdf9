"""``Prices``: what models cost, from the user's own table or from a maintained list.

A price that is in neither is unknown, which is not zero.
"""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

import yaml
from langchain_core.messages import AIMessage

from archon_graph.models import price_list
from archon_graph.models.errors import ConfigurationError
from archon_graph.models.redact import redact

_FREE = ("local", "scripted")
_KNOWN_PROVIDERS = (*price_list.PROVIDERS, *_FREE, "custom")
# An instance goes by the name of its class.
_PROVIDER_OF_CLASS = {
    "ChatAnthropic": "anthropic",
    "ChatAnthropicBedrock": "anthropic_bedrock",
    "ChatAnthropicMantle": "bedrock_mantle_anthropic",
    "ChatAnthropicVertex": "google_anthropic_vertex",
    "ChatBaseten": "baseten",
    "ChatBedrock": "bedrock",
    "ChatBedrockConverse": "bedrock_converse",
    "ChatCerebras": "cerebras",
    "ChatCohere": "cohere",
    "ChatDeepSeek": "deepseek",
    "ChatFireworks": "fireworks",
    "ChatGoogleGenerativeAI": "google_genai",
    "ChatGroq": "groq",
    "ChatMetaModel": "meta",
    "ChatMistralAI": "mistralai",
    "ChatOpenAI": "openai",
    "ChatOpenAIMantle": "bedrock_mantle_openai",
    "ChatOpenRouter": "openrouter",
    "ChatPerplexity": "perplexity",
    "ChatTogether": "together",
    "ChatVertexAI": "google_vertexai",
    "ChatXAI": "xai",
}
# What other tools call it.
_OTHER_WORDS = {
    "input": "prompt",
    "input_tokens": "prompt",
    "output": "completion",
    "output_tokens": "completion",
    "cached": "cached_prompt",
    "cached_input": "cached_prompt",
    "cache_read": "cached_prompt",
}


class PriceLike(Protocol):
    """What one model costs."""

    def cost(self, message: AIMessage) -> float | None:
        """US dollars that this answer cost; ``None`` if its provider did not say what it used."""

    def cost_of(self, prompt_tokens: int, completion_tokens: int) -> float | None:
        """The most US dollars that a call with so many tokens may cost; ``None`` if nobody knows."""


@dataclass(frozen=True, kw_only=True)
class Price:
    """What a model costs, in US dollars for a million tokens.

    Raises:
        ValueError: A price is negative, or no number; all such are named.
    """

    prompt: float
    """Tokens sent."""
    completion: float
    """Tokens received, reasoning included."""
    cached_prompt: float | None = None
    """Tokens sent that the provider had cached; if ``None``, they cost what the others do."""

    def __post_init__(self) -> None:
        problems = list(_bad_numbers({field.name: getattr(self, field.name) for field in fields(self)}))
        if problems:
            raise ValueError("; ".join(problems))

    @property
    def is_free(self) -> bool:
        """Whether it costs nothing, whatever is used."""
        return not (self.prompt or self.completion or self.cached_prompt)

    def cost(self, message: AIMessage) -> float | None:
        """US dollars that this answer cost; ``None`` if its provider did not say what it used."""
        used = message.usage_metadata
        if used is None:
            # Of a model that costs nothing, nothing need be told.
            return 0.0 if self.is_free else None
        prompt, completion = used["input_tokens"], used["output_tokens"]
        cached = (used.get("input_token_details") or {}).get("cache_read") or 0
        if not (0 <= cached <= prompt and completion >= 0):
            return None
        return self._sum(prompt - cached, completion, cached)

    def cost_of(self, prompt_tokens: int, completion_tokens: int) -> float:
        """The most US dollars that a call with so many tokens may cost."""
        if (self.cached_prompt or 0) > self.prompt:
            return self._sum(0, completion_tokens, prompt_tokens)
        return self._sum(prompt_tokens, completion_tokens, 0)

    def _sum(self, prompt: int, completion: int, cached: int) -> float:
        # In decimals the price is what was written: 3 x 0.1 is 0.3.
        parts = (
            (prompt, self.prompt),
            (completion, self.completion),
            (cached, self.prompt if self.cached_prompt is None else self.cached_prompt),
        )
        return float(sum((tokens * Decimal(str(price)) for tokens, price in parts), Decimal(0)) / 1_000_000)


class Prices:
    """What models cost, by spec. Safe to share between threads.

    Args:
        own: Prices of your own, which come before all others: by model (``"openai:gpt-4o"``, ``"custom:mine"``),
            by the name that an instance has in records (``"ChatOpenAI:gpt-4o"``), or for all models of a
            provider (``"ollama"``). Each is a `Price`, or a mapping with its fields.

    Raises:
        ConfigurationError: A name or a price makes no sense; all such are named.
    """

    def __init__(self, own: Mapping[str, Price | Mapping[str, float]] | None = None) -> None:
        self._own = _read({} if own is None else own, "prices")
        self._table = "own table"
        self._known: dict[str, PriceLike | None] = {}

    @classmethod
    def from_file(cls, path: str | Path) -> Prices:
        """Own prices from a ``.yaml``, ``.yml`` or ``.json`` file, in which a line is a model and its price.

            openai:gpt-4o: {prompt: 2.5, completion: 10, cached_prompt: 1.25}

        Raises:
            ConfigurationError: The file cannot be read, or a name or a price makes no sense; all such are named.
        """
        path = Path(path)
        prices = cls()
        prices._own, prices._table = _read(_parsed(path), str(path)), path.name
        return prices

    def __repr__(self) -> str:
        return f"<Prices: {len(self._own)} own; {self.source}>"

    @property
    def source(self) -> str:
        """Where the prices come from, with the version."""
        return f"{self._table}, {price_list.source()}" if self._own else price_list.source()

    def of(self, spec: str) -> PriceLike | None:
        """What a model costs; ``None`` if nobody knows.

        Args:
            spec: The model's name in records: its spec, or for an instance its class and own model name.
        """
        try:
            return self._known[spec]
        except KeyError:
            price = self._known[spec] = self._find(spec)
            return price

    def cost(self, spec: str, message: AIMessage) -> float | None:
        """US dollars that an answer of this model cost; ``None`` if its price, or what it used, is unknown."""
        price = self.of(spec)
        return None if price is None else price.cost(message)

    def cost_of(self, spec: str, prompt_tokens: int, completion_tokens: int) -> float | None:
        """The most US dollars that a call with so many tokens may cost; ``None`` if the price is unknown.

        In the tier that so many tokens fall into; without discounts, with what a provider adds for keeping a
        prompt in its cache, and at the dearest hour of the day to come.
        """
        price = self.of(spec)
        return None if price is None else price.cost_of(prompt_tokens, completion_tokens)

    def is_free(self, spec: str) -> bool:
        """Whether calls of this model are known to cost nothing, whatever they use."""
        price = self.of(spec)
        return isinstance(price, Price) and price.is_free

    def _find(self, spec: str) -> PriceLike | None:
        name_or_class, _, model = spec.partition(":")
        provider = _PROVIDER_OF_CLASS.get(name_or_class, name_or_class)
        for key in (spec, f"{provider}:{model}", name_or_class, provider):
            if key in self._own:
                return self._own[key]
        return _NOTHING if provider in _FREE else price_list.listed(provider, model)


def _parsed(path: Path) -> object:
    """What a file holds, as plain data.

    No part of the file is shown in errors: it may be another one than was meant, with keys in it.
    """
    if path.suffix not in {".yaml", ".yml", ".json"}:
        raise ConfigurationError(f"{path}: prices are read from a .yaml, .yml or .json file, got {path.suffix!r}")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigurationError(f"{path}: the file of prices cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path}: the file of prices is not UTF-8 text") from None
    where, what = "", ""
    try:
        return json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except json.JSONDecodeError as error:
        where, what = f":{error.lineno}:{error.colno}", f"JSON: {error.msg}"
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f":{mark.line + 1}:{mark.column + 1}" if mark is not None else ""
        what = "YAML"
    except (yaml.YAMLError, ValueError, RecursionError):
        what = "JSON" if path.suffix == ".json" else "YAML"
    raise ConfigurationError(f"{path}{where}: this is not valid {what}")


def _read(data: object, where: str) -> dict[str, Price]:
    """A table of prices from plain data.

    Raises:
        ConfigurationError: Something in it makes no sense; everything that does not is named.
    """
    if not isinstance(data, Mapping):
        way_out = "; to read a file: Prices.from_file(...)" if isinstance(data, str | Path) else ""
        raise ConfigurationError(
            f"{where}: a table of prices is a mapping, as in "
            f"{{'openai:gpt-4o': {{'prompt': 2.5, 'completion': 10}}}}; got {type(data).__name__}{way_out}"
        )
    table = {}
    problems = []
    for name, entry in data.items():
        found = [*_bad_name(name), *_bad_entry(entry)]
        problems += [redact(f"{where}, {name!r}: {problem}") for problem in found]
        if not found:
            table[name] = entry if isinstance(entry, Price) else Price(**entry)
    if problems:
        raise ConfigurationError("\n".join(problems))
    return table


def _bad_name(name: object) -> Iterator[str]:
    if not isinstance(name, str):
        yield f"a price is given for the name of a model, got {type(name).__name__}"
        return
    provider, colon, model = name.partition(":")
    # An instance goes by its class, and a provider by its name in LangChain, which may know more than we do.
    is_class = provider[:1].isupper() and provider.isidentifier()
    if provider in _KNOWN_PROVIDERS or is_class:
        if colon and not model:
            yield f"it names no model; for all models of {provider}, leave out the colon"
    elif not provider or not colon:
        near = _nearest(provider, _KNOWN_PROVIDERS)
        yield f"it names no provider{near}; a model's name is provider:model, as in openai:gpt-4o"
    elif near := _nearest(provider, _KNOWN_PROVIDERS, cutoff=0.8):
        yield f"no provider is called {provider!r}{near}"


def _bad_entry(entry: object) -> Iterator[str]:
    if isinstance(entry, Price):
        return
    known = [field.name for field in fields(Price)]
    if not isinstance(entry, Mapping):
        yield f"a price is a mapping with {known[0]} and {known[1]}, got {_shown(entry)}"
        return
    for key in entry:
        if key not in known:
            other = _OTHER_WORDS.get(str(key).lower())
            near = f" (did you mean {other!r}?)" if other else _nearest(str(key), known)
            yield f"unknown key {key!r}{near}; known are {', '.join(known)}"
    for field in known[:2]:
        if field not in entry:
            yield f"{field} is missing: US dollars for a million tokens"
    yield from _bad_numbers({key: value for key, value in entry.items() if key in known})


def _bad_numbers(entry: Mapping[str, Any]) -> Iterator[str]:
    for key, value in entry.items():
        if value is None and key == "cached_prompt":
            continue
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not 0 <= value < math.inf:
            yield f"{key} must be US dollars for a million tokens, a number of at least 0; got {_shown(value)}"


def _shown(value: object) -> str:
    """A wrong value as far as it may be shown: a longer text may be a key, in a file that was not meant."""
    short = not isinstance(value, str) or len(value) < 8
    return repr(value) if short and isinstance(value, str | int | float | None) else type(value).__name__


def _nearest(name: str, known: tuple[str, ...] | list[str], *, cutoff: float = 0.6) -> str:
    close = difflib.get_close_matches(name.strip().lower(), known, n=1, cutoff=cutoff)
    return f" (did you mean {close[0]!r}?)" if close else ""


_NOTHING = Price(prompt=0.0, completion=0.0)
