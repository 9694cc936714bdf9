"""``archon-graph run``: answers a question, and shows how the answer came about."""

from __future__ import annotations

import json
import sys
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from archon_graph.cli.common import ArchitectureArgument, ModelOption, load_architecture, open_client
from archon_graph.core import Architecture, Result
from archon_graph.core.architecture import as_messages
from archon_graph.core.sync import run_sync
from archon_graph.models import Budget, ConfigurationError, Usage

_PREVIEW = 160
_CAP = "Most {} that may be spent."


def run(
    arch: ArchitectureArgument,
    question: Annotated[str, typer.Argument(help="The question; - reads it from standard input.")],
    *,
    model: ModelOption = None,
    system: Annotated[str | None, typer.Option("--system", help="A system message.")] = None,
    seed: Annotated[int, typer.Option("--seed", help="Another seed gives independent samples.")] = 0,
    as_json: Annotated[
        bool, typer.Option("--json", help="Candidates, parents, usage and losses as JSON, nothing else.")
    ] = False,
    details: Annotated[
        bool, typer.Option("--details", help="Also the diagram, every candidate, and what each node cost.")
    ] = False,
    max_calls: Annotated[int | None, typer.Option("--max-calls", min=0, help=_CAP.format("model calls"))] = None,
    max_tokens: Annotated[
        int | None, typer.Option("--max-tokens", min=0, help=_CAP.format("tokens, sent and received"))
    ] = None,
    max_money: Annotated[
        float | None, typer.Option("--max-money", metavar="USD", min=0, help=_CAP.format("US dollars"))
    ] = None,
    max_seconds: Annotated[
        float | None, typer.Option("--max-seconds", metavar="S", min=0, help=_CAP.format("seconds"))
    ] = None,
    cache: Annotated[
        bool, typer.Option("--cache", help="Keep the models' answers, and pay for none of them twice.")
    ] = False,
    cache_file: Annotated[
        Path | None, typer.Option("--cache-file", metavar="FILE", help="Keep them in this file.")
    ] = None,
    tape: Annotated[
        Path | None, typer.Option("--tape", metavar="FILE", help="With --replay: answer from this tape.")
    ] = None,
    replay: Annotated[
        bool, typer.Option("--replay", help="Answer from what is recorded alone; no model is called.")
    ] = False,
) -> None:
    """Answer a question with an architecture.

    When a --max is reached, the best answer so far comes back.
    """
    architecture = load_architecture(arch, model=model)
    architecture.validate()
    text = _read_question(question)
    if not text.strip():
        raise ConfigurationError("the question is empty; ask something")
    budget = Budget(calls=max_calls, tokens=max_tokens, money=max_money, seconds=max_seconds)
    messages = ([{"role": "system", "content": system}] if system else []) + as_messages(text)
    # Lines are left to the terminal to break, which knows how wide it is; a pipe gets them whole.
    console = Console(highlight=False, soft_wrap=True)
    if details and not as_json:
        _show_diagram(console, architecture)
    # Progress goes to standard error, so that the answer alone can be piped on.
    errors = Console(stderr=True, highlight=False, soft_wrap=True)
    doing = TextColumn("{task.description}", markup=False)
    columns = (SpinnerColumn(), doing, BarColumn(20), MofNCompleteColumn())
    # Opened here and not where the run is: an interrupt ends this thread first, and the cursor must come back.
    with Progress(
        *columns, TimeElapsedColumn(), console=errors, transient=True, disable=not errors.is_terminal
    ) as progress:
        client = open_client(cache=cache, cache_file=cache_file, tape=tape, replay=replay)
        try:
            context = {"seed": seed, "client": client, "budget": budget if budget != Budget() else None}
            result = run_sync(_watch(architecture, messages, context, progress))
        finally:
            client.close()
    if as_json:
        _write(json.dumps(result.to_dict(), indent=2, ensure_ascii=False))
        return
    if details:
        _show_nodes(console, result)
        console.print(Rule("answer", align="left", style="dim"))
    _write(result.answer)
    if details:
        console.print(Rule("cost", align="left", style="dim"))
        _show_cost(console, result)
    if result.stopped == "budget":
        errors.print(Text(f"stopped: the budget of {budget} is spent; this is the best so far", style="yellow"))
    for loss in result.losses:
        errors.print(Text(f"lost: {loss}", style="yellow"))


