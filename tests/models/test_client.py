"""``Client.draw``: the one door to models, whatever stands behind it."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.globals import set_llm_cache
from langchain_core.language_models import BaseChatModel, FakeListChatModel
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable, RunnableLambda, RunnableParallel

from archon_graph.models import (
    Budget,
    Client,
    ConfigurationError,
    MissingKeyError,
    ModelError,
    ModelPolicy,
    Request,
    Sampling,
    ScriptedModel,
    ScriptExhaustedError,
    Usage,
    default_client,
    opening,
    providers,
    register_model,
)

SCHEMA = {"title": "verdict", "type": "object", "properties": {"ok": {"type": "boolean"}}}


@pytest.fixture(autouse=True)
def same_names() -> Iterator[None]:
    """Models that a test registers are gone after it."""
    before = dict(providers._custom)
    yield
    providers._custom.clear()
    providers._custom.update(before)


def ask(model: Any, text: str = "what is it?", **settings: Any) -> Request:
    return Request(model=model, messages=(HumanMessage(text),), **settings)


class Recorder(BaseChatModel):
    """A chat model of a user's own: keeps what each call was given, and can be held to a schema if told so."""

    temperature: float | None = None
    max_tokens: int | None = None
    seen: list[dict[str, Any]] = []  # noqa: RUF012 - pydantic copies it for each instance
    replies: list[str] = ["fine"]  # noqa: RUF012

    @property
    def _llm_type(self) -> str:
        return "recorder"

    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> ChatResult:
        self.seen.append(
            {"own": {"temperature": self.temperature, "max_tokens": self.max_tokens}, "stop": stop, **kwargs}
        )
        reply = self.replies[min(len(self.seen), len(self.replies)) - 1]
        return ChatResult(generations=[ChatGeneration(message=AIMessage(reply))])

    def with_structured_output(
        self, schema: Any, *, include_raw: bool = False, **kwargs: Any
    ) -> Runnable[Any, Any]:
        """In the form that LangChain's own integrations have."""
        assert include_raw
        raw = RunnableParallel(raw=self.bind(form=schema["title"]))

        def parse(outcome: Any) -> dict[str, Any]:
            parsed = {"ok": True} if outcome["raw"].content == "fine" else None
            return {**outcome, "parsed": parsed, "parsing_error": None if parsed else ValueError("no JSON")}

        return raw | RunnableLambda(parse)


def capable(**fields: Any) -> Recorder:
    return Recorder(profile={"structured_output": True}, **fields)


# --- draws -------------------------------------------------------------------------------------------------------


async def test_draws_come_in_the_order_asked_for_whatever_finishes_first():
    latencies = iter([0.05, 0.0, 0.03, 0.01])
    model = ScriptedModel(lambda call: f"sample {call.sample}", latency=lambda: next(latencies))
    draws = await Client().draw(ask(model), [7, 2, 9, 0])
    assert [draw.index for draw in draws] == [7, 2, 9, 0]
    assert [draw.message.text for draw in draws] == ["sample 7", "sample 2", "sample 9", "sample 0"]


async def test_draws_run_side_by_side():
    model = ScriptedModel(lambda call: "x", latency=0.1)
    started = time.perf_counter()
    await Client().draw(ask(model), range(20))
    assert time.perf_counter() - started < 1.0  # one after the other would be 2 seconds


async def test_no_indices_no_calls():
    model = ScriptedModel(["unused"])
    assert await Client().draw(ask(model), []) == []
    assert model.calls == ()


async def test_one_failing_call_harms_no_other():
    def answer(call: Any) -> Any:
        return ValueError("bad luck") if call.sample == 1 else f"answer {call.sample}"

    draws = await Client().draw(ask(ScriptedModel(answer, label="s")), range(3))
    assert [draw.message and draw.message.text for draw in draws] == ["answer 0", None, "answer 2"]
    assert isinstance(draws[1].error, ModelError)
    assert "bad luck" in str(draws[1].error)
    assert [draw.error for draw in (draws[0], draws[2])] == [None, None]


