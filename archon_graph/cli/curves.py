"""``archon-graph curves``: what more samples would bring, by the log of an evaluation and at no further calls."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.text import Text

from archon_graph.answers import Extraction
from archon_graph.core.sync import run_sync


def curves(
    log: Annotated[Path, typer.Argument(metavar="LOG", help="The directory of an evaluation's log.")],
    *,
    architecture: Annotated[
        list[str] | None, typer.Option("--architecture", metavar="NAME", help="Only this one's; may be repeated.")
    ] = None,
    node: Annotated[
        list[str] | None,
        typer.Option(
            "--node", metavar="NODE", help="The generator whose samples are drawn from; may be repeated."
        ),
    ] = None,
    answers: Annotated[Extraction, typer.Option("--answers", help="What is voted on.")] = "auto",
    baseline: Annotated[
        str | None,
        typer.Option("--baseline", metavar="NAME", help="In the report, compare with this architecture."),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="Where the report is put; by default into the log."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The curves as JSON, nothing else.")] = False,
) -> None:
    """Show scores over the number of samples: of one drawn by lot, of a vote, of the best.

    No model is called. Each recorded sample is scored once; the report is written anew, with the curves.
    """
    from archon_graph.cli.standings import show_curves
    from archon_graph.evals import Evaluation, compare_architectures, sample_curves
    from archon_graph.evals.curves import shown_numbers
    from archon_graph.evals.report import require_report_extra, write_report
    from archon_graph.models import MissingExtraError

    if html is not None:
        require_report_extra()
    evaluation = Evaluation.read(log)
    summary = compare_architectures(evaluation, baseline=baseline)
    errors = Console(stderr=True, highlight=False, soft_wrap=True)
    columns = (SpinnerColumn(), TextColumn("scoring samples"), BarColumn(30), MofNCompleteColumn())
    with Progress(
        *columns, TimeRemainingColumn(), console=errors, transient=True, disable=not errors.is_terminal
    ) as bar:
        task = bar.add_task("", total=None)
        found = run_sync(
            sample_curves(
                log,
                architectures=architecture or (),
                nodes=node or (),
                answers=answers,
                on_progress=lambda done, total: bar.update(task, completed=done, total=total),
            )
        )
    if as_json:
        sys.stdout.write(f"{json.dumps([each.to_json() for each in found], indent=2, ensure_ascii=False)}\n")
    else:
        for each in found:
            show_curves(each, shown_numbers(each.samples))
    try:
        report = write_report(evaluation, html, summary=summary, curves=found)
    except MissingExtraError as error:
        errors.print(Text(f"no report: {error}", style="dim"))
    else:
        if not as_json:
            Console(highlight=False, soft_wrap=True).print(Text(f"report: {report}", style="dim"))
