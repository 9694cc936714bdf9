"""What the server counts, as Prometheus reads it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500)


class Metrics:
    """The figures of one server.

    Labels hold names of served models alone: a name that a client makes up would be a series of its own for ever.
    """

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self.running = Gauge("archon_graph_running", "Runs of architectures under way.", registry=registry)
        self.requests = Counter(
            "archon_graph_requests",
            "Requests by path, model and status; 499 are those whose client hung up.",
            ["path", "model", "status"],
            registry=registry,
        )
        self.seconds = Histogram(
            "archon_graph_request_seconds",
            "From a request to the last byte of its answer.",
            ["model"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.first_chunk = Histogram(
            "archon_graph_first_chunk_seconds",
            "From a request to the first piece of its answer, where it is streamed.",
            ["model"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._tokens = Counter(
            "archon_graph_tokens", "Tokens of all calls inside.", ["model", "kind"], registry=registry
        )
        self._calls = Counter("archon_graph_model_calls", "Calls of models.", ["model"], registry=registry)
        self._money = Counter(
            "archon_graph_money_usd", "US dollars, of calls whose price is known.", ["model"], registry=registry
        )
        self._losses = Counter("archon_graph_losses", "What runs went on without.", ["model"], registry=registry)
        ProcessCollector(registry=registry)

    def answered(self, model: str, usage: Mapping[str, Any] | None, told: Mapping[str, Any]) -> None:
        """Count what an answer took.

        Args:
            model: Its name at the server.
            usage: LangChain's usage of it.
            told: What the chat model says of the run.
        """
        if usage is not None:
            self._tokens.labels(model, "prompt").inc(usage["input_tokens"])
            self._tokens.labels(model, "completion").inc(usage["output_tokens"])
        self._calls.labels(model).inc(told.get("calls") or 0)
        self._money.labels(model).inc(told.get("money") or 0)
        self._losses.labels(model).inc(len(told.get("losses") or ()))

    def text(self) -> bytes:
        """All of it in Prometheus' text format."""
        return generate_latest(self._registry)