async def test_usage_counts_calls_tokens_and_what_is_unknown():
    draws = await Client().draw(ask(ScriptedModel(["one two three"]), "a b"), [0])
    assert (draws[0].usage.calls, draws[0].usage.prompt_tokens, draws[0].usage.completion_tokens) == (1, 2, 3)
    assert draws[0].usage.unmetered_calls == 0

    draws = await Client().draw(ask(FakeListChatModel(responses=["a", "b"])), [0, 1])
    total = Usage.total(draw.usage for draw in draws)
    assert (total.calls, total.unmetered_calls, total.prompt_tokens) == (2, 2, 0)


async def test_a_failed_call_is_a_call_of_unknown_cost():
    [draw] = await Client().draw(ask(ScriptedModel([ValueError("broken")], latency=0.02)), [0])
    assert (draw.usage.calls, draw.usage.unmetered_calls) == (1, 1)
    assert draw.usage.seconds >= 0.02


async def test_messages_are_never_mutated():
    """Not by us, and not through us: a model that writes into its list of messages writes into a copy."""
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    messages = (SystemMessage("be brief"), HumanMessage([{"type": "text", "text": "see"}, image]))
    before = copy.deepcopy(messages)

    class Greedy(Recorder):
        def _generate(self, messages: Any, *args: Any, **kwargs: Any) -> ChatResult:
            messages.append(HumanMessage("more"))
            return super()._generate(messages, *args, **kwargs)

    for model in (Greedy(), ScriptedModel(lambda call: "x")):
        await Client().draw(Request(model=model, messages=messages), range(3))
    assert messages == before


async def test_cancelling_a_draw_ends_the_calls_under_way():
    ended: list[str] = []
    under_way = asyncio.Event()

    class Slow(ScriptedModel):
        async def _agenerate(self, *args: Any, **kwargs: Any) -> ChatResult:
            if kwargs["sample"] == 4:
                under_way.set()
            try:
                return await super()._agenerate(*args, **kwargs)
            except asyncio.CancelledError:
                ended.append("cancelled")
                raise

    model = Slow(lambda call: "late", latency=30)
    task = asyncio.create_task(Client().draw(ask(model), range(5)))
    await under_way.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == ["cancelled"] * 5


async def test_a_configuration_error_inside_a_call_ends_the_draw_and_its_siblings():
    """A call that finds its file gone is for the user to mend; the others must not run on unwatched."""
    ended: list[int] = []

    class Half(ScriptedModel):
        async def _agenerate(self, messages: Any, *args: Any, **kwargs: Any) -> ChatResult:
            if kwargs["sample"] == 0:
                await asyncio.sleep(0.01)
                raise MissingKeyError("the key is gone")
            try:
                await asyncio.sleep(30)
            finally:
                ended.append(kwargs["sample"])

    with pytest.raises(MissingKeyError, match="the key is gone"):
        await asyncio.wait_for(Client().draw(ask(Half(())), range(3)), 10)
    assert sorted(ended) == [1, 2]


async def test_a_turn_that_fails_is_an_error_of_its_draw(monkeypatch: pytest.MonkeyPatch):
    @contextlib.asynccontextmanager
    async def no_turn() -> Any:
        raise ModelError("the server is gone", model="local:x", retryable=True)
        yield

    opened = providers.Opened(spec="local:x", chat=ScriptedModel(["unused"]), turn=no_turn)
    monkeypatch.setattr(opening, "open_model", lambda *_: opened)
    [draw] = await Client().draw(ask("local:x"), [0])
    assert draw.error is not None
    assert draw.error.retryable


async def test_callbacks_of_the_caller_see_every_call_once():
    starts: list[dict[str, Any]] = []

    class Handler(BaseCallbackHandler):
        def on_chat_model_start(self, *args: Any, **kwargs: Any) -> None:
            starts.append({"name": kwargs["name"], **kwargs["metadata"]})

    async def inside(_: Any) -> Any:
        return await Client().draw(ask(ScriptedModel(lambda call: "x"), node="fuser_1"), [3, 4])

    await RunnableLambda(inside).ainvoke(None, {"callbacks": [Handler()]})
    assert sorted(start["name"] for start in starts) == ["fuser_1:3", "fuser_1:4"]
    assert sorted(start["archon_sample"] for start in starts) == [3, 4]


