"""`ArchonChat`: to who calls it, it is one model."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler, UsageMetadataCallbackHandler, get_usage_metadata_callback
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage
from langchain_core.outputs import ChatGenerationChunk
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.tracers.base import BaseTracer
from langchain_core.tracers.schemas import Run

from archon_graph import Architecture, Fuser, Generator, ScriptedModel
from archon_graph.core import ArchitectureError, NoAnswerError
from archon_graph.embed import ArchonChat
from archon_graph.models import Budget, Client, ConfigurationError, ModelError, ModelPolicy
from tests.embed.saying import FUSED, fusing, selecting

CALLS = 4  # three drafts and a fusion


class Listener(BaseCallbackHandler):
    """Counts what a caller's own handler hears of."""

    run_inline = True

    def __init__(self) -> None:
        self.started = 0
        self.ended = 0
        self.tokens: list[str] = []
        self.events: list[tuple[str, dict[str, Any]]] = []

    def on_chat_model_start(self, serialized: Any, messages: Any, **kwargs: Any) -> None:
        self.started += 1

    def on_llm_end(self, response: Any, **kwargs: Any) -> None:
        self.ended += 1

    def on_llm_new_token(self, token: str, *, chunk: Any = None, **kwargs: Any) -> None:
        self.tokens.append(token)

    def on_custom_event(self, name: str, data: Any, **kwargs: Any) -> None:
        self.events.append((name, data))


class Tracer(BaseTracer):
    """Keeps finished roots."""

    def __init__(self) -> None:
        super().__init__()
        self.roots: list[Run] = []

    def _persist_run(self, run: Run) -> None:
        self.roots.append(run)


def models_in(run: Run) -> list[str]:
    """The names of all chat model runs in a trace, outermost first."""
    mine = [run.name] if run.run_type in ("llm", "chat_model") else []
    return [*mine, *(name for child in run.child_runs for name in models_in(child))]


async def pieces(chat: ArchonChat, **settings: Any) -> list[AIMessageChunk]:
    return [piece async for piece in chat.astream("q", **settings)]


