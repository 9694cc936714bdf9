"""``ArchonChat``: an architecture as a LangChain chat model, wherever a chat model fits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator, Sequence
from contextlib import aclosing, closing
from pathlib import Path
from typing import Any, Literal, Self, cast

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, BaseCallbackHandler, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.language_models.base import LangSmithParams
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import ConfigDict, Field

from archon_graph.core import AnswerForm, Architecture, Result
from archon_graph.core.sync import iterate_sync, run_sync
from archon_graph.embed.answer import answer_message, last_chunk
from archon_graph.embed.forms import read_form
from archon_graph.embed.isolation import Caller, calling, current_caller, inner_context
from archon_graph.embed.running import NodeEvent, run_architecture
from archon_graph.embed.structured import structured
from archon_graph.models import AnswerStream, Budget, Client, ConfigurationError, Ledger

NODE_EVENT = "archon_node"
"""Name of the custom event that tells what a node has done."""


class ArchonChat(BaseChatModel):
    """A chat model that answers with a whole architecture.

    One call of it is one run of the architecture. To who called it, it is one model: callbacks hear of one start
    and one end, ``usage_metadata`` is the sum of what was paid inside, and one stream of tokens comes out: those
    of the last node as it writes them, or the chosen answer once it is chosen. Tracers see the calls inside
    below this one. What the nodes before have done is told as custom events (``archon_node``), in LangGraph's
    ``stream_mode="custom"`` too.

    ``response_metadata`` holds ``candidates`` (a row for each candidate of the run: id, node, model, content,
    score, parents, rank) and ``archon`` (fingerprint, calls, money, what was lost, why it stopped early).

    Model calls: `Architecture.max_calls` when nothing fails. Cancelling a call cancels them.

    Args:
        architecture: What answers. It is checked when the first call is made; `from_file` checks it at once.
        client: Where to draw from, in place of the process's own client.
        budget: The most that each call may take; a `Ledger` is shared by all.
        seed: Namespace of the samples, where a call gives none.
        temperature: Spread of the samples of components that answer, over their own.
        top_p: Share of the probability mass that they are sampled from, over their own.
        max_tokens: Most tokens of an answer, over their own.
        stop: Strings that end an answer, where a call gives none.
        streaming: Stream where ``invoke`` is called, too, for handlers that show tokens.
        listeners: Handlers that hear of every call inside, besides the caller's tracers.

    Raises:
        NoAnswerError: A call ended without a candidate; it lists the losses.
        ConfigurationError: A call has an argument that is not understood, or a model cannot be used.
        ModelError: The model whose tokens were being shown failed in the middle of its answer.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    architecture: Architecture
    client: Client | None = Field(default=None, exclude=True)
    budget: Budget | Ledger | None = Field(default=None, exclude=True)
    seed: int = 0
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    stop: list[str] | None = None
    streaming: bool = False
    listeners: list[BaseCallbackHandler] = Field(default_factory=list, exclude=True)

    @classmethod
    def from_file(cls, path: str | Path, **settings: Any) -> Self:
        """The architecture of a ``.json``, ``.yaml`` or ``.yml`` file as a chat model.

        Args:
            path: The file.
            settings: As for the class.

        Raises:
            ArchitectureError: The file cannot be read, or something in it is wrong; every problem is reported.
        """
        return cls(architecture=Architecture.load(path), **settings)

    # --- what LangChain wants to know -------------------------------------------------------------------

    @property
    def model_name(self) -> str:
        """The architecture's name."""
        return self.architecture.name

    @property
    def _llm_type(self) -> str:
        return "archon-graph"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        """What LangChain's own cache tells models apart by."""
        return {
            "model_name": self.model_name,
            "fingerprint": self.architecture.fingerprint,
            "seed": self.seed,
            "temperature": self.temperature,
            "top_p": self.top_p,
            "max_tokens": self.max_tokens,
            "stop": self.stop,
        }

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        known = LangSmithParams(
            ls_provider="archon-graph",
            ls_model_name=str(kwargs.get("model") or self.model_name),
            ls_model_type="chat",
        )
        temperature = kwargs.get("temperature", self.temperature)
        if temperature is not None:
            known["ls_temperature"] = temperature
        max_tokens = kwargs.get("max_tokens", self.max_tokens)
        if max_tokens is not None:
            known["ls_max_tokens"] = max_tokens
        if ends := stop or self.stop:
            known["ls_stop"] = ends
        return known

    # --- tools and schemas ------------------------------------------------------------------------------

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: str | dict[str, Any] | bool | None = None,
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """The same chat model with tools that its answers may call.

        Generators, fusers and revisers are told of the tools; rankers and the others see a candidate's calls as
        text. A call that names no tool, or whose arguments do not fit, is no candidate.

        Args:
            tools: Functions, pydantic classes, LangChain tools, or OpenAI's form.
            tool_choice: ``auto``, ``none``, ``any`` (or ``required``, ``True``), or the name of a tool.
            strict: Hold models to the arguments' schema where their provider offers it.
            kwargs: Other arguments of each call, such as ``parallel_tool_calls``.

        Raises:
            ValueError: A tool cannot be read.
        """
        if tool_choice is not None:
            kwargs["tool_choice"] = tool_choice
        return self.bind(tools=[convert_to_openai_tool(tool, strict=strict) for tool in tools], **kwargs)

    def with_structured_output(
        self,
        schema: dict[str, Any] | type,
        *,
        method: Literal["json_schema", "function_calling", "json_mode"] = "json_schema",
        include_raw: bool = False,
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, Any]:
        """A runnable whose answers are objects of this schema.

        Models are held to it where they offer that, and told in words where not; an answer that does not keep to
        it is no candidate, and neither is a fusion of answers that does not.

        Args:
            schema: A pydantic class, a TypedDict, or a JSON schema.
            method: ``json_schema``; ``function_calling``, by a tool that has to be called; or ``json_mode``, by
                asking for any JSON object.
            include_raw: Give ``{"raw": message, "parsed": object or None, "parsing_error": error or None}``.
            strict: Hold models to the schema word for word; they refuse schemas that leave something open.
            kwargs: Other arguments of each call.

        Raises:
            ValueError: The method is another one.
        """
        return structured(self, schema, method=method, include_raw=include_raw, strict=strict, arguments=kwargs)

    # --- answering --------------------------------------------------------------------------------------

    def invoke(
        self,
        input: LanguageModelInput,  # noqa: A002 - LangChain's name
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> AIMessage:
        """Answer a conversation, as every chat model does."""
        caller, config = Caller.of_config(config)
        with calling(caller):
            return super().invoke(input, config, stop=stop, **kwargs)

    async def ainvoke(
        self,
        input: LanguageModelInput,  # noqa: A002
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> AIMessage:
        """Answer a conversation, as every chat model does."""
        caller, config = Caller.of_config(config)
        with calling(caller):
            return await super().ainvoke(input, config, stop=stop, **kwargs)

    def stream(
        self,
        input: LanguageModelInput,  # noqa: A002
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> Iterator[AIMessageChunk]:
        """Answer a conversation piece by piece, as every chat model does."""
        caller, config = Caller.of_config(config)
        with closing(
            cast("Generator[AIMessageChunk]", super().stream(input, config, stop=stop, **kwargs))
        ) as pieces:
            while True:
                # Step by step: between two of them the context is whoever's takes the pieces.
                with calling(caller):
                    piece = next(pieces, None)
                if piece is None:
                    return
                yield piece

    async def astream(
        self,
        input: LanguageModelInput,  # noqa: A002
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[AIMessageChunk]:
        """Answer a conversation piece by piece, as every chat model does."""
        caller, config = Caller.of_config(config)
        whole = cast("AsyncGenerator[AIMessageChunk]", super().astream(input, config, stop=stop, **kwargs))
        async with aclosing(whole) as pieces:
            while True:
                with calling(caller):
                    piece = await anext(pieces, None)
                if piece is None:
                    return
                yield piece

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return run_sync(self._whole(messages, stop, Caller.of_run(run_manager), kwargs))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return await self._whole(messages, stop, Caller.of_run(run_manager), kwargs)

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        caller = current_caller() or Caller.of_run(run_manager)
        for chunk in iterate_sync(self._pieces(messages, stop, caller, kwargs)):
            yield ChatGenerationChunk(message=chunk)

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        caller = current_caller() or Caller.of_run(run_manager)
        async with aclosing(self._pieces(messages, stop, caller, kwargs)) as pieces:
            async for chunk in pieces:
                yield ChatGenerationChunk(message=chunk)

    async def _whole(
        self, messages: list[BaseMessage], stop: list[str] | None, caller: Caller, arguments: dict[str, Any]
    ) -> ChatResult:
        """The answer at once."""
        async with aclosing(self._parts(messages, stop, caller, arguments, stream=False)) as parts:
            # No pieces come of it, so the first part is the outcome.
            result = await anext(parts)
        assert isinstance(result, Result)  # noqa: S101
        message = answer_message(self.architecture, result)
        return ChatResult(generations=[ChatGeneration(message=message)])

    async def _pieces(
        self, messages: list[BaseMessage], stop: list[str] | None, caller: Caller, arguments: dict[str, Any]
    ) -> AsyncGenerator[AIMessageChunk]:
        """The answer piece by piece: the last one carries what is known only at the end."""
        shown = ""
        async with aclosing(self._parts(messages, stop, caller, arguments, stream=True)) as parts:
            async for part in parts:
                if isinstance(part, Result):
                    yield last_chunk(answer_message(self.architecture, part), shown, part)
                else:
                    shown += str(part.text)
                    yield part

    async def _parts(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None,
        caller: Caller,
        arguments: dict[str, Any],
        *,
        stream: bool,
    ) -> AsyncGenerator[AIMessageChunk | Result]:
        """Pieces of the answer as they are written, if wanted, and at the end the outcome of the run."""
        form, seed = self._form_and_seed(arguments, stop)
        parts: asyncio.Queue[AIMessageChunk | NodeEvent | None] = asyncio.Queue()
        run = asyncio.get_running_loop().create_task(
            run_architecture(
                self.architecture,
                messages,
                {
                    "seed": seed,
                    "client": self.client,
                    "budget": self.budget,
                    "form": form,
                    "stream": AnswerStream(parts.put_nowait) if stream else None,
                },
                callbacks=caller.inner_callbacks(self.listeners),
                on_node=parts.put_nowait,
            ),
            context=inner_context(),
        )
        run.add_done_callback(lambda _: parts.put_nowait(None))
        write = _writer()
        try:
            while (part := await parts.get()) is not None:
                if isinstance(part, NodeEvent):
                    write({NODE_EVENT: part.to_dict()})
                    await caller.tell(NODE_EVENT, part.to_dict())
                elif part.content:
                    # What else a provider puts into a piece is told of the whole answer, at the end.
                    yield AIMessageChunk(content=part.content)
            yield await run
        finally:
            if not run.done():
                run.cancel()
                await asyncio.wait([run])

    def _form_and_seed(self, arguments: dict[str, Any], stop: list[str] | None) -> tuple[AnswerForm, int]:
        own = {"temperature": self.temperature, "top_p": self.top_p, "max_tokens": self.max_tokens}
        # LangChain hands on what it read itself.
        given = {name: value for name, value in arguments.items() if name not in {"stream", "model"}}
        seed = given.pop("seed", None)
        if seed is not None and (not isinstance(seed, int) or isinstance(seed, bool)):
            raise ConfigurationError(f"seed must be a whole number, got {seed!r:.80}")
        own = {name: value for name, value in own.items() if value is not None}
        return read_form({**own, **given}, stop or self.stop), self.seed if seed is None else seed


def _writer() -> Callable[[Any], Any]:
    """Writes into the stream of custom events of the LangGraph graph around, if there is one."""
    from langgraph.config import get_stream_writer

    try:
        return get_stream_writer()
    except (RuntimeError, KeyError):  # outside of a graph
        return lambda _: None
