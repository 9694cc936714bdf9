"""Curves over the number of samples, from a log: known values, no calls, each sample scored once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

from archon_graph import Architecture, Critic, Generator, Ranker, ScriptedModel, Voter
from archon_graph.components import Agreement
from archon_graph.evals import (
    Benchmark,
    Evaluation,
    Item,
    LogError,
    SampleCurves,
    Score,
    Scorer,
    compare_architectures,
    evaluate,
    recorded_curves,
    sample_curves,
)
from archon_graph.evals.curves import shown_numbers
from archon_graph.evals.scorers import Numeric
from archon_graph.evals.statistics import pass_at_k
from archon_graph.graphs import best_of_n, self_consistency, single
from archon_graph.models import Client, ConfigurationError, ModelError, ScriptedCall
from tests.evals import doubling
from tests.evals.doubling import benchmark, is_right
from tests.replies import good_reply


def saying(*answers: Sequence[Any]) -> ScriptedModel:
    """A model that says these things: for each question of `doubling` its samples, in order."""

    def reply(call: ScriptedCall) -> Any:
        if call.schema is not None:
            return good_reply(call)
        said = answers[int(call.prompt.split()[2]) - 1][call.sample]
        return said if isinstance(said, ModelError) else f"#### {said}" if said != "" else ""

    return ScriptedModel(reply, json=True, cache_id="saying")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


async def run(
    architectures: Architecture | dict[str, Architecture], questions: Benchmark, log: Path
) -> Evaluation:
    named = architectures if isinstance(architectures, dict) else {"it": architectures}
    return await evaluate(named, questions, out=log, client=Client())


def means(curves: SampleCurves) -> dict[str, list[float | None]]:
    """The points of each curve."""
    return {
        name: [None if point.mean is None else round(point.mean, 6) for point in curve.points]
        for name, curve in curves.curves.items()
    }


async def test_values_that_are_known_by_hand(log: Path):
    """Three samples: right, right, wrong; and right, wrong, another wrong."""
    await run(self_consistency(saying([2, 2, 3], [4, 5, 6]), samples=3), benchmark(2), log)
    [curves] = await sample_curves(log)
    assert (curves.architecture, curves.nodes, curves.samples) == ("it", ("generator_1",), 3)
    assert (curves.questions, curves.left_out) == (2, 0)
    first, second = [2 / 3, 2 / 3, 1.0], [1 / 3, 1 / 3, 1 / 3]
    assert means(curves) == {
        "one": [0.5, 0.5, 0.5],
        # Of the second question's three answers, each wins with the same chance.
        "vote": [round((a + b) / 2, 6) for a, b in zip(first, second, strict=True)],
        "oracle": [0.5, round((1.0 + 2 / 3) / 2, 6), 1.0],
    }


async def test_the_oracle_is_pass_at_k_and_a_vote_on_all_is_the_voter(log: Path):
    samples, count = 5, 12
    evaluation = await run(self_consistency(doubling.model(), samples=samples), benchmark(count), log)
    [curves] = await sample_curves(log)
    right = [sum(is_right(number, sample) for sample in range(samples)) for number in range(1, count + 1)]
    for k in range(1, samples + 1):
        assert curves.oracle[k].mean == pytest.approx(sum(pass_at_k(samples, c, k) for c in right) / count)
    assert curves.one[3].mean == pytest.approx(sum(right) / samples / count)
    # Wrong answers are of two kinds: a tie needs two right ones and two of one kind.
    if all(c != 2 for c in right):
        assert curves.vote[samples].mean == compare_architectures(evaluation).standings[0].score.mean


@dataclass(frozen=True)
class Counting(Scorer):
    """Scores numbers, and counts how often it is asked."""

    name: ClassVar[str] = "counting"
    asked: ClassVar[list[str]] = []

    async def score(self, item: Item, answer: str) -> Score:
        self.asked.append(answer)
        return await Numeric().score(item, answer)


async def test_each_sample_is_scored_once_and_no_model_is_called(log: Path):
    model = saying([2, 2, 3, 2], [4, 5, 6, 5])
    Counting.asked.clear()
    await run(self_consistency(model, samples=4), benchmark(2, scorer=Counting()), log)
    calls = len(model.calls)
    assert len(Counting.asked) == 2
    told: list[tuple[int, int]] = []
    first = await sample_curves(log, scorer=Counting(), on_progress=lambda *done: told.append(done))
    # Equal samples are one text, and what was answered in the end is scored already.
    assert sorted(Counting.asked[2:]) == ["#### 3", "#### 4", "#### 6"]
    assert told == [(2, 5), (3, 5), (4, 5), (5, 5)]
    asked = len(Counting.asked)
    assert await sample_curves(log, scorer=Counting()) == first
    assert recorded_curves(Evaluation.read(log)) == first
    assert len(Counting.asked) == asked
    assert len(model.calls) == calls


async def test_curves_that_are_not_scored_yet_are_not_drawn(log: Path):
    evaluation = await run(
        {"single": single(doubling.model()), "vote": self_consistency(doubling.model())}, benchmark(3), log
    )
    assert recorded_curves(evaluation) == []
    [curves] = await sample_curves(log)
    assert curves.architecture == "vote"
    assert recorded_curves(evaluation) == [curves]


async def test_an_empty_sample_is_wrong_and_does_not_vote(log: Path):
    """Also where nothing else was said; the pool has all its samples."""
    await run(self_consistency(saying([2, "", ""], ["", "", ""]), samples=3), benchmark(2), log)
    [curves] = await sample_curves(log)
    assert (curves.samples, curves.questions, curves.left_out) == (3, 2, 0)
    assert means(curves)["one"] == [round(1 / 6, 6)] * 3
    assert means(curves)["vote"][2] == 0.5
    assert means(curves)["oracle"][2] == 0.5


async def test_a_question_with_failed_calls_is_left_out_and_shortens_nothing(log: Path):
    failed = ModelError("down", model="saying")
    model = saying([2, 2, 3], [4, failed, 5], [failed, failed, failed])
    await run(self_consistency(model, samples=3), benchmark(3), log)
    [curves] = await sample_curves(log)
    assert (curves.samples, curves.questions, curves.left_out) == (3, 1, 2)
    assert means(curves)["oracle"] == [round(2 / 3, 6), 1.0, 1.0]


async def test_who_puts_all_samples_in_order_has_a_curve(log: Path):
    """The script's ranker reverses them; a critic leaves the order as it is, and ranks nothing."""
    model = saying([2, 3, 3], [4, 4, 5])
    await run(Generator(model, samples=3) | Critic(model) | Ranker(model), benchmark(2), log)
    [curves] = await sample_curves(log)
    assert set(curves.curves) == {"one", "vote", "best by ranker_1", "oracle"}
    assert set(curves.ranked) == {"ranker_1"}
    # Right are the first of three and the first two: the last of those drawn is taken.
    assert means(curves)["best by ranker_1"] == [0.5, round((0 + 1 / 3) / 2, 6), 0.0]


