"""How a local model's server is set up: slots, threads, memory, and what the environment may change of it."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from archon_graph.models.errors import ConfigurationError
from archon_graph.models.local.catalogue import LocalModel

_SLOTS = 4
_CONTEXT = 20_480
_SHARE = 4_096


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """What may differ from one server to the next."""

    slots: int
    """Requests computed side by side: on 2 cores, coder-1.5b brings 12 tokens a second with one, 19 with four."""
    threads: int
    """Threads that compute."""
    context: int
    """Most tokens, prompt and answer, of one request; a file's own training may allow less."""
    sampling: Mapping[str, float]
    """Sampling that holds where a request says nothing else; empty leaves the runtime's own."""

    @classmethod
    def read(cls, known: LocalModel | None) -> Settings:
        """The settings for a model of the catalogue, or for a file it does not know.

        ``ARCHON_GRAPH_LOCAL_SLOTS``, ``ARCHON_GRAPH_LOCAL_THREADS`` and ``ARCHON_GRAPH_LOCAL_CONTEXT`` in the
        environment win.

        Raises:
            ConfigurationError: One of them is not a whole number above 0.
        """
        return cls(
            slots=_whole_number("ARCHON_GRAPH_LOCAL_SLOTS", _SLOTS),
            threads=_whole_number("ARCHON_GRAPH_LOCAL_THREADS", _cores()),
            context=_whole_number("ARCHON_GRAPH_LOCAL_CONTEXT", known.context if known else _CONTEXT),
            sampling={str(name): value for name, value in known.sampling.items()} if known else {},
        )

    @property
    def pool(self) -> int:
        """Tokens that all requests together may hold.

        The slots share one pool, so that a long request may use what the others leave. When a pool runs over,
        the runtime fails *every* request in it (status 500, seen), so each slot is capped at `context`, and the
        pool holds one request of that length beside 4,096 tokens for every other slot: 32,768 tokens by
        default, which is also four requests of 8,192. Seen to fit: 20,031 beside three times 4,031.

        Measured against a pool of 16,384 in fixed quarters: the same speed; coder-0.5b takes 0.2 GB more
        memory (1.0 GB in all), coder-1.5b 0.45 GB more (2.7 GB in all).
        """
        return self.context + (self.slots - 1) * _SHARE

    def apply(self, params: Any) -> None:
        """Write the settings, and those that are the same for every server, into the runtime's parameters."""
        params.n_gpu_layers = 0
        params.cpuparams.n_threads = self.threads
        params.cpuparams_batch.n_threads = self.threads
        params.n_parallel = self.slots
        params.kv_unified = True
        params.kv_unified_per_slot = self.context
        params.n_ctx = self.pool
        params.use_jinja = True
        params.cache_ram_mib = 0  # by default up to 8 GB of old prompts are kept
        params.ui = False
        params.verbosity = -1  # at 0 and above it writes to our user's standard error
        if "temperature" in self.sampling:
            params.sampling.temp = self.sampling["temperature"]
        if "top_p" in self.sampling:
            params.sampling.top_p = self.sampling["top_p"]


def _whole_number(variable: str, default: int) -> int:
    text = os.environ.get(variable, "").strip()
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise ConfigurationError(
            f"the environment variable {variable} must be a whole number above 0, not {text!r}"
        )
    return int(text)


def _cores() -> int:
    cores = os.cpu_count()
    if sys.version_info >= (3, 13):
        cores = os.process_cpu_count()
    elif sys.platform == "linux":
        cores = len(os.sched_getaffinity(0))
    return cores or 1
