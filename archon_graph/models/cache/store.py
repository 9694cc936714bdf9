"""``ResponseCache``: every answer of a model, kept under what was asked and the sample's index.

Ten samples of one request are ten entries, so asking for fifteen later pays for five. One SQLite file with a
write-ahead log: any number of threads, event loops and processes may use it at once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from archon_graph.models.cache import database, statements, tapefile
from archon_graph.models.cache.entry import Entry, Packed, unpack
from archon_graph.models.cache.hands import Hands, Holder
from archon_graph.models.cache.identity import Identity
from archon_graph.models.cache.nearest import miss
from archon_graph.models.cache.recorder import Recorder
from archon_graph.models.cache.rows import CacheStats, ResponseRow
from archon_graph.models.cache.statements import Limits

_DAY = 86_400.0


class ResponseCache:
    """Recorded answers in a file, read at once and written in the background.

    Args:
        path: The file; made where there is none, readable by its owner alone.
        max_megabytes: Most room its entries may take, in millions of bytes; beyond it the oldest go first, a
            little later.
        max_age_days: Entries older than this are neither returned nor kept.
        keep_requests: Whether the texts of requests are kept. Without them everything works, but a miss cannot be
            explained word by word.

    Raises:
        CacheError: The file is something else, damaged, from a newer version, or cannot be written. It is left as
            it is.
        ValueError: A limit is not above 0.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        max_megabytes: float | None = None,
        max_age_days: float | None = None,
        keep_requests: bool = True,
    ) -> None:
        for name, value in (("max_megabytes", max_megabytes), ("max_age_days", max_age_days)):
            if value is not None and not value > 0:
                raise ValueError(f"{name} must be above 0, got {value!r}")
        self.path = Path(path).expanduser().absolute()
        """The file."""
        self._limits = Limits(
            bytes=None if max_megabytes is None else int(max_megabytes * 1e6),
            seconds=None if max_age_days is None else max_age_days * _DAY,
        )
        self._recorder = Recorder(keep_requests=keep_requests, limits=self._limits)
        database.ensure(self.path)
        self._holder = Holder(self.path, self._limits)

    def find(self, identity: Identity, replicate: int, samples: Sequence[int]) -> dict[int, Entry]:
        """Those of the samples that are recorded. Waits for nobody who writes.

        Raises:
            CacheError: The file cannot be read, or an entry in it is damaged.
        """
        if not samples:
            return {}
        wanted = frozenset(samples)
        place = (identity.digest, replicate, min(wanted), max(wanted), self._limits.oldest())
        found = {}
        for sample, *texts, checksum in self._get().read(statements.FIND, place):
            if sample in wanted:
                row = ResponseRow(identity.digest, replicate, sample, Packed(*texts))
                try:
                    found[sample] = unpack(statements.sound(row, checksum))
                except ValueError as error:
                    raise database.damaged(self.path, str(error)) from error
        return found

    async def add(
        self, identity: Identity, replicate: int, entries: Mapping[int, Entry], *, secrets: Iterable[str] = ()
    ) -> dict[int, Entry]:
        """Record answers under their samples' indices; returns once they are committed.

        Cancelled while it waits, it writes them all the same: they were paid for.

        Args:
            identity: What was asked.
            replicate: The namespace of the samples.
            entries: The answers.
            secrets: Values to blank out, beside those of secret-looking environment variables.

        Returns:
            What now stands there. Where another process was first, that is its answer, so that both go on with
            the same one. An answer that could not be read back as it is (it holds objects, or is no valid message)
            is not recorded, and stands for itself.

        Raises:
            CacheError: They cannot be written.
        """
        if not entries:
            return {}
        loop = asyncio.get_running_loop()
        future: asyncio.Future[dict[int, Entry]] = loop.create_future()

        def settle(stands: dict[int, Entry], error: BaseException | None) -> None:
            if future.done():
                return
            if error is None:
                future.set_result(stands)
            else:
                future.set_exception(error)

        def done(stands: Any, error: BaseException | None) -> None:
            try:
                loop.call_soon_threadsafe(settle, stands, error)
            except RuntimeError:
                return  # the loop was closed: nobody is waiting

        recorder, secrets = self._recorder, tuple(secrets)
        self._get().writer.put(
            lambda connection: recorder.record(connection, identity, replicate, entries, secrets), done
        )
        try:
            return await future
        except database.ERRORS as error:
            database.fail(self.path, error)
        except ValueError as error:
            raise database.damaged(self.path, str(error)) from error

    def fact(self, identity: Identity) -> bool | None:
        """Whether the identity's model offers JSON; ``None`` if that was never noted.

        Raises:
            CacheError: The file cannot be read.
        """
        rows = self._get().read("SELECT offers_json FROM facts WHERE model = ?", (identity.model,))
        return bool(rows[0][0]) if rows else None

    def note_fact(self, identity: Identity, offers_json: bool) -> None:  # noqa: FBT001 - it is the fact
        """Note whether the identity's model offers JSON, in the background; the last word holds."""
        row = (identity.model, identity.label, offers_json)
        self._get().writer.put(lambda connection: connection.execute(statements.NOTE, row), lambda *_: None)

    def nearest(self, identity: Identity, replicate: int, sample: int) -> str:
        """A sentence for a call that is not recorded: the nearest one that is, and how it differs.

        Looks at every request: for errors, not for every call.

        Raises:
            CacheError: The file cannot be read.
        """
        with self._snapshot() as connection:
            return miss(
                identity,
                replicate,
                sample,
                where=f"in the cache {self.path}",
                rows=statements.requests(connection),
                samples=lambda digest: connection.execute(statements.SAMPLES, (digest,)),
            )

    def stats(self) -> CacheStats:
        """What the cache holds; reads all of it.

        Raises:
            CacheError: The file cannot be read.
        """
        with self._snapshot() as connection:
            return statements.stats(connection, self.path)

    def clear(self, *, older_than_days: float | None = None, model: str | None = None) -> int:
        """Remove entries for good; without arguments all of them, and what is known about models.

        Args:
            older_than_days: Only those that were recorded longer ago.
            model: Only those of the model of this name, as `stats` shows it.

        Returns:
            How many were removed.

        Raises:
            CacheError: The file cannot be written.
        """
        before = None if older_than_days is None else time.time() - older_than_days * _DAY
        with database.translated(self.path):
            writer = self._get().writer
            removed = writer.call(lambda connection: statements.remove(connection, before=before, model=model))
            writer.call(statements.shrink, alone=True)
        return removed

    def export(self, path: str | Path, *, hashes_only: bool = False, model: str | None = None) -> int:
        """Write a tape: all that is recorded, in a form for git; an older tape in its place is replaced.

        Args:
            path: The tape's path, which ends in ``.jsonl`` or ``.jsonl.gz``.
            hashes_only: Leave out what was asked, and keep only digests of it.
            model: Only what the model of this name said.

        Returns:
            How many answers are on it.

        Raises:
            CacheError: One of the files cannot be used.
        """
        target = Path(path).expanduser().absolute()
        with self._snapshot() as connection:
            counts = statements.counts(connection, model)
            tapefile.write(
                target,
                facts=statements.facts(connection, model),
                requests=statements.requests(connection, model),
                responses=statements.responses(connection, model),
                counts=counts,
                hashes_only=hashes_only,
            )
        return counts[1]

    def load(self, path: str | Path) -> int:
        """Take in a tape; what is recorded already stays as it is.

        Returns:
            How many of its answers were new.

        Raises:
            CacheError: The tape cannot be read, or the cache not be written.
        """
        contents = tapefile.read(Path(path).expanduser().absolute())
        recorder = self._recorder
        with database.translated(self.path):
            return self._get().writer.call(lambda connection: recorder.take_in(connection, contents))

    def close(self) -> None:
        """Write what is queued and close the file; a second time does nothing."""
        self._holder.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _get(self) -> Hands:
        return self._holder.get()

    def _snapshot(self) -> statements.Snapshot:
        """All that was added by now, on a connection of its own: to read it may take long."""
        self._get().writer.call(lambda _: None, alone=True)
        return statements.Snapshot(self.path)
