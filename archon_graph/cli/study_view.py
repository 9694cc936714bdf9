"""What ``search`` and ``report`` show of a study: while it runs, and when it is read."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from archon_graph.cli.common import paid_in_words, time_left
from archon_graph.cli.standings import WIDEST, decimal, scores_table

if TYPE_CHECKING:
    from archon_graph.models import Usage
    from archon_graph.search import Progress, Study, StudySpec, Trial
    from archon_graph.search.report import Choice

_BAR = 24
_MOST_OF_FRONT = 6


class StudyView:
    """A study while it runs: a picture where there is a terminal, and a line now and then where there is none.

    Args:
        spec: What is searched.
        console: Where it is shown.
    """

    def __init__(self, spec: StudySpec, console: Console) -> None:
        self._spec = spec
        self._console = console
        self._spinner = Spinner("dots")
        self._began: tuple[int, float] | None = None
        self._told: tuple[str, int] = ("", -1)
        self.progress: Progress | None = None
        """How far it is."""

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show it for the length of a ``with`` block."""
        if not self._console.is_terminal:
            yield
            return
        with Live(self, console=self._console, refresh_per_second=4, transient=True):
            yield

    def tell(self, progress: Progress) -> None:
        """Take note of how far it is."""
        self.progress = progress
        if self._began is None and progress.answers:
            # Trials of earlier starts were there at once, and say nothing of how long one takes.
            self._began = (len(progress.trials), progress.seconds)
        if self._console.is_terminal:
            return
        tenth = 10 * len(progress.trials) // max(1, progress.wanted)
        if (progress.phase, tenth) != self._told and (self._told[0] != progress.phase or tenth > self._told[1]):
            self._told = (progress.phase, tenth)
            self._console.print(Text(", ".join(filter(None, self._line(progress)))))

    def __rich__(self) -> RenderableType:
        """The picture."""
        progress = self.progress
        if progress is None:
            self._spinner.update(text=Text("looking at what is there"))
            return self._spinner
        self._spinner.update(text=Text(progress.phase))
        head = Table.grid(padding=(0, 2))
        bar = ProgressBar(total=max(1, progress.wanted), completed=len(progress.trials), width=_BAR)
        head.add_row(self._spinner, bar, Text(f"{len(progress.trials)} of {progress.wanted} trials"))
        parts: list[RenderableType] = [head]
        if progress.best is not None:
            parts += [Text(f"best so far: {_trial_in_words(progress.best)}"), self._front(progress.trials)]
        spent = [
            f"{progress.answers:,} answers",
            paid_in_words(progress.paid),
            f"{time_left(progress.seconds).removesuffix(' left')} so far",
            self._left(progress),
        ]
        parts.append(Text(", ".join(filter(None, spent)), style="dim"))
        return Group(*parts)

    def _line(self, progress: Progress) -> list[str]:
        best = progress.best
        return [
            f"{progress.phase}: {len(progress.trials)} of {progress.wanted} trials",
            "" if best is None else f"best {_trial_in_words(best)}",
            paid_in_words(progress.paid),
            self._left(progress),
        ]

    def _front(self, trials: Sequence[Trial]) -> RenderableType:
        """What no other trial beats in both score and cost, as a table with bars."""
        from archon_graph.search.front import Entry, pareto_front

        unit = self._spec.cost
        complete = {trial.number: trial for trial in trials if trial.status == "complete"}
        front = pareto_front(
            Entry(str(trial.number), trial.score, trial.cost.of(unit))
            for trial in complete.values()
            if trial.score is not None and trial.cost is not None
        )
        return front_table([complete[int(key)] for key in front.keys], unit, most=_MOST_OF_FRONT)

    def _left(self, progress: Progress) -> str:
        if self._began is None or progress.phase != "search":
            return ""
        made, seconds = len(progress.trials) - self._began[0], progress.seconds - self._began[1]
        left = max(0, progress.wanted - len(progress.trials))
        return f"about {time_left(seconds / made * left)} of the search" if made > 0 and left else ""


