"""What a process has in hand of a cache: made at once, closed at its end, and made anew in a forked child."""

from __future__ import annotations

import os
import threading
import weakref
from pathlib import Path
from typing import Any

from archon_graph.models.cache import database, statements
from archon_graph.models.cache.statements import Limits
from archon_graph.models.cache.writer import Writer
from archon_graph.models.errors import CacheError


class Hands:
    """A connection that reads, and a thread that writes."""

    def __init__(self, path: Path, limits: Limits) -> None:
        self._path = path
        self._lock = threading.Lock()
        with database.translated(path):
            self._reader = database.connect(path)
        self.writer = Writer(path, statements.Tidier(limits))

    def read(self, statement: str, values: tuple[Any, ...]) -> list[Any]:
        """All rows at once: a reader that stopped half-way would keep the log from being written back."""
        try:
            with self._lock:
                return self._reader.execute(statement, values).fetchall()
        except database.ERRORS as error:
            database.fail(self._path, error)

    def close(self) -> None:
        """Write what is queued and close the file."""
        self.writer.close()
        with self._lock:
            self._reader.close()

    def hold(self) -> None:
        """Wait until nobody reads or writes, and see that nobody does."""
        self._lock.acquire()
        self.writer.hold()

    def let_go(self) -> None:
        """Go on."""
        self.writer.let_go()
        self._lock.release()

    def put_away(self) -> None:
        """Close a child's copies; what is queued is the parent's to write."""
        self.writer.put_away()
        self._reader.close()


class Holder:
    """Holds a cache's hands; once nobody holds it any more, they are closed when all is written."""

    def __init__(self, path: Path, limits: Limits) -> None:
        self._path = path
        self._limits = limits
        self._lock = threading.Lock()
        self._closed = False
        self.hands: Hands | None = None
        """``None`` in a forked child that has not used the cache yet."""
        self._at_the_end = self._make()
        _holders.add(self)

    def get(self) -> Hands:
        """The hands of this process.

        Raises:
            CacheError: They were closed.
        """
        if self._closed:
            raise CacheError(f"the cache {self._path} was closed")
        hands = self.hands
        if hands is None:
            with self._lock:
                if self.hands is None:
                    self._at_the_end = self._make()
                hands = self.hands
        assert hands is not None  # noqa: S101 - made above, and taken away only in a child
        return hands

    def close(self) -> None:
        """Write what is queued and close the file; a second time does nothing."""
        self._closed = True
        self._at_the_end()

    def forget(self) -> None:
        """Leave what was inherited from the parent."""
        self.hands = None
        self._at_the_end.detach()
        self._lock = threading.Lock()

    def _make(self) -> weakref.finalize[[], Holder]:
        self.hands = Hands(self._path, self._limits)
        return weakref.finalize(self, self.hands.close)


_holders: weakref.WeakSet[Holder] = weakref.WeakSet()
_held: list[tuple[Holder, Hands]] = []
"""What is held while the process forks; with its holder, which must not be collected meanwhile."""
_forking = threading.Lock()


def _before_fork() -> None:
    """Let nobody read or write while the process is copied: a copy of half a transaction cannot be put away."""
    _forking.acquire()
    for holder in list(_holders):
        if holder.hands is not None:
            holder.hands.hold()
            _held.append((holder, holder.hands))


def _after_fork_in_parent() -> None:
    while _held:
        _held.pop()[1].let_go()
    _forking.release()


def _after_fork_in_child() -> None:
    """Close what was inherited, while the parent has its own open, and make new ones when they are needed.

    Locks do not pass on to a child, but SQLite's notes of them do: with the old connections open, new ones would
    lock nothing. Once the parent has closed its own, what the child wrote would be lost (seen).
    """
    global _forking  # noqa: PLW0603 - the parent's
    while _held:
        holder, hands = _held.pop()
        holder.forget()
        hands.put_away()
    _forking = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child
    )
