"""``Tape``: recorded answers to replay a run from, read whole into memory and never written to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from archon_graph.models.cache import tapefile
from archon_graph.models.cache.entry import Entry, unpack
from archon_graph.models.cache.identity import Identity
from archon_graph.models.cache.nearest import miss
from archon_graph.models.cache.rows import CacheStats, by_model


class Tape:
    """An exported cache. Safe to share between threads.

    Args:
        path: A file that `ResponseCache.export` wrote.

    Raises:
        CacheError: It is no such file, or broken; names the line and the field.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path).expanduser().absolute()
        """The file."""
        self._contents = tapefile.read(self.path)

    def find(self, identity: Identity, replicate: int, samples: Sequence[int]) -> dict[int, Entry]:
        """Those of the samples that are on the tape."""
        recorded = self._contents.responses.get(identity.digest, {})
        return {
            sample: unpack(recorded[replicate, sample])
            for sample in dict.fromkeys(samples)
            if (replicate, sample) in recorded
        }

    def fact(self, identity: Identity) -> bool | None:
        """Whether the model offers JSON; ``None`` if the tape does not say."""
        fact = self._contents.facts.get(identity.model)
        return None if fact is None else fact.offers_json

    def nearest(self, identity: Identity, replicate: int, sample: int) -> str:
        """A sentence for a call that is not on the tape: the nearest one that is, and how it differs."""
        return miss(
            identity,
            replicate,
            sample,
            where=f"on the tape {self.path}",
            rows=self._contents.requests.values(),
            samples=lambda digest: self._contents.responses.get(digest, {}),
        )

    def stats(self) -> CacheStats:
        """What the tape holds."""
        return CacheStats(
            path=self.path,
            bytes=self.path.stat().st_size,
            entries=self._contents.count,
            requests=len(self._contents.requests),
            models=by_model(
                (self._contents.requests[row.digest].label, row.digest, unpack(row.packed).usage)
                for row in self._contents.rows()
            ),
        )

    def close(self) -> None:
        """Do nothing: a tape holds no file open."""