class TestOneModel:
    """One call, one start, one sum, one stream."""

    @pytest.mark.parametrize("face", ["invoke", "ainvoke", "stream", "astream"])
    async def test_a_handler_hears_of_one_call_and_counts_once(self, face: str):
        chat, listener, counted = fusing().as_chat_model(), Listener(), UsageMetadataCallbackHandler()
        message = await whole(chat, face, {"callbacks": [listener, counted]})
        assert message.text == FUSED
        assert (listener.started, listener.ended) == (1, 1)
        assert message.usage_metadata is not None
        assert counted.usage_metadata == {chat.model_name: message.usage_metadata}
        assert "".join(listener.tokens) == (FUSED if "stream" in face else "")

    @pytest.mark.parametrize("face", ["invoke", "ainvoke", "stream", "astream"])
    async def test_usage_is_the_sum_of_all_calls(self, face: str):
        model = ScriptedModel(lambda call: FUSED if "draft answers" in call.prompt else "two words")
        message = await whole((Generator(model, samples=3) | Fuser(model)).as_chat_model(), face)
        sent = sum(len(call.prompt.split()) for call in model.calls)
        assert len(model.calls) == CALLS
        assert message.usage_metadata == {
            "input_tokens": sent,
            "output_tokens": 3 * 2 + len(FUSED.split()),
            "total_tokens": sent + 6 + len(FUSED.split()),
        }

    @pytest.mark.parametrize("face", ["invoke", "ainvoke", "stream", "astream"])
    async def test_a_with_statement_counts_once_too(self, face: str):
        """Its handler comes by a context variable, which reaches every call in the block."""
        chat = fusing().as_chat_model()
        with get_usage_metadata_callback() as counted:
            message = await whole(chat, face)
        assert counted.usage_metadata == {chat.model_name: message.usage_metadata}

    @pytest.mark.parametrize("face", ["invoke", "ainvoke", "stream", "astream"])
    async def test_a_tracer_sees_the_calls_inside_below_this_one(self, face: str):
        tracer = Tracer()
        await whole(fusing().as_chat_model(), face, {"callbacks": [tracer]})
        [root] = tracer.roots
        assert root.name == "ArchonChat"
        assert sorted(models_in(root)) == sorted(
            ["ArchonChat", "fuser_1:0", "generator_1:0", "generator_1:1", "generator_1:2"]
        )

    async def test_listeners_hear_of_every_call_inside(self):
        """What a tracer sees, a handler may be told on request."""
        inside = Listener()
        await fusing().as_chat_model(listeners=[inside]).ainvoke("q")
        assert inside.started == inside.ended == CALLS

    async def test_nodes_are_told_as_custom_events(self):
        listener = Listener()
        await fusing().as_chat_model().ainvoke("q", {"callbacks": [listener]})
        assert [(name, data["node"], data["calls"]) for name, data in listener.events] == [
            ("archon_node", "generator_1", 3),
            ("archon_node", "fuser_1", 1),
        ]
        streamed = [
            event["data"]["node"]
            async for event in fusing().as_chat_model().astream_events("q", version="v2")
            if event["event"] == "on_custom_event"
        ]
        assert streamed == ["generator_1", "fuser_1"]

    async def test_the_table_of_candidates(self):
        message = await fusing().as_chat_model().ainvoke("q")
        rows = message.response_metadata["candidates"]
        assert [(row["id"], row["content"], row["rank"]) for row in rows] == [
            ("generator_1:0", "draft 0", None),
            ("generator_1:1", "draft 1", None),
            ("generator_1:2", "draft 2", None),
            ("fuser_1:0", FUSED, 1),
        ]
        assert rows[-1]["parents"] == ["generator_1:0", "generator_1:1", "generator_1:2"]
        assert message.response_metadata["model_name"] == "architecture"
        assert message.response_metadata["archon"]["calls"] == CALLS

    async def test_what_a_cache_gave_is_not_paid_again(self, tmp_path: Path):
        client = Client(cache=tmp_path / "answers.sqlite")
        model = ScriptedModel(lambda call: "said", cache_id="says")
        chat = Generator(model, samples=2).alone().as_chat_model(client=client)
        first, second = await chat.ainvoke("q"), await chat.ainvoke("q")
        client.close()
        assert first.usage_metadata == {"input_tokens": 2, "output_tokens": 2, "total_tokens": 4}
        assert second.usage_metadata == {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}
        assert second.response_metadata["archon"]["cached_calls"] == 2


