"""``Record``: one request's samples in the cache: what is there, who asks for the rest, and what came."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from dataclasses import replace

from archon_graph.models.cache import Entry, Identity, ResponseCache, Tape
from archon_graph.models.errors import BudgetError, CacheError, StragglerError
from archon_graph.models.in_flight import InFlight
from archon_graph.models.request import Draw

# One for the process: two clients with the same cache must not both pay for the same call.
_in_flight = InFlight()


class Record:
    """What is kept of one request: its samples, found, claimed and committed."""

    def __init__(self, cache: ResponseCache | Tape | None, identity: Identity | None, replicate: int) -> None:
        self._cache = cache
        self._identity = identity
        self._replicate = replicate
        # What is claimed and not settled yet: others may claim anew what is settled without an answer.
        self._claimed: set[int] = set()

    def find(self, indices: Sequence[int]) -> dict[int, Draw]:
        """The samples that are recorded."""
        if self._cache is None or self._identity is None or not indices:
            return {}
        entries = self._cache.find(self._identity, self._replicate, indices)
        return {index: _recorded(index, entry) for index, entry in entries.items()}

    def nearest(self, index: int) -> str:
        """What a strict replay says of a sample that is not recorded."""
        assert self._cache is not None  # noqa: S101 - only what has a cache is looked for
        assert self._identity is not None  # noqa: S101 - as above
        return self._cache.nearest(self._identity, self._replicate, index)

    def claim(self, indices: Sequence[int]) -> dict[int, Future[Draw | None]]:
        """Take on these samples, but for those that are under way elsewhere."""
        theirs = _in_flight.claim(self._name(index) for index in indices)
        others = {index: theirs[self._name(index)] for index in indices if self._name(index) in theirs}
        self._claimed |= {index for index in indices if index not in others}
        return others

    def give_up(self, indices: Iterable[int]) -> None:
        """Leave to others what was claimed and not brought."""
        for index in indices:
            self._settle(index, None)

    async def commit(self, draws: dict[int, Draw]) -> dict[int, Draw]:
        """Write down what came, and tell those who wait for it."""
        if self._cache is None or self._identity is None:
            return draws
        if isinstance(self._cache, ResponseCache):
            draws = draws | await self._written(self._cache, self._identity, draws)
        for index, draw in draws.items():
            given_up = isinstance(draw.error, BudgetError | StragglerError)
            self._settle(index, None if given_up else draw)
        return draws

    async def _written(self, cache: ResponseCache, identity: Identity, draws: dict[int, Draw]) -> dict[int, Draw]:
        """The answers among the draws as they stand in the file now."""
        entries = {
            index: Entry(message=draw.message, data=draw.data, usage=draw.usage, model=draw.model)
            for index, draw in draws.items()
            if draw.message is not None
        }
        if not entries:
            return {}
        try:
            stands = await cache.add(identity, self._replicate, entries)
        except CacheError as error:
            # It was paid for: it is used, and what could not be kept is told.
            return {
                index: replace(draws[index], faults=(*draws[index].faults, f"not recorded: {error}"))
                for index in entries
            }
        # Not the answers as they came: another process may have been first, and a later run will read these.
        return {
            index: replace(draws[index], message=entry.message, data=entry.data) for index, entry in stands.items()
        }

    def _settle(self, index: int, draw: Draw | None) -> None:
        if index in self._claimed:
            self._claimed.remove(index)
            _in_flight.settle(self._name(index), draw)

    def _name(self, index: int) -> tuple[object, ...]:
        assert self._identity is not None  # noqa: S101 - only what has an identity is claimed
        return (getattr(self._cache, "path", None), self._identity.digest, self._replicate, index)


NOWHERE = Record(None, None, 0)
"""Keeps nothing."""


def _recorded(index: int, entry: Entry) -> Draw:
    return Draw(
        index=index, message=entry.message, data=entry.data, usage=entry.usage, cached=True, model=entry.model
    )