def _read_question(question: str) -> str:
    try:
        text = sys.stdin.read() if question == "-" else question
        text.encode()  # where the locale is C, Python reads any bytes, and no provider takes such a text
    except UnicodeError as error:
        raise ConfigurationError("the question is not readable as text; is it UTF-8?") from error
    return text


def _write(text: str) -> None:
    """Write to standard output as it is: rich would expand tabs, typer would take out escape sequences."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


async def _watch(
    architecture: Architecture, messages: list[Any], context: dict[str, Any], progress: Progress
) -> Result:
    """Run, and show what is under way: a bar over the nodes and the names of those that work."""
    nodes = architecture.components
    state: dict[str, Any] = {}
    working: list[str] = []
    bar = progress.add_task("starting", total=len(nodes))
    graph = architecture.compile()
    stream: Any = graph.astream({"messages": messages}, stream_mode=["tasks", "values"], context=context)
    async for mode, part in stream:
        if mode == "values":
            state = part
        elif part["name"] in nodes:
            if "triggers" in part:
                working.append(part["name"])
            else:
                working.remove(part["name"])
                progress.advance(bar)
            shown = ", ".join(working[:3]) + (f" and {len(working) - 3} more" if len(working) > 3 else "")
            progress.update(bar, description=shown or "between nodes")
    return Result.from_state(architecture, state)


def _show_diagram(console: Console, architecture: Architecture) -> None:
    console.print(Rule(f"{architecture.name} (Mermaid)", align="left", style="dim"))
    console.print(Text(architecture.draw_mermaid().rstrip()))


def _show_nodes(console: Console, result: Result) -> None:
    """What each node passed on, in order; for one that chose, which of the candidates it kept."""
    for node in result.nodes:
        console.print(Rule(f"{node.node} ({node.technique})", align="left", style="dim"))
        for place, candidate in enumerate(node.candidates, start=1):
            made_here = candidate.node == node.node
            line = Text(f"{place}. {candidate.id}  ", style="bold")
            line.append(_preview(candidate.content) if made_here else "kept", style="not bold")
            if made_here and candidate.parents:
                line.append(f"  (from {', '.join(candidate.parents)})", style="not bold dim")
            console.print(line)
        if not node.candidates:
            console.print(Text("nothing", style="dim"))


def _preview(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _PREVIEW else flat[: _PREVIEW - 1] + "…"


def _show_cost(console: Console, result: Result) -> None:
    table = Table(box=None, header_style="bold")
    for column in ("node", "calls", "prompt tokens", "completion tokens", "USD", "seconds"):
        table.add_column(column, justify="left" if column == "node" else "right")
    for node in result.nodes:
        table.add_row(node.node, *_cells(node.usage), f"{node.seconds:.1f}")
    total, paid = result.usage, result.paid
    table.add_section()
    table.add_row("all", *_cells(total), "")
    console.print(table)
    if paid.calls < total.calls:
        console.print(Text(f"{total.calls} calls, {paid.calls} paid now; the rest is recorded", style="dim"))
    if total.unmetered_calls:
        console.print(
            Text(f"{total.unmetered_calls} calls reported no tokens; they are not in the sums", style="dim")
        )


def _cells(usage: Usage) -> tuple[str, str, str, str]:
    return str(usage.calls), str(usage.prompt_tokens), str(usage.completion_tokens), _money(usage)


def _money(usage: Usage) -> str:
    """What is known of the cost, and a question mark for what is not."""
    known = f"{Decimal(f'{usage.money:.3g}'):f}"
    if not usage.unpriced_calls:
        return known
    return f"{known} + ?" if usage.unpriced_calls < usage.calls else "?"