def front_table(front: Sequence[Trial], unit: str, *, most: int | None = None) -> Table:
    """The trials that no other one beats in both, from the cheapest; with a bar for each score.

    Args:
        front: The trials.
        unit: What cost is meant.
        most: The most rows; the dearest, which are the best, stay.
    """
    table = Table(box=None, header_style="bold")
    for column in (unit, "score", "", "take"):
        table.add_column(column, justify="right" if column in (unit, "score") else "left", overflow="fold")
    shown = front if most is None else front[-most:]
    scores = [trial.score or 0.0 for trial in front]
    low, high = min([0.0, *scores]), max([1.0 if scores and max(scores) <= 1 else 0.0, *scores])
    for trial in shown:
        cost = None if trial.cost is None else trial.cost.of(unit)
        filled = round(_BAR * ((trial.score or 0.0) - low) / (high - low)) if high > low else 0
        table.add_row(
            "?" if cost is None else decimal(cost),
            "?" if trial.score is None else f"{trial.score:.3f}",
            Text("━" * filled, style="green"),
            Text(trial.name),
        )
    return table


def finish(study: Study, errors: Console, *, paid: Usage | None, as_json: bool, html: Path | None = None) -> None:
    """Write the files of a study and its report, and print what it came to.

    Args:
        study: The study.
        errors: Where it is told that no report can be written here.
        paid: What this start paid; ``None`` if nothing was started.
        as_json: Print it for other programs.
        html: Where the report is put, if not into the study's directory.
    """
    from archon_graph.models import MissingExtraError
    from archon_graph.search.report import choices, save_choices, write_study_report
    from archon_graph.search.report.page import REPORT

    offered = choices(study)
    files = save_choices(study, offered)
    report: Path | None = None
    try:
        report = write_study_report(study, study.directory / REPORT if html is None else html)
    except MissingExtraError as error:
        if html is not None:
            raise
        errors.print(Text(f"no report: {error}", style="dim"))
    if as_json:
        told = study_as_json(study, offered, files=files, report=report, paid=paid)
        sys.stdout.write(f"{json.dumps(told, indent=2, ensure_ascii=False, default=str)}\n")
    else:
        show_study(study, offered, files=files, report=report, paid=paid)


def show_study(
    study: Study,
    offered: Sequence[Choice],
    *,
    files: Mapping[str, Path],
    report: Path | None,
    paid: Usage | None,
) -> None:
    """Print what a study came to: the verdict first, then what it rests on, the files, and what to run."""
    from archon_graph.search.report.choices import deploy_command
    from archon_graph.search.report.page import savings_of

    found = study.findings
    console = Console(highlight=False, width=WIDEST)
    for place, sentence in enumerate(found.verdict.sentences):
        console.print(Text(sentence, style="" if place else "bold"), soft_wrap=True)
    if found.held_out is not None:
        console.print()
        console.print(Text(f"{found.held_out.questions} held-out questions", style="bold"))
        console.print(scores_table(found.held_out.summary))
        if found.held_out.differences:
            console.print(_differences_table(study))
    elif front := study.front().keys:
        by_number = {trial.number: trial for trial in found.trials}
        console.print()
        console.print(front_table([by_number[int(key)] for key in front], str(study.about["cost"])))
    if found.gains:
        console.print()
        console.print(_gains_table(study))
    if found.selection is not None:
        console.print()
        console.print(_finalists_table(study))
    console.print()
    saved = savings_of(found)
    spared = f"racing spared {saved['raced']:,.0f}, sharing {saved['shared']:,.0f}"
    lines = [f"the trials paid {saved['paid']:,.0f} calls; each alone takes {saved['alone']:,.0f}: {spared}"]
    if paid is not None:
        now = f"now in all: {paid_in_words(paid)}" if paid.calls else "nothing was paid for now"
        lines.append(now)
    lines += [f"study: {study.directory}", *(f"{what}: {file}" for what, file in files.items())]
    lines += [] if report is None else [f"report: {report}"]
    for line in lines:
        console.print(Text(line, style="dim"), soft_wrap=True)
    if offered:
        console.print()
        console.print(Text(deploy_command(study, offered[0]), style="bold"), soft_wrap=True)