async def test_clusters_of_questions_are_heeded(log: Path):
    items = tuple(doubling.item(number, cluster="x" if number < 3 else "y") for number in range(1, 5))
    await run(best_of_n(doubling.model()), Benchmark(name="clustered", items=items), log)
    [curves] = await sample_curves(log)
    assert curves.oracle[1].clusters == 2


async def test_an_interval_ends_where_scores_do(log: Path):
    """With two questions it would go far below 0 and above 1; scores that are no shares have no such ends."""
    model = saying([2, 2, 3], [4, 5, 6])
    await run(self_consistency(model, samples=3), benchmark(2), log)
    [curves] = await sample_curves(log)
    assert (curves.one[1].low, curves.one[1].high, curves.vote[2].high, curves.oracle[2].high) == (
        0.0,
        1.0,
        1.0,
        1.0,
    )

    @dataclass(frozen=True)
    class Thousands(Scorer):
        name: ClassVar[str] = "thousands"

        async def score(self, item: Item, answer: str) -> Score:
            return Score(value=1000.0 * float((await Numeric().score(item, answer)).value))  # type: ignore[arg-type]

    other = log.parent / "other"
    await run(self_consistency(model, samples=3), benchmark(2, scorer=Thousands()), other)
    [wide] = await sample_curves(other, scorer=Thousands())
    assert wide.one[1].low < 0.0
    assert wide.one[1].high > 1000.0


