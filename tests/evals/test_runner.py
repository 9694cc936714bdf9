"""The runner: every question to every architecture, scored and logged, and nothing twice."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archon_graph import Architecture, Fuser, Generator, Ranker, ScriptedModel, Voter, register_model
from archon_graph.evals import (
    UNSCORED,
    Benchmark,
    ByKind,
    Evaluation,
    Item,
    LogError,
    Progress,
    Score,
    Scorer,
    evaluate,
)
from archon_graph.evals.asking import answer_item
from archon_graph.evals.scorers import Numeric
from archon_graph.graphs import best_of_n, self_consistency, single
from archon_graph.models import (
    Budget,
    Client,
    ConfigurationError,
    MissingExtraError,
    ModelError,
    ScriptedCall,
    TapeMissError,
    Usage,
)
from archon_graph.sandbox import SandboxUnavailableError
from tests.evals import doubling
from tests.evals.doubling import benchmark, is_right

QUESTIONS = 6


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's own cache, and a working directory of the test's own."""
    file = tmp_path / "user.sqlite"
    monkeypatch.setenv("ARCHON_GRAPH_CACHE", str(file))
    monkeypatch.chdir(tmp_path)
    return file


def several(model: Any) -> dict[str, Architecture]:
    """Three architectures whose first samples are the same calls."""
    return {"single": single(model), "best-of-n": best_of_n(model), "vote": self_consistency(model, samples=4)}


def values(evaluation: Evaluation) -> dict[tuple[str, str], Any]:
    return {(row.architecture, row.item): row.score.to_json()["value"] for row in evaluation.rows}


def stable(evaluation: Evaluation) -> list[dict[str, Any]]:
    """The rows without what differs between equal runs."""
    rows = [row.to_json() for row in evaluation.rows]
    for each in rows:
        each["answered"] = [candidate["content"] for candidate in each["result"].get("candidates", ())]
        for name in ("at", "seconds", "usage", "paid", "result"):
            del each[name]
    return rows


def written(name: str = "answers.jsonl") -> str:
    """What a file of the log holds."""
    return Path("log", name).read_text(encoding="utf-8")


class Failing:
    """A model whose calls fail for some questions, until they are mended."""

    def __init__(self, fails: Callable[[int], bool]) -> None:
        self.fails = fails
        self.model = ScriptedModel(self._reply, json=True, cache_id="failing")

    def _reply(self, call: ScriptedCall) -> Any:
        if call.schema is None and self.fails(int(call.prompt.split()[2])):
            return ModelError("the provider is down", model="failing")
        return doubling.reply(call)


async def test_every_question_of_every_architecture_is_scored(cache: Path):
    model = doubling.model()
    evaluation = await evaluate(several(model), benchmark(QUESTIONS), out="log")
    items = [f"q{number}" for number in range(1, QUESTIONS + 1)]
    assert [(row.architecture, row.item) for row in evaluation.rows] == [
        (name, item) for name in ("single", "best-of-n", "vote") for item in items
    ]
    for number, row in enumerate(evaluation.of("single"), start=1):
        assert row.score.value == float(is_right(number, 0))
        assert row.answer == doubling.answer(number, 0)
        assert row.result["trace"][0]["node"] == "generator_1"
        assert row.usage["calls"] == 1
    assert evaluation.missing == evaluation.left == 0
    assert evaluation.stopped is None
    assert Evaluation.read("log").rows == evaluation.rows


async def test_equal_calls_of_architectures_are_paid_once(cache: Path):
    """The one sample of `single` is the first of the others; what each took is told as if it had been alone."""
    model = doubling.model()
    evaluation = await evaluate(several(model), benchmark(QUESTIONS), out="log")
    assert evaluation.paid.calls == len(model.calls) == QUESTIONS * (5 + 1)
    calls = {name: sum(row.usage["calls"] for row in evaluation.of(name)) for name in evaluation.architectures}
    assert calls == {"single": QUESTIONS, "best-of-n": 6 * QUESTIONS, "vote": 4 * QUESTIONS}


async def test_of_a_question_without_an_answer_only_what_was_paid_counts_as_paid(cache: Path):
    """Its samples are recorded, as any others are: whoever has them from there pays for none of them."""
    model = ScriptedModel(lambda call: "" if call.sample else ModelError("down", model="m"), cache_id="empty")
    architecture, [item] = self_consistency(model, samples=3), benchmark(1).items
    client = Client(cache=cache)
    first, second = [await answer_item("vote", architecture, item, Numeric(), client=client) for _ in range(2)]
    client.close()
    assert first.answer is None
    assert second.answer is None
    asked = len(model.calls)
    assert second.usage["calls"] == first.usage["calls"]
    assert first.paid["calls"] + second.paid["calls"] == asked
    assert second.paid["calls"] < second.usage["calls"]


