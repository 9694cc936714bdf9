"""``archon-graph report``: the report of a study or an evaluation, written anew; the best within a budget."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from archon_graph.models import ConfigurationError

if TYPE_CHECKING:
    from archon_graph.search import Study

_EACH = "Pick the best trial that takes at most so many {} for a question, on average."


def report(
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="The directory of a study, or of an evaluation.")
    ],
    *,
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="Where the report is put; by default into the directory."),
    ] = None,
    max_calls: Annotated[
        float | None, typer.Option("--max-calls", min=0, help=_EACH.format("model calls"))
    ] = None,
    max_tokens: Annotated[float | None, typer.Option("--max-tokens", min=0, help=_EACH.format("tokens"))] = None,
    max_money: Annotated[
        float | None,
        typer.Option("--max-money", "--max-cost", metavar="USD", min=0, help=_EACH.format("US dollars")),
    ] = None,
    max_seconds: Annotated[
        float | None, typer.Option("--max-seconds", metavar="S", min=0, help=_EACH.format("seconds"))
    ] = None,
    save: Annotated[
        Path | None,
        typer.Option(
            "--save", "-s", metavar="FILE", help="Save what was picked, or else the best, as .yaml or .json."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="What was found as JSON, nothing else.")] = False,
) -> None:
    """Write the report of a study, also while it runs, or of an evaluation; no model is called.

    With a --max, also pick the best architecture of a study within it.
    """
    from archon_graph.cli.study_view import finish
    from archon_graph.search import Study

    limits = {"calls": max_calls, "tokens": max_tokens, "money": max_money, "seconds": max_seconds}
    given = {unit: most for unit, most in limits.items() if most is not None}
    errors = Console(stderr=True, highlight=False, soft_wrap=True)
    if not _is_study(directory):
        if given or save is not None:
            raise ConfigurationError(
                f"{directory} holds an evaluation, and only of a study something can be picked"
            )
        _report_evaluation(directory, html, errors, as_json=as_json)
        return
    study = Study(directory)
    if save is not None and save.suffix not in {".json", ".yaml", ".yml"}:
        raise ConfigurationError(f"--save {save}: its ending has to be .yaml or .json")
    if given or save is not None:
        _pick(study, given, save, errors)
    finish(study, errors, paid=None, as_json=as_json, html=html)


def _is_study(directory: Path) -> bool:
    """Whether it is a study, and not an evaluation.

    Raises:
        ConfigurationError: It is neither.
    """
    if (directory / "study.json").exists():
        return True
    if (directory / "run.json").exists():
        return False
    raise ConfigurationError(
        f"{directory} holds neither a study nor an evaluation: archon-graph search makes the one, and "
        f"archon-graph eval the other"
    )


def _pick(study: Study, limits: dict[str, float], save: Path | None, errors: Console) -> None:
    """Pick the best within limits, say what it is, and save it."""
    architecture = study.best(**{f"max_{unit}": most for unit, most in limits.items()})
    trial = next((each for each in study.trials if each.fingerprint == architecture.fingerprint), None)
    told = f"picked: {architecture.name}"
    if trial is not None and trial.score is not None:
        error = "" if trial.error is None else f" ± {trial.error:.3f}"
        told += f", {trial.score:.3f}{error} on the search questions"
    errors.print(Text(told))
    if save is not None:
        try:
            architecture.save(save)
        except OSError as error:
            raise ConfigurationError(f"{save} cannot be written: {error.strerror or error}") from error
        errors.print(Text(f"saved: {save}", style="dim"))


def _report_evaluation(directory: Path, html: Path | None, errors: Console, *, as_json: bool) -> None:
    from archon_graph.cli.eval import print_json, write_or_tell
    from archon_graph.cli.standings import show_summary
    from archon_graph.evals import Evaluation, compare_architectures
    from archon_graph.evals.report import require_report_extra

    if html is not None:
        require_report_extra()
    evaluation = Evaluation.read(directory)
    summary = compare_architectures(evaluation)
    written = write_or_tell(evaluation, summary, html, errors)
    if as_json:
        print_json(evaluation, summary, written)
    else:
        show_summary(evaluation, summary, written)
