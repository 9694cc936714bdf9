"""What the benchmarks share: a fake model, the requests of a run for sending them again, and paired timing.

A figure is a ratio of two things that run in turn in one process: a machine that slows down slows both.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import platform
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult

from archon_graph import Architecture
from archon_graph.models import Client, Draw, Request

REPLY = "[2] > [1] > [3]"
"""What the fake models say: short, and an order that a ranker can read."""


class FakeModel(BaseChatModel):
    """Sleeps and says `REPLY`; keeps nothing, so that memory that grows is not its own."""

    latency: float = 0.0
    """Seconds that a call takes."""
    model_name: str = "fake"
    """Its name in records."""

    @property
    def _llm_type(self) -> str:
        return "fake"

    def _result(self) -> ChatResult:
        usage: Any = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}
        return ChatResult(generations=[ChatGeneration(message=AIMessage(REPLY, usage_metadata=usage))])

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        time.sleep(self.latency)
        return self._result()

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        await asyncio.sleep(self.latency)
        return self._result()


class Asked(NamedTuple):
    """One use of `Client.draw`."""

    request: Request
    indices: tuple[int, ...]


Layers = list[list[Asked]]
"""What a run asked for, layer by layer."""


class _Watched(Client):
    """A client that keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[Asked] = []

    async def draw(self, request: Request, indices: Sequence[int], **options: Any) -> list[Draw]:
        self.asked.append(Asked(request, tuple(indices)))
        return await super().draw(request, indices, **options)


async def requests_of(architecture: Architecture, question: str) -> Layers:
    """Run once and say what was asked, layer by layer.

    Raises:
        RuntimeError: Not every call of the architecture was seen: the comparison would be with less work.
    """
    client = _Watched()
    await architecture.arun(question, client=client)
    layers = [[asked for asked in client.asked if asked.request.node in layer] for layer in architecture.layers]
    seen = sum(len(asked.indices) for layer in layers for asked in layer)
    if seen != architecture.max_calls:
        raise RuntimeError(f"{architecture.name} makes {architecture.max_calls} calls, and {seen} were seen")
    return layers


async def gathered(client: Client, layers: Layers) -> None:
    """The same calls with plain asyncio: the requests of a layer side by side, one layer after the other."""
    for layer in layers:
        _require_answers(await asyncio.gather(*(client.draw(*asked) for asked in layer)))


async def one_by_one(client: Client, layers: Layers) -> None:
    """The same calls in the order of Archon's first implementation: each begins when the one before has ended."""
    for layer in layers:
        for asked in layer:
            for index in asked.indices:
                _require_answers([await client.draw(asked.request, [index])])


def _require_answers(drawn: Sequence[Sequence[Draw]]) -> None:
    """A call that failed at once would make its side fast."""
    failed = [draw.error for draws in drawn for draw in draws if draw.error is not None]
    if failed:
        raise RuntimeError(f"{len(failed)} calls failed; the first: {failed[0]}")


@dataclass
class Pairs:
    """Measurements of two things that ran in turn."""

    ours: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """Median of ours divided by theirs, pair by pair."""
        return statistics.median(mine / other for mine, other in zip(self.ours, self.theirs, strict=True))


async def paired(
    ours: Callable[[], Awaitable[object]],
    theirs: Callable[[], Awaitable[object]],
    rounds: int,
    *,
    clock: Callable[[], float] = time.perf_counter,
    warm_up: bool = True,
) -> Pairs:
    """Time both in turn, and change who goes first from pair to pair; once before that without the clock."""
    if warm_up:
        await ours()
        await theirs()
    pairs = Pairs()
    for number in range(rounds):
        sides = [(ours, pairs.ours), (theirs, pairs.theirs)]
        for work, times in sides if number % 2 == 0 else reversed(sides):
            gc.collect()  # neither side pays for what the other left behind
            started = clock()
            await work()
            times.append(clock() - started)
    return pairs


class Report:
    """Prints figures as they come, and keeps how many were missed."""

    def __init__(self, rounds: int) -> None:
        self.missed = 0
        cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count()
        machine = f"Python {platform.python_version()}, {platform.machine()}, {cores} cores"
        print(f"{machine}; medians of {rounds} rounds", flush=True)

    def at_most(self, name: str, value: float, limit: float, *, unit: str = "", detail: str = "") -> None:
        """A figure that may not be larger than its limit."""
        text = f"{name}: {_number(value, unit)} (at most {limit:g}{unit})"
        self._line("ok  " if value <= limit else "OVER", text, detail)

    def at_least(self, name: str, value: float, limit: float, *, unit: str = "", detail: str = "") -> None:
        """A figure that may not be smaller than its limit."""
        text = f"{name}: {_number(value, unit)} (at least {limit:g}{unit})"
        self._line("ok  " if value >= limit else "LOW ", text, detail)

    def note(self, text: str) -> None:
        """Something beside the figures."""
        print(f"     {text}", flush=True)

    def _line(self, verdict: str, text: str, detail: str) -> None:
        self.missed += not verdict.startswith("ok")
        print(f"{verdict} {text}{'; ' if detail else ''}{detail}", flush=True)


def _number(value: float, unit: str) -> str:
    """A value with its unit, or without one a ratio."""
    return f"{value:.1f}{unit}" if unit else f"{value:.3f}"


def arguments(doc: str | None, *, rounds: int) -> argparse.ArgumentParser:
    """A parser with what every benchmark takes."""
    parser = argparse.ArgumentParser(description=(doc or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=rounds, help=f"pairs that are timed (default: {rounds})")
    return parser


def milliseconds(times: Sequence[float]) -> str:
    """The median in words."""
    return f"{statistics.median(times) * 1000:.0f} ms"
