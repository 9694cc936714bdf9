"""Runs a coroutine from synchronous code, also where an event loop is already running (a notebook).

One background loop serves the whole process. HTTP clients keep their connections bound to the loop that
opened them, so a new loop for every run would break them from the second run on.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")

_CLEAN_UP_SECONDS = 2.0

_lock = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None
_thread: threading.Thread | None = None


def run_sync(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end on the background loop and return its result.

    The caller's context variables (LangChain's callbacks among them) are seen inside. An interrupt cancels the
    coroutine, and is raised here once that has cleaned up or a moment has passed.
    """
    if threading.current_thread() is _thread:
        # Called from synchronous code inside the background loop: waiting there would block it for ever.
        return _in_own_thread(coroutine)
    ended = threading.Event()

    async def watched() -> T:
        try:
            return await coroutine
        finally:
            ended.set()

    future = asyncio.run_coroutine_threadsafe(watched(), _background_loop())
    try:
        return future.result()
    except BaseException:
        future.cancel()
        ended.wait(_CLEAN_UP_SECONDS)
        raise


def iterate_sync(items: AsyncIterator[T]) -> Iterator[T]:
    """The items of an asynchronous iterator for synchronous code, each as it comes.

    The iterator runs on the background loop. Who stops early cancels it.
    """
    if threading.current_thread() is _thread:
        # As in `run_sync`; here nobody could take an item before the last one has come.
        yield from _in_own_thread(_listed(items))
        return
    ready: SimpleQueue[tuple[T] | BaseException | None] = SimpleQueue()

    async def pump() -> None:
        try:
            async for item in items:
                ready.put((item,))
        except BaseException as error:
            ready.put(error)
            raise
        ready.put(None)

    future = asyncio.run_coroutine_threadsafe(pump(), _background_loop())
    # Its error is raised here, and is no news to anybody else.
    future.add_done_callback(lambda done: done.cancelled() or done.exception())
    try:
        while (got := ready.get()) is not None:
            if isinstance(got, BaseException):
                raise got
            yield got[0]
    finally:
        future.cancel()


async def _listed(items: AsyncIterator[T]) -> list[T]:
    return [item async for item in items]


def _background_loop() -> asyncio.AbstractEventLoop:
    global _loop, _thread  # noqa: PLW0603 - one per process is the point
    with _lock:
        # After a fork the thread is gone and its loop with it.
        if _loop is None or _thread is None or not _thread.is_alive():
            _loop = asyncio.new_event_loop()
            _thread = threading.Thread(target=_loop.run_forever, name="archon-graph", daemon=True)
            _thread.start()
        return _loop


def _in_own_thread(coroutine: Coroutine[Any, Any, T]) -> T:
    outcome: list[T] = []
    failure: list[BaseException] = []
    context = contextvars.copy_context()

    def work() -> None:
        try:
            outcome.append(context.run(asyncio.run, coroutine))
        except BaseException as error:  # noqa: BLE001 - carried over to the caller's thread
            failure.append(error)

    thread = threading.Thread(target=work, name="archon-graph-nested")
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return outcome[0]