async def test_the_second_run_asks_nothing_and_writes_nothing(cache: Path):
    model = doubling.model()
    first = await evaluate(several(model), benchmark(QUESTIONS), out="log")
    asked, lines = len(model.calls), written()
    second = await evaluate(several(model), benchmark(QUESTIONS), out="log")
    assert (len(model.calls), second.paid, second.rows) == (asked, Usage(), first.rows)
    assert written() == lines
    elsewhere = await evaluate(several(model), benchmark(QUESTIONS), out="another")
    assert (len(model.calls), elsewhere.paid) == (asked, Usage())
    assert stable(elsewhere) == stable(first)
    assert [row.usage for row in elsewhere.rows] == [row.usage for row in first.rows]


async def test_without_a_place_the_same_evaluation_finds_its_log_again(cache: Path):
    model = doubling.model()
    first = await evaluate({"single": single(model)}, benchmark(2))
    again = await evaluate({"single": single(model)}, benchmark(2))
    other = await evaluate({"single": single(model)}, benchmark(2), seed=1)
    assert first.directory == again.directory != other.directory
    assert first.directory.parent == Path("evaluations")
    assert first.directory.name.startswith("doubling-")


async def test_another_evaluation_in_the_same_place_is_refused(cache: Path):
    model = doubling.model()
    await evaluate({"single": single(model)}, benchmark(2), out="log")
    asked = len(model.calls)
    for settings_ in ({"seed": 1}, {"budget": Budget(calls=9)}):
        with pytest.raises(LogError, match="holds another evaluation"):
            await evaluate({"single": single(model)}, benchmark(2), out="log", **settings_)
    for architectures, questions in (
        ({"other": single(model)}, benchmark(2)),
        ({"single": best_of_n(model)}, benchmark(2)),
        ({"single": single(model)}, benchmark(3)),
        ({"single": single(model)}, benchmark(2, scorer=Numeric(tolerance=1))),
    ):
        with pytest.raises(LogError, match="holds another evaluation"):
            await evaluate(architectures, questions, out="log")
    assert len(model.calls) == asked


async def test_a_failed_call_is_unscored_and_asked_again(cache: Path):
    """It says nothing of the architecture; what is there is not asked again."""
    failing = Failing(lambda number: number in {2, 5})
    first = await evaluate({"single": single(failing.model)}, benchmark(QUESTIONS), out="log")
    assert [row.item for row in first.rows if not row.score.scored] == ["q2", "q5"]
    assert first.left == 2
    assert "the provider is down" in first.rows[1].score.detail
    assert first.rows[1].losses[0]["kind"] == "error"
    asked = len(failing.model.calls)
    failing.fails = lambda number: number == 5
    second = await evaluate({"single": single(failing.model)}, benchmark(QUESTIONS), out="log")
    assert [row.item for row in second.rows if not row.score.scored] == ["q5"]
    assert second.rows[1].score.value == float(is_right(2, 0))
    new = {call.prompt for call in failing.model.calls[asked:]}
    assert new == {"What is 2 doubled?", "What is 5 doubled?"}


async def test_an_answer_that_lost_some_calls_counts(cache: Path):
    """The architecture lived through it; the row says what was lost."""
    failing = Failing(lambda _: False)
    failing.model = ScriptedModel(
        lambda call: ModelError("down", model="m") if call.sample == 1 else doubling.reply(call), cache_id="f"
    )
    evaluation = await evaluate({"vote": self_consistency(failing.model, samples=3)}, benchmark(2), out="log")
    assert all(row.score.scored and row.losses for row in evaluation.rows)


async def test_an_empty_answer_is_wrong_and_final(cache: Path):
    """Nothing failed: so spoke the model."""
    model = ScriptedModel(lambda _: "", cache_id="silent")
    evaluation = await evaluate({"single": single(model)}, benchmark(2), out="log")
    assert [(row.score.value, row.answer) for row in evaluation.rows] == [(0.0, None), (0.0, None)]
    await evaluate({"single": single(model)}, benchmark(2), out="log")
    assert len(model.calls) == 2


@dataclass(frozen=True)
class Moody(Scorer):
    """A scorer of one's own that works only when its mood is good."""

    name: ClassVar[str] = "moody"
    mood: ClassVar[str] = "bad"

    async def score(self, item: Item, answer: str) -> Score:
        if self.mood == "bad":
            raise ZeroDivisionError("a bug")
        if self.mood == "idle":
            return Score.unscored("not today")
        return Score(value=0.5)


