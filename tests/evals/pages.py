"""Pages of reports as a parser and a browser see them; a text that would show if it were ever more than that."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import ClassVar

import pytest

# What would show if it ran, or was loaded, or closed an element that it is in.
HOSTILE = (
    "</pre></details></script></style></svg></title><script>document.title = 'owned'</script>"
    "<img src=x onerror=\"document.title = 'owned'\"><svg onload=\"document.title = 'owned'\"></svg>"
    "\"' onmouseover=\"document.title = 'owned'\" {{ 7 * 7 }} {% raw %} ]]> <!-- &lt;b&gt; "
    "<link rel=stylesheet href=//example.org/x.css><base href=//example.org> javascript:alert(1) "
    "\u202e \x00 \ud83d $x$"
)


@dataclass
class Page(HTMLParser):
    """What a browser would make of a page, as far as it matters here."""

    elements: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    text: dict[str, list[str]] = field(default_factory=dict)
    open_: list[str] = field(default_factory=list)

    VOID: ClassVar = {"meta", "input", "br", "img", "link", "base"}

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open_.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open_.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.setdefault(self.open_[-1] if self.open_ else "", []).append(data)

    @classmethod
    def of(cls, file: Path) -> Page:
        page = cls()
        page.feed(file.read_text(encoding="utf-8"))
        page.close()
        assert page.open_ == [], "every element is closed, by its own end"
        return page

    def all_text(self) -> str:
        return "\n".join(part for parts in self.text.values() for part in parts)


def require_harmless(page: Page) -> None:
    """One script, which is ours and the only one that the page's policy lets run; nothing is loaded."""
    [policy] = [dict(a)["content"] for tag, a in page.elements if "http-equiv" in a]
    [script] = page.text["script"]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy == (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; base-uri 'none'; "
        f"form-action 'none'"
    )
    assert [tag for tag, _ in page.elements if tag == "script"] == ["script"]
    for tag, attributes in page.elements:
        assert tag not in {"img", "link", "base", "iframe", "object", "embed", "form", "a", "foreignobject"}
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            assert name not in {"src", "srcset", "action", "formaction", "background"}
            if name.endswith("href"):
                assert str(value).startswith("#"), "only parts of the plot itself"
            if name == "style":
                assert not re.search(r"url\((?!#)", str(value))
    assert not re.search(r"@import|url\((?!#)", "".join(page.text.get("style", ())))


BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
in_browser = pytest.mark.skipif(BROWSER is None, reason="there is no chromium on this machine")


def browse(file: Path, *options: str, fragment: str = "") -> str:
    """Open a page without a window, and give what the browser then prints."""
    command = [
        str(BROWSER),
        "--headless",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--host-resolver-rules=MAP * ~NOTFOUND",
        f"--user-data-dir={file.parent / 'profile'}",
        *(["--no-sandbox"] if getattr(os, "getuid", lambda: 1)() == 0 else []),
        *options,
        f"{file.as_uri()}{fragment}",
    ]
    ran = subprocess.run(command, capture_output=True, timeout=120, check=True)
    return ran.stdout.decode()
