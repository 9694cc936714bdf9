"""Architectures behind an endpoint that speaks OpenAI's chat completions: ``serve``, or ``create_app`` for ASGI.

A request goes through these files, in this order:

    running    uvicorn: a socket, signals, a graceful end
    door       id, host, key, log; whatever goes wrong leaves in OpenAI's form (errors)
    app        which path is what
    completions  a request from its body to its last byte; stops when its client hangs up
    limits     how large, how long, how many at once
    wire       the body, checked (parameters, messages, schemas)
    answering  one or several runs of the chat model, whole or in pieces
    replies    an answer, or a piece of one, as OpenAI has it
    metrics    what is counted

Raises:
    MissingExtraError: The extra ``serve`` is not installed; the import fails.
"""

from archon_graph.models import MissingExtraError

try:
    import prometheus_client as _prometheus_client  # noqa: F401 - looked for here, so that one error names the extra
    import starlette as _starlette  # noqa: F401
    import uvicorn as _uvicorn  # noqa: F401
except ImportError:
    raise MissingExtraError("the server", "serve") from None

from archon_graph.embed.server.app import create_app
from archon_graph.embed.server.running import serve
from archon_graph.embed.server.settings import ServerSettings

__all__ = ["ServerSettings", "create_app", "serve"]
