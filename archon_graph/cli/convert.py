"""``archon-graph convert``: a config of Archon's first implementation as a file of ours."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from archon_graph.core import Architecture
from archon_graph.core.first_implementation import NOTES
from archon_graph.models import ConfigurationError


def convert(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="A config of Archon's first implementation.")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="Where to write it: .yaml or .json.")],
    *,
    force: Annotated[bool, typer.Option("--force", help="Overwrite NEW if it is there.")] = False,
    lenient: Annotated[
        bool, typer.Option("--lenient", help="Warn of unknown keys and leave them out, instead of refusing.")
    ] = False,
) -> None:
    """Write a config of Archon's first implementation as a file of archon-graph.

    Says of every setting that has no effect, or is taken differently. No model is called. Such configs can also be
    used as they are, wherever an architecture is asked for.
    """
    if new.suffix not in {".json", ".yaml", ".yml"}:
        raise ConfigurationError(f"cannot write {str(new)!r}: its ending must be .yaml, .yml or .json")
    if new.exists() and not force:
        raise ConfigurationError(f"{new} is there already; add --force to overwrite it, or choose another name")
    with warnings.catch_warnings(record=True) as left_out:
        warnings.simplefilter("always", UserWarning)
        architecture = Architecture.load(old, lenient=lenient)
    found = dict.fromkeys([*architecture.graph.graph.get(NOTES, ()), *architecture.validate()])
    try:
        architecture.save(new)
    except OSError as error:
        raise ConfigurationError(f"{new} cannot be written: {error.strerror}") from error
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    for warning in [*(warning.message for warning in left_out), *found]:
        console.print(Text("warning  ", style="yellow"), Text(str(warning)), sep="")
    typer.echo(f"wrote {new}", err=True)
