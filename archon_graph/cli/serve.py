"""``archon-graph serve``: architectures behind OpenAI's API."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from archon_graph.cli.common import ModelOption, load_architecture, open_client
from archon_graph.models import Budget, ConfigurationError

if TYPE_CHECKING:
    from archon_graph.core import Architecture

_KEY_VARIABLE = "ARCHON_GRAPH_SERVER_KEY"
# A name before "=" that is no part of a file's path.
_NAMED = re.compile(r"(?P<name>[^=/\\]+)=(?P<arch>.+)", re.DOTALL)
_CAP = "Most {} that each answer may take; the best so far comes back."


def serve(
    archs: Annotated[
        list[str],
        typer.Argument(
            metavar="[NAME=]ARCH...",
            help="Ready-made architectures, or .yaml or .json files, each a model under its name or NAME.",
        ),
    ],
    *,
    host: Annotated[
        str, typer.Option("--host", help="Listen here; loopback is reached from this machine alone.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Listen here; 0 for any free port.")
    ] = 8000,
    model: ModelOption = None,
    api_key_env: Annotated[
        str | None,
        typer.Option(
            "--api-key-env",
            metavar="NAME",
            help=f"Environment variable with the key that clients must send ({_KEY_VARIABLE} if that is set).",
        ),
    ] = None,
    no_auth: Annotated[
        bool, typer.Option("--no-auth", help="Serve others than this machine without a key; anybody may spend.")
    ] = False,
    allow_host: Annotated[
        list[str] | None,
        typer.Option("--allow-host", metavar="NAME", help="A name that a proxy in front calls this server by."),
    ] = None,
    max_running: Annotated[
        int, typer.Option("--max-running", min=1, help="Most answers being made at once; more are told to wait.")
    ] = 256,
    max_n: Annotated[int, typer.Option("--max-n", min=1, help="Most answers that one request may ask for.")] = 8,
    max_body: Annotated[
        float, typer.Option("--max-body", metavar="MB", min=0.001, help="Largest request, in megabytes.")
    ] = 8,
    time_limit: Annotated[
        float, typer.Option("--time-limit", metavar="S", min=0.001, help="Give a request up after these seconds.")
    ] = 600,
    grace: Annotated[
        float,
        typer.Option(
            "--grace", metavar="S", min=0, help="Seconds that requests have to end when the server is to."
        ),
    ] = 30,
    max_calls: Annotated[int | None, typer.Option("--max-calls", min=0, help=_CAP.format("model calls"))] = None,
    max_tokens: Annotated[
        int | None, typer.Option("--max-tokens", min=0, help=_CAP.format("tokens, sent and received,"))
    ] = None,
    max_money: Annotated[
        float | None, typer.Option("--max-money", metavar="USD", min=0, help=_CAP.format("US dollars"))
    ] = None,
    max_seconds: Annotated[
        float | None, typer.Option("--max-seconds", metavar="S", min=0, help=_CAP.format("seconds"))
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            "--seed", help="For requests that give none; else each gets another, or 0 with a cache or tape."
        ),
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
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Log what goes wrong, and no requests.")] = False,
) -> None:
    """Serve architectures as models of an OpenAI-compatible API, until interrupted.

    Needs the extra: serve.
    """
    key = _key(api_key_env)
    models = _models(archs, model)
    # The server's packages are an extra, and take a moment to import that no other command should.
    from archon_graph.embed.server import ServerSettings
    from archon_graph.embed.server import serve as run_server

    if seed is None and (cache or cache_file is not None or replay):
        seed = 0
    settings = ServerSettings(
        host=host,
        port=port,
        api_key=key,
        no_auth=no_auth,
        allowed_hosts=tuple(allow_host or ()),
        max_body=int(max_body * 1024 * 1024),
        max_running=max_running,
        max_n=max_n,
        time_limit=time_limit,
        grace=grace,
        seed=seed,
    )
    budget = Budget(calls=max_calls, tokens=max_tokens, money=max_money, seconds=max_seconds)
    _log(logging.WARNING if quiet else logging.INFO)
    client = open_client(cache=cache, cache_file=cache_file, tape=tape, replay=replay)
    try:
        run_server(
            models,
            settings,
            client=client,
            budget=budget if budget != Budget() else None,
            on_start=lambda url: _tell(url, models, guarded=key is not None),
        )
    finally:
        client.close()


def _key(variable: str | None) -> str | None:
    """The server's key, from the environment: an argument can be seen by everybody on the machine.

    Raises:
        ConfigurationError: The variable that was named is not set.
    """
    value = os.environ.get(variable or _KEY_VARIABLE, "").strip()
    if variable is not None and not value:
        raise ConfigurationError(f"the environment variable {variable!r:.80} that --api-key-env names is not set")
    return value or None


def _models(archs: Sequence[str], model: str | None) -> dict[str, Architecture]:
    """The architectures by the names that clients ask for.

    Raises:
        ConfigurationError: Two have one name, or one is not there.
    """
    models: dict[str, Architecture] = {}
    for arch in archs:
        named = None if os.path.exists(arch) else _NAMED.fullmatch(arch)  # noqa: PTH110 - Path's raises on a long text
        place = named["arch"] if named else arch
        architecture = load_architecture(place, model=model)
        architecture.validate()
        name = named["name"] if named else Path(place).stem
        if name in models:
            raise ConfigurationError(
                f"two architectures are called {name!r:.80}; name one of them: other={place:.80}"
            )
        models[name] = architecture
    return models


def _log(level: int) -> None:
    """Write the server's log to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    for name in ("archon_graph.server", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.propagate = False
    logging.getLogger("archon_graph.server").setLevel(level)
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)


def _tell(url: str, models: Sequence[str] | dict[str, Architecture], *, guarded: bool) -> None:
    typer.echo(f"serving {', '.join(models)} at {url} ({'with a key' if guarded else 'without a key'})")
