"""``Lane``: what calls to one model, or to one provider, have to pass before they are sent.

The limits of a lane hold for the process: all clients, threads and event loops with the same limit share it.
"""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

# A rate limiter that looks more seldom than this would leave part of the rate unused.
_LOOKS_PER_REQUEST = 5


class Lane:
    """Lets in so many calls at once, so many a second, and none while the provider asked for a pause.

    Args:
        concurrency: Most calls at once.
        requests_per_second: Most calls a second; up to a second's worth may start together.
    """

    def __init__(self, concurrency: int | None = None, requests_per_second: float | None = None) -> None:
        self._slots: Any = None
        self._rate: Any = None
        self._not_before = 0.0
        if concurrency is not None:
            # Works across event loops, which asyncio's own semaphores do not.
            from aiologic import CapacityLimiter

            self._slots = CapacityLimiter(concurrency)
        if requests_per_second is not None:
            from langchain_core.rate_limiters import InMemoryRateLimiter

            self._rate = InMemoryRateLimiter(
                requests_per_second=requests_per_second,
                check_every_n_seconds=min(0.1, 1 / (_LOOKS_PER_REQUEST * requests_per_second)),
                max_bucket_size=max(1.0, requests_per_second),
            )

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Hold a slot for the length of an ``async with`` block."""
        if self._slots is None:
            await self._wait()
            yield
            return
        async with self._slots:
            # With the slot held: a pause that begins while calls queue for slots holds those up, too.
            await self._wait()
            yield

    def pause(self, seconds: float) -> None:
        """Let no call in for so long: the provider asked for it, and all its calls share its limit."""
        self._not_before = max(self._not_before, time.monotonic() + seconds)

    async def _wait(self) -> None:
        while (pause := self._not_before - time.monotonic()) > 0:  # noqa: ASYNC110 - a clock tells no one
            # Not all at the same moment, which would bring on the next refusal.
            await asyncio.sleep(pause * random.uniform(1.0, 1.1))  # noqa: S311 - spread, not secrecy
        if self._rate is not None:
            await self._rate.aacquire()


_lock = threading.Lock()
_lanes: dict[tuple[str, int | None, float | None], Lane] = {}


def lane_of(
    key: str, concurrency: int | None, requests_per_second: float | None, *, always: bool = False
) -> Lane | None:
    """The process's lane with these limits; ``None`` if there are none, unless there is ``always`` to be one."""
    if concurrency is None and requests_per_second is None and not always:
        return None
    with _lock:
        name = (key, concurrency, requests_per_second)
        if name not in _lanes:
            _lanes[name] = Lane(concurrency, requests_per_second)
        return _lanes[name]
