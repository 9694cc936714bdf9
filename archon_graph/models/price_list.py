"""The maintained list of prices, that of the package ``genai-prices``, read with caution.

The data comes with the package: nothing is ever fetched. A wrong price is worse than none, and the list says more
than it knows. It matches many models by how their names begin, and what begins alike may cost twice as much; it
holds prices taken over from a reseller, and models that bill for more than tokens. These are not taken from it.
"""

from __future__ import annotations

import importlib.metadata
import itertools
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from langchain_core.messages import AIMessage
from langchain_core.messages.ai import UsageMetadata

if TYPE_CHECKING:
    # Imported when the first price is looked up: it takes a tenth of a second.
    from genai_prices.types import ModelInfo, ModelPrice, Usage

_PACKAGE = "genai-prices"
# By the provider's name in LangChain. Where a provider serves whatever its user has put there, under any name, a
# name says nothing about the price.
_LISTED_AS: Mapping[str, str | None] = {
    "anthropic": "anthropic",
    "anthropic_bedrock": "aws",
    "azure_ai": None,
    "azure_openai": None,
    "baseten": "baseten",
    "bedrock": "aws",
    "bedrock_converse": "aws",
    "bedrock_mantle_anthropic": "aws",
    "bedrock_mantle_openai": "aws",
    "cerebras": "cerebras",
    "cohere": "cohere",
    "deepseek": "deepseek",
    "fireworks": "fireworks",
    "google_anthropic_vertex": "google",
    "google_genai": "google",
    "google_vertexai": "google",
    "groq": "groq",
    "huggingface": None,
    "ibm": None,
    "langsmith": None,
    "litellm": None,
    "meta": "meta",
    "mistralai": "mistral",
    "nvidia": None,
    "ollama": None,
    "openai": "openai",
    "openrouter": "openrouter",
    "perplexity": "perplexity",
    "together": "together",
    "upstage": None,
    "xai": "x-ai",
}
PROVIDERS = tuple(_LISTED_AS)
"""The providers known by name; LangChain may know more."""
# The longest that a call may be under way, by far; prices that depend on the hour have all come up once.
_HORIZON = timedelta(days=1)
# What is billed besides tokens, and no answer tells how much of it there was.
_BILLED_APART = ("requests_kcount", "output_citation_mtok")
_SECOND_HAND = re.compile(r"\bimported from\b", re.IGNORECASE)
# What may follow the name of a model without making it another one: a date, the number of a version, "latest".
_VERSION = re.compile(
    r"(?:[-@](?:20\d\d-?[01]\d-?[0-3]\d|[01]\d-[0-3]\d|[01]\d-20\d\d|\d{3,4}|latest|default))?(?:-v\d+)?(?::\d+)?$"
)
# What may stand before it: a region, a vendor, a folder.
_WHERE = re.compile(r"(?:[a-z0-9-]+[./])*")


def source() -> str:
    """The list's name and version."""
    return f"{_PACKAGE} {importlib.metadata.version(_PACKAGE)}"


@lru_cache(maxsize=1024)
def listed(provider: str, name: str) -> ListedPrice | None:
    """What the list says of a model; ``None`` if it does not know it for certain.

    Args:
        provider: The provider's name in LangChain.
        name: The model's name at that provider.
    """
    listed_as = _LISTED_AS.get(provider)
    name = name.lower().removeprefix("models/")
    # A model that searches by itself bills for that, too, and no answer tells how often it did.
    if listed_as is None or "search" in name:
        return None
    # The data itself, and not what the package would choose: another library of the process may have it fetch
    # newer prices, and what a study costs would change with that.
    from genai_prices.data import providers

    models = next((each.models for each in providers if each.id == listed_as), [])
    model = next((each for each in models if each.is_match(name) and _is_meant(each, name)), None)
    return None if model is None or _SECOND_HAND.search(model.price_comments or "") else ListedPrice(model)


class ListedPrice:
    """A price of the list, which may depend on the hour, the length of the prompt and the service tier."""

    def __init__(self, model: ModelInfo) -> None:
        self._model = model

    def cost(self, message: AIMessage) -> float | None:
        """US dollars that this answer cost; ``None`` if its provider did not say what it used."""
        from genai_prices import Usage

        used = message.usage_metadata
        if used is None:
            return None
        tier = _service_tier(message, used)
        prices = self._model.get_prices(_now(), {"service_tier": tier} if tier else None)
        try:
            return _total(prices, Usage(**_counts(used)))
        except ValueError:
            # The parts come to more than the whole: nobody knows what was used.
            return None

    def cost_of(self, prompt_tokens: int, completion_tokens: int) -> float | None:
        """The most US dollars that a call with so many tokens may cost; ``None`` if nobody knows."""
        from genai_prices import Usage

        costs = []
        for prices in self._prices_to_come():
            prompts: list[dict[str, int]] = [{}]
            completions: list[dict[str, int]] = [{}]
            if prices.cache_write_mtok is not None:
                prompts.append({"cache_write_tokens": prompt_tokens})
            if prices.output_reasoning_mtok is not None:
                completions.append({"output_reasoning_tokens": completion_tokens})
            for prompt, completion in itertools.product(prompts, completions):
                usage = Usage(input_tokens=prompt_tokens, output_tokens=completion_tokens, **prompt, **completion)
                cost = _total(prices, usage)
                if cost is None:
                    return None
                costs.append(cost)
        return max(costs)

    def _prices_to_come(self) -> Iterator[ModelPrice]:
        """The prices that hold now or some time in the day that follows."""
        now = _now()
        yield self._model.get_prices(now)
        for moment in _changes(self._model, now):
            yield self._model.get_prices(moment)


