"""``Recorder``: writes answers down, inside a transaction of the writer's."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping

from archon_graph.models.cache import statements, tapefile
from archon_graph.models.cache.entry import Entry, Packed, pack, repacked, unpack
from archon_graph.models.cache.identity import Identity
from archon_graph.models.cache.rows import RequestRow, ResponseRow
from archon_graph.models.cache.statements import Limits
from archon_graph.models.redact import secret_values


class Recorder:
    """Writes down answers, inside a transaction."""

    def __init__(self, *, keep_requests: bool, limits: Limits) -> None:
        self._keep_requests = keep_requests
        self._limits = limits

    def record(
        self,
        connection: sqlite3.Connection,
        identity: Identity,
        replicate: int,
        entries: Mapping[int, Entry],
        more_secrets: Iterable[str],
    ) -> dict[int, Entry]:
        """Record the entries; what then stands in their places."""
        secrets = secret_values(more_secrets)
        row = RequestRow(identity.digest, identity.label, identity.parts, identity.record)
        request: int | None = None
        stands: dict[int, Entry] = {}
        for sample, entry in entries.items():
            try:
                packed = pack(entry, secrets)
                stands[sample] = unpack(packed)
            except ValueError:
                stands[sample] = entry
                continue
            if request is None:
                request = statements.put_request(connection, row, secrets, keep=self._keep_requests)
            answer = ResponseRow(identity.digest, replicate, sample, packed)
            if not statements.put_response(connection, request, answer, self._limits):
                *texts, checksum = connection.execute(statements.STANDS, (request, replicate, sample)).fetchone()
                stands[sample] = unpack(statements.sound(answer._replace(packed=Packed(*texts)), checksum))
        return stands

    def take_in(self, connection: sqlite3.Connection, contents: tapefile.Contents) -> int:
        """Merge a tape; how many answers were new."""
        secrets = secret_values()
        for fact in contents.facts.values():
            connection.execute(statements.NOTE_IF_NEW, fact)
        new = 0
        for digest, samples in contents.responses.items():
            request = statements.put_request(
                connection, contents.requests[digest], secrets, keep=self._keep_requests
            )
            for (replicate, sample), packed in samples.items():
                answer = ResponseRow(digest, replicate, sample, repacked(packed, secrets))
                new += statements.put_response(connection, request, answer, self._limits)
        return new
