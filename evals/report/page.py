"""``write_report``: an evaluation as one HTML file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from archon_graph.evals.comparison import Summary, compare_architectures, family_interval, outcome
from archon_graph.evals.curves import SampleCurves, recorded_curves, shown_numbers
from archon_graph.evals.log import EvaluationLog
from archon_graph.evals.report import plots
from archon_graph.evals.report.rendering import read_part, render_page, write_page
from archon_graph.evals.report.transcripts import transcripts_of
from archon_graph.evals.runner import Evaluation
from archon_graph.evals.statistics import Estimate
from archon_graph.models import MissingExtraError

_MOST_TRANSCRIPTS = 500
"""More questions than this make a page that browsers are slow to open; the log has all of them."""


def require_report_extra() -> None:
    """See that reports can be written here.

    Raises:
        MissingExtraError: They cannot.
    """
    if find_spec("jinja2") is None or find_spec("matplotlib") is None:
        raise MissingExtraError("an HTML report", "report")


def write_report(
    evaluation: Evaluation,
    path: str | Path | None = None,
    *,
    summary: Summary | None = None,
    curves: Sequence[SampleCurves] | None = None,
    transcripts: int = _MOST_TRANSCRIPTS,
) -> Path:
    """Write the report of an evaluation: the verdict, tables, plots, and a transcript of each question.

    The file needs nothing else: no network, no other file. Equal evaluations give equal reports, times aside.

    Args:
        evaluation: It may be unfinished.
        path: The file; by default ``report.html`` in the log's directory.
        summary: What it says, if it was compared with another baseline than the first architecture.
        curves: Curves over the number of samples; by default those whose candidates are all scored in the log.
        transcripts: Most questions that are shown in full.

    Returns:
        The file.

    Raises:
        MissingExtraError: The extra ``report`` is not installed.
        LogError: The file cannot be written.
    """
    require_report_extra()
    view = _view(
        evaluation,
        summary if summary is not None else compare_architectures(evaluation),
        recorded_curves(evaluation) if curves is None else curves,
        transcripts,
    )
    file = EvaluationLog(evaluation.directory).report_path if path is None else Path(path)
    return write_page(file, render_page(read_part("page.html.j2"), view))


def _view(
    evaluation: Evaluation, summary: Summary, curves: Iterable[SampleCurves], transcripts: int
) -> dict[str, Any]:
    """Everything that the template shows."""
    scored = any(standing.score.mean is not None for standing in summary.standings)
    compared = any(difference.mean is not None for difference in summary.differences)
    drawn = list(curves)
    return {
        "run": evaluation.run,
        "benchmark": evaluation.run["benchmark"],
        "names": evaluation.architectures,
        "summary": summary,
        "differences": [
            {"difference": each, "shown": family_interval(each), "told": outcome(each)}
            for each in summary.differences
        ],
        "plots": {
            "scores": plots.plot_scores(summary) if scored else "",
            "differences": plots.plot_differences(summary) if compared else "",
            "costs": plots.plot_costs(summary) if scored and len(summary.standings) > 1 else "",
        },
        "curves": [{"curves": each, "plot": plots.plot_curves(each), "rows": _rows(each)} for each in drawn],
        "transcripts": list(transcripts_of(evaluation, transcripts)),
        "questions": len(evaluation.items),
        "missing": evaluation.missing,
    }


def _rows(curves: SampleCurves) -> list[tuple[int, list[Estimate]]]:
    """The curves as a table, with as many rows as one would read."""
    return [(n, [curve[n] for curve in curves.curves.values()]) for n in shown_numbers(curves.samples)]
