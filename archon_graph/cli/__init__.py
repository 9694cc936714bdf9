"""The command line: one file for each command, each a thin call into the library."""

from __future__ import annotations

import sys
from io import TextIOWrapper

import typer
from rich.console import Console
from rich.text import Text

from archon_graph._version import __version__
from archon_graph.cli import (
    answers,
    cache,
    check,
    convert,
    curves,
    draw,
    graphs,
    models,
    report,
    run,
    search,
    serve,
)
from archon_graph.cli import eval as evaluation
from archon_graph.models import ArchonError, ConfigurationError

app = typer.Typer(
    name="archon-graph",
    help="Turn several language-model calls into one better answer.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("run")(run.run)
app.command("eval")(evaluation.evaluate)
app.command("answers")(answers.answers)
app.command("curves")(curves.curves)
app.command("search")(search.search)
app.command("serve")(serve.serve)
app.command("report")(report.report)
app.command("check")(check.check)
app.command("convert")(convert.convert)
app.command("draw")(draw.draw)
app.command("graphs")(graphs.graphs)
app.add_typer(cache.app, name="cache", help="Recorded answers of models.")
app.add_typer(models.app, name="models", help="Models that run on this machine.")

_USAGE, _FAILED, _INTERRUPTED = 2, 1, 130


def _version(*, wanted: bool) -> None:
    if wanted:
        typer.echo(f"archon-graph {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(  # noqa: FBT001 - typer reads a flag this way
        False,  # noqa: FBT003
        "--version",
        help="Print the version and leave.",
        callback=lambda wanted: _version(wanted=wanted),
        is_eager=True,
    ),
) -> None:
    """Turn several language-model calls into one better answer."""


def main() -> None:
    """Run the command line: mistakes of the user are one message, bugs keep their traceback.

    Exit codes: 0 done, 1 no answer, 2 something to mend first (nothing was called), 130 interrupted.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # An answer that was paid for is not to be lost to a terminal that cannot show one of its characters.
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
    except ArchonError as error:
        Console(stderr=True, soft_wrap=True).print(Text(f"error: {error}", style="red"))
        sys.exit(_USAGE if isinstance(error, ConfigurationError) else _FAILED)
