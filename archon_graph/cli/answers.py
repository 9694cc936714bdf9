"""``archon-graph answers``: an architecture's recorded answers, for an official tool or to compare others with."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class AnswerForm(StrEnum):
    """Whose tool shall read the file."""

    ours = "ours"
    alpaca_eval = "alpaca_eval"
    arena_hard = "arena_hard"
    mt_bench = "mt_bench"


def answers(
    log: Annotated[Path, typer.Argument(metavar="LOG", help="The directory of an evaluation's log.")],
    *,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="Where they are put.")],
    architecture: Annotated[
        str | None, typer.Option("--architecture", metavar="NAME", help="Whose; needed if there are several.")
    ] = None,
    form: Annotated[
        AnswerForm, typer.Option("--form", help="Ours is for --against; the others are for the official tools.")
    ] = AnswerForm.ours,
    name: Annotated[
        str,
        typer.Option("--name", help="What the official tool shall call it; the architecture's name by default."),
    ] = "",
) -> None:
    """Write an architecture's recorded answers into a file. No model is called."""
    from archon_graph.evals import Evaluation
    from archon_graph.evals.judges import write_answers

    count = write_answers(Evaluation.read(log), out, form=form.value, architecture=architecture, name=name)
    typer.echo(f"{count:,} answers are in {out}")
