"""``Preflight``: what answering a question will take, before anything is spent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import networkx as nx
from langchain_core.messages import BaseMessage, convert_to_messages

from archon_graph.core.component import Component, ModelComponent
from archon_graph.models import Prices
from archon_graph.models.providers import label

if TYPE_CHECKING:
    from archon_graph.core.architecture import Architecture

# English text and code come to between three and five characters a token in the tokenizers in use.
_CHARACTERS_A_TOKEN = 4


@dataclass(frozen=True, kw_only=True)
class NodeForecast:
    """What one node will take."""

    node: str
    """Its name."""
    model: str
    """Its model; empty if it asks none."""
    calls: int
    """Most model calls, when nothing is lost."""
    fewest_calls: int
    """Fewest, if every early exit is taken."""
    prompt_tokens: int
    """Estimate of the tokens sent in all its calls."""
    completion_tokens: int
    """Estimate of the tokens received in all its calls."""
    money: float | None
    """Estimate of the cost of all its calls in US dollars; ``None`` if the price of its model is not known."""


@dataclass(frozen=True, kw_only=True)
class Preflight:
    """What one question will take when nothing is lost. Failed calls and their repeats come on top."""

    calls: int
    """Most model calls; the exact number if nothing in the graph ends early."""
    fewest_calls: int
    """Fewest model calls, if every early exit is taken; equal to ``calls`` if there is none."""
    prompt_tokens: int
    """Estimate of the tokens sent, from the length of the question and ``answer_tokens``."""
    completion_tokens: int
    """Estimate of the tokens received."""
    critical_path: tuple[str, ...]
    """The nodes of the longest chain of calls that wait for each other."""
    calls_in_a_row: int
    """How many calls that chain has: with unlimited concurrency, the time of an answer in calls."""
    nodes: tuple[NodeForecast, ...]
    """Node by node."""
    money: float | None
    """Estimate of the cost in US dollars, from the tokens above; ``None`` if one price is not known, which is not
    zero."""

    @property
    def exact(self) -> bool:
        """Whether the number of calls is certain, as long as nothing is lost."""
        return self.calls == self.fewest_calls


def preflight(
    architecture: Architecture, question: Sequence[Any], *, answer_tokens: int, prices: Prices
) -> Preflight:
    """Predict what a question takes; see `Architecture.preflight`."""
    graph = architecture.graph
    messages: list[BaseMessage] = list(convert_to_messages(list(question)))
    question_tokens = sum(len(str(message.text)) for message in messages) // _CHARACTERS_A_TOKEN + 1
    most_in, fewest_in = _counts(architecture)
    forecasts = [
        _forecast(
            component,
            node,
            (fewest_in[node], most_in[node]),
            question_tokens=question_tokens,
            answer_tokens=answer_tokens,
            prices=prices,
        )
        for node, component in architecture.components.items()
    ]
    depth = {node: component.calls_in_a_row(most_in[node]) for node, component in architecture.components.items()}
    path = longest_path(graph, depth)
    money = [forecast.money for forecast in forecasts if forecast.money is not None]
    return Preflight(
        calls=sum(forecast.calls for forecast in forecasts),
        fewest_calls=sum(forecast.fewest_calls for forecast in forecasts),
        prompt_tokens=sum(forecast.prompt_tokens for forecast in forecasts),
        completion_tokens=sum(forecast.completion_tokens for forecast in forecasts),
        critical_path=tuple(node for node in path if depth[node]),
        calls_in_a_row=sum(depth[node] for node in path),
        nodes=tuple(forecasts),
        money=sum(money) if len(money) == len(forecasts) else None,
    )


def _counts(architecture: Architecture) -> tuple[dict[str, int], dict[str, int]]:
    """Most and fewest candidates that reach each node when nothing is lost."""
    graph = architecture.graph
    most_in, fewest_in, most_out, fewest_out = (dict[str, int]() for _ in range(4))
    for layer in architecture.layers:
        for node in layer:
            component = architecture.components[node]
            most_in[node] = sum(most_out[before] for before in graph.pred[node])
            fewest_in[node] = sum(fewest_out[before] for before in graph.pred[node])
            idle = not component.starts
            most_out[node] = 0 if idle and not most_in[node] else component.candidates_out(most_in[node])
            fewest_out[node] = 0 if idle and not fewest_in[node] else component.fewest_out(fewest_in[node])
    return most_in, fewest_in


def _forecast(
    component: Component,
    node: str,
    incoming: tuple[int, int],
    *,
    question_tokens: int,
    answer_tokens: int,
    prices: Prices,
) -> NodeForecast:
    fewest, most = incoming
    idle = not component.starts
    calls = 0 if idle and not most else component.calls(most)
    fewest_calls = 0 if idle and not fewest else component.fewest_calls(fewest)
    if not isinstance(component, ModelComponent):
        return NodeForecast(
            node=node,
            model="",
            calls=calls,
            fewest_calls=fewest_calls,
            prompt_tokens=0,
            completion_tokens=0,
            money=0.0,
        )
    own_words = 0
    if component.default_prompt is not None and component.shown(most):
        own_words = sum(map(len, component.words.parts.values())) // _CHARACTERS_A_TOKEN
    answer = min(answer_tokens, component.max_tokens or answer_tokens)
    prompt = question_tokens + own_words + component.shown(most) * answer_tokens
    model = label(component.model)
    return NodeForecast(
        node=node,
        model=model,
        calls=calls,
        fewest_calls=fewest_calls,
        prompt_tokens=calls * prompt,
        completion_tokens=calls * answer,
        money=prices.cost_of(model, calls * prompt, calls * answer),
    )


def longest_path(graph: nx.DiGraph[str], weight: Mapping[str, float]) -> list[str]:
    """The path on which the weights of the nodes come to most; the first of several."""
    best: dict[str, tuple[float, list[str]]] = {}
    for node in nx.topological_sort(graph):
        before = max((best[earlier] for earlier in graph.pred[node]), key=lambda path: path[0], default=(0.0, []))
        best[node] = (before[0] + weight[node], [*before[1], node])
    return max(best.values(), key=lambda path: path[0])[1] if best else []