class TestStreaming:
    """The last node's tokens as they come, or the chosen answer once it is chosen."""

    async def test_the_last_nodes_words_come_one_by_one(self):
        texts = [str(piece.text) for piece in await pieces(fusing().as_chat_model())]
        assert texts == [*(f"{word} " for word in FUSED.split()[:-1]), FUSED.split()[-1], ""]

    async def test_they_come_before_the_last_node_has_ended(self):
        """The second word is only written once the first one has been seen."""
        seen = asyncio.Event()

        class Slow(ScriptedModel):
            async def _astream(self, *args: Any, **kwargs: Any) -> AsyncIterator[ChatGenerationChunk]:
                async for chunk in super()._astream(*args, **kwargs):
                    yield chunk
                    async with asyncio.timeout(10):
                        await seen.wait()

        chat = (Generator(ScriptedModel(["a", "b"]), samples=2) | Fuser(Slow(["one two"]))).as_chat_model()
        texts = []
        async for piece in chat.astream("q"):
            texts.append(str(piece.text))
            seen.set()
        assert texts == ["one ", "two", ""]

    async def test_a_selected_answer_is_streamed_once_it_is_selected(self):
        whole = await pieces(selecting().as_chat_model())
        assert [str(piece.text) for piece in whole] == ["draft 2"]
        assert whole[-1].usage_metadata is not None

    def test_synchronously_too(self):
        assert "".join(str(piece.text) for piece in fusing().as_chat_model().stream("q")) == FUSED

    async def test_an_empty_answer_of_the_last_node_gives_way_to_the_best_draft(self):
        chat = fusing(
            lambda call: " " if "draft answers" in call.prompt else f"draft {call.sample}"
        ).as_chat_model()
        assert "".join(str(piece.text) for piece in await pieces(chat)).strip() == "draft 0"

    async def test_an_answer_that_breaks_off_is_an_error_and_is_not_begun_again(self):
        class Breaks(ScriptedModel):
            async def _astream(self, *args: Any, **kwargs: Any) -> AsyncIterator[ChatGenerationChunk]:
                yield ChatGenerationChunk(message=AIMessageChunk(content="half of "))
                raise ConnectionError("gone")

        breaking = Breaks(["never", "never"])
        client = Client(policies={"*": ModelPolicy(attempts=3, first_wait=0.0)})
        chat = (Generator(ScriptedModel(["a"])) | Fuser(breaking)).as_chat_model(client=client)
        stream = chat.astream("q")
        assert (await anext(stream)).text == "half of "
        with pytest.raises(ModelError, match=r"broke off after 8 characters.*gone"):
            await anext(stream)
        # Where nothing is shown, the best draft is as good an answer as ever.
        whole = (
            Generator(ScriptedModel(["a"])) | Fuser(ScriptedModel([ConnectionError("gone")] * 3))
        ).as_chat_model(client=client)
        assert (await whole.ainvoke("q")).text == "a"

    async def test_a_stream_that_fails_before_its_first_word_is_begun_again(self):
        class Late(ScriptedModel):
            async def _astream(self, *args: Any, **kwargs: Any) -> AsyncIterator[ChatGenerationChunk]:
                if not self.calls:
                    self._call([HumanMessage("q")], None, {})
                    raise ConnectionError("not yet")
                yield ChatGenerationChunk(message=AIMessageChunk(content="at last", chunk_position="last"))

        chat = (Generator(ScriptedModel(["a"])) | Fuser(Late(["", ""]))).as_chat_model()
        assert "".join(str(piece.text) for piece in await pieces(chat)) == "at last"

    async def test_a_model_that_does_not_stream_gives_its_answer_in_one_piece(self):
        class Whole(ScriptedModel):
            disable_streaming: bool = True

        chat = Generator(Whole(["all of it"])).alone().as_chat_model()
        assert [str(piece.text) for piece in await pieces(chat)] == ["all of it", ""]


class TestCancelling:
    """Who stops listening stops the calls."""

    @staticmethod
    def hanging() -> tuple[Architecture, list[str]]:
        log: list[str] = []

        class Hangs(ScriptedModel):
            async def _agenerate(self, *args: Any, **kwargs: Any) -> Any:
                log.append("asked")
                try:
                    await asyncio.sleep(60)
                except asyncio.CancelledError:
                    log.append("cancelled")
                    raise

        return Generator(Hangs([]), samples=2).alone(), log

    async def test_a_cancelled_call_cancels_its_calls(self):
        architecture, log = self.hanging()
        task = asyncio.create_task(architecture.as_chat_model().ainvoke("q"))
        while log.count("asked") < 2:  # noqa: ASYNC110 - told by what happens, not by an event
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert sorted(log) == ["asked", "asked", "cancelled", "cancelled"]

    async def test_a_stream_that_is_left_is_ended(self):
        ended = asyncio.Event()

        class Endless(ScriptedModel):
            async def _astream(self, *args: Any, **kwargs: Any) -> AsyncIterator[ChatGenerationChunk]:
                try:
                    while True:
                        yield ChatGenerationChunk(message=AIMessageChunk(content="more "))
                        await asyncio.sleep(0)
                finally:
                    ended.set()

        stream = Generator(Endless([])).alone().as_chat_model().astream("q")
        async with contextlib.aclosing(stream) as whole:  # type: ignore[type-var]
            async for _ in whole:
                break
        async with asyncio.timeout(10):
            await ended.wait()

    def test_a_synchronous_stream_that_is_left_is_ended(self):
        ended = threading.Event()

        class Endless(ScriptedModel):
            async def _astream(self, *args: Any, **kwargs: Any) -> AsyncIterator[ChatGenerationChunk]:
                try:
                    while True:
                        yield ChatGenerationChunk(message=AIMessageChunk(content="more "))
                        await asyncio.sleep(0)
                finally:
                    ended.set()

        stream: Iterator[AIMessageChunk] = Generator(Endless([])).alone().as_chat_model().stream("q")
        next(stream)
        stream.close()  # type: ignore[attr-defined]
        assert ended.wait(10)


