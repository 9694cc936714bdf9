"""Puts Mermaid itself into the site, for the theme would load it from a network.

The file is taken from an installed package, and only if it is to the byte the one that Mermaid's makers
published. The theme uses a Mermaid that is there already and asks for no other.
"""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.utils import get_relative_url

PACKAGE, INSIDE = "mermaidx", "assets/mermaid.js"
SHA256 = "74d7c46dabca328c2294733910a8aa1ed0c37451776e8d5295da38a2b758fb9b"
"""Of ``dist/mermaid.min.js`` in the npm package mermaid 11.16.0."""
TARGET = "assets/javascripts/mermaid.min.js"


def on_files(files: Files, config: Any) -> Files:
    """Add the script to what is copied to the site."""
    files.append(File.generated(config, TARGET, abs_src_path=str(_script())))
    return files


def on_post_page(output: str, page: Any, config: Any) -> str:  # noqa: ARG001 - named so by mkdocs
    """Load it before the theme's own script, on pages with a diagram: it is 3.5 MB."""
    if '<pre class="mermaid">' not in output:
        return output
    tag = f'<script src="{get_relative_url(TARGET, page.url)}"></script>'
    head, theme, rest = output.partition('<script src="')
    if not theme:
        raise PluginError(f"{page.url}: the theme loads no script that Mermaid could stand before")
    return f"{head}{tag}{theme}{rest}"


def _script() -> Path:
    found = find_spec(PACKAGE)
    places = found.submodule_search_locations if found is not None else None
    if not places:
        raise PluginError(f"the package {PACKAGE} is missing; install the docs' group: pip install --group docs")
    script = Path(places[0], INSIDE)
    if hashlib.sha256(script.read_bytes()).hexdigest() != SHA256:
        raise PluginError(f"{script} is not the Mermaid it should be; its sha256 must be {SHA256}")
    return script
