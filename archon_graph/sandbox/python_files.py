"""Which files a Python program needs to see: the interpreter, its standard library, the system's libraries."""

from __future__ import annotations

import sys
import sysconfig
from dataclasses import dataclass
from functools import cache
from pathlib import Path

# System libraries, and where the loader looks them up. On merged systems /lib is a link to usr/lib.
_LIBRARIES = ("/usr/lib", "/usr/lib32", "/usr/lib64", "/lib", "/lib32", "/lib64")
_EXTRAS = ("/etc/ld.so.cache", "/usr/share/zoneinfo")
_STORES = ("/nix/store", "/gnu/store")


@dataclass(frozen=True, slots=True)
class PythonFiles:
    """What to show a Python program, all of it read-only."""

    executable: str
    """The interpreter itself, not one of a virtual environment."""
    shown: tuple[str, ...]
    """Files and folders to show at their own places; each before what lies in it."""
    links: tuple[tuple[str, str], ...]
    """Symbolic links, each with where it leads."""
    hidden: tuple[str, ...]
    """Folders among the shown ones to show empty: installed packages."""


@cache
def python_files() -> PythonFiles:
    """What this process's Python consists of, without the packages installed for it.

    A virtual environment borrows interpreter and standard library from a base installation; only that is shown.
    """
    executable = Path(getattr(sys, "_base_executable", None) or sys.executable).resolve()
    base = Path(sys.base_prefix)
    wanted = [Path(path) for path in (*_LIBRARIES, *_EXTRAS)]
    wanted += [Path(store) for store in _STORES if executable.is_relative_to(store)]
    # The whole folder around the standard library: the interpreter's own shared libraries are in there, too.
    # Asked for its own, a virtual environment calls the folder around its packages a part of the library.
    borrowed = {"platbase": sys.base_exec_prefix}
    standard = {Path(sysconfig.get_path(name, vars=borrowed)) for name in ("stdlib", "platstdlib")}
    wanted += [executable, base / "lib", *standard]
    links = tuple(
        (str(path), str(path.readlink())) for path in wanted if path.is_symlink() and path.parent == Path("/")
    )
    linked = {link for link, _ in links}
    shown: list[Path] = []
    for path in sorted({path for path in wanted if str(path) not in linked and path.exists()}):
        if not any(path.is_relative_to(other) for other in shown):
            shown.append(path)
    hidden = {folder / name for folder in standard for name in ("site-packages", "dist-packages")}
    hidden |= {
        folder for root in ("/usr/lib", "/usr/local/lib") for folder in Path(root).glob("python3*/*-packages")
    }
    return PythonFiles(
        executable=str(executable),
        shown=tuple(map(str, shown)),
        links=links,
        hidden=tuple(
            str(path)
            for path in sorted(hidden)
            if path.is_dir() and any(path.is_relative_to(folder) for folder in shown)
        ),
    )