async def test_a_scorer_that_fails_leaves_it_unscored_and_scores_later(
    cache: Path, monkeypatch: pytest.MonkeyPatch
):
    """No call is made for it: the answer is there."""
    model = doubling.model()
    questions = benchmark(3, scorer=Moody())
    run = {"single": single(model)}
    broken = await evaluate(run, questions, out="log")
    assert [row.score.value for row in broken.rows] == [UNSCORED] * 3
    assert broken.rows[0].score.detail == "the scorer moody failed: ZeroDivisionError: a bug"
    assert broken.rows[0].answer == doubling.answer(1, 0)
    monkeypatch.setattr(Moody, "mood", "idle")
    idle = await evaluate(run, questions, out="log")
    assert {row.score.detail for row in idle.rows} == {"not today"}
    lines = written()
    await evaluate(run, questions, out="log")
    assert written() == lines, "nothing new is written down again"
    monkeypatch.setattr(Moody, "mood", "good")
    done = await evaluate(run, questions, out="log", client=Client())
    assert [row.score.value for row in done.rows] == [0.5] * 3
    assert done.paid == Usage()
    assert len(model.calls) == 3


def no_backend(_: str) -> Any:
    raise SandboxUnavailableError("nothing isolates")


async def test_everything_that_is_wrong_is_told_before_the_first_call(
    cache: Path, monkeypatch: pytest.MonkeyPatch
):
    """Rules, models, caps that cannot be kept, and a scorer that cannot work here."""
    monkeypatch.setattr(
        "archon_graph.evals.scorers.math_equivalence.require_math_verify",
        lambda: (_ for _ in ()).throw(MissingExtraError("scoring mathematics", "math")),
    )
    model = doubling.model()
    questions = Benchmark(name="b", items=(doubling.item(1), Item(id="m", input="?", target="x", kind="math")))
    broken = Architecture.from_layers([Ranker(model)])
    with pytest.raises(ConfigurationError) as told:
        await evaluate(
            {"good": single(model), "broken": broken, "lost": single("openai:gpt-4o")}, questions, out="log"
        )
    message = str(told.value)
    assert message.startswith("3 problems, and nothing was called:")
    assert "broken: 2 problems in this architecture" in message or "broken: one problem" in message
    assert "OPENAI_API_KEY" in message
    assert [line[:1] for line in message.split("\n")[1:]].count("-") == 3, "what is a list itself is set in"
    assert "'math' cannot be scored here: scoring mathematics needs an optional dependency" in message
    with pytest.raises(ConfigurationError, match="good: the budget of 1,000 tokens cannot be kept"):
        await evaluate({"good": single(model)}, benchmark(1), out="log", total=Budget(tokens=1000))
    monkeypatch.setattr("archon_graph.sandbox.sandbox.working_backend", no_backend)
    code = Benchmark(name="c", items=(Item(id="c", input="?", tests=("assert True",), kind="code"),))
    with pytest.raises(ConfigurationError, match="'code' cannot be scored here: nothing isolates"):
        await evaluate({"good": single(model)}, code, out="log")
    with pytest.raises(ConfigurationError, match="has no items"):
        await evaluate({"good": single(model)}, Benchmark(name="none", items=()), out="log")
    assert model.calls == ()
    with pytest.raises(LogError, match="holds no evaluation"):
        Evaluation.read("log")


async def test_a_scorer_of_ones_own_is_not_tried_beforehand(cache: Path):
    """It might call a model."""
    asked = []

    @dataclass(frozen=True)
    class Judge(Scorer):
        name: ClassVar[str] = "judge"

        async def score(self, item: Item, answer: str) -> Score:
            asked.append(answer)
            return Score(value=1.0)

    model = doubling.model()
    for scorer in (Judge(), ByKind({"numeric": Judge()})):
        asked.clear()
        await evaluate({"single": single(model)}, benchmark(1, scorer=scorer), out=f"log-{scorer.name}")
        assert asked == [doubling.answer(1, 0)]


@pytest.mark.parametrize(("settings_", "told"), [({"concurrency": 0}, "at least 1, got 0")])
async def test_settings_that_make_no_sense(cache: Path, settings_: Mapping[str, Any], told: str):
    with pytest.raises(ValueError, match=told):
        await evaluate({"single": single(doubling.model())}, benchmark(1), **settings_)
    with pytest.raises(ValueError, match="no architecture"):
        await evaluate({}, benchmark(1))


