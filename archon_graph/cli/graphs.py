"""``archon-graph graphs``: the ready-made architectures."""

from __future__ import annotations

import inspect
import json
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from archon_graph.graphs import READY_MADE


def graphs(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """List the ready-made architectures with the model calls that one question takes."""
    rows = []
    for name, make in READY_MADE.items():
        architecture = make()
        about = (inspect.getdoc(make) or "").split("\n\n", maxsplit=1)[0].replace("\n", " ")
        rows.append(
            {
                "name": name,
                "nodes": len(architecture.components),
                "calls": architecture.max_calls,
                "what it does": about,
            }
        )
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    table = Table(box=None, header_style="bold")
    for column in rows[0]:
        table.add_column(column, justify="right" if column in {"nodes", "calls"} else "left")
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    Console(markup=False, emoji=False, highlight=False).print(table)
