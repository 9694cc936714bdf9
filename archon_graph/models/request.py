"""What is asked of a model and what comes back: ``Request``, ``Draw`` and ``Usage``.

A *sample* is one draw from a model. Its index is part of a call's identity: the same request at the same
index is the same call, at another index it is another draw. That is what lets ten samples be ten answers,
and lets a later run ask for the eleventh alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage

from archon_graph.models.errors import ModelError
from archon_graph.models.stream import AnswerStream

ModelLike = str | BaseChatModel
"""A model is named by a spec string (``"openai:gpt-4o"``) or given as a LangChain chat model."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sampling:
    """How a model is to be sampled; ``None`` leaves the choice to the model's provider."""

    temperature: float | None = None
    """Spread of the samples; some reasoning models refuse any value but their own."""
    top_p: float | None = None
    """Share of the probability mass that is sampled from."""
    max_tokens: int | None = None
    """Most tokens the answer may have."""
    stop: tuple[str, ...] = ()
    """Strings that end the answer where they appear."""
    top_logprobs: int | None = None
    """So many of the likeliest tokens at each place come with the answer, with their log probabilities, from a
    provider that tells them (``response_metadata["logprobs"]``)."""

    def settings(self) -> dict[str, Any]:
        """The settings that were made, under the names LangChain gives them."""
        made: dict[str, Any] = {
            name: value
            for name in ("temperature", "top_p", "max_tokens")
            if (value := getattr(self, name)) is not None
        }
        if self.stop:
            made["stop"] = list(self.stop)
        if self.top_logprobs is not None:
            made |= {"logprobs": True, "top_logprobs": self.top_logprobs}
        return made


@dataclass(frozen=True, kw_only=True)
class Request:
    """One question to one model, from which any number of samples may be drawn."""

    model: ModelLike
    """The model's spec, or the chat model itself."""
    messages: tuple[BaseMessage, ...]
    """The conversation as the model shall see it; never mutated."""
    sampling: Sampling = field(default_factory=Sampling)
    """How to sample."""
    schema: Mapping[str, Any] | None = None
    """A JSON schema with a ``title``: the answer shall be a JSON object of this form. Asked for only of
    models that offer it (`Client.offers_json`)."""
    strict: bool = True
    """Whether the schema keeps to what providers hold a model to word for word; one of a user's may not."""
    tools: tuple[Mapping[str, Any], ...] = ()
    """Tools that the model may call, in OpenAI's form."""
    tool_choice: str | None = None
    """``any`` for a call of some tool, or the name of one; ``None`` leaves it to the model."""
    parallel_tool_calls: bool | None = None
    """Whether one answer may call several tools; ``None`` leaves it to the provider."""
    prompt_version: str = ""
    """Identity of the prompt the messages were made from."""
    replicate: int = 0
    """Namespace of the samples: 0 for a first run, another number for an independent repeat."""
    node: str = ""
    """Who asks; for records and traces, not part of the call's identity."""
    part: str = ""
    """For which piece of the node's work, as in ``/2``; it follows the node in the names of calls, and is no more
    part of the identity than that is."""
    hidden: bool = False
    """Whether the pieces of its answers are kept from who listens to a graph's tokens; no part of the identity."""
    stream: AnswerStream | None = field(default=None, compare=False, repr=False)
    """Takes the pieces of an answer as they come, where one sample is drawn; no part of the identity."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """What calls cost. Usages add up with ``+``."""

    calls: int = 0
    """Requested draws; each sample and each repeat counts."""
    prompt_tokens: int = 0
    """Tokens sent, as the provider counted them."""
    completion_tokens: int = 0
    """Tokens received, as the provider counted them, reasoning included."""
    reasoning_tokens: int = 0
    """The part of the completion tokens that was reasoning and not answer, where the provider says so."""
    unmetered_calls: int = 0
    """Calls whose provider reported no tokens: their share of the sums above is unknown, not zero."""
    money: float = 0.0
    """Cost in US dollars, of the calls whose price is known."""
    unpriced_calls: int = 0
    """Calls whose price is not known: their share of the money is unknown, not zero."""
    seconds: float = 0.0
    """Time spent in calls, added up; calls that ran side by side count in full."""

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            calls=self.calls + other.calls,
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
            reasoning_tokens=self.reasoning_tokens + other.reasoning_tokens,
            unmetered_calls=self.unmetered_calls + other.unmetered_calls,
            money=self.money + other.money,
            unpriced_calls=self.unpriced_calls + other.unpriced_calls,
            seconds=self.seconds + other.seconds,
        )

    @property
    def tokens(self) -> int:
        """Tokens sent and received."""
        return self.prompt_tokens + self.completion_tokens

    @classmethod
    def total(cls, usages: Iterable[Usage]) -> Usage:
        """The sum of any number of usages; of none, a usage of no calls."""
        return sum(usages, cls())

    @classmethod
    def of(cls, message: AIMessage, *, seconds: float) -> Usage:
        """What one call took, read from the answer it brought; its price is another matter (`prices`)."""
        metered = message.usage_metadata
        if metered is None:
            return cls(calls=1, unmetered_calls=1, unpriced_calls=1, seconds=seconds)
        return cls(
            calls=1,
            prompt_tokens=metered["input_tokens"],
            completion_tokens=metered["output_tokens"],
            reasoning_tokens=(metered.get("output_token_details") or {}).get("reasoning") or 0,
            unpriced_calls=1,
            seconds=seconds,
        )


@dataclass(frozen=True, kw_only=True)
class Draw:
    """The outcome of one sample: an answer, or the error that took its place."""

    index: int
    """The sample's index."""
    message: AIMessage | None = None
    """The answer as the model gave it; ``None`` when the call failed."""
    data: Mapping[str, Any] | None = None
    """The answer as a JSON object, where a schema was asked for and the model kept to JSON."""
    error: ModelError | None = None
    """Why there is no answer."""
    usage: Usage = field(default_factory=Usage)
    """What this draw cost, attempts that failed included; for a recorded answer, what it cost then."""
    cached: bool = False
    """Whether the answer was recorded earlier, or paid for by an equal call: nothing was paid for it here."""
    model: str = ""
    """Name of the model that answered; another than was asked for if that one failed and had a fallback."""
    faults: tuple[str, ...] = ()
    """What went wrong in the attempts before the last one."""
