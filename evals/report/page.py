"""``write_report``: an evaluation as one HTML file.

What models say is hostile input. It reaches the page as text only: the template escapes everything that is not
made here, and the page's own policy lets no script run but ours and nothing be loaded from anywhere.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Sequence
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from archon_graph._version import __version__
from archon_graph.evals.comparison import Summary, compare_architectures, family_interval, outcome
from archon_graph.evals.curves import SampleCurves, known_scores, recorded_curves, shown_numbers
from archon_graph.evals.log import EvaluationLog, LogError
from archon_graph.evals.report import plots
from archon_graph.evals.report.transcripts import transcript, visible
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
    import jinja2

    here = files(__package__)
    texts = {name: (here / name).read_text("utf-8") for name in ("page.html.j2", "style.css", "filter.js")}
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"visible": visible, "number": _number, "interval": _interval, "pretty": _pretty}
    made = environment.from_string(texts["page.html.j2"]).render(
        **_view(
            evaluation,
            summary if summary is not None else compare_architectures(evaluation),
            recorded_curves(evaluation) if curves is None else curves,
            transcripts,
        ),
        style=texts["style.css"],
        script=texts["filter.js"],
        script_digest=base64.b64encode(hashlib.sha256(texts["filter.js"].encode()).digest()).decode(),
        version=__version__,
    )
    file = EvaluationLog(evaluation.directory).report_path if path is None else Path(path)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(made.encode("utf-8", errors="backslashreplace"))
    except OSError as error:
        raise LogError(f"the report {file} cannot be written: {error.strerror or error}") from error
    return file


def _view(
    evaluation: Evaluation, summary: Summary, curves: Iterable[SampleCurves], transcripts: int
) -> dict[str, Any]:
    """Everything that the template shows."""
    scored = any(standing.score.mean is not None for standing in summary.standings)
    compared = any(difference.mean is not None for difference in summary.differences)
    drawn = list(curves)
    return {
        "run": evaluation.run,
        "start": evaluation.run["starts"][-1],
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
        "transcripts": list(_transcripts(evaluation, transcripts)),
        "questions": len(evaluation.items),
        "missing": evaluation.missing,
    }


def _transcripts(evaluation: Evaluation, most: int) -> Iterable[dict[str, Any]]:
    scores = known_scores(evaluation)
    by_item: dict[str, dict[str, Any]] = {}
    for row in evaluation.rows:
        by_item.setdefault(row.item, {})[row.architecture] = row
    for item in evaluation.items[:most]:
        rows = [(name, by_item.get(item.id, {}).get(name)) for name in evaluation.architectures]
        yield transcript(item, rows, scores)


def _rows(curves: SampleCurves) -> list[tuple[int, list[Estimate]]]:
    """The curves as a table, with as many rows as one would read."""
    return [(n, [curve[n] for curve in curves.curves.values()]) for n in shown_numbers(curves.samples)]


def _number(value: float | None, digits: int = 3) -> str:
    """A number with so many digits that count, and a question mark for one that is not known."""
    if value is None:
        return "?"
    return f"{value:,.0f}" if abs(value) >= 10**digits else f"{value:.{digits}g}"


def _interval(estimate: Estimate) -> str:
    if estimate.low is None or estimate.high is None:
        return ""
    return f"{estimate.low:.3f} to {estimate.high:.3f}"


def _pretty(data: Any) -> str:
    return json.dumps(data, indent=2, ensure_ascii=False, default=str)
