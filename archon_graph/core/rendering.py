"""Turns Mermaid text into a picture on this machine: mermaid-cli in Node, with a browser without a window.

A diagram says which models somebody uses and how, so it is never sent to a drawing service. All of this is
optional: the Mermaid text itself needs nothing. See docs/design/drawing.md.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from archon_graph.models.errors import ConfigurationError

COMMAND_VARIABLE = "ARCHON_GRAPH_MMDC"
"""Environment variable with the command to call in place of ``mmdc``, as in ``npx mmdc``."""

_TEXT, _PICTURES = (".mmd", ".md"), (".svg", ".png")
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_TIMEOUT_SECONDS = 180
_HOW_TO_INSTALL = (
    "Install both with: PUPPETEER_SKIP_DOWNLOAD=1 npm install -g @mermaid-js/mermaid-cli, and your system's "
    f"package chromium (or set {COMMAND_VARIABLE} to the command, PUPPETEER_EXECUTABLE_PATH to the browser). "
    "Or write a .mmd or .md file: GitHub, GitLab, notebooks and editors show Mermaid text as a picture"
)
# Mermaid's limits protect web pages from strangers' diagrams; this one is ours, and of any size.
_MERMAID_CONFIG = {
    "flowchart": {"useMaxWidth": False},
    "maxEdges": 100_000,
    "maxTextSize": 100_000_000,
}


class RenderingError(ConfigurationError):
    """A picture could not be made; nothing was written."""


def render(mermaid: str, path: Path) -> None:
    """Write a diagram to a file: ``.svg`` or ``.png`` as a picture, ``.mmd`` or ``.md`` as text.

    The file is there as a whole or not at all. A picture takes some seconds, for a browser is started.

    Args:
        mermaid: The diagram, as `Architecture.draw_mermaid` gives it.
        path: The file, which is replaced if it is there; its ending says what is written.

    Raises:
        RenderingError: The ending is another one, mermaid-cli or the browser is missing, they failed, or the
            file cannot be written.
    """
    ending = path.suffix.lower()
    if ending not in _TEXT + _PICTURES:
        raise RenderingError(
            f"a diagram is written to a file ending in {', '.join(_PICTURES + _TEXT)}, not to {str(path)!r}"
        )
    try:
        # Beside the target, for only within one file system a file can take another's place at one stroke.
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".archon-graph-") as folder:
            source, target = Path(folder, "diagram.mmd"), Path(folder, f"picture{ending}")
            if ending in _PICTURES:
                source.write_text(mermaid, encoding="utf-8")
                run_mermaid_cli(source, target)
            else:
                text = f"```mermaid\n{mermaid}\n```\n" if ending == ".md" else f"{mermaid}\n"
                target.write_text(text, encoding="utf-8")
            target.replace(path)
    except OSError as error:
        raise RenderingError(f"{path} cannot be written: {error.strerror or error}") from error


def run_mermaid_cli(source: Path, target: Path) -> None:
    """Let mermaid-cli draw one file.

    Args:
        source: A ``.mmd`` file, or an ``.md`` file with any number of diagrams.
        target: The picture, or an ``.md`` file beside which the pictures are put with numbers.

    Raises:
        RenderingError: mermaid-cli or the browser is missing, or they failed.
    """
    command = _command()
    with tempfile.TemporaryDirectory(prefix="archon-graph-") as folder:
        mermaid_config, browser_config = Path(folder, "mermaid.json"), Path(folder, "browser.json")
        mermaid_config.write_text(json.dumps(_MERMAID_CONFIG), encoding="utf-8")
        browser_config.write_text(json.dumps(_browser_config()), encoding="utf-8")
        files = ["--input", source, "--output", target]
        configs = ["--configFile", mermaid_config, "--puppeteerConfigFile", browser_config]
        # Pixels for two: letters stay sharp on screens of high density, and in print.
        looks = ["--backgroundColor", "white", "--scale", "2", "--quiet"]
        code, said = _run([*command, *map(str, [*files, *configs, *looks])])
    written = target.exists() or target.suffix == ".md"
    if code or not written:
        hint = "" if _browser() else f". No browser was found. {_HOW_TO_INSTALL}"
        raise RenderingError(f"{command[0]} could not draw the diagram (exit code {code}): {said}{hint}")


def _command() -> Sequence[str]:
    given = os.environ.get(COMMAND_VARIABLE)
    # Backslashes are part of paths on Windows, and would be eaten.
    words = shlex.split(given, posix=os.name != "nt") if given else ["mmdc"]
    found = shutil.which(words[0]) if words else None
    if found is None:
        name = f"{words[0]!r} (from {COMMAND_VARIABLE})" if given and words else "'mmdc'"
        raise RenderingError(
            f"pictures need mermaid-cli and a Chromium browser, and the command {name} was not found. "
            f"{_HOW_TO_INSTALL}"
        )
    return [found, *words[1:]]


def _browser() -> str | None:
    given = os.environ.get("PUPPETEER_EXECUTABLE_PATH")
    return given or next(filter(None, map(shutil.which, _BROWSERS)), None)


def _browser_config() -> Mapping[str, Any]:
    browser = _browser()
    # Without one, puppeteer looks for the browser that it may have downloaded when it was installed.
    config: dict[str, Any] = {} if browser is None else {"executablePath": browser}
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        # Chromium does not start its sandbox for root, who is the only user of most containers. The page it
        # shows is ours and text in it is escaped; for everybody else the sandbox stays on.
        config["args"] = ["--no-sandbox"]
    return config


def _run(command: Sequence[str]) -> tuple[int, str]:
    """Run a command to its end, or end it and the browser it started.

    Returns:
        Its exit code, and the first lines of what it said.
    """
    with subprocess.Popen(  # noqa: S603 - the user's own command, as a list that no shell reads
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    ) as process:
        try:
            said, _ = process.communicate(timeout=_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            raise RenderingError(f"{command[0]} did not finish within {_TIMEOUT_SECONDS} s") from None
        finally:
            # Ending the command alone would leave its browser behind, also after Ctrl-C.
            if process.poll() is None:
                _end(process)
    lines = [line.strip() for line in said.splitlines() if line.strip() and not line.lstrip().startswith("at ")]
    return process.returncode, "\n".join(lines[:10]) or "it said nothing"


def _end(process: subprocess.Popen[str]) -> None:
    if hasattr(os, "killpg"):
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
