"""What of a caller's LangChain surroundings reaches the calls inside an architecture, and what does not.

The caller sees one model: one start, one stream of tokens, one sum of usage. The calls inside are of interest to
who traces, and to nobody else: a handler that counts tokens would count them twice, and one that shows tokens
would show the drafts. (A LangGraph graph looks for its parent in the same surroundings, and would take itself
for a subgraph.)
"""

from __future__ import annotations

import contextvars
from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from langchain_core.callbacks import AsyncCallbackManager, BaseCallbackHandler
from langchain_core.runnables.config import var_child_runnable_config
from langchain_core.tracers._streaming import _StreamingCallbackHandler
from langchain_core.tracers.base import AsyncBaseTracer, BaseTracer
from langchain_core.tracers.context import _configure_hooks

if TYPE_CHECKING:
    from langchain_core.callbacks.manager import BaseRunManager


def inner_callbacks(run: BaseRunManager | None, more: Sequence[BaseCallbackHandler] = ()) -> AsyncCallbackManager:
    """Who hears of the calls inside: the caller's tracers, which see them below the caller's own, and ``more``."""
    inherited = run.inheritable_handlers if run is not None else []
    kept = [handler for handler in inherited if _traces(handler)]
    parent: UUID | None = run.run_id if run is not None else None
    handlers = [*kept, *more]
    return AsyncCallbackManager(handlers=handlers, inheritable_handlers=handlers, parent_run_id=parent)


def _traces(handler: BaseCallbackHandler) -> bool:
    # Those that serve `astream_events` and `astream_log` are tracers too, and show tokens.
    return isinstance(handler, BaseTracer | AsyncBaseTracer) and not isinstance(handler, _StreamingCallbackHandler)


def inner_context() -> contextvars.Context:
    """A copy of the caller's context variables without LangChain's, so that nothing is inherited by that way."""
    context = contextvars.copy_context()
    context.run(var_child_runnable_config.set, None)
    # Handlers that a `with` statement put in force, such as get_usage_metadata_callback.
    for variable, *_ in _configure_hooks:
        context.run(variable.set, None)
    return context
