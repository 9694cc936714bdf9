"""``Opener``: opens each model once, in a thread of its own, and keeps it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable
from concurrent.futures import Future
from typing import NamedTuple

from archon_graph.models.errors import ConfigurationError
from archon_graph.models.keys import Keys
from archon_graph.models.providers import Opened, check_model, open_model
from archon_graph.models.request import ModelLike, Sampling


class _Key(NamedTuple):
    """What an opened model is kept under."""

    spec: str
    sampling: Sampling | None
    loop: asyncio.AbstractEventLoop | None


class Opener:
    """Opens models and keeps them. Safe to share between threads and event loops."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._opened: dict[_Key, Future[Opened]] = {}
        self._checked: set[str] = set()
        self._lock = threading.Lock()

    async def open(self, model: ModelLike, sampling: Sampling) -> Opened:
        """The model ready to be called with this sampling.

        Raises:
            ConfigurationError: It cannot be opened.
        """
        if not isinstance(model, str) or model.startswith("custom:"):
            # Nothing to load, and what a custom name stands for may be registered anew.
            return open_model(model, sampling, self._keys)
        if model.partition(":")[0] == "scripted":
            # One script, used up by all who name it, however they sample.
            key = _Key(model, None, None)
        else:
            # A model opened in one event loop has its connections there, and cannot use them in another.
            key = _Key(model, sampling, asyncio.get_running_loop())
        with self._lock:
            future = self._opened.get(key)
            if future is None:
                future = self._start(key, sampling)
        return future.result() if future.done() else await asyncio.wrap_future(future)

    def check(self, models: Iterable[ModelLike]) -> None:
        """See that every model can be opened; what was found good is not looked at again.

        Raises:
            ConfigurationError: One or more cannot; all of them are named.
        """
        problems: dict[str, ConfigurationError] = {}
        for model in models:
            if isinstance(model, str) and model in self._checked:
                continue
            try:
                check_model(model, self._keys)
            except ConfigurationError as error:
                problems.setdefault(str(error), error)
            else:
                # What a custom name stands for may be registered anew, and instances come and go.
                if isinstance(model, str) and not model.startswith("custom:"):
                    self._checked.add(model)
        if len(problems) == 1:
            raise next(iter(problems.values()))
        if problems:
            raise ConfigurationError("\n".join(f"- {problem}" for problem in problems))

    def forget(self, model: ModelLike) -> None:
        """Open a model anew at the next call: its key was refused, and may be set to another one."""
        with self._lock:
            for key in [key for key in self._opened if key.spec == model]:
                if self._opened[key].done():
                    del self._opened[key]
            if isinstance(model, str):
                self._checked.discard(model)

    def _start(self, key: _Key, sampling: Sampling) -> Future[Opened]:
        """Open a model in a thread of its own; called with the lock held.

        It may import a provider's package or load weights: seconds that other calls need not wait.
        """
        for old in [old for old in self._opened if old.loop is not None and old.loop.is_closed()]:
            del self._opened[old]
        future: Future[Opened] = Future()
        # From now on it cannot be cancelled: others may be waiting for the same model.
        future.set_running_or_notify_cancel()
        self._opened[key] = future

        def work() -> None:
            try:
                opened = open_model(key.spec, sampling, self._keys)
            except BaseException as error:  # noqa: BLE001 - carried over to those who wait
                with self._lock:
                    del self._opened[key]
                future.set_exception(error)
            else:
                future.set_result(opened)

        threading.Thread(target=work, name=f"archon-graph-open-{key.spec}", daemon=True).start()
        return future
