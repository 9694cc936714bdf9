"""What of a caller's LangChain surroundings reaches the calls inside an architecture, and what does not.

The caller sees one model: one start, one stream of tokens, one sum of usage. The calls inside are of interest
to who traces, and to nobody else: a handler that counts tokens would count them twice, and one that shows tokens
would show the drafts. (A LangGraph graph looks for its parent in the same surroundings, and would take itself for
a subgraph.)
"""

from __future__ import annotations

import contextvars
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from langchain_core.callbacks import AsyncCallbackManager, BaseCallbackHandler, BaseCallbackManager
from langchain_core.callbacks.manager import BaseRunManager
from langchain_core.messages import BaseMessage
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import (
    ensure_config,
    get_async_callback_manager_for_config,
    var_child_runnable_config,
)
from langchain_core.tracers._streaming import _StreamingCallbackHandler
from langchain_core.tracers.base import AsyncBaseTracer, BaseTracer
from langchain_core.tracers.context import _configure_hooks


class Caller(BaseCallbackHandler):
    """Who called a chat model, and as which run.

    A chat model that streams is not told; so this stands among the handlers of the call and hears of its start.
    """

    run_inline = True

    def __init__(self, handlers: Sequence[BaseCallbackHandler], inherited: Sequence[BaseCallbackHandler]) -> None:
        self.handlers = tuple(handlers)
        """Who hears of the call."""
        self.inherited = tuple(inherited)
        """Who of them hears of the calls below it."""
        self.run_id: UUID | None = None
        """The call's id in traces, once it has begun."""

    @classmethod
    def of_run(cls, run: BaseRunManager | None) -> Caller:
        """The caller of a run that is under way."""
        if run is None:
            return cls((), ())
        caller = cls(run.handlers, run.inheritable_handlers)
        caller.run_id = run.run_id
        return caller

    @classmethod
    def of_config(cls, config: RunnableConfig | None) -> tuple[Caller, RunnableConfig]:
        """The caller who gave this config, and the config with the caller among its handlers."""
        whole = ensure_config(config)
        manager = get_async_callback_manager_for_config(whole)
        caller = cls(manager.handlers, manager.inheritable_handlers)
        given = whole.get("callbacks")
        callbacks: Any
        if isinstance(given, BaseCallbackManager):
            callbacks = given.copy()
            callbacks.add_handler(caller, inherit=False)
        else:
            callbacks = [*(given or ()), caller]
        return caller, {**whole, "callbacks": callbacks}

    def on_chat_model_start(
        self,
        serialized: dict[str, Any],  # noqa: ARG002
        messages: list[list[BaseMessage]],  # noqa: ARG002
        *,
        run_id: UUID,
        **kwargs: Any,  # noqa: ARG002
    ) -> None:
        """Note the id of the run."""
        if self.run_id is None:
            self.run_id = run_id

    def inner_callbacks(self, more: Sequence[BaseCallbackHandler] = ()) -> AsyncCallbackManager:
        """Who hears of the calls inside: the caller's tracers, which see them below its own, and ``more``."""
        handlers = [*filter(_traces, self.inherited), *more]
        return AsyncCallbackManager(handlers=handlers, inheritable_handlers=handlers, parent_run_id=self.run_id)

    async def tell(self, name: str, data: Any) -> None:
        """Tell all handlers of a custom event."""
        if self.run_id is not None and self.handlers:
            manager = AsyncCallbackManager(handlers=list(self.handlers))
            await manager.on_custom_event(name, data, run_id=self.run_id)


_caller: contextvars.ContextVar[Caller | None] = contextvars.ContextVar("archon_graph_caller", default=None)


def current_caller() -> Caller | None:
    """Whose call is being made, where `calling` says so."""
    return _caller.get()


@contextmanager
def calling(caller: Caller) -> Iterator[None]:
    """Say whose call it is that is made within."""
    token = _caller.set(caller)
    try:
        yield
    finally:
        _caller.reset(token)


def inner_context() -> contextvars.Context:
    """A copy of the caller's context variables without LangChain's, so that nothing is inherited by that way."""
    context = contextvars.copy_context()
    context.run(var_child_runnable_config.set, None)
    context.run(_caller.set, None)
    # Handlers that a `with` statement put in force, such as get_usage_metadata_callback.
    for variable, *_ in _configure_hooks:
        context.run(variable.set, None)
    return context


def _traces(handler: BaseCallbackHandler) -> bool:
    # Those that serve `astream_events` and `astream_log` are tracers too, and show tokens.
    return isinstance(handler, BaseTracer | AsyncBaseTracer) and not isinstance(handler, _StreamingCallbackHandler)
