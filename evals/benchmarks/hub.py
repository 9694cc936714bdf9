"""Reads rows from a data set on the Hugging Face hub, through the ``datasets`` package."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from archon_graph.evals.benchmarks.problems import Draft
from archon_graph.evals.benchmarks.reading import Row
from archon_graph.models import MissingExtraError


@dataclass(frozen=True, kw_only=True)
class HubSet:
    """Where a published benchmark lies on the hub."""

    repository: str
    """``owner/name``."""
    config: str | None = None
    """Name of the configuration, if it has several."""

    def __str__(self) -> str:
        return f"hub:{self.repository}" + (f":{self.config}" if self.config else "")


def read_hub(source: HubSet, part: str, *, revision: str | None, draft: Draft) -> list[Row]:
    """All rows of one part (``test``, ``train``, ...) of a data set.

    Downloads it, or takes it from the cache of ``datasets``. Code that comes with a data set is never run.

    Raises:
        MissingExtraError: The package ``datasets`` is not installed.
    """
    try:
        import datasets  # type: ignore[import-not-found,import-untyped,unused-ignore]
    except ImportError:
        raise MissingExtraError(f"the data set {source.repository!r} on the hub", "datasets") from None
    try:
        rows = datasets.load_dataset(source.repository, source.config, split=part, revision=revision)
    # The package raises its own errors, its HTTP library's, Arrow's and the system's; whichever it is, the way
    # out is the same.
    except Exception as error:  # noqa: BLE001
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        draft.add(
            None,
            None,
            f"part {part!r} cannot be loaded: {reason}",
            "Check the network and the name of the part, or give the path of a local file",
        )
        return []
    return [Row(number, _plain(row)) for number, row in enumerate(rows, start=1)]


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {str(key): value for key, value in row.items()}
