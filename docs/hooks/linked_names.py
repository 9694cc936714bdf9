"""Makes a name of the API that stands as code in a text a link to its reference.

`Architecture.run` in a page or a docstring leads to where the method is described. What is described nowhere
stays as it is.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

PACKAGES = ("core", "models", "components", "embed", "graphs", "evals", "search", "testing")
ROOT = Path(__file__).parents[2] / "archon_graph"
# Not in a head, which is a link already, nor in a block of code.
_CODE = re.compile(
    r"<(?P<tag>a|pre|h\d|autoref)\b.*?</(?P=tag)>|<code>(?P<name>[A-Z]\w+(?:\.[a-z]\w*)?)(?:\(\))?</code>",
    re.DOTALL,
)


def public_names() -> dict[str, str]:
    """Full paths of classes by their names."""
    paths: dict[str, str] = {}
    for package in PACKAGES:
        for line in ast.parse((ROOT / package / "__init__.py").read_text(encoding="utf-8")).body:
            if isinstance(line, ast.Assign) and getattr(line.targets[0], "id", "") == "__all__":
                for name in ast.literal_eval(line.value):
                    paths.setdefault(name, f"archon_graph.{package}.{name}")
    return paths


_paths = public_names()


def on_page_content(html: str, **_: Any) -> str:
    """Mark the names; the plugin autorefs makes links of them, where it knows them."""
    return _CODE.sub(_link, html)


def _link(found: re.Match[str]) -> str:
    first, _, rest = (found["name"] or "").partition(".")
    if first not in _paths:
        return found[0]
    path = f"{_paths[first]}.{rest}" if rest else _paths[first]
    return f'<autoref identifier="{path}" optional>{found[0]}</autoref>'
