"""Installs a small pure-Python package as pip would, without pip, a build backend or a network."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

# pytest alone: none of the plug-ins that our own tests use may be needed.
_ENVIRONMENT = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONDONTWRITEBYTECODE": "1"}


def install(project: Path, target: Path) -> None:
    """Put a project's package, and what its pyproject.toml says of it, where Python looks for both.

    What an installer leaves behind is the package and a ``dist-info`` directory, and nothing else is read when
    entry points are looked for. Writing it needs no build backend, which a test environment may not have, and
    no network, from which one would come.
    """
    about = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    module = about["name"].replace("-", "_")
    shutil.copytree(project / module, target / module, ignore=shutil.ignore_patterns("__pycache__"))
    info = target / f"{module}-{about['version']}.dist-info"
    info.mkdir()
    head = f"Metadata-Version: 2.4\nName: {about['name']}\nVersion: {about['version']}\n"
    (info / "METADATA").write_text(head, encoding="utf-8")
    (info / "INSTALLER").write_text("archon-graph tests\n", encoding="utf-8")
    sections = [
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in entries.items())
        for group, entries in about.get("entry-points", {}).items()
    ]
    (info / "entry_points.txt").write_text("\n".join(sections), encoding="utf-8")


def python(*arguments: str, target: Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a fresh Python that finds what was installed into the target."""
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=cwd,
        env={**os.environ, **_ENVIRONMENT, "PYTHONPATH": str(target)},
    )
