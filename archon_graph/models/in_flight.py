"""Equal calls under way: the first one is made, and the others wait for what it brings."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterable
from concurrent.futures import Future

from archon_graph.models.request import Draw


class InFlight:
    """Who is asking for what at this moment. Shared between threads and event loops."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: dict[Hashable, Future[Draw | None]] = {}

    def claim(self, calls: Iterable[Hashable]) -> dict[Hashable, Future[Draw | None]]:
        """Take it on to make these calls, but for those that somebody else is making.

        Returns:
            The calls that somebody else is making, each with what will hold its draw; ``None`` in it says that
            the other gave up, and the call is open again. All others are claimed, and have to be settled.
        """
        with self._lock:
            theirs = {}
            for call in calls:
                if call in self._calls:
                    theirs[call] = self._calls[call]
                else:
                    future: Future[Draw | None] = Future()
                    future.set_running_or_notify_cancel()
                    self._calls[call] = future
            return theirs

    def settle(self, call: Hashable, draw: Draw | None) -> None:
        """Say what a claimed call brought, or ``None`` if it was given up. A second word is not heard."""
        with self._lock:
            future = self._calls.pop(call, None)
        if future is not None:
            future.set_result(draw)
