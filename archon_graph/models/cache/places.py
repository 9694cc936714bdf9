"""Where the cache is, and what kind of file a path names."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from archon_graph.models.cache.store import ResponseCache
from archon_graph.models.cache.tape import Tape
from archon_graph.models.cache.tapefile import is_tape_name


def default_path() -> Path:
    """The user's cache: ``ARCHON_GRAPH_CACHE``, else ``responses.sqlite`` in the user's cache folder."""
    chosen = os.environ.get("ARCHON_GRAPH_CACHE")
    if chosen:
        return Path(chosen).expanduser().absolute()
    return platformdirs.user_cache_path("archon-graph") / "responses.sqlite"


def open_cache(path: str | Path) -> ResponseCache | Tape:
    """Open what a path names: a tape if it ends in ``.jsonl`` or ``.jsonl.gz``, else a cache.

    Raises:
        CacheError: It cannot be used; it is left as it is.
    """
    return Tape(path) if is_tape_name(Path(path)) else ResponseCache(path)
