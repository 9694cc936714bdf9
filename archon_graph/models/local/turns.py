"""Turns: calls of one local model compute together, calls of another wait until they are done.

Two models that compute at once on few cores starve each other: on 2 cores, 1.5 tokens a second where either
alone brings 12 or more. Calls of one model share its server's slots and gain by running together.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections import deque
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field


@dataclass(eq=False, slots=True)
class _Waiter:
    """One call that waits; whoever lets it in does so from any thread."""

    loop: asyncio.AbstractEventLoop
    admission: asyncio.Future[None]
    admitted: bool = False


@dataclass(eq=False, slots=True)
class _Group:
    """Calls of one model that will be let in together."""

    key: str
    waiters: list[_Waiter] = field(default_factory=list)


class Turns:
    """Lets in any number of calls with the same key, and calls with different keys one group after another.

    Fair: as soon as another key waits, new calls of the current one line up behind it, so each key waits for at
    most one group of every other. Works across threads and their event loops; a call that is cancelled, while
    it waits or while it holds its turn, gives up its place. A call that already has a turn must not ask for a
    second one: if another key came in between, both would wait for each other.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._current: str | None = None
        self._inside = 0
        self._queue: deque[_Group] = deque()

    @asynccontextmanager
    async def turn(self, key: str) -> AsyncIterator[None]:
        """Hold a turn for ``key`` for the length of an ``async with`` block."""
        waiter = self._join(key)
        if waiter is not None:
            try:
                await waiter.admission
            except BaseException:
                # Cancelled; perhaps after it was let in, and before its own loop came to hear of that.
                self._give_up(waiter)
                raise
        try:
            yield
        finally:
            self._leave()

    def _join(self, key: str) -> _Waiter | None:
        """Go in at once, with ``None``, or line up."""
        with self._lock:
            if self._inside == 0 or (self._current == key and not self._queue):
                self._current = key
                self._inside += 1
                return None
            group = next((group for group in self._queue if group.key == key), None)
            if group is None:
                group = _Group(key)
                self._queue.append(group)
            loop = asyncio.get_running_loop()
            waiter = _Waiter(loop, loop.create_future())
            group.waiters.append(waiter)
            return waiter

    def _give_up(self, waiter: _Waiter) -> None:
        with self._lock:
            if waiter.admitted:
                self._step_out()
                return
            group = next((group for group in self._queue if waiter in group.waiters), None)
            if group is None:
                return  # passed over in `_admit`: its loop was closed
            group.waiters.remove(waiter)
            if not group.waiters:
                self._queue.remove(group)
                # The last that others lined up behind may just have gone.
                self._admit_if_alone()

    def _leave(self) -> None:
        with self._lock:
            self._step_out()

    def _step_out(self) -> None:
        self._inside -= 1
        while self._inside == 0 and self._queue:
            self._admit(self._queue.popleft())

    def _admit_if_alone(self) -> None:
        """Let in the group of the current key, when no other key waits any more."""
        if len(self._queue) == 1 and self._queue[0].key == self._current:
            self._admit(self._queue.popleft())

    def _admit(self, group: _Group) -> None:
        self._current = group.key
        for waiter in group.waiters:
            try:
                waiter.loop.call_soon_threadsafe(_wake, waiter.admission)
            except RuntimeError:
                continue  # its loop was closed under it: there is nobody left to let in
            waiter.admitted = True
            self._inside += 1


def _wake(admission: asyncio.Future[None]) -> None:
    if not admission.done():
        admission.set_result(None)


_turns = Turns()


def turn(key: str) -> AbstractAsyncContextManager[None]:
    """Hold the machine for calls of the model ``key`` for the length of an ``async with`` block.

    There is one `Turns` for the process: its cores are one, too.
    """
    return _turns.turn(key)


def _start_anew() -> None:
    global _turns  # noqa: PLW0603  a forked child has none of the calls that hold or await a turn in its parent
    _turns = Turns()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_anew)
