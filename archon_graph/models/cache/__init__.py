"""Recorded answers: a cache that knows samples, and tapes to replay runs from.

`identify` says what makes two calls the same one, `ResponseCache` keeps their answers in a file, and `Tape` is
such a file in a form for git, read and never written.
"""

from archon_graph.models.cache.entry import Entry
from archon_graph.models.cache.identity import Identity, identify
from archon_graph.models.cache.places import default_path, open_cache
from archon_graph.models.cache.rows import CacheStats, ModelStats
from archon_graph.models.cache.store import ResponseCache
from archon_graph.models.cache.tape import Tape

__all__ = [
    "CacheStats",
    "Entry",
    "Identity",
    "ModelStats",
    "ResponseCache",
    "Tape",
    "default_path",
    "identify",
    "open_cache",
]
