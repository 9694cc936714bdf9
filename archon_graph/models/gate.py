"""``Gate``: lets whoever waits for draws say that enough have come, and the rest be cut off."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress

from archon_graph.models.request import Draw


class Gate:
    """Handed to `Client.draw`: told of each answer as it arrives, and able to cut off calls still under way.

    Thread-safe. Once closed, it stays closed: draws asked for through it later are not sent.

    Args:
        arrived: Called with each draw that brought an answer, in the order in which they come.
    """

    def __init__(self, arrived: Callable[[Draw], None] = lambda _: None) -> None:
        self.arrived = arrived
        """Called with each draw that brought an answer."""
        self._lock = threading.Lock()
        self._reason: str | None = None
        self._waiting: set[asyncio.Future[None]] = set()

    @property
    def reason(self) -> str | None:
        """Why it was closed; ``None`` while it is open."""
        return self._reason

    def close(self, reason: str) -> None:
        """Cut off all draws under way; their errors are `StragglerError`s that give this reason."""
        with self._lock:
            if self._reason is not None:
                return
            self._reason = reason
            waiting, self._waiting = self._waiting, set()
        for future in waiting:
            # A run that was interrupted may have left a future of a loop that is closed: nobody waits there.
            with suppress(RuntimeError):
                future.get_loop().call_soon_threadsafe(_wake, future)

    def closed(self) -> asyncio.Future[None]:
        """A future of the running loop that is done once the gate is closed; give it back with `forget`."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        with self._lock:
            if self._reason is None:
                self._waiting.add(future)
                return future
        future.set_result(None)
        return future

    def forget(self, future: asyncio.Future[None]) -> None:
        """Wait for it no longer."""
        with self._lock:
            self._waiting.discard(future)
        future.cancel()


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
