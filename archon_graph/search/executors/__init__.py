"""Where the questions of a search are answered: in this process, or on a cluster that is there already.

``open_asker("dask://host:8786", spec, client)`` is what ``archon-graph search --executor`` calls.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from archon_graph.core.component import ModelComponent
from archon_graph.core.config import nearest
from archon_graph.models import Client, ConfigurationError, MissingExtraError
from archon_graph.models.cache import ResponseCache, Tape
from archon_graph.models.providers import label
from archon_graph.search.evaluating import Asker
from archon_graph.search.spec import StudySpec

EXECUTORS = ("local", "dask")
"""What an executor can begin with: ``local``, or ``dask://host:port``."""

_KNOWN = "local, or dask://host:port"
_DASK_PORT = 8786


class ExecutorError(ConfigurationError, ValueError):
    """No executor can be made of what was given, or it cannot be reached."""


class Place(NamedTuple):
    """An executor, read."""

    kind: str
    """One of `EXECUTORS`."""
    address: str | None = None
    """``host:port``; ``None`` for ``local``."""


def read_executor(executor: str) -> Place:
    """What ``local`` or ``dask://host:port`` says.

    Raises:
        ExecutorError: It is neither; says what is wrong with it.
    """
    if executor == "local":
        return Place("local")
    kind, colon, _ = executor.partition(":")
    if kind != "dask":
        raise ExecutorError(f"executor {executor!r}: should be {_KNOWN}{nearest(kind, EXECUTORS)}")
    parts = urlsplit(executor if colon else "dask:")
    try:
        port = parts.port
    except ValueError as error:
        raise ExecutorError(f"executor {executor!r}: {error}; write dask://host:{_DASK_PORT}") from None
    if not parts.hostname:
        raise ExecutorError(f"executor {executor!r}: names no host; write dask://host:{_DASK_PORT}")
    if port is None:
        raise ExecutorError(
            f"executor {executor!r}: names no port; write dask://{parts.hostname}:{_DASK_PORT}, if the scheduler "
            f"has the port that Dask takes by itself"
        )
    if parts.path.strip("/") or parts.query or parts.fragment or parts.username is not None:
        raise ExecutorError(f"executor {executor!r}: holds more than a host and a port; write dask://host:port")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return Place("dask", f"{host}:{port}")


def open_asker(
    executor: str, spec: StudySpec, client: Client, *, cache: str | Path | None = None, timeout: float = 10.0
) -> Asker | None:
    """What puts the questions of a study; ``None`` if that is to be done in this process.

    Workers get the client's policies and prices, and never its keys: those come from their own environment. Close
    the asker when the study is done; `run_study` does.

    Model calls: none.

    Args:
        executor: ``local`` or ``dask://host:port``.
        spec: What is searched.
        client: What would be drawn through in this process.
        cache: The file in which workers on this machine keep answers; by default the client's.
        timeout: Seconds to wait for the scheduler, and for a first worker.

    Raises:
        ExecutorError: It is no executor, it cannot be reached, its workers cannot do this study, or the client has
            settings that cannot be kept there.
        MissingExtraError: Dask is not installed.
    """
    place = read_executor(executor)
    if place.address is None:
        return None
    if importlib.util.find_spec("distributed") is None:
        raise MissingExtraError(f"executor {executor!r}", "dask")
    from archon_graph.search.executors.dask import DaskAsker
    from archon_graph.search.executors.worker import WorkerSettings

    _see_it_travels(client)
    kept = client.cache.path if isinstance(client.cache, ResponseCache) else None
    return DaskAsker(
        place.address,
        spec.data["search"].scorer,
        seed=spec.seed,
        budget=spec.budget_per_question,
        settings=WorkerSettings.here(
            cache=kept if cache is None else cache,
            policies=client.policies,
            prices=client.prices,
        ),
        models=[*_models(spec), *map(label, spec.data["search"].scorer.models)],
        timeout=timeout,
    )


def _see_it_travels(client: Client) -> None:
    """Refuse a client whose promises nobody would keep on another machine.

    Raises:
        ExecutorError: It replays strictly, or has a budget of its own.
    """
    if client.is_replay or isinstance(client.cache, Tape):
        raise ExecutorError("a replay calls no model, so there is nothing to hand out: leave the executor out")
    if client.has_budget:
        raise ExecutorError(
            "the client has a budget of its own, which workers in other processes would not know of; give the "
            "budget to the study instead: StudySpec(budget=...)"
        )


def _models(spec: StudySpec) -> list[str]:
    """The models that architectures of the space ask, as far as a look at some of them tells."""
    found = dict.fromkeys(model for model in spec.space.models if isinstance(model, str))
    for point in spec.space.sample(0, 8):
        for part in spec.space.decode(point).components.values():
            if isinstance(part, ModelComponent) and isinstance(part.model, str):
                found[part.model] = None
    return list(found)


__all__ = ["EXECUTORS", "ExecutorError", "Place", "open_asker", "read_executor"]
