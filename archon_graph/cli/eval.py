"""``archon-graph eval``: what architectures are worth on a benchmark, and what they cost."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn
from rich.progress import Progress as Bar
from rich.text import Text

from archon_graph.cli.common import (
    ModelOption,
    load_architecture,
    one_place,
    open_client,
    paid_in_words,
    time_left,
)
from archon_graph.core import Architecture
from archon_graph.core.sync import run_sync
from archon_graph.models import Budget, Client, ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from archon_graph.evals import Benchmark, Evaluation, Progress, Summary

_ALL = "Most {} that this start may pay."
_EACH = "Most {} that one question may take."


def evaluate(
    archs: Annotated[
        list[str], typer.Argument(metavar="ARCH...", help="Ready-made architectures, or .yaml or .json files.")
    ],
    *,
    benchmark: Annotated[
        str,
        typer.Option("--benchmark", "-b", metavar="NAME|FILE", help="A benchmark's name, or a file of your own."),
    ],
    path: Annotated[
        Path | None, typer.Option("--path", metavar="FILE", help="The file of a published benchmark.")
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option("--where", metavar="KEY=VALUE", help="Only items with this in their metadata."),
    ] = None,
    split: Annotated[str | None, typer.Option("--split", help="Only the items of this split.")] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="At most so many items, always the same ones.")
    ] = None,
    judge: Annotated[
        str | None,
        typer.Option("--judge", metavar="MODEL", help="Let this model judge the answers, in place of a rule."),
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option(
            "--protocol",
            metavar="NAME",
            help="How it judges: pairwise, rating, or a benchmark's own, the default.",
        ),
    ] = None,
    judge_prompts: Annotated[
        Path | None,
        typer.Option("--judge-prompts", metavar="FILE", help="The published prompts of the protocol."),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option("--against", metavar="FILE|LOG", help="Answers that the judge compares with."),
    ] = None,
    references: Annotated[
        Path | None,
        typer.Option("--references", metavar="FILE", help="Right answers that the judge is shown."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="DIR", help="Where the log is; evaluations/... by default."),
    ] = None,
    model: ModelOption = None,
    seed: Annotated[int, typer.Option("--seed", help="Another seed gives independent samples.")] = 0,
    concurrency: Annotated[int, typer.Option("--concurrency", min=1, help="Most questions at once.")] = 8,
    baseline: Annotated[
        str | None, typer.Option("--baseline", metavar="NAME", help="Compare with this one; by default the first.")
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="Where the report is put; by default into the log."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Scores, costs and differences as JSON.")] = False,
    max_calls: Annotated[int | None, typer.Option("--max-calls", min=0, help=_ALL.format("model calls"))] = None,
    max_tokens: Annotated[int | None, typer.Option("--max-tokens", min=0, help=_ALL.format("tokens"))] = None,
    max_money: Annotated[
        float | None, typer.Option("--max-money", metavar="USD", min=0, help=_ALL.format("US dollars"))
    ] = None,
    max_seconds: Annotated[
        float | None, typer.Option("--max-seconds", metavar="S", min=0, help="Stop after so many seconds.")
    ] = None,
    calls_each: Annotated[
        int | None, typer.Option("--max-calls-per-question", min=0, help=_EACH.format("model calls"))
    ] = None,
    tokens_each: Annotated[
        int | None, typer.Option("--max-tokens-per-question", min=0, help=_EACH.format("tokens"))
    ] = None,
    money_each: Annotated[
        float | None,
        typer.Option("--max-money-per-question", metavar="USD", min=0, help=_EACH.format("US dollars")),
    ] = None,
    seconds_each: Annotated[
        float | None, typer.Option("--max-seconds-per-question", metavar="S", min=0, help=_EACH.format("seconds"))
    ] = None,
    cache_file: Annotated[
        Path | None,
        typer.Option(
            "--cache-file", metavar="FILE", help="Keep the models' answers here; else in the user's cache."
        ),
    ] = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Keep no answers.")] = False,
    tape: Annotated[
        Path | None, typer.Option("--tape", metavar="FILE", help="With --replay: answer from this tape.")
    ] = None,
    replay: Annotated[
        bool, typer.Option("--replay", help="Answer from what is recorded alone; no model is called.")
    ] = False,
) -> None:
    """Put the questions of a benchmark to architectures, side by side.

    The same command goes on where an earlier one was stopped, and pays for nothing twice.
    """
    from archon_graph.cli.standings import show_summary
    from archon_graph.evals import compare_architectures
    from archon_graph.evals import evaluate as start

    each = Budget(calls=calls_each, tokens=tokens_each, money=money_each, seconds=seconds_each)
    total = Budget(calls=max_calls, tokens=max_tokens, money=max_money, seconds=max_seconds)
    asked = _Asked(
        archs=archs,
        model=model,
        benchmark={"name": benchmark, "path": path, "where": where, "split": split, "limit": limit},
        judging={
            "model": judge,
            "protocol": protocol,
            "prompts": judge_prompts,
            "against": against,
            "references": references,
        },
        baseline=baseline,
        html=html,
        client={"cache": not no_cache, "cache_file": cache_file, "tape": tape, "replay": replay},
        budgets=[budget for budget in (each, total) if budget != Budget()],
    )
    architectures, questions, client = asked.load()
    errors = Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        with _progress(errors) as tell:
            evaluation = run_sync(
                start(
                    architectures,
                    questions,
                    out=out,
                    client=client,
                    concurrency=concurrency,
                    budget=None if each == Budget() else each,
                    total=None if total == Budget() else total,
                    seed=seed,
                    on_progress=tell,
                )
            )
    except KeyboardInterrupt:
        errors.print(Text("stopped; what is done is recorded, and the same command goes on from there", "yellow"))
        raise
    finally:
        client.close()
    summary = compare_architectures(evaluation, baseline=baseline, scorer=questions.scorer)
    report = write_or_tell(evaluation, summary, html, errors)
    if as_json:
        print_json(evaluation, summary, report)
    else:
        show_summary(evaluation, summary, report)
    if evaluation.stopped is not None:
        errors.print(Text(_why_stopped(evaluation, total), style="yellow"))
        raise typer.Exit(1)


class _Asked:
    """What was asked for, to be loaded with every problem told at once."""

    def __init__(
        self,
        *,
        archs: Sequence[str],
        model: str | None,
        benchmark: Mapping[str, Any],
        judging: Mapping[str, Any],
        baseline: str | None,
        html: Path | None,
        client: Mapping[str, Any],
        budgets: Sequence[Budget],
    ) -> None:
        self._archs = archs
        self._model = model
        self._benchmark = benchmark
        self._judging = judging
        self._baseline = baseline
        self._html = html
        self._client = client
        self._budgets = budgets

    def load(self) -> tuple[dict[str, Architecture], Benchmark, Client]:
        """The architectures by name, the benchmark, and a client.

        Raises:
            ConfigurationError: Something is wrong; all that is wrong is told.
        """
        from archon_graph.evals.checking import find_problems, raise_all

        problems: list[ConfigurationError] = []

        def attempt(load: Callable[[], Any]) -> Any:
            try:
                return load()
            except ConfigurationError as error:
                problems.append(error)
                return None

        loaded = {
            name: attempt(lambda arch=arch: load_architecture(arch, model=self._model))  # type: ignore[misc]
            for name, arch in zip(attempt(lambda: _names(self._archs)) or self._archs, self._archs, strict=True)
        }
        benchmark = self._judged(self._load_benchmark(attempt), attempt)
        attempt(lambda: self._check_baseline([*loaded]))
        attempt(self._check_report)
        client = attempt(lambda: open_client(**one_place(self._client)))
        architectures = {name: each for name, each in loaded.items() if each is not None}
        if problems:
            # What else is wrong is found now, too, and not at the next attempt.
            if not architectures and self._model is not None:
                # No architecture could be loaded that would have shown what is wrong with the model.
                stand_in = attempt(lambda: load_architecture("single", model=self._model))
                architectures = {} if stand_in is None else {"--model": stand_in}
            through = client if client is not None else Client()
            found = run_sync(find_problems(architectures, benchmark, through, budgets=self._budgets))
            through.close()
            raise_all([*problems, *found])
        assert benchmark is not None  # noqa: S101 - there was no problem
        return architectures, benchmark, client

    def _load_benchmark(self, attempt: Callable[[Callable[[], Any]], Any]) -> Benchmark | None:
        """The part of the benchmark that was asked for, as far as it can be had.

        Data, conditions and split are looked at one after the other, so that a mistake in one hides none in the
        next.
        """
        from archon_graph.evals import load_benchmark

        given = self._benchmark
        whole: Benchmark | None = attempt(lambda: _told(lambda: load_benchmark(given["name"], path=given["path"])))
        conditions = attempt(lambda: _conditions(given["where"]))
        if whole is None:
            return None
        part: Benchmark | None = None if conditions is None else whole
        if conditions:
            part = attempt(lambda: _told(lambda: whole.where(conditions)))
        if given["split"] is not None:
            # Where the conditions are wrong, the whole tells at least whether there is such a split.
            base = whole if part is None else part
            split = attempt(lambda: _told(lambda: base.in_split(given["split"])))
            part = None if part is None else split
        if part is None:
            # Answers of one kind are scored the same, whichever items were meant.
            return whole if len({item.kind for item in whole.items}) == 1 else None
        return part if given["limit"] is None else part.sample(given["limit"])

    def _judged(
        self, benchmark: Benchmark | None, attempt: Callable[[Callable[[], Any]], Any]
    ) -> Benchmark | None:
        """The benchmark with a judge, if one was asked for."""
        from archon_graph.evals.judges import Judging, find_protocol, judged

        given = self._judging
        if given["model"] is None:
            options = {
                "--protocol": "protocol",
                "--judge-prompts": "prompts",
                "--against": "against",
                "--references": "references",
            }
            if alone := [option for option, name in options.items() if given[name] is not None]:
                attempt(lambda: _refuse(f"{', '.join(alone)} is for a judge; name one: --judge openai:gpt-4o"))
            return benchmark
        if benchmark is None:
            # Its name and prompts can be looked at all the same.
            if given["protocol"] is not None:
                attempt(lambda: find_protocol(given["protocol"], prompts=given["prompts"]))
            return None
        made: Benchmark | None = attempt(lambda: judged(benchmark, Judging(**given)))
        return made

    def _check_baseline(self, names: Sequence[str]) -> None:
        from archon_graph.evals.comparison import check_baseline

        check_baseline(self._baseline, names)

    def _check_report(self) -> None:
        from archon_graph.evals.report import require_report_extra

        if self._html is not None:
            require_report_extra()


def _names(archs: Sequence[str]) -> list[str]:
    """What the architectures are called: ready-made ones as they are, files without folder and ending."""
    twice = [arch for arch, count in Counter(archs).items() if count > 1]
    if twice:
        raise ConfigurationError(f"{', '.join(twice)} is given twice; another seed needs a run of its own")
    stems = [Path(arch).stem for arch in archs]
    # Two files of one name are told apart by their folders.
    return [arch if stems.count(stem) > 1 else stem for arch, stem in zip(archs, stems, strict=True)]


def _told(load: Callable[[], Any]) -> Any:
    """What is loaded; what is wrong with it is told with everything else that is wrong."""
    try:
        return load()
    except ConfigurationError:
        raise
    except ValueError as error:
        raise ConfigurationError(str(error)) from error


def _refuse(reason: str) -> None:
    raise ConfigurationError(reason)


def _conditions(where: Sequence[str] | None) -> dict[str, Any]:
    found: dict[str, list[str]] = {}
    for condition in where or ():
        key, equals, value = condition.partition("=")
        if not key or not equals:
            raise ConfigurationError(f"--where takes KEY=VALUE, such as level=5, got {condition!r}")
        found.setdefault(key, []).append(value)
    return found


@contextmanager
def _progress(console: Console) -> Iterator[Callable[[Progress], None]]:
    """A bar where there is a terminal, and a line now and then where there is none."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(30),
        MofNCompleteColumn(),
    )
    fields = TextColumn("{task.fields[paid]}  {task.fields[left]}", markup=False)
    with Bar(*columns, fields, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("questions", total=None, paid="", left="")
        told = -1

        def tell(progress: Progress) -> None:
            nonlocal told
            left = time_left(progress.seconds_left)
            bar.update(
                task, completed=progress.done, total=progress.total, paid=paid_in_words(progress.paid), left=left
            )
            tenth = 10 * progress.done // max(1, progress.total)
            if not console.is_terminal and tenth > told and progress.seconds_left is not None:
                told = tenth
                console.print(
                    f"{progress.done} of {progress.total} questions, {paid_in_words(progress.paid)}, {left}"
                )

        yield tell


def write_or_tell(evaluation: Evaluation, summary: Summary, html: Path | None, errors: Console) -> Path | None:
    """Write the report; where its extra is not installed and it was not asked for, say how to get it."""
    from archon_graph.evals.report import write_report
    from archon_graph.models import MissingExtraError

    try:
        return write_report(evaluation, html, summary=summary)
    except MissingExtraError as error:
        errors.print(Text(f"no report: {error}", style="dim"))
        return None


def _why_stopped(evaluation: Evaluation, total: Budget) -> str:
    again = f"{evaluation.left} questions are left, and the same command goes on with them"
    if evaluation.stopped == "budget":
        return f"stopped: the budget of {total} is spent; {again}"
    last = next((row.error for row in reversed(evaluation.rows) if row.error is not None), "")
    return f"stopped: calls fail, one question after the other; {again}. One of them: {last}"


def print_json(evaluation: Evaluation, summary: Summary, report: Path | None) -> None:
    """Print what an evaluation says for other programs."""
    told = {
        **summary.to_json(),
        "missing": evaluation.missing,
        "stopped": evaluation.stopped,
        "paid": asdict(evaluation.paid),
        "log": str(evaluation.directory),
        "report": None if report is None else str(report),
    }
    sys.stdout.write(f"{json.dumps(told, indent=2, ensure_ascii=False)}\n")