async def test_votes_look_where_they_are_told_to(log: Path):
    """As numbers, 2.0 and 2 agree; as texts they do not."""
    await run(Generator(saying(["2.0", "2", "7"]), samples=3) | Voter(), benchmark(1), log)
    [numbers] = await sample_curves(log)
    [texts] = await sample_curves(log, answers="exact")
    assert means(numbers)["vote"][2] == 1.0
    assert means(texts)["vote"][2] == round(2 / 3, 6)


async def test_samples_of_several_generators_need_to_be_named(log: Path):
    model, other = saying([2, 3]), saying([9, 9])
    both = [Generator(model, samples=2), Generator(other, samples=2, temperature=0.5)] | Voter()
    await run({"both": both, "single": single(model)}, benchmark(1), log)
    with pytest.raises(ConfigurationError, match=r"nothing to draw a curve of.*name one with --architecture"):
        await sample_curves(log)
    with pytest.raises(ConfigurationError, match=r"--node generator_1, --node generator_2"):
        await sample_curves(log, architectures=["both"])
    [one] = await sample_curves(log, nodes=["generator_2"])
    assert (one.architecture, means(one)["oracle"]) == ("both", [0.0, 0.0])
    [pool] = await sample_curves(log, architectures=["both"], nodes=["generator_1", "generator_2"])
    assert (pool.samples, means(pool)["one"][0]) == (4, 0.25)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"architectures": ["vot"]}, r"no architecture 'vot' \(did you mean 'vote'\?\); it has vote, single"),
        ({"architectures": ["single"]}, "no node of single drew several samples"),
        (
            {"architectures": ["vote"], "nodes": ["generator"]},
            r"no generator 'generator'.*did you mean 'generator_1'",
        ),
        ({"nodes": ["nobody"]}, "has a generator nobody"),
        ({"scorer": Numeric(tolerance=3.0)}, r"were scored by by-kind.*and numeric@1.* was given"),
    ],
)
async def test_what_cannot_be_drawn_is_told(log: Path, asked: Any, told: str):
    model = doubling.model()
    await run({"vote": self_consistency(model, samples=2), "single": single(model)}, benchmark(2), log)
    with pytest.raises(ConfigurationError, match=told):
        await sample_curves(log, **asked)


async def test_a_scorer_of_ones_own_has_to_be_given(log: Path):
    await run(self_consistency(doubling.model(), samples=2), benchmark(2, scorer=Counting()), log)
    with pytest.raises(
        ConfigurationError, match=r"scored by counting@1, which a log cannot make again; from Python"
    ):
        await sample_curves(log)


async def test_samples_that_stopped_because_they_agreed_are_no_pool(log: Path):
    model = saying([2, 2, 2, 2])
    await run(Generator(model, samples=4, stop_when=Agreement()) | Voter(), benchmark(1), log)
    with pytest.raises(ConfigurationError, match=r"generator_1 of it stops drawing .* without stop_when"):
        await sample_curves(log)


async def test_there_has_to_be_a_log(tmp_path: Path):
    with pytest.raises(LogError, match="holds no evaluation"):
        await sample_curves(tmp_path)


async def test_curves_are_plain_data(log: Path):
    await run(best_of_n(doubling.model()), benchmark(3), log)
    [curves] = await sample_curves(log)
    data = json.loads(json.dumps(curves.to_json(), allow_nan=False))
    assert data["curves"]["oracle"]["points"][4]["samples"] == 5
    assert {name: len(curve["points"]) for name, curve in data["curves"].items()} == {
        "one": 5,
        "vote": 5,
        "oracle": 5,
    }


@pytest.mark.parametrize(
    ("samples", "numbers"),
    [
        (0, []),
        (1, [1]),
        (5, [1, 2, 3, 4, 5]),
        (10, [1, 2, 3, 4, 5, 6, 7, 8, 10]),
        (40, [1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 20, 24, 28, 32, 40]),
        (96, [1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 20, 24, 28, 32, 64, 96]),
    ],
)
def test_tables_show_as_many_rows_as_one_reads(samples: int, numbers: list[int]):
    assert shown_numbers(samples) == numbers