@pytest.mark.parametrize("given_to", ["process", "model"])
async def test_langchains_cache_does_not_make_ten_samples_one(given_to: str):
    """Its key has no sample index, so the first answer would be every answer."""
    cache = InMemoryCache()
    model = Recorder(replies=["a", "b", "c"], cache=cache if given_to == "model" else None)
    if given_to == "process":
        set_llm_cache(cache)
    try:
        draws = [(await Client().draw(ask(model), [index]))[0] for index in range(3)]
    finally:
        set_llm_cache(None)
    assert [draw.message.text for draw in draws] == ["a", "b", "c"]


# --- opening -----------------------------------------------------------------------------------------------------


async def test_a_spec_is_opened_once_for_twenty_draws_at_a_time(monkeypatch: pytest.MonkeyPatch):
    opened = []

    def slowly(model: str, sampling: Sampling, *_: Any) -> providers.Opened:
        time.sleep(0.05)
        opened.append((model, sampling.temperature))
        return providers.Opened(spec=model, chat=ScriptedModel(lambda call: "x"))

    monkeypatch.setattr(opening, "open_model", slowly)
    one = Client()
    await asyncio.gather(*(one.draw(ask("local:x"), [index]) for index in range(20)))
    assert opened == [("local:x", None)]
    await one.draw(ask("local:x", sampling=Sampling(temperature=0.5)), [0])
    assert opened == [("local:x", None), ("local:x", 0.5)]


async def test_a_slow_opening_holds_up_no_other_model(monkeypatch: pytest.MonkeyPatch):
    """Weights may take a minute; calls to another model, and whoever else needs threads, go on."""
    loaded = threading.Event()

    def open_it(model: str, *_: Any) -> providers.Opened:
        if model == "local:big":
            assert loaded.wait(10)
        return providers.Opened(spec=model, chat=ScriptedModel(lambda call: model))

    monkeypatch.setattr(opening, "open_model", open_it)
    one = Client()
    big = [asyncio.create_task(one.draw(ask("local:big"), [index])) for index in range(40)]
    await asyncio.sleep(0.01)
    try:
        [draw] = await asyncio.wait_for(one.draw(ask("openai:quick"), [0]), 5)
        await asyncio.wait_for(asyncio.to_thread(lambda: None), 5)
    finally:
        loaded.set()
    assert draw.message.text == "openai:quick"
    assert [(await task)[0].message.text for task in big] == ["local:big"] * 40


async def test_giving_up_while_a_model_is_opened_leaves_it_to_the_others(monkeypatch: pytest.MonkeyPatch):
    loaded = threading.Event()

    def open_it(model: str, *_: Any) -> providers.Opened:
        assert loaded.wait(10)
        return providers.Opened(spec=model, chat=ScriptedModel(lambda call: "x"))

    monkeypatch.setattr(opening, "open_model", open_it)
    one = Client()
    impatient, patient = (asyncio.create_task(one.draw(ask("local:x"), [0])) for _ in range(2))
    await asyncio.sleep(0.01)
    impatient.cancel()
    with pytest.raises(asyncio.CancelledError):
        await impatient
    loaded.set()
    assert (await patient)[0].message.text == "x"


async def test_a_failed_opening_is_tried_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Any):
    one, script = Client(), tmp_path / "script.yaml"
    with pytest.raises(ConfigurationError, match="cannot be read"):
        await one.draw(ask(f"scripted:{script}"), [0])
    script.write_text("[now it is there]")
    [draw] = await one.draw(ask(f"scripted:{script}"), [0])
    assert draw.message.text == "now it is there"


async def test_one_script_file_is_used_up_by_all_who_name_it(tmp_path: Any):
    """A generator and a ranker sample differently, and still read one script in the order of their calls."""
    script = tmp_path / "script.json"
    script.write_text('["first", {"second": 2}]')
    one = Client()
    [first] = await one.draw(ask(f"scripted:{script}", sampling=Sampling(temperature=1.0)), [0])
    [second] = await one.draw(ask(f"scripted:{script}"), [0])
    [third] = await one.draw(ask(f"scripted:{script}"), [1])
    assert (first.message.text, second.message.text) == ("first", '{"second": 2}')
    assert isinstance(third.error, ScriptExhaustedError)


