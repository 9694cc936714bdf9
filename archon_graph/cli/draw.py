"""``archon-graph draw``: an architecture as Mermaid text, or as a picture."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from archon_graph.cli.common import ArchitectureArgument, ModelOption, load_architecture
from archon_graph.core.rendering import render


class Direction(StrEnum):
    """Where a diagram begins and ends."""

    TB = "TB"
    LR = "LR"


def draw(
    arch: ArchitectureArgument,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Write to this file: .svg or .png (with mermaid-cli and Chromium), .mmd or .md (text).",
        ),
    ] = None,
    direction: Annotated[
        Direction,
        typer.Option("--direction", "-d", case_sensitive=False, help="From top to bottom, or from left to right."),
    ] = Direction.TB,
    collapse: Annotated[  # noqa: FBT002 - a flag on the command line
        bool, typer.Option("--collapse", help="Show equal nodes of a layer as one box with their number.")
    ] = False,
    model: ModelOption = None,
) -> None:
    """Draw an architecture as a Mermaid diagram.

    Prints Mermaid text, which GitHub, notebooks and editors show as a picture, or writes a file. No model is
    called.
    """
    architecture = load_architecture(arch, model=model)
    diagram = architecture.draw_mermaid(direction=direction.value, collapse=collapse)
    if output is None:
        # As it is: rich would read the brackets in it as its own markup.
        typer.echo(diagram)
        return
    render(diagram, output)
    typer.echo(f"wrote {output}", err=True)