def _now() -> datetime:
    return datetime.now(UTC)


def _changes(model: ModelInfo, now: datetime) -> Iterator[datetime]:
    """When in the day that follows a price of the model begins or ends."""
    from genai_prices.types import StartDateConstraint, TimeOfDateConstraint

    for conditional in model.prices if isinstance(model.prices, list) else ():
        constraint = conditional.constraint
        moments: list[datetime] = []
        if isinstance(constraint, StartDateConstraint):
            moments = [datetime.combine(constraint.start_date, datetime.min.time(), UTC)]
        elif isinstance(constraint, TimeOfDateConstraint):
            times = (constraint.start_time, constraint.end_time)
            # A time that is told in another zone may fall on the day before or after.
            moments = [
                datetime.combine(now + timedelta(days=day), time if time.tzinfo else time.replace(tzinfo=UTC))
                for time in times
                for day in (-1, 0, 1, 2)
            ]
        yield from (moment for moment in moments if now < moment <= now + _HORIZON)


def _total(prices: ModelPrice, usage: Usage) -> float | None:
    """What this usage comes to; ``None`` if there is no price for text in and out, or more is billed than that."""
    if prices.input_mtok is None or prices.output_mtok is None:
        return None
    if any(getattr(prices, key) is not None for key in _BILLED_APART):
        return None
    return float(prices.calc_price(usage)["total_price"])


def _counts(used: UsageMetadata) -> dict[str, int]:
    """What an answer used, by the names of the list."""
    sent: Mapping[str, Any] = dict(used.get("input_token_details") or {})
    received: Mapping[str, Any] = dict(used.get("output_token_details") or {})
    five_minutes = _count(sent, "ephemeral_5m_input_tokens")
    an_hour = _count(sent, "ephemeral_1h_input_tokens")
    counts = {
        "cache_read_tokens": _count(sent, "cache_read"),
        # LangChain gives the sum, or its parts.
        "cache_write_tokens": max(_count(sent, "cache_creation"), five_minutes + an_hour),
        "cache_write_1h_tokens": an_hour,
        "input_audio_tokens": _count(sent, "audio"),
        "output_audio_tokens": _count(received, "audio"),
        "output_reasoning_tokens": _count(received, "reasoning"),
    }
    told = {name: count for name, count in counts.items() if count}
    return {"input_tokens": used["input_tokens"], "output_tokens": used["output_tokens"], **told}


def _count(details: Mapping[str, Any], kind: str) -> int:
    """Tokens of a kind; LangChain puts the service tier before the names of some."""
    return sum(details.get(f"{tier}{kind}") or 0 for tier in ("", "flex_", "priority_"))


def _service_tier(message: AIMessage, used: UsageMetadata) -> str | None:
    told = message.response_metadata.get("service_tier")
    if isinstance(told, str):
        return told
    details = used.get("input_token_details") or {}
    return next((tier for tier in ("flex", "priority") if tier in details), None)


def _is_meant(model: ModelInfo, name: str) -> bool:
    """Whether the list means this model, and does not only match its name.

    It matches ``gemini-1.5-flash-8b`` by ``gemini-1.5-flash``, which costs twice as much. A model is meant if its
    name is one that the list spells out, or differs from that in nothing but a version.
    """
    if name.startswith("ft:"):
        # A tuned model costs what all tuned ones of its base do; what follows the base is the user's own.
        name = ":".join(name.split(":")[:2])
    stem = _VERSION.sub("", name, count=1)
    for spelt in (model.id.lower(), *_spelt_out(model.match)):
        start = name.find(spelt)
        # It begins where the name does, and reaches to the version, or into it.
        if start >= 0 and _WHERE.fullmatch(name, 0, start) and spelt.startswith(stem[start:]):
            return True
    return False


def _spelt_out(logic: Any) -> Iterator[str]:
    """The names, and beginnings, ends and parts of names, that the list matches by."""
    for each in getattr(logic, "or_", None) or getattr(logic, "and_", None) or ():
        yield from _spelt_out(each)
    for kind in ("equals", "starts_with", "ends_with", "contains"):
        text: str = getattr(logic, kind, "")
        if text:
            yield text.lower()