async def test_a_name_registered_anew_means_the_new_model_at_once():
    spec = register_model("mine", ScriptedModel(lambda call: "old"))
    assert (await default_client().draw(ask(spec), [0]))[0].message.text == "old"
    register_model("mine", ScriptedModel(lambda call: "new"))
    assert (await default_client().draw(ask(spec), [0]))[0].message.text == "new"


def test_check_names_every_problem_at_once():
    with pytest.raises(ConfigurationError) as caught:
        Client().check(["openai:gpt-4o", "together:x", "custom:nobody", "openai:gpt-4o", ScriptedModel(["fine"])])
    problems = str(caught.value).splitlines()
    assert len(problems) == 3
    assert "OPENAI_API_KEY" in problems[0]
    assert "TOGETHER_API_KEY" in problems[1]
    assert "'nobody'" in problems[2]


def test_check_raises_a_single_problem_as_it_is():
    with pytest.raises(MissingKeyError, match="TOGETHER_API_KEY"):
        Client().check(["together:x"])


def test_check_looks_at_a_good_model_once(monkeypatch: pytest.MonkeyPatch):
    """It precedes every question, and setting up a provider's client takes tens of milliseconds."""
    looked = []
    monkeypatch.setattr(opening, "check_model", lambda model, _: looked.append(model))
    one = Client()
    for _ in range(3):
        one.check(["openai:a", "openai:a", "custom:b"])
    assert looked.count("openai:a") == 1
    assert looked.count("custom:b") == 3


# --- JSON --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "offers"),
    [
        (ScriptedModel(["x"]), False),
        (ScriptedModel(["x"], json=True), True),
        (Recorder(), False),
        (capable(), True),
        (FakeListChatModel(responses=["x"]), False),
    ],
)
async def test_who_offers_json(model: BaseChatModel, offers: bool):
    assert await Client().offers_json(model, Sampling()) is offers


async def test_a_scripted_model_is_told_the_schema_only_if_it_offers_json():
    for json in (True, False):
        model = ScriptedModel([{"ok": True}], json=json)
        [draw] = await Client().draw(ask(model, schema=SCHEMA), [0])
        assert model.calls[0].schema == (SCHEMA if json else None)
        assert draw.data == ({"ok": True} if json else None)
        assert draw.message.text == '{"ok": true}'


@pytest.mark.parametrize("text", ["no JSON", "[1, 2]", "", '{"ok": tr', "[" * 100_000, "NaN", '"text"'])
async def test_what_is_no_json_object_is_an_answer_without_data(text: str):
    [draw] = await Client().draw(ask(ScriptedModel([text], json=True), schema=SCHEMA), [0])
    assert draw.error is None
    assert draw.data is None
    assert draw.message.text == text


async def test_a_model_with_structured_output_is_asked_in_its_own_way():
    model = capable(replies=["fine", "prose"])
    draws = [(await Client().draw(ask(model, schema=SCHEMA), [index]))[0] for index in range(2)]
    assert [draw.data for draw in draws] == [{"ok": True}, None]
    assert [draw.message.text for draw in draws] == ["fine", "prose"]
    assert [seen["form"] for seen in model.seen] == ["verdict", "verdict"]


async def test_sampling_holds_for_answers_in_json_too():
    """``with_structured_output`` drops the arguments of a call; the temperature has to get through anyway."""
    model = capable(temperature=0.9)
    sampling = Sampling(temperature=0.25, max_tokens=77)
    await Client().draw(ask(model, schema=SCHEMA, sampling=sampling), [0])
    assert model.seen[0]["own"] == {"temperature": 0.25, "max_tokens": 77}
    assert model.temperature == 0.9, "the user's own model is not changed"