async def test_when_a_model_is_gone_it_is_not_asked_for_ever(cache: Path):
    """After many questions in a row without an answer; what was answered stays, and other models are asked on."""
    failing = Failing(lambda number: number > 10)
    run = {"failing": single(failing.model), "well": single(doubling.model())}
    evaluation = await evaluate(run, benchmark(200), out="log", concurrency=4)
    assert evaluation.stopped == "errors"
    scored = {name: sum(row.score.scored for row in evaluation.of(name)) for name in run}
    assert scored == {"failing": 10, "well": 200}
    assert 20 <= len(evaluation.of("failing")) - 10 < 20 + 2 * 4
    assert evaluation.left == 190
    failing.fails = lambda _: False
    done = await evaluate(run, benchmark(200), out="log")
    assert (done.stopped, done.left) == (None, 0)


async def test_failures_here_and_there_do_not_end_it(cache: Path):
    failing = Failing(lambda number: number % 2 > 0)
    evaluation = await evaluate({"single": single(failing.model)}, benchmark(200), out="log")
    assert (evaluation.stopped, evaluation.left, len(evaluation.rows)) == (None, 100, 200)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15, deadline=None)
@given(caps=st.lists(st.integers(1, 40), min_size=1, max_size=4), keep=st.booleans())
async def test_stopped_by_a_budget_and_taken_up_again_it_ends_as_if_undisturbed(
    tmp_path_factory: Any, caps: list[int], keep: bool
):
    """No answer that the cap cut short is ever taken for the architecture's; no cap is exceeded."""
    folder = tmp_path_factory.mktemp("capped")
    model = doubling.model()
    questions = benchmark(4)
    whole = await evaluate(several(model), questions, out=folder / "whole", client=Client())
    for cap in [*caps, 4 * (1 + 6 + 4)]:
        client = Client(cache=folder / "c.sqlite") if keep else Client()
        before = len(model.calls)
        capped = await evaluate(
            several(model), questions, out=folder / "capped", client=client, total=Budget(calls=cap), concurrency=3
        )
        client.close()
        assert capped.paid.calls == len(model.calls) - before <= cap
        assert capped.stopped in (None, "budget")
        assert (capped.stopped == "budget") == (capped.left > 0)
        settled = [each for each in stable(capped) if each["score"]["value"] is not None]
        assert all(each in stable(whole) for each in settled)
    if keep:
        assert stable(capped) == stable(whole)


async def test_time_that_is_up_ends_it(cache: Path):
    model = doubling.model()
    evaluation = await evaluate({"single": single(model)}, benchmark(3), out="log", total=Budget(seconds=0))
    assert evaluation.stopped == "budget"
    assert not any(row.score.scored for row in evaluation.rows)
    assert (await evaluate({"single": single(model)}, benchmark(3), out="log")).left == 0


async def test_a_budget_of_a_question_is_part_of_what_is_evaluated(cache: Path):
    """An answer that it cut short is the architecture's answer under that budget."""
    model = doubling.model()
    evaluation = await evaluate(
        {"vote": self_consistency(model, samples=5)},
        benchmark(3),
        out="log",
        budget=Budget(calls=2),
        client=Client(),
    )
    assert (evaluation.left, evaluation.stopped) == (0, None)
    assert [row.stopped for row in evaluation.rows] == ["budget"] * 3
    assert [row.usage["calls"] for row in evaluation.rows] == [2] * 3
    nothing = await evaluate({"vote": single(model)}, benchmark(3), out="none", budget=Budget(calls=0))
    assert [row.score.value for row in nothing.rows] == [0.0] * 3


async def test_no_more_questions_at_once_than_allowed(cache: Path):
    at_once, most, lock = 0, 0, threading.Lock()

    def counted(call: ScriptedCall) -> Any:
        return doubling.reply(call)

    class Counting(Scorer):
        name: ClassVar[str] = "counting"

        async def score(self, item: Item, answer: str) -> Score:
            nonlocal at_once, most
            with lock:
                at_once += 1
                most = max(most, at_once)
            await asyncio.sleep(0.005)
            at_once -= 1
            return Score(value=1.0)

    model = ScriptedModel(counted, cache_id="counted")
    await evaluate(several(model), benchmark(8, scorer=Counting()), out="log", concurrency=3)
    assert most == 3


async def test_progress_counts_up_to_the_end(cache: Path):
    model = doubling.model()
    told: list[Progress] = []
    await evaluate(several(model), benchmark(4), out="log", total=Budget(calls=9))
    evaluation = await evaluate(several(model), benchmark(4), out="log", on_progress=told.append)
    assert [each.done for each in told] == [*range(told[0].done, 13)]
    assert 0 < told[0].done < 12
    assert told[0].seconds_left is None
    assert (told[-1].seconds_left, told[-1].paid) == (0.0, evaluation.paid)
    assert {each.total for each in told} == {12}


