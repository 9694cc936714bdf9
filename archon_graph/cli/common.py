"""What several commands need: finding the architecture that was meant."""

from __future__ import annotations

import difflib
import os
from pathlib import Path
from typing import Annotated

import typer

from archon_graph.core import Architecture
from archon_graph.graphs import READY_MADE
from archon_graph.models import ConfigurationError

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