async def test_a_model_that_cannot_be_sampled_so_in_json_is_asked_for_text():
    sampling = Sampling(top_p=0.5)  # Recorder has no such field
    one, model = Client(), capable()
    assert not await one.offers_json(model, sampling)
    [draw] = await one.draw(ask(model, schema=SCHEMA, sampling=sampling), [0])
    assert (draw.data, model.seen[0]["top_p"]) == (None, 0.5)


async def test_sampling_reaches_a_model_instance():
    model = Recorder()
    await Client().draw(
        ask(model, sampling=Sampling(temperature=0.5, top_p=0.8, max_tokens=9, stop=("END",))), [0]
    )
    [seen] = model.seen
    assert (seen["temperature"], seen["top_p"], seen["max_tokens"], seen["stop"]) == (0.5, 0.8, 9, ["END"])


async def test_what_is_not_asked_for_is_left_to_the_model():
    model = Recorder()
    await Client().draw(ask(model), [0])
    assert set(model.seen[0]) == {"own", "stop"}


# --- seeds -------------------------------------------------------------------------------------------------------


def test_a_seed_depends_on_replicate_and_sample_alone():
    seeds = {
        (replicate, sample): providers.seed_of(replicate, sample)
        for replicate in range(20)
        for sample in range(50)
    }
    assert len(set(seeds.values())) == 1000
    assert all(0 <= seed < 2**31 for seed in seeds.values())
    # Written down: another version of archon-graph has to repeat the samples of this one.
    assert (seeds[0, 0], seeds[0, 1], seeds[1, 0]) == (1_285_674_079, 1_088_167_207, 695_092_613)


async def test_a_scripted_model_is_given_its_seed_as_a_local_one_is():
    seeds: list[int] = []

    class Seeded(ScriptedModel):
        async def _agenerate(self, *args: Any, **kwargs: Any) -> ChatResult:
            seeds.append(kwargs["seed"])
            return await super()._agenerate(*args, **kwargs)

    await Client().draw(ask(Seeded(lambda call: "x"), replicate=2), [1, 5])
    assert seeds == [providers.seed_of(2, 1), providers.seed_of(2, 5)]


async def test_equal_samples_of_different_questions_get_equal_seeds(monkeypatch: pytest.MonkeyPatch):
    model = Recorder()
    opened = providers.Opened(spec="local:x", chat=model, takes_seed=True)
    monkeypatch.setattr(opening, "open_model", lambda *_: opened)
    one = Client()
    await one.draw(ask("local:x", "a", node="generator_1"), [4])
    await one.draw(ask("local:x", "b", node="fuser_1", prompt_version="2"), [4])
    await one.draw(ask("local:x", "a", replicate=1), [4])
    first, second, third = (seen["seed"] for seen in model.seen)
    assert first == second == providers.seed_of(0, 4)
    assert third == providers.seed_of(1, 4) != first


def test_one_client_serves_threads_and_event_loops():
    one, spec = Client(), register_model("shared", ScriptedModel(lambda call: "x", latency=0.001))
    answers: list[str] = []

    def work() -> None:
        for _ in range(5):
            draws = asyncio.run(one.draw(ask(spec), range(3)))
            answers.extend(draw.message.text for draw in draws)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == ["x"] * 60


def test_a_client_tells_what_another_one_like_it_needs(tmp_path: Path):
    """For workers elsewhere: they get the policies, and neither a replay nor a budget can be handed out."""
    given: dict[str, Any] = {"custom:m": ModelPolicy(attempts=2), "*": {"timeout": 5}}
    client = Client(policies=given, cache=tmp_path / "kept.sqlite")
    assert client.policies == given
    client.policies.clear()
    assert client.policies == given, "what is told is a copy"
    assert (client.is_replay, client.has_budget) == (False, False)
    paying = client.within(Budget(calls=1))
    assert (paying.has_budget, paying.policies) == (True, given)
    assert not client.has_budget
    client.close()
    replay = Client(cache=tmp_path / "kept.sqlite", replay="strict")
    assert replay.is_replay
    replay.close()
    with pytest.raises(AttributeError):
        client.policies = {}  # type: ignore[misc]
