"""``ScriptedModel``: a chat model that says what it was told to, for tests and dry runs.

It stands wherever a model stands, costs nothing, counts its tokens, and raises when its script runs out: a
fake that starts over silently would hide a miscounted call.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import PrivateAttr

from archon_graph.models.errors import ModelFileError, ScriptExhaustedError

Reply = str | Mapping[str, Any] | AIMessage | Exception
"""A reply: text, an object to be sent as JSON, a whole message, or an error to be raised."""


@dataclass(frozen=True, slots=True)
class ScriptedCall:
    """What a script that is a function is told of the call it answers."""

    messages: tuple[BaseMessage, ...]
    """The conversation that was sent."""
    sample: int
    """Index of the sample; with the messages it names the call, whatever finishes first."""
    schema: Mapping[str, Any] | None
    """The JSON schema that was asked for, if any."""
    tools: tuple[Mapping[str, Any], ...] = ()
    """The tools that may be called, in OpenAI's form."""
    tool_choice: str | None = None
    """``any`` for a call of some tool, or the name of one."""
    stop: tuple[str, ...] = ()
    """Strings that end the answer where they appear."""

    @property
    def prompt(self) -> str:
        """The text of all messages, joined by line breaks."""
        return "\n".join(str(message.text) for message in self.messages)


