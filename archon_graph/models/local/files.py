"""Where the files of local models live, and the proof that each is what it should be.

A catalogued file is used only after its sha256 was compared with the catalogue's. Hashing half a gigabyte takes
about a second, so a sum is remembered together with the file's size and time of change, and holds until one of
them differs. The note lies beside a file that is ours; for any other file, in our own folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
from pathlib import Path

import platformdirs

from archon_graph.models.errors import ModelFileError
from archon_graph.models.local.catalogue import LocalModel, catalogue, lookup

_MAGIC = b"GGUF"


def models_dir() -> Path:
    """The folder of downloaded models: ``ARCHON_GRAPH_MODELS``, else ``models`` in the user's cache."""
    chosen = os.environ.get("ARCHON_GRAPH_MODELS")
    if chosen:
        return Path(chosen).expanduser().absolute()
    return platformdirs.user_cache_path("archon-graph") / "models"


def path_of(model: LocalModel) -> Path:
    """Where the file of a catalogued model belongs, whether it is there or not."""
    return models_dir() / f"{model.name}.gguf"


def find(name_or_path: str) -> Path:
    """The file of a local model, ready to be loaded.

    Args:
        name_or_path: A name in the catalogue, or the path of any GGUF file: what ends in ``.gguf`` or contains a
            path separator is a path.

    Raises:
        UnknownModelError: It is neither a path nor a known name.
        ModelFileError: The file is missing, is no GGUF file, or has another checksum than the catalogue's. A
            file that fails here is left where it is: it may be half of a download that somebody wants to keep.
    """
    if _looks_like_path(name_or_path):
        path = Path(name_or_path).expanduser().absolute()
        if not path.is_file():
            raise ModelFileError(
                f"there is no file {path}; give the path of a GGUF file, or one of: {', '.join(catalogue())}"
            )
        _require_magic(path)
        return path
    model = lookup(name_or_path)
    path = path_of(model)
    if not path.is_file():
        raise ModelFileError(
            f"the file of the local model {model.name!r} is not on this machine ({path}); "
            f"fetch it with: archon-graph models pull {model.name}"
        )
    require_sum(model, path)
    return path


def identity_of(name_or_path: str) -> tuple[str, LocalModel | None]:
    """The sha256 that identifies a local model, and what the catalogue knows of it. Loads nothing.

    For a name in the catalogue, or any path to the same bytes, the answer is the same; the name needs no file.

    Raises:
        UnknownModelError: It is neither a path nor a known name.
        ModelFileError: The path leads to no readable GGUF file.
    """
    if not _looks_like_path(name_or_path):
        model = lookup(name_or_path)
        return model.sha256, model
    found = sha256_of(find(name_or_path))
    return found, next((model for model in catalogue().values() if model.sha256 == found), None)


def require_sum(model: LocalModel, path: Path) -> None:
    """Raise unless the file is, bit for bit, the one that the catalogue describes.

    Raises:
        ModelFileError: Its checksum is another; the message has both.
    """
    size = path.stat().st_size
    # A file of another size needs no hashing to be known as wrong.
    found = sha256_of(path) if size == model.bytes else None
    if found != model.sha256:
        value = f"{size:,} bytes instead of {model.bytes:,}" if found is None else f"sha256 {found}"
        raise ModelFileError(
            f"{path} is not the file of {model.name!r} (sha256 {model.sha256}): it has {value}, and is not used; "
            f"move or delete it, then: archon-graph models pull {model.name}"
        )


def sha256_of(path: Path) -> str:
    """The file's sha256, from memory while its size and time of change are those it was computed at.

    Raises:
        ModelFileError: The file cannot be read.
    """
    path = path.absolute()
    note = _note_of(path)
    try:
        stat = path.stat()
        key = {"path": str(path), "size": stat.st_size, "mtime_ns": stat.st_mtime_ns}
        known = _read(note)
        if known is not None and {name: known.get(name) for name in key} == key:
            return str(known["sha256"])
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelFileError(f"cannot read {path}: {error.strerror or error}") from error
    # Without a place to write, the sum is computed again at the next start: slower, and no reason to fail.
    with contextlib.suppress(OSError):
        _write(note, {**key, "sha256": found})
    return found


def _looks_like_path(text: str) -> bool:
    separators = {"/", os.sep, os.altsep or os.sep}
    return text.lower().endswith(".gguf") or any(separator in text for separator in separators)


def _require_magic(path: Path) -> None:
    try:
        with path.open("rb") as file:
            start = file.read(len(_MAGIC))
    except OSError as error:
        raise ModelFileError(f"cannot read {path}: {error.strerror or error}") from error
    if start != _MAGIC:
        raise ModelFileError(f"{path} is not a GGUF file: it begins with {start!r} instead of {_MAGIC!r}")


def _note_of(path: Path) -> Path:
    folder = models_dir()
    if path.parent == folder:
        return path.with_name(f"{path.name}.sum")
    return folder / "sums" / f"{hashlib.sha256(str(path).encode()).hexdigest()[:32]}.sum"


def _read(note: Path) -> dict[str, object] | None:
    try:
        known = json.loads(note.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return known if isinstance(known, dict) and isinstance(known.get("sha256"), str) else None


def _write(note: Path, known: dict[str, object]) -> None:
    note.parent.mkdir(parents=True, exist_ok=True)
    # Written aside and moved, so that a reader at the same moment sees the old note or the new one.
    aside = note.with_name(f"{note.name}-{secrets.token_hex(4)}")
    try:
        aside.write_text(json.dumps(known), encoding="utf-8")
        aside.replace(note)
    except OSError:
        aside.unlink(missing_ok=True)
        raise