def study_as_json(
    study: Study,
    offered: Sequence[Choice],
    *,
    files: Mapping[str, Path],
    report: Path | None,
    paid: Usage | None,
) -> dict[str, Any]:
    """The same as plain data."""
    from archon_graph.search.report.choices import deploy_command
    from archon_graph.search.report.page import savings_of

    found = study.findings
    return {
        "verdict": {**asdict(found.verdict), "sentences": list(found.verdict.sentences)},
        "phase": found.phase,
        "stopped": study.stopped,
        "winner": None if found.winner is None else asdict(found.winner),
        "pruned": None if found.pruned is None else asdict(found.pruned),
        "tied": [entry.name for entry in found.tied],
        "held_out": None
        if found.held_out is None
        else {
            "questions": found.held_out.questions,
            "finished": found.held_out.finished,
            "standings": [each.to_json() for each in found.held_out.summary.standings],
            "differences": {name: each.to_json() for name, each in found.held_out.differences.items()},
        },
        "parts": [
            {
                "what": gain.what,
                "without": list(gain.without),
                "calls": gain.calls,
                "difference": gain.difference.to_json(),
            }
            for gain in found.gains
        ],
        "front": [int(key) for key in study.front().keys],
        "trials": [trial.to_json() for trial in found.trials],
        "calls": savings_of(found),
        "paid_now": None if paid is None else asdict(paid),
        "study": str(study.directory),
        "report": None if report is None else str(report),
        "files": {what: str(file) for what, file in files.items()},
        "command": deploy_command(study, offered[0]) if offered else None,
    }


def _trial_in_words(trial: Trial) -> str:
    """A trial with its score and what it costs."""
    error = "" if trial.error is None else f" ± {trial.error:.3f}"
    calls = "" if trial.cost is None else decimal(trial.cost.calls)
    cost = f" ({calls} {'call' if calls == '1' else 'calls'} a question)" if calls else ""
    return f"{'?' if trial.score is None else f'{trial.score:.3f}'}{error}, {trial.name}{cost}"


def _differences_table(study: Study) -> Table:
    from archon_graph.evals.comparison import family_interval, outcome

    held_out = study.findings.held_out
    rows = [] if held_out is None else list(held_out.differences.items())
    table = Table(box=None, header_style="bold")
    columns = ("the winner against", "difference", "p", "better on", "equal", "worse", "it is")
    for place, column in enumerate(columns):
        table.add_column(column, justify="left" if place in (0, 6) else "right", overflow="fold")
    for name, each in rows:
        table.add_row(
            Text(name),
            Text(family_interval(each)),
            "?" if each.family_p_value is None else f"{each.family_p_value:.2g}",
            str(each.wins),
            str(each.ties),
            str(each.losses),
            outcome(each),
        )
    return table


def _gains_table(study: Study) -> Table:
    from archon_graph.evals.comparison import family_interval
    from archon_graph.search.report.page import calls_in_words, gain_in_words

    table = Table(box=None, header_style="bold")
    for place, column in enumerate(("part of the winner", "adds", "calls it costs", "it")):
        table.add_column(column, justify="left" if place in (0, 3) else "right", overflow="fold")
    for gain in study.findings.gains:
        shown = Text(family_interval(gain.difference))
        table.add_row(Text(gain.what), shown, calls_in_words(gain), gain_in_words(gain))
    return table


def _finalists_table(study: Study) -> Table:
    from archon_graph.search.report.page import finalists_of

    table = Table(box=None, header_style="bold")
    columns = ("finalist", "score", "against the winner", "calls", "it is")
    for place, column in enumerate(columns):
        table.add_column(column, justify="left" if place in (0, 4) else "right", overflow="fold")
    for row in finalists_of(study):
        standing = row["standing"]
        table.add_row(
            Text(standing.architecture),
            "?" if standing.score.mean is None else f"{standing.score.mean:.3f}",
            Text(row["shown"]),
            f"{standing.calls:.1f}",
            row["told"],
        )
    return table
