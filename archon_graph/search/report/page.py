"""``write_study_report``: a study as one HTML file, also while it runs.

What models say, and what architectures and files are called, is hostile input; how it is kept text is told in
`archon_graph.evals.report.rendering`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from archon_graph.core import ArchitectureError
from archon_graph.evals.comparison import family_interval, outcome
from archon_graph.evals.log import Row
from archon_graph.evals.report import plots as evaluation_plots
from archon_graph.evals.report import require_report_extra
from archon_graph.evals.report.rendering import number, read_part, render_page, write_page
from archon_graph.evals.report.transcripts import transcripts_of
from archon_graph.evals.statistics import Difference
from archon_graph.models import ConfigurationError, Usage
from archon_graph.search.findings import Findings, Gain
from archon_graph.search.importance import axis_importance
from archon_graph.search.report import plots
from archon_graph.search.report.choices import choices, deploy_command, save_choices
from archon_graph.search.report.diagram import Note, draw_svg_diagram
from archon_graph.search.store import StudyStore
from archon_graph.search.study import Study
from archon_graph.search.trial import Trial

REPORT = "report.html"
"""The report's name in the study's directory."""

_MOST_TRANSCRIPTS = 100
"""More held-out questions than this make a page that browsers are slow to open; the log has all of them."""


def write_study_report(
    study: Study, path: str | Path | None = None, *, transcripts: int = _MOST_TRANSCRIPTS
) -> Path:
    """Write the report of a study: the verdict first, then everything that it rests on.

    The file needs nothing else: no network, no other file. Equal studies give equal reports.

    Args:
        study: It may be unfinished, and may be running.
        path: The file; by default ``report.html`` in the study's directory, where the files to deploy, which the
            report names, are then written, too.
        transcripts: Most held-out questions that are shown in full.

    Returns:
        The file.

    Raises:
        MissingExtraError: The extra ``report`` is not installed.
        LogError: The study cannot be read, or the file cannot be written.
    """
    require_report_extra()
    here = {"package": __package__}
    page = render_page(
        read_part("study.html.j2", **here),
        _view(study, transcripts),
        style=read_part("study.css", **here),
        scripts=(read_part("sort.js", **here), *(("filter.js",) if study.findings.held_out else ())),
    )
    if path is None:
        save_choices(study)
    return write_page(study.directory / REPORT if path is None else Path(path), page)


def _view(study: Study, transcripts: int) -> dict[str, Any]:
    """Everything that the template shows."""
    found, about = study.findings, study.about
    store = StudyStore(study.directory)
    offered = choices(study)
    unit = str(about["cost"])
    trials = found.trials
    singles = frozenset(trial.number for trial in trials if trial.round == 0)
    winner = next(
        (trial for trial in trials if found.winner and trial.fingerprint == found.winner.fingerprint), None
    )
    front = study.front(unit)
    by_number = {trial.number: trial for trial in trials}
    pace = plots.pace_of(trials)
    importance = axis_importance(trials)
    held_out = found.held_out
    return {
        "study": study,
        "about": about,
        "found": found,
        "wanted": about["trials"] + len(about["space"]["models"]),
        "phase": PHASES[found.phase],
        "choices": [
            {
                "choice": each,
                "command": deploy_command(study, each),
                "config": _as_yaml(each.architecture.to_config()),
            }
            for each in offered
        ],
        "unit": plots.UNITS[unit],
        "unit_key": unit,
        "front": [by_number[int(key)] for key in front.keys],
        "front_left_out": len(front.unknown),
        "winner_number": None if winner is None else winner.number,
        "singles": singles,
        "pace": pace,
        "plots": {
            "trials": plots.plot_trials(
                trials, front, plots.Marked(None if winner is None else winner.number, singles), unit=unit
            ),
            "by_trials": plots.plot_pace(trials, pace, by_calls=False) if len(pace.best) > 1 else "",
            "by_calls": plots.plot_pace(trials, pace, by_calls=True)
            if len(pace.best) > 1 and pace.paid[-1] > 0
            else "",
            "importance": plots.plot_importance(importance),
            "gains": plots.plot_rows(
                [(gain.what, gain.difference) for gain in found.gains],
                salt="gains",
                label="what it adds to the winner's score",
            ),
            "scores": evaluation_plots.plot_scores(held_out.summary)
            if held_out and any(each.score.mean is not None for each in held_out.summary.standings)
            else "",
            "differences": plots.plot_rows(
                [(f"winner − {name}", each) for name, each in held_out.differences.items()],  # noqa: RUF001
                salt="held out",
                label="difference of scores on held-out questions",
            )
            if held_out
            else "",
        },
        "importance": importance,
        "held_out": held_out,
        "names": _names(found),
        "differences": [
            {"name": name, **_told(each)} for name, each in (held_out.differences if held_out else {}).items()
        ],
        "finalists": finalists_of(study),
        "gains": [
            {"gain": gain, "told": gain_in_words(gain), "calls": calls_in_words(gain), **_told(gain.difference)}
            for gain in found.gains
        ],
        "winner": found.winner,
        "diagram": _diagram(found, store) if found.winner else "",
        "saved": savings_of(found),
        "splits": about["data"],
        "axes": _axes(about["space"]),
        "transcripts": list(transcripts_of(held_out.evaluation, transcripts)) if held_out else [],
        "questions": held_out.questions if held_out else 0,
    }


PHASES = {
    "search": "the search is not over",
    "selection": "finalists are being chosen among",
    "holdout": "held-out questions are being answered",
    "done": "finished",
}
"""How far a study is, in words."""


def savings_of(found: Findings) -> dict[str, float]:
    """Model calls of the trials: each alone, without those that racing spared, and those that were paid.

    ``alone`` is all questions for every trial and nothing shared; ``asked`` is without the questions that trials
    were spared; ``paid`` is without what trials shared with each other, or was recorded before. ``raced`` and
    ``shared`` are the steps between them.
    """
    asked = float(found.usage.calls)
    # Repeats of calls that failed are among those that were asked and not among those of each trial alone.
    alone = max(found.calls_alone, asked)
    paid = float(found.paid.calls)
    return {"alone": alone, "asked": asked, "paid": paid, "raced": alone - asked, "shared": asked - paid}


def gain_in_words(gain: Gain) -> str:
    """What a part does, in words: ``adds``, ``not shown to add``, ``does harm`` or ``not measured``."""
    told = {"better": "adds", "worse": "does harm", "not told apart": "not shown to add"}
    return told.get(outcome(gain.difference), "not measured")


def calls_in_words(gain: Gain) -> str:
    """The calls that a part costs; of one that saves calls, that it does."""
    if gain.calls is None or gain.calls >= 0:
        return number(gain.calls)
    return f"saves {number(-gain.calls)}"


def _told(difference: Difference) -> dict[str, Any]:
    return {"difference": difference, "shown": family_interval(difference), "outcome": outcome(difference)}


def _names(found: Findings) -> dict[str, str]:
    """What the architectures are, by what they are called among the held-out results."""
    if found.held_out is None:
        return {}
    run = found.held_out.evaluation.run
    return {each["name"]: found.entries[each["fingerprint"]].name for each in run["architectures"]}


def finalists_of(study: Study) -> list[dict[str, Any]]:
    """The finalists, the winner first, then by their scores on the selection questions."""
    found = study.findings
    if found.winner is None or found.selection is None:
        return []
    searched: dict[str, Trial] = {}
    for trial in found.trials:
        searched.setdefault(trial.fingerprint, trial)
    names = StudyStore(study.directory).decisions().get("finalists", ())
    rows = []
    for fingerprint, standing in zip(names, found.selection.standings, strict=False):
        difference = found.finalists.get(fingerprint)
        rows.append(
            {
                "standing": standing,
                "trial": searched.get(fingerprint),
                "chosen": fingerprint == found.winner.fingerprint,
                "shown": "" if difference is None else family_interval(difference),
                "told": "the winner" if difference is None else _tied(difference),
            }
        )
    return sorted(rows, key=lambda row: (not row["chosen"], -(row["standing"].score.mean or 0.0)))


def _tied(difference: Difference) -> str:
    return "tied with the winner" if difference.tied else "worse than the winner"


def _diagram(found: Findings, store: StudyStore) -> str:
    """The winner as boxes; empty if it is made of techniques that are not installed here."""
    winner = found.winner
    assert winner is not None  # noqa: S101 - the caller saw to it
    try:
        architecture = winner.architecture
    except (ArchitectureError, ConfigurationError):
        return ""
    rows = [row for (fingerprint, _), row in store.rows().items() if fingerprint == winner.fingerprint]
    calls = _calls_of_nodes(rows)
    notes: dict[str, list[Note]] = {}
    for node in architecture.components:
        mine = calls.get(node)
        notes[node] = [] if mine is None else [Note(f"{mine:.3g} {'call' if mine == 1 else 'calls'} a question")]
        notes[node] += _gains_of(node, found.gains)
    return draw_svg_diagram(architecture, notes)


def _gains_of(node: str, gains: Iterable[Gain]) -> Iterable[Note]:
    for gain in gains:
        if node not in gain.without or gain.difference.mean is None:
            continue
        told = outcome(gain.difference)
        kind = {"better": "gain", "worse": "loss"}.get(told, "")
        value = f"{gain.difference.mean:+.3f}"
        if gain.what == node:
            yield Note(f"adds {value}", kind)
        elif gain.what == " and ".join(gain.without):
            yield Note(f"together they add {value}", kind)
        else:
            yield Note(f"{gain.what.partition(' of ')[0]}: {value}", kind)


def _calls_of_nodes(rows: Sequence[Row]) -> Mapping[str, float]:
    """Model calls of each node for a question, on average over those that were answered."""
    answered = [row for row in rows if row.answer is not None or row.score.scored]
    sums: dict[str, int] = {}
    for row in answered:
        for node in row.result.get("nodes", ()):
            sums[node["node"]] = sums.get(node["node"], 0) + Usage(**node["usage"]).calls
    return {node: calls / len(answered) for node, calls in sums.items()}


def _axes(space: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What varied, and what was held fixed, as text."""
    return [(name, _values(values)) for name, values in space.items() if name != "archon_graph_space"]


def _values(values: Any) -> str:
    listed = values if isinstance(values, list) else [values]
    return ", ".join("the provider's own" if value is None else str(value) for value in listed)


def _as_yaml(config: Mapping[str, Any]) -> str:
    return yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True, width=100)