class ScriptedModel(BaseChatModel):
    """Answers from a script: a list used up in order of the calls, or a function of the call.

    Args:
        script: Replies in the order of the calls (any iterable; it is read as calls come), or a function
            from `ScriptedCall` to a reply. Only a function makes answers independent of the order of calls.
        latency: Seconds each call takes, one that raises too, or a function that gives them for each call.
        json: Whether the model offers structured output. A schema then reaches a script that is a function.
        label: The name under which the model stands in records.
        cache_id: A name for the script's content, which makes an architecture with it savable.
    """

    latency: float | Callable[[], float] = 0.0
    offers_json: bool = False
    label: str = "scripted"
    cache_id: str | None = None

    _function: Callable[[ScriptedCall], Reply] | None = PrivateAttr(default=None)
    _replies: Iterator[Reply] = PrivateAttr(default_factory=lambda: iter(()))
    _lock: Any = PrivateAttr(default_factory=threading.Lock)
    _calls: list[ScriptedCall] = PrivateAttr(default_factory=list)
    _given: int = PrivateAttr(default=0)

    def __init__(
        self,
        script: Iterable[Reply] | Callable[[ScriptedCall], Reply] = (),
        *,
        latency: float | Callable[[], float] = 0.0,
        json: bool = False,
        label: str = "scripted",
        cache_id: str | None = None,
    ) -> None:
        # Never answered from LangChain's cache: each reply is one call's.
        super().__init__(latency=latency, offers_json=json, label=label, cache_id=cache_id, cache=False)
        if isinstance(script, str | Mapping | AIMessage | Exception):
            # All of them can be iterated over or nearly so: a text would be read letter by letter.
            raise TypeError(f"a script is a list of replies or a function, got one reply; write [{script!r:.60}]")
        if callable(script):
            self._function = script
        else:
            self._replies = iter(script)

    @classmethod
    def from_file(cls, path: str | Path) -> ScriptedModel:
        """A model whose script is a YAML or JSON list of replies (texts, or objects sent as JSON).

        Raises:
            ModelFileError: The file cannot be read or is not a list of replies.
        """
        try:
            replies = _parsed(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            raise ModelFileError(f"the script {str(path)!r} cannot be read: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise ModelFileError(f"the script {str(path)!r} is not UTF-8 text: {error.reason}") from error
        except yaml.YAMLError as error:
            raise ModelFileError(f"the script {str(path)!r} is not valid YAML or JSON: {error}") from error
        if not isinstance(replies, list):
            raise ModelFileError(
                f"the script {str(path)!r} must be a list of texts or objects, one for each call; "
                f"it holds {_kind(replies)}"
            )
        for number, reply in enumerate(replies, start=1):
            if not isinstance(reply, str | dict):
                raise ModelFileError(
                    f"reply {number} of the script {str(path)!r} must be a text or an object, got {_kind(reply)}; "
                    f"put quotes around a text that looks like something else"
                )
        return cls(replies, label=f"scripted:{path}")

    @property
    def calls(self) -> tuple[ScriptedCall, ...]:
        """Every call so far, in the order in which they came."""
        return tuple(self._calls)

    @property
    def _llm_type(self) -> str:
        return "scripted"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model_name": self.label}

    def _next_reply(self, call: ScriptedCall) -> Reply:
        """What the script says to this call; what it runs out with, it says as a reply."""
        with self._lock:
            self._calls.append(call)
            if self._function is None:
                try:
                    reply = next(self._replies)
                except StopIteration:
                    held = f"{self._given} {'reply' if self._given == 1 else 'replies'}"
                    return ScriptExhaustedError(
                        f"the script of {self.label!r} ran out: it holds {held} and this is call "
                        f"{len(self._calls)}. Give it more, or a function: ScriptedModel(lambda call: ...)",
                        model=self.label,
                    )
                self._given += 1
                return reply
        # Outside the lock: the function may take its time, or ask this very model.
        return self._function(call)

    def bind_tools(
        self, tools: Sequence[Any], *, tool_choice: str | None = None, **kwargs: Any
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Tell the script of tools, as other chat models are told of them."""
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], tool_choice=tool_choice, **kwargs)

    def _call(
        self, messages: list[BaseMessage], stop: list[str] | None, settings: Mapping[str, Any]
    ) -> tuple[ScriptedCall, Reply]:
        call = ScriptedCall(
            tuple(messages),
            int(settings.get("sample", 0)),
            settings.get("schema"),
            tuple(settings.get("tools") or ()),
            settings.get("tool_choice"),
            tuple(stop or ()),
        )
        return call, self._next_reply(call)

    def _message(self, call: ScriptedCall, reply: Reply) -> AIMessage:
        """The reply as a message with its tokens counted; one that is an error is raised."""
        if isinstance(reply, Exception):
            raise reply
        if not isinstance(reply, str | Mapping | AIMessage):
            raise TypeError(
                f"a reply of {self.label!r} must be a text, an object, an AIMessage or an error to raise, "
                f"got {type(reply).__name__}"
            )
        message = reply if isinstance(reply, AIMessage) else AIMessage(content=_text(reply))
        # Words stand for tokens: a fixed, explainable count.
        sent, received = len(call.prompt.split()), len(str(message.text).split())
        metered = UsageMetadata(input_tokens=sent, output_tokens=received, total_tokens=sent + received)
        return message.model_copy(
            update={
                "usage_metadata": message.usage_metadata or metered,
                "response_metadata": {"model_name": self.label, "finish_reason": "stop"}
                | message.response_metadata,
            }
        )

    def _seconds(self) -> float:
        return self.latency() if callable(self.latency) else self.latency

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002
        **kwargs: Any,
    ) -> ChatResult:
        call, reply = self._call(messages, stop, kwargs)
        time.sleep(self._seconds())
        message = self._message(call, reply)
        return ChatResult(generations=[ChatGeneration(message=message)])

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,  # noqa: ARG002
        **kwargs: Any,
    ) -> ChatResult:
        call, reply = self._call(messages, stop, kwargs)
        await asyncio.sleep(self._seconds())
        message = self._message(call, reply)
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        call, reply = self._call(messages, stop, kwargs)
        time.sleep(self._seconds())
        message = self._message(call, reply)
        for chunk in _chunks(message):
            if run_manager:
                run_manager.on_llm_new_token(chunk.text, chunk=chunk)
            yield chunk

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        call, reply = self._call(messages, stop, kwargs)
        await asyncio.sleep(self._seconds())
        message = self._message(call, reply)
        for chunk in _chunks(message):
            if run_manager:
                await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
            yield chunk


def _parsed(text: str) -> Any:
    try:
        # Before YAML, which takes the two halves of an escaped character ("\\ud83c\\udfb2") for two.
        return json.loads(text)
    except ValueError:
        return yaml.safe_load(text)


def _kind(value: object) -> str:
    return "nothing" if value is None else f"{type(value).__name__} {value!r:.40}"


def _text(reply: str | Mapping[str, Any]) -> str:
    return reply if isinstance(reply, str) else json.dumps(reply, ensure_ascii=False)


def _chunks(message: AIMessage) -> list[ChatGenerationChunk]:
    """The message word by word; the last chunk carries what is not text."""
    words = str(message.text).split(" ") if isinstance(message.content, str) else []
    head = [AIMessageChunk(content=word + " ", id=message.id) for word in words[:-1]]
    last = AIMessageChunk(
        id=message.id,
        content=words[-1] if words else message.content,
        tool_calls=message.tool_calls,
        additional_kwargs=message.additional_kwargs,
        response_metadata=message.response_metadata,
        usage_metadata=message.usage_metadata,
        chunk_position="last",
    )
    return [ChatGenerationChunk(message=chunk) for chunk in [*head, last]]
