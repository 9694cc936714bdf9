"""What the pages of all reports share: the template around them, their policy, and how text reaches them.

What models say is hostile input. It reaches a page as text only: templates escape everything that is not made
here, and the page's own policy lets no script run but ours and nothing be loaded from anywhere.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from archon_graph._version import __version__
from archon_graph.evals.log import LogError
from archon_graph.evals.report.transcripts import visible
from archon_graph.evals.statistics import Estimate

_SHARED = ("base.html.j2", "transcripts.html.j2", "starts.html.j2")


def read_part(name: str, *, package: str = __package__) -> str:
    """One of the files that pages are made of."""
    return (files(package) / name).read_text("utf-8")


def render_page(
    template: str,
    view: Mapping[str, Any],
    *,
    parts: Mapping[str, str] | None = None,
    style: str = "",
    scripts: Sequence[str] = ("filter.js",),
) -> str:
    """A page that needs nothing else: no network, no other file.

    Args:
        template: Text of the template, which extends ``base.html.j2``.
        view: What it shows.
        parts: Texts of further templates that it includes, by name.
        style: What is added to the style sheet of all pages.
        scripts: Texts of scripts, or names of those that pages share; nothing else can run in the page.
    """
    import jinja2

    shared = {name: read_part(name) for name in _SHARED}
    environment = jinja2.Environment(
        loader=jinja2.DictLoader({**shared, **(parts or {}), "page": template}),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"visible": visible, "number": number, "interval": interval, "pretty": pretty}
    script = "".join(read_part(each) if each == "filter.js" else each for each in scripts)
    return environment.get_template("page").render(
        **view,
        style=read_part("style.css") + style,
        script=script,
        script_digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        version=__version__,
    )


def write_page(file: Path, text: str) -> Path:
    """Write a page, and the folders it lies in.

    Raises:
        LogError: It cannot be written.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode("utf-8", errors="backslashreplace"))
    except OSError as error:
        raise LogError(f"the report {file} cannot be written: {error.strerror or error}") from error
    return file


def number(value: float | None, digits: int = 3) -> str:
    """A number with so many digits that count, and a question mark for one that is not known."""
    if value is None:
        return "?"
    return f"{value:,.0f}" if abs(value) >= 10**digits else f"{value:.{digits}g}"


def interval(estimate: Estimate) -> str:
    """From where to where an estimate's interval goes; empty if there is none."""
    if estimate.low is None or estimate.high is None:
        return ""
    return f"{estimate.low:.3f} to {estimate.high:.3f}"


def pretty(data: Any) -> str:
    """Plain data as text to read."""
    return json.dumps(data, indent=2, ensure_ascii=False, default=str)