class TestSettings:
    """What can be set, and what is refused."""

    async def test_the_seed_of_a_call_goes_before_that_of_the_model(self, tmp_path: Path):
        client = Client(cache=tmp_path / "answers.sqlite")
        model = ScriptedModel(lambda call: "said", cache_id="says")
        chat = Generator(model).alone().as_chat_model(client=client, seed=3)
        for settings in ({}, {"seed": 3}, {"seed": 4}):
            await chat.ainvoke("q", **settings)  # type: ignore[arg-type]
        client.close()
        assert len(model.calls) == 2

    async def test_stop_reaches_the_model(self):
        model = ScriptedModel(["a", "b"])
        chat = Generator(model).alone().as_chat_model(stop=["END"])
        await chat.ainvoke("q")
        await chat.ainvoke("q", stop=["NOW"])
        assert [call.stop for call in model.calls] == [("END",), ("NOW",)]

    async def test_a_budget_holds_for_each_call(self):
        chat = fusing().as_chat_model(budget=Budget(calls=3))
        for _ in range(2):
            message = await chat.ainvoke("q")
            assert message.text == "draft 0"
            assert message.response_metadata["archon"]["stopped"] == "budget"

    async def test_an_unknown_argument_is_an_error_that_names_the_nearest(self):
        with pytest.raises(ConfigurationError, match=r"'temprature' \(did you mean 'temperature'\?\)"):
            await fusing().as_chat_model().ainvoke("q", temprature=0.2)
        with pytest.raises(ConfigurationError, match="seed must be a whole number, got 'x'"):
            await fusing().as_chat_model().ainvoke("q", seed="x")

    async def test_no_answer_is_an_error_that_lists_the_losses(self):
        chat = fusing(lambda call: "").as_chat_model()
        with pytest.raises(NoAnswerError, match="empty answer"):
            await chat.ainvoke("q")
        with pytest.raises(NoAnswerError, match="empty answer"):
            await pieces(chat)

    def test_from_a_file(self, tmp_path: Path):
        path = tmp_path / "best.yaml"
        (Generator("local:coder-0.5b", samples=2) | Fuser("local:coder-0.5b")).save(path)
        chat = ArchonChat.from_file(path, seed=7)
        assert (chat.seed, chat.architecture.max_calls) == (7, 3)
        path.write_text("layers: [[{technique: fuserr}]]", encoding="utf-8")
        with pytest.raises(ArchitectureError, match="fuser"):
            ArchonChat.from_file(path)

    def test_a_rule_that_is_broken_is_told_at_once(self):
        with pytest.raises(ArchitectureError):
            Fuser(ScriptedModel([])).alone().as_chat_model()

    def test_langchains_cache_tells_architectures_and_seeds_apart(self):
        chats = [fusing().as_chat_model(), selecting().as_chat_model(), fusing().as_chat_model(seed=1)]
        assert len({chat._get_llm_string() for chat in chats}) == 3

    def test_in_a_pipe_and_in_batches(self):
        line = ChatPromptTemplate.from_messages([("human", "{topic}")]) | fusing().as_chat_model()
        assert [message.text for message in line.batch([{"topic": "a"}, {"topic": "b"}])] == [FUSED, FUSED]

    async def test_the_callers_messages_are_not_touched(self):
        question = [HumanMessage("q", id="mine")]
        await fusing().as_chat_model().ainvoke(question)
        assert question == [HumanMessage("q", id="mine")]


async def whole(chat: ArchonChat, face: str, config: Any = None) -> AIMessage:
    """The answer by one of the four faces."""
    if face == "invoke":
        return await asyncio.to_thread(chat.invoke, "q", config)
    if face == "ainvoke":
        return await chat.ainvoke("q", config)
    made = chat.stream("q", config) if face == "stream" else chat.astream("q", config)
    found = list(made) if face == "stream" else [piece async for piece in made]  # type: ignore[arg-type,union-attr]
    joined = found[0]
    for piece in found[1:]:
        joined = joined + piece
    return joined
