"""The tables that ``eval``, ``curves`` and, in part, ``search`` print."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from archon_graph.evals import Evaluation, SampleCurves, Summary

# A table takes no more than it needs. Where that is more than the terminal has, long lines are easier to read than
# numbers that were cut.
WIDEST = 240
"""The width that tables are given."""


def show_summary(evaluation: Evaluation, summary: Summary, report: Path | None) -> None:
    """Print what an evaluation says: scores and costs, differences, the verdict, what it cost, and where it is."""
    console = Console(highlight=False, width=WIDEST)
    console.print(scores_table(summary))
    console.print(Text("calls, tokens, USD and seconds in calls: for each question, recorded or not", style="dim"))
    for standing in summary.standings:
        for name, value in standing.figures.items():
            console.print(Text(f"{standing.architecture}: {name} {_figure(value)}"), soft_wrap=True)
    if summary.differences:
        console.print()
        console.print(_differences(summary))
        console.print(Text(summary.comparison.statement, style="dim"), soft_wrap=True)
    console.print()
    for sentence in summary.verdict:
        console.print(Text(sentence), soft_wrap=True)
    console.print()
    if evaluation.paid.calls:
        paid = f"{evaluation.paid.calls:,} calls were paid for now, {decimal(evaluation.paid.money)} USD"
        unknown = evaluation.paid.unpriced_calls
        paid += f" and the price of {unknown:,} calls, which is not known" if unknown else ""
    else:
        paid = "nothing was paid for now: every answer was recorded"
    for line in (paid, f"log: {evaluation.directory}", *([f"report: {report}"] if report is not None else [])):
        console.print(Text(line, style="dim"), soft_wrap=True)


def show_curves(curves: SampleCurves, numbers: Sequence[int]) -> None:
    """Print a table of curves over the number of samples."""
    console = Console(highlight=False, width=WIDEST)
    out = f"; {curves.left_out} left out, whose samples are not all there" if curves.left_out else ""
    console.print(
        Text(f"{curves.architecture}: {', '.join(curves.nodes)}, {curves.questions} questions{out}", style="bold"),
        soft_wrap=True,
    )
    table = Table(box=None, header_style="bold")
    table.add_column("samples", justify="right")
    for name in curves.curves:
        table.add_column(Text(name), justify="right")
    for n in numbers:
        table.add_row(str(n), *(Text(str(curve[n])) for curve in curves.curves.values()))
    console.print(table)
    console.print()


def scores_table(summary: Summary) -> Table:
    """Scores and costs of each architecture."""
    table = Table(box=None, header_style="bold")
    level = f"{100 * summary.standings[0].score.level:g} % interval"
    for column in ("", "score", level, "questions", "unscored", "calls", "tokens", "USD", "seconds"):
        table.add_column(column, justify="right" if column else "left", overflow="fold")
    for each in summary.standings:
        score = each.score
        table.add_row(
            Text(each.architecture),
            "?" if score.mean is None else f"{score.mean:.3f}",
            "" if score.low is None or score.high is None else f"[{score.low:.3f}, {score.high:.3f}]",
            str(each.questions),
            str(score.unscored),
            f"{each.calls:.1f}",
            "?" if each.tokens is None else f"{each.tokens:,.0f}",
            "?" if each.money is None else decimal(each.money),
            f"{each.seconds:.1f}" if each.seconds >= 1 else f"{each.seconds:.2g}",
        )
    return table


def _differences(summary: Summary) -> Table:
    from archon_graph.evals.comparison import family_interval, outcome

    table = Table(box=None, header_style="bold")
    columns = ("", f"difference to {summary.baseline}", "p", "better on", "equal", "worse", "verdict")
    for place, column in enumerate(columns):
        table.add_column(Text(column), justify="left" if place in (0, 6) else "right", overflow="fold")
    for each in summary.differences:
        table.add_row(
            Text(each.first),
            Text(family_interval(each)),
            "?" if each.family_p_value is None else f"{each.family_p_value:.2g}",
            str(each.wins),
            str(each.ties),
            str(each.losses),
            outcome(each),
        )
    return table


def _figure(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def decimal(money: float) -> str:
    """A sum of money with the digits that count, and never with a power of ten."""
    return f"{Decimal(f'{money:.3g}'):f}"
