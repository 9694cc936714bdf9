"""What several commands need: finding the architecture that was meant, and a client that draws for it."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from archon_graph.core import Architecture
from archon_graph.graphs import READY_MADE
from archon_graph.models import Client, ConfigurationError, Usage
from archon_graph.models.cache import default_path

_ENV_FILE = Path(".env")
_ENDINGS = {".json", ".yaml", ".yml"}

ArchitectureArgument = Annotated[
    str, typer.Argument(metavar="ARCH", help="A ready-made architecture, or a .yaml or .json file.")
]
ModelOption = Annotated[
    str | None,
    typer.Option("--model", "-m", envvar="ARCHON_GRAPH_MODEL", help="Use this model in the place of every model."),
]


def load_architecture(arch: str, *, model: str | None = None) -> Architecture:
    """The architecture of this ready-made name or in this file.

    Raises:
        ConfigurationError: There is no such name or file; names the nearest one.
        ArchitectureError: The file holds something wrong.
    """
    if arch in READY_MADE:
        architecture = READY_MADE[arch]()
    elif Path(arch).suffix in _ENDINGS or os.path.isfile(arch):  # noqa: PTH113 - Path's raises on a long text
        architecture = Architecture.load(arch)
    else:
        close = difflib.get_close_matches(arch, READY_MADE, n=1)
        raise ConfigurationError(
            f"{arch!r:.80} is neither a ready-made architecture nor a file"
            + (f" (did you mean {close[0]!r}?)" if close else "")
            + f"; ready-made are {', '.join(READY_MADE)}"
        )
    return architecture if model is None else architecture.with_model(model)


def open_client(
    *, cache: bool = False, cache_file: Path | None = None, tape: Path | None = None, replay: bool = False
) -> Client:
    """A client as the options of a command ask for it; with the keys of a ``.env`` file that lies here.

    Args:
        cache: Keep answers in the user's own cache, and look for them there.
        cache_file: The same in this file.
        tape: Look for answers on this tape.
        replay: Answer from there alone, and call no model.

    Raises:
        ConfigurationError: Two places are named, a tape is written to, or a place cannot be used.
    """
    named = {"--cache": cache, "--cache-file": cache_file is not None, "--tape": tape is not None}
    places = [option for option, given in named.items() if given]
    if len(places) > 1:
        raise ConfigurationError(f"{' and '.join(places)} each name a place for answers; give one of them")
    if tape is not None and not replay:
        raise ConfigurationError(
            f"a tape is only read: add --replay to answer from {tape} alone, or keep answers with --cache-file"
        )
    place = tape or cache_file or (default_path() if cache or replay else None)
    env_file = _ENV_FILE if _ENV_FILE.is_file() else None
    return Client(cache=place, replay="strict" if replay else None, env_file=env_file)


def one_place(client: Mapping[str, Any]) -> dict[str, Any]:
    """Options for `open_client` in which the user's own cache stands back where another place is named.

    Raises:
        ConfigurationError: Answers are to be kept and not to be kept.
    """
    if client["cache_file"] is not None and not client["cache"]:
        raise ConfigurationError("--no-cache keeps no answers, and --cache-file does; give one of them")
    named = client["cache_file"] is not None or client["tape"] is not None
    return {**client, "cache": client["cache"] and not named}


def paid_in_words(usage: Usage) -> str:
    """What was paid: calls, and what is known of the money."""
    money = f"{usage.money:.4f}" if usage.money else "0"
    known = f"{money} USD" if not usage.unpriced_calls else f"{money} + ? USD" if usage.money else "? USD"
    return f"{usage.calls:,} {'call' if usage.calls == 1 else 'calls'} paid ({known})"


def time_left(seconds: float | None) -> str:
    """A span of time as it is told of what is under way; empty if it is not known."""
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02} left" if hours else f"{minutes}:{rest:02} left"
