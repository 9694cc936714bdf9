"""``archon-graph check``: whether architectures keep the rules, before anything is called."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from archon_graph.cli.common import load_architecture
from archon_graph.models import ConfigurationError


def check(
    archs: Annotated[
        list[str], typer.Argument(metavar="ARCH...", help="Ready-made architectures, or .yaml or .json files.")
    ],
) -> None:
    """See whether architectures keep every rule; no model is called. Exit code 2 if one does not."""
    console = Console(highlight=False, soft_wrap=True)
    refused = False
    for arch in archs:
        try:
            architecture = load_architecture(arch)
            warnings = architecture.validate()
        except ConfigurationError as error:
            refused = True
            console.print(Text("refused  ", style="red"), Text(f"{arch}: {error}"), sep="")
            continue
        size = f"{_count(len(architecture.components), 'node')}, {_count(architecture.max_calls, 'call')}"
        console.print(Text("ok       ", style="green"), Text(f"{arch}: {size}"), sep="")
        for warning in warnings:
            console.print(Text("warning  ", style="yellow"), Text(str(warning)), sep="")
    if refused:
        raise typer.Exit(2)


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
