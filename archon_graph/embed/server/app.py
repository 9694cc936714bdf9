"""``create_app``: architectures as an ASGI application."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping

from langchain_core.language_models import BaseChatModel
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from archon_graph.core import Architecture
from archon_graph.core.component import ModelComponent
from archon_graph.core.scope import check_caps
from archon_graph.embed.server.completions import Completions, unknown_model
from archon_graph.embed.server.door import Door
from archon_graph.embed.server.errors import RequestError
from archon_graph.embed.server.limits import Traffic
from archon_graph.embed.server.metrics import CONTENT_TYPE, Metrics
from archon_graph.embed.server.replies import list_object, model_object, to_json
from archon_graph.embed.server.settings import ServerSettings
from archon_graph.models import Budget, Client, ConfigurationError, Ledger, default_client

_COMPLETIONS, _MODELS = "/v1/chat/completions", "/v1/models"
_HEALTH, _READY, _METRICS = "/health", "/ready", "/metrics"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:@/-]{0,127}")


def create_app(
    models: Mapping[str, Architecture | BaseChatModel],
    settings: ServerSettings | None = None,
    *,
    client: Client | None = None,
    budget: Budget | Ledger | None = None,
) -> Starlette:
    """Architectures behind OpenAI's API, as an application for any ASGI server.

    Model calls: none, but every architecture and model is looked at, so that what is missing is found now.

    Args:
        models: What clients ask for by name: architectures, or chat models.
        settings: Who may ask, and how much at once; host and port are the server's affair.
        client: Where architectures draw from, in place of the process's own client.
        budget: The most that each run of an architecture may take; a `Ledger` is shared by all.

    Raises:
        ConfigurationError: There are no models, a name cannot stand in an address, a model cannot be used, or the
            budget cannot be kept.
        ArchitectureError: An architecture breaks a rule.
    """
    settings = settings or ServerSettings()
    if not models:
        raise ConfigurationError("there is nothing to serve; name at least one architecture")
    for name in models:
        if not _NAME.fullmatch(name):
            raise ConfigurationError(
                f"{name[:80]!r} cannot be the name of a model: it needs letters, digits and any of _.:@/-, and "
                f"begins with a letter, a digit or _; give another one with NAME=ARCH"
            )
    chats = {name: _chat(model, client, budget) for name, model in models.items()}
    traffic, metrics, created = Traffic(settings.max_running), Metrics(), int(time.time())

    async def list_models(_: Request) -> Response:
        return _json(list_object(model_object(name, created) for name in chats))

    async def show_model(request: Request) -> Response:
        name = request.path_params["model"]
        if name not in chats:
            raise unknown_model(name, chats)
        return _json(model_object(name, created))

    async def health(_: Request) -> Response:
        return _json({"status": "ok"})

    async def ready(_: Request) -> Response:
        if traffic.draining:
            return _json({"status": "ending"}, 503)
        return _json({"status": "ready", "running": traffic.running})

    async def show_metrics(_: Request) -> Response:
        metrics.running.set(traffic.running)
        return Response(metrics.text(), headers={"content-type": CONTENT_TYPE})

    routes = [
        Route(_COMPLETIONS, Completions(chats, settings, traffic, metrics), methods=["POST"]),
        Route(_MODELS, list_models),
        Route(f"{_MODELS}/{{model:path}}", show_model),
        Route(_HEALTH, health),
        Route(_READY, ready),
        Route(_METRICS, show_metrics),
    ]
    paths = frozenset({_COMPLETIONS, _MODELS, _HEALTH, _READY, _METRICS})
    door = Middleware(Door, settings=settings, traffic=traffic, metrics=metrics, paths=paths)
    app = Starlette(routes=routes, middleware=[door], exception_handlers={HTTPException: _as_ours})
    # A slash too many is another path; a redirect would make a GET of a POST.
    app.router.redirect_slashes = False
    app.state.traffic = traffic
    return app


def _chat(
    model: Architecture | BaseChatModel, client: Client | None, budget: Budget | Ledger | None
) -> BaseChatModel:
    if isinstance(model, BaseChatModel):
        return model
    chat = model.as_chat_model(client=client, budget=budget)
    drawing = client or default_client()
    asking = {node: part for node, part in model.components.items() if isinstance(part, ModelComponent)}
    drawing.check(part.model for part in asking.values())
    if budget is not None:
        check_caps(asking, budget.budget if isinstance(budget, Ledger) else budget, drawing.prices)
    return chat


def _json(data: object, status: int = 200) -> Response:
    return Response(to_json(data), status, media_type="application/json")


async def _as_ours(request: Request, error: Exception) -> Response:
    """What the router has to say, in OpenAI's form: raised anew, for the door to tell."""
    assert isinstance(error, HTTPException)  # noqa: S101
    headers = dict(error.headers or {})
    if error.status_code == 405:
        raise RequestError(405, f"this path does not take {request.method[:20]}", None, None, headers)
    raise RequestError(
        404, f"there is no such path; there are {_COMPLETIONS}, {_MODELS}, {_HEALTH}, {_READY} and {_METRICS}"
    )
