"""``archon-graph search``: the best architecture for questions of your own and a budget, by measurement."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from archon_graph.cli.common import one_place, open_client
from archon_graph.core.sync import run_sync
from archon_graph.models import Client, ConfigurationError

if TYPE_CHECKING:
    from archon_graph.search import Study, StudySpec

_ALL = "Most {} that the study may pay in all, earlier starts included."


def search(
    spec: Annotated[
        Path, typer.Argument(metavar="SPEC", help="What is searched: a .yaml file, see docs/search.md.")
    ],
    *,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="DIR", help="Where the study is; studies/... by default.")
    ] = None,
    trials: Annotated[
        int | None, typer.Option("--trials", min=0, help="How many architectures are tried; else the file says.")
    ] = None,
    max_calls: Annotated[int | None, typer.Option("--max-calls", min=0, help=_ALL.format("model calls"))] = None,
    max_money: Annotated[
        float | None,
        typer.Option("--max-money", "--max-cost", metavar="USD", min=0, help=_ALL.format("US dollars")),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on with a study that has to be there; without it, a new one may begin."),
    ] = False,
    seed: Annotated[
        int | None, typer.Option("--seed", help="Another seed is another study, with independent samples.")
    ] = None,
    concurrency: Annotated[int, typer.Option("--concurrency", min=1, help="Most questions at once.")] = 8,
    executor: Annotated[
        str,
        typer.Option(
            "--executor", metavar="WHERE", help="Where questions are answered: local, or dask://host:port."
        ),
    ] = "local",
    as_json: Annotated[bool, typer.Option("--json", help="What was found as JSON, nothing else.")] = False,
    cache_file: Annotated[
        Path | None,
        typer.Option(
            "--cache-file", metavar="FILE", help="Keep the models' answers here; else in the user's cache."
        ),
    ] = None,
    no_cache: Annotated[
        bool,
        typer.Option("--no-cache", help="Keep no answers: architectures share none, and each pays for its own."),
    ] = False,
    tape: Annotated[
        Path | None, typer.Option("--tape", metavar="FILE", help="With --replay: answer from this tape.")
    ] = None,
    replay: Annotated[
        bool, typer.Option("--replay", help="Answer from what is recorded alone; no model is called.")
    ] = False,
) -> None:
    """Search for the best architecture, and say what it is worth.

    The same command goes on where an earlier one was stopped, and pays for nothing twice.
    """
    from archon_graph.cli.study_view import StudyView, finish
    from archon_graph.models import Usage
    from archon_graph.search import Study, run_study
    from archon_graph.search.evaluating import UnansweredError

    asked = _Asked(
        spec,
        limits={"trials": trials, "calls": max_calls, "money": max_money},
        seed=seed,
        out=out,
        resume=resume,
        executor=executor,
        client={"cache": not no_cache, "cache_file": cache_file, "tape": tape, "replay": replay},
    )
    wanted, directory, client = asked.load()
    errors = Console(stderr=True, highlight=False, soft_wrap=True)
    view = StudyView(wanted, errors)
    failure: UnansweredError | None = None
    try:
        with view.shown():
            study = run_sync(
                run_study(
                    wanted,
                    out=directory,
                    client=client,
                    asker=_open_asker(executor, wanted, client),
                    concurrency=concurrency,
                    on_progress=view.tell,
                )
            )
    except KeyboardInterrupt:
        again = "what is done is recorded, and the same command goes on from there"
        errors.print(Text(f"stopped; {again}. What was found so far: archon-graph report {directory}", "yellow"))
        raise
    except UnansweredError as error:
        # Not before the first call, as other mistakes are: what was found by then is told, too.
        failure, study = error, Study(directory)
    finally:
        client.close()
    finish(study, errors, paid=Usage() if view.progress is None else view.progress.paid, as_json=as_json)
    if failure is not None:
        errors.print(Text(f"stopped: {failure}", style="yellow"))
        raise typer.Exit(1)
    if study.findings.phase != "done":
        errors.print(Text(_why_stopped(study), style="yellow"))
        raise typer.Exit(1)


class _Asked:
    """What was asked for, to be loaded with every problem told at once."""

    def __init__(
        self,
        spec: Path,
        *,
        limits: dict[str, Any],
        seed: int | None,
        out: Path | None,
        resume: bool,
        executor: str,
        client: dict[str, Any],
    ) -> None:
        self._spec = spec
        self._limits = limits
        self._seed = seed
        self._out = out
        self._resume = resume
        self._executor = executor
        self._client = client

    def load(self) -> tuple[StudySpec, Path, Client]:
        """What is searched, the study's directory, and a client.

        Raises:
            ConfigurationError: Something is wrong; all that is wrong is told.
        """
        from archon_graph.evals.checking import raise_all
        from archon_graph.search.executors import read_executor

        problems: list[ConfigurationError] = []

        def attempt(load: Callable[[], Any]) -> Any:
            try:
                return load()
            except ConfigurationError as error:
                problems.append(error)
                return None

        spec = attempt(self._load_spec)
        attempt(lambda: read_executor(self._executor))
        directory = None if spec is None and self._out is None else attempt(lambda: self._directory(spec))
        client = attempt(lambda: open_client(**one_place(self._client)))
        if problems and client is not None:
            client.close()
        raise_all(problems)
        assert spec is not None  # noqa: S101 - there was no problem
        assert directory is not None  # noqa: S101
        return spec, directory, client

    def _load_spec(self) -> StudySpec:
        from archon_graph.search import StudySpec

        spec = StudySpec.load(self._spec).with_limits(**self._limits)
        return spec if self._seed is None else replace(spec, seed=self._seed)

    def _directory(self, spec: StudySpec | None) -> Path:
        from archon_graph.evals import LogError
        from archon_graph.search.store import StudyStore
        from archon_graph.search.study import DEFAULT_FOLDER, default_name

        directory = self._out
        if directory is None:
            assert spec is not None  # noqa: S101 - the caller saw to it
            directory = DEFAULT_FOLDER / default_name(spec)
        if self._resume:
            try:
                StudyStore(directory).study()
            except LogError as error:
                raise ConfigurationError(
                    f"--resume: there is no study to go on with: {error}. Leave --resume out to begin one, or "
                    f"name another with --out"
                ) from error
        return directory


def _open_asker(executor: str, spec: StudySpec, client: Client) -> Any:
    """What puts the questions; ``None`` if that is this process."""
    from archon_graph.search.executors import open_asker

    return open_asker(executor, spec, client)


def _why_stopped(study: Study) -> str:
    if study.stopped == "budget":
        return "stopped: the budget is spent; with a larger one the same command goes on from here"
    return "stopped before the end; the same command goes on from here"