async def test_a_bug_is_raised_as_it_is_and_costs_nothing_that_was_done(
    cache: Path, monkeypatch: pytest.MonkeyPatch
):
    """Not as a group of errors; the others end with it."""
    model = doubling.model()
    run = {"single": single(model), "vote": Generator(model, samples=2) | Voter()}
    original = Voter.run

    async def broken(self: Voter, context: Any) -> Any:
        if "3 doubled" in context.question[-1].text:
            raise ZeroDivisionError("a bug")
        return await original(self, context)

    monkeypatch.setattr(Voter, "run", broken)
    with pytest.raises(ZeroDivisionError):
        await evaluate(run, benchmark(5), out="log", concurrency=1)
    assert {(row.architecture, row.item) for row in Evaluation.read("log").rows} == {
        *(("single", f"q{number}") for number in (1, 2, 3)),
        *(("vote", f"q{number}") for number in (1, 2)),
    }
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []
    monkeypatch.setattr(Voter, "run", original)
    assert (await evaluate(run, benchmark(5), out="log")).left == 0


async def test_what_is_not_on_the_tape_ends_it(cache: Path):
    model = doubling.model()
    await evaluate({"single": single(model)}, benchmark(2), out="log")
    client = Client(cache=cache, replay="strict")
    replayed = await evaluate({"single": single(model)}, benchmark(2), out="replayed", client=client)
    assert (replayed.left, replayed.paid) == (0, Usage())
    with pytest.raises(TapeMissError, match="3 doubled"):
        await evaluate({"single": single(model)}, benchmark(3), out="longer", client=client)
    client.close()


async def test_the_log_holds_what_it_takes_to_run_it_again(cache: Path):
    """Settings, wording, models, versions, the questions; an architecture can be made from it."""
    spec = register_model("m", doubling.model())
    architecture = Generator(spec, samples=3, temperature=0.5) | Ranker(spec, top_k=2) | Fuser(spec)
    await evaluate({"mine": architecture}, benchmark(2), out="log", budget=Budget(calls=7), concurrency=3)
    run = json.loads(written("run.json"))
    [told] = run["architectures"]
    assert Architecture.from_config(told["config"]).fingerprint == told["fingerprint"] == architecture.fingerprint
    assert set(told["prompts"]) == {"generator_1", "ranker_1", "fuser_1"}
    assert all(told["prompts"].values())
    assert told["mermaid"] == architecture.draw_mermaid()
    assert run["identity"]["models"]["custom:m"]["provider"] == "custom"
    assert run["identity"]["budget"] == "7 calls"
    assert run["benchmark"]["fingerprint"] == benchmark(2).fingerprint
    [start] = run["starts"]
    assert start["concurrency"] == 3
    assert {"archon-graph", "python", "langgraph", "langchain-core"} <= set(start["versions"])
    assert [item.fingerprint for item in Evaluation.read("log").items] == [
        item.fingerprint for item in benchmark(2).items
    ]


async def test_a_model_without_a_name_can_be_evaluated(cache: Path):
    """No file can hold it, and nothing is recorded of it; the log is there all the same."""
    model = ScriptedModel(doubling.reply, json=True)
    evaluation = await evaluate({"single": single(model)}, benchmark(2), out="log")
    assert evaluation.run["architectures"][0]["config"] is None
    assert (await evaluate({"single": single(model)}, benchmark(2), out="log")).paid == Usage()
    assert len(model.calls) == 2


def test_an_answer_that_does_not_belong_there_is_told(cache: Path):
    asyncio.run(evaluate({"single": single(doubling.model())}, benchmark(2), out="log"))
    file = Path("log/answers.jsonl")
    file.write_text(file.read_text().replace('"item": "q2"', '"item": "q7"'))
    with pytest.raises(LogError, match=r"an answer of 'single' to 'q7'.* has none such"):
        Evaluation.read("log")


async def test_values_come_from_the_scorer(cache: Path):
    model = doubling.model()
    evaluation = await evaluate(several(model), benchmark(QUESTIONS), out="log")
    expected = {}
    for number in range(1, QUESTIONS + 1):
        # The script's ranker likes the last of five best; a vote takes the largest group, the first of equals.
        expected["single", f"q{number}"] = float(is_right(number, 0))
        expected["best-of-n", f"q{number}"] = float(is_right(number, 4))
        said = [doubling.answer(number, sample) for sample in range(4)]
        winner = max(dict.fromkeys(said), key=said.count)
        expected["vote", f"q{number}"] = float(winner == f"#### {2 * number}")
    assert values(evaluation) == expected
