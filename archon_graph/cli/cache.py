"""``archon-graph cache``: the recorded answers of models."""

from __future__ import annotations

import dataclasses
import difflib
import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from archon_graph.models.cache import CacheStats, ResponseCache, default_path, open_cache
from archon_graph.models.errors import CacheError

app = typer.Typer(help="Recorded answers of models.", no_args_is_help=True)

PathOption = Annotated[
    Path | None, typer.Option("--path", metavar="FILE", help="The cache; by default the user's own.")
]
ModelOption = Annotated[str | None, typer.Option("--model", help="Only what this model said, as stats names it.")]
TapeArgument = Annotated[Path, typer.Argument(metavar="TAPE", help="A file that ends in .jsonl or .jsonl.gz.")]


@app.command("stats")
def stats(
    *,
    path: PathOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Show what is recorded, in a cache or on a tape."""
    held = open_cache(_existing(path))
    try:
        counted = held.stats()
    finally:
        held.close()
    if as_json:
        typer.echo(json.dumps(dataclasses.asdict(counted), indent=2, default=str))
        return
    _show(counted)


@app.command("clear")
def clear(
    *,
    path: PathOption = None,
    older_than: Annotated[
        float | None, typer.Option("--older-than", metavar="DAYS", min=0, help="Only what was recorded before.")
    ] = None,
    model: ModelOption = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask first.")] = False,
) -> None:
    """Remove recorded answers for good."""
    with _cache(path) as cache:
        _require_model(cache, model)
        if not yes:
            which = f" of {model}" if model else ""
            age = f" older than {older_than:g} days" if older_than is not None else ""
            typer.confirm(f"Remove all answers{which}{age} from {cache.path}?", abort=True)
        removed = cache.clear(older_than_days=older_than, model=model)
    typer.echo(f"{_answers(removed)} removed from {cache.path}")


@app.command("export")
def export(
    tape: TapeArgument,
    *,
    path: PathOption = None,
    model: ModelOption = None,
    hashes_only: Annotated[
        bool, typer.Option("--hashes-only", help="Leave out what was asked; answers stay in clear.")
    ] = False,
) -> None:
    """Write recorded answers to a tape, from which runs can be replayed."""
    with _cache(path) as cache:
        _require_model(cache, model)
        written = cache.export(tape, hashes_only=hashes_only, model=model)
    typer.echo(f"{_answers(written)} written to {tape}")


@app.command("import")
def import_tape(tape: TapeArgument, *, path: PathOption = None) -> None:
    """Take a tape's answers into a cache; what is recorded there stays as it is."""
    with ResponseCache(path or default_path()) as cache:
        new = cache.load(tape)
    typer.echo(f"{_answers(new)} new in {cache.path}")


def _existing(path: Path | None) -> Path:
    chosen = path or default_path()
    if not chosen.exists():
        raise CacheError(f"there is no cache at {chosen}; runs that record their answers make one")
    return chosen


def _cache(path: Path | None) -> ResponseCache:
    held = open_cache(_existing(path))
    if not isinstance(held, ResponseCache):
        raise CacheError(f"{held.path} is a tape, which is only read; import it into a cache first")
    return held


def _require_model(cache: ResponseCache, model: str | None) -> None:
    """A misspelt name must not look like an empty cache."""
    known = [each.model for each in cache.stats().models] if model is not None else []
    if model is not None and model not in known:
        close = difflib.get_close_matches(model, known, n=1)
        guess = f" (did you mean {close[0]!r}?)" if close else ""
        raise CacheError(
            f"nothing of {model!r} is recorded in {cache.path}{guess}; recorded are {', '.join(known) or 'none'}"
        )


def _answers(count: int) -> str:
    return f"{count:,} answer" if count == 1 else f"{count:,} answers"


def _show(counted: CacheStats) -> None:
    console = Console(highlight=False)
    lines = {
        "file": str(counted.path),
        "size": f"{counted.bytes / 1e6:,.1f} MB",
        "answers": f"{counted.entries:,}",
        "requests": f"{counted.requests:,}",
    }
    for name, moment in (("oldest", counted.oldest), ("newest", counted.newest)):
        if moment is not None:
            lines[name] = f"{moment:%Y-%m-%d %H:%M} UTC"
    for name, value in lines.items():
        console.print(Text(f"{name:<10}{value}"), soft_wrap=True)
    if not counted.models:
        return
    table = Table(box=None, header_style="bold")
    for column in ("model", "requests", "answers", "tokens sent", "tokens received"):
        table.add_column(column, justify="left" if column == "model" else "right", overflow="fold")
    for each in counted.models:
        usage = each.usage
        numbers = (each.requests, each.entries, usage.prompt_tokens, usage.completion_tokens)
        table.add_row(Text(each.model), *(f"{number:,}" for number in numbers))
    console.print()
    console.print(table)
