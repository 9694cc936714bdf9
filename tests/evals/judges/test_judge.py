"""A judge is a scorer that draws through the one door: recorded, paid, resumed, and never taken for a rule."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from archon_graph import ScriptedModel
from archon_graph.evals import ByKind, Evaluation, Item, compare_architectures, evaluate
from archon_graph.evals.asking import SPENT
from archon_graph.evals.judges.protocol import verdicts_of
from archon_graph.evals.report import write_report
from archon_graph.evals.scorers import Exact
from archon_graph.graphs import single
from archon_graph.models import Budget, Client, ConfigurationError, ModelError, ScriptedCall, TapeMissError
from tests.evals.judges.longest import Longest, benchmark, fair, first, judge


def talker(text: str = "four") -> ScriptedModel:
    return ScriptedModel(lambda _: text, cache_id=f"talker-{text}")


async def run(questions: Any, out: Path, *, model: Any = None, **settings: Any) -> Evaluation:
    """An evaluation of one answer to each."""
    client = settings.pop("client", None) or Client(cache=out.parent / "cache.sqlite")
    return await evaluate({"single": single(model or talker())}, questions, out=out, client=client, **settings)


async def test_both_orders_are_played_and_weighed(tmp_path: Path):
    evaluation = await run(benchmark(judge(fair), "no", "many words", "four"), tmp_path / "log")

    assert [row.score.value for row in evaluation.rows] == [1.0, 0.0, 0.5]
    games = verdicts_of(evaluation.rows[0].score)
    assert [(game.game, game.swapped, game.label, game.value) for game in games] == [
        ("game-1", False, "B", 1.0),
        ("game-2", True, "A", 1.0),
    ]


async def test_what_judging_took_is_told_and_paid(tmp_path: Path):
    evaluation = await run(benchmark(judge(fair), "no", "many words"), tmp_path / "log")

    [standing] = compare_architectures(evaluation).standings
    assert (standing.usage.calls, standing.judging.calls, evaluation.paid.calls) == (2, 4, 6)


async def test_no_verdict_is_asked_for_twice(tmp_path: Path):
    calls: Counter[str] = Counter()

    def counted(call: ScriptedCall) -> Any:
        calls[call.prompt] += 1
        return fair(call)

    questions = benchmark(judge(counted), "no", "many words")
    await run(questions, tmp_path / "log")
    again = await run(questions, tmp_path / "log")
    elsewhere = await run(questions, tmp_path / "other")

    assert len(calls) == 4
    assert set(calls.values()) == {1}
    assert again.paid.calls == elsewhere.paid.calls == 0
    assert compare_architectures(elsewhere).standings[0].judging.calls == 4


async def test_a_reply_that_cannot_be_read_is_asked_for_again(tmp_path: Path):
    def second_time(call: ScriptedCall) -> Any:
        return fair(call) if call.sample else "well, it depends"

    evaluation = await run(benchmark(judge(second_time), "no"), tmp_path / "log")

    [row] = evaluation.rows
    assert row.score.value == 1.0
    assert [verdict.attempts for verdict in verdicts_of(row.score)] == [2, 2]
    [standing] = compare_architectures(evaluation).standings
    assert standing.audit is not None
    assert (standing.audit.repeated, standing.audit.unreadable) == (2, 0)


async def test_a_judge_that_says_nothing_leaves_the_answer_unscored(tmp_path: Path):
    evaluation = await run(benchmark(judge(lambda _: "?"), "no"), tmp_path / "log")

    [row] = evaluation.rows
    assert not row.score.scored
    assert row.answer == "four"
    assert [verdict.text for verdict in verdicts_of(row.score)] == ["?", "?"]
    told = " ".join(compare_architectures(evaluation).verdict)
    assert "1 question unscored" in told
    assert "tries them again" not in told, "the same reply is recorded"


async def test_a_judge_that_fails_leaves_the_answer_unscored_and_is_asked_at_the_next_start(tmp_path: Path):
    broken = judge(lambda _: ModelError("the judge is away", model="judge"))
    before = await run(benchmark(broken, "no"), tmp_path / "log")
    answers: Counter[str] = Counter()

    def counted(call: ScriptedCall) -> Any:
        answers[call.prompt] += 1
        return "four"

    after = await run(
        benchmark(judge(fair), "no"), tmp_path / "log", model=ScriptedModel(counted, cache_id="talker-four")
    )

    assert "the judge is away" in before.rows[0].score.detail
    assert before.left == 1
    assert after.rows[0].score.value == 1.0
    assert not answers, "the answer was there; only its verdicts were missing"


async def test_an_empty_answer_loses_unheard(tmp_path: Path):
    def nobody(call: ScriptedCall) -> Any:
        raise AssertionError(call.prompt)

    evaluation = await run(benchmark(judge(nobody), "no"), tmp_path / "log", model=talker(" "))

    [row] = evaluation.rows
    assert row.score.value == 0.0
    assert [verdict.attempts for verdict in verdicts_of(row.score)] == [0, 0]
    assert compare_architectures(evaluation).standings[0].judging.calls == 0


async def test_equal_answers_are_a_tie_unheard(tmp_path: Path):
    def nobody(call: ScriptedCall) -> Any:
        raise AssertionError(call.prompt)

    evaluation = await run(benchmark(judge(nobody), "four"), tmp_path / "log")

    assert evaluation.rows[0].score.value == 0.5


async def test_the_whole_budget_holds_for_the_judge(tmp_path: Path):
    questions = benchmark(judge(fair), "no", "many words")
    stopped = await run(questions, tmp_path / "log", total=Budget(calls=4), concurrency=1)
    ended = await run(questions, tmp_path / "log")

    assert stopped.paid.calls == 4
    assert stopped.stopped == "budget"
    assert stopped.rows[-1].error == SPENT
    assert not stopped.rows[-1].score.scored
    assert ended.paid.calls == 2
    assert ended.rows[-1].error is None
    assert ended.left == 0


async def test_an_item_without_a_baseline_is_told_before_anything_is_paid(tmp_path: Path):
    whole = benchmark(judge(fair), "no", "yes")
    questions = replace(whole, items=(whole.items[0], replace(whole.items[1], metadata={})))
    calls: Counter[str] = Counter()
    model = ScriptedModel(lambda call: calls.update([call.prompt]) or "x")

    with pytest.raises(ConfigurationError, match="1 of 2 items, the first 'q2': has no baseline"):
        await run(questions, tmp_path / "log", model=model)
    assert not calls


async def test_a_judge_that_cannot_be_opened_is_told_before_anything_is_paid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.chdir(tmp_path)
    questions = benchmark(replace(judge(fair), model="openai:gpt-4o"), "no")

    with pytest.raises(ConfigurationError, match=r"judge.*OPENAI_API_KEY"):
        await run(questions, tmp_path / "log")


async def test_the_judge_is_part_of_what_makes_two_evaluations_the_same(tmp_path: Path):
    await run(benchmark(judge(fair), "no"), tmp_path / "log")

    with pytest.raises(ConfigurationError, match="scorer"):
        await run(benchmark(judge(fair, cache_id="another-judge"), "no"), tmp_path / "log")


async def test_a_judge_for_one_kind_among_rules(tmp_path: Path):
    own = benchmark(judge(fair), "no")
    sum_ = Item(id="sum", input="2 and 2?", target="four", kind="exact")
    questions = replace(own, items=(*own.items, sum_), scorer=ByKind({"preference": own.scorer}))

    evaluation = await run(questions, tmp_path / "log")

    assert [row.score.value for row in evaluation.rows] == [1.0, 1.0]
    [standing] = compare_architectures(evaluation, scorer=questions.scorer).standings
    assert standing.figures == {"preference: wins": 1}
    assert standing.judging.calls == 2


async def test_a_judge_without_a_client_says_so():
    with pytest.raises(ConfigurationError, match="client"):
        await judge(fair).score(Item(id="one", input="?", kind="preference"), "an answer")


class TestAudit:
    async def test_a_judge_that_looks_at_the_place_alone(self, tmp_path: Path):
        evaluation = await run(benchmark(judge(first), "no", "many words", "five"), tmp_path / "log")

        [standing] = compare_architectures(evaluation).standings
        audit = standing.audit
        assert audit is not None
        assert (audit.pairs, audit.flips, audit.wavered, audit.ties) == (3, 3, 0, 0)
        assert (audit.first_preferred, audit.decided) == (6, 6)
        assert audit.order_p_value == pytest.approx(2 * 0.5**6)
        assert standing.score.mean == 0.5, "what the order decides is worth nothing"

    async def test_a_fair_judge(self, tmp_path: Path):
        evaluation = await run(benchmark(judge(fair), "no", "many words", "five"), tmp_path / "log")

        [standing] = compare_architectures(evaluation).standings
        audit = standing.audit
        assert audit is not None
        assert (audit.flips, audit.wavered, audit.ties) == (0, 0, 2)
        assert (audit.first_preferred, audit.decided) == (2, 4)

    async def test_a_judge_who_always_says_the_same(self, tmp_path: Path):
        evaluation = await run(benchmark(judge(first), *["no", "many words"] * 4), tmp_path / "log")

        summary = compare_architectures(evaluation)
        assert summary.standings[0].audit is not None
        assert summary.standings[0].audit.constant == "A"
        assert "every verdict is A" in " ".join(summary.verdict)

    async def test_length(self, tmp_path: Path):
        baselines = ["x" * length for length in range(1, 12)]
        evaluation = await run(benchmark(judge(fair), *baselines), tmp_path / "log")

        [standing] = compare_architectures(evaluation).standings
        assert standing.audit is not None
        assert standing.audit.length_correlation is not None
        assert standing.audit.length_correlation > 0.7
        assert "rank correlation +0." in " ".join(compare_architectures(evaluation).verdict)


class TestTurns:
    """An item with a follow-up is a conversation of two answers."""

    async def test_the_second_turn_sees_the_first_answer(self, tmp_path: Path):
        seen: list[list[str]] = []

        def reply(call: ScriptedCall) -> Any:
            seen.append([str(message.text) for message in call.messages])
            return f"answer {len(call.messages)}"

        own = benchmark(judge(fair), "no")
        questions = replace(own, items=(replace(own.items[0], follow_ups=("And now shorter.",)),))
        evaluation = await run(questions, tmp_path / "log", model=ScriptedModel(reply, cache_id="turns"))

        assert seen == [
            ["Say something, 1."],
            ["Say something, 1.", "answer 1", "And now shorter."],
        ]
        [row] = Evaluation.read(tmp_path / "log").rows
        assert row.answers == ["answer 1", "answer 3"]
        assert row.usage["calls"] == 2
        assert evaluation.items == Evaluation.read(tmp_path / "log").items

    async def test_a_budget_is_for_all_turns(self, tmp_path: Path):
        own = benchmark(judge(fair), "no")
        questions = replace(own, items=(replace(own.items[0], follow_ups=("And now shorter.",)),))

        evaluation = await run(questions, tmp_path / "log", budget=Budget(calls=1))

        [row] = evaluation.rows
        assert row.usage["calls"] == 1
        assert row.answer is None
        assert row.score.value == 0.0


async def test_the_report_shows_what_was_said(tmp_path: Path):
    own = benchmark(judge(fair), "no")
    questions = replace(own, items=(replace(own.items[0], follow_ups=("And now shorter.",)),))
    evaluation = await run(questions, tmp_path / "log")

    page = write_report(evaluation).read_text(encoding="utf-8")

    for shown in ("Judged by", "game-1: B; A is the other one", "game-2: A; A is this answer", "Compared with"):
        assert shown in page
    for shown in ("And now shorter.", "Answer to turn 1"):
        assert shown in page


async def test_a_cap_on_money_needs_the_judges_price_beforehand(tmp_path: Path):
    questions = benchmark(judge(fair), "no")
    prices = {"custom:talker-four": {"prompt": 1.0, "completion": 1.0}}
    asked: list[str] = []

    def counted(call: ScriptedCall) -> Any:
        asked.append(call.prompt)
        return "four"

    with pytest.raises(ConfigurationError, match=r"the judge.*price is not known"):
        await run(
            questions,
            tmp_path / "log",
            model=ScriptedModel(counted, cache_id="talker-four"),
            client=Client(prices=prices),
            total=Budget(money=1.0),
        )
    assert not asked


class TestResuming:
    async def test_what_judging_took_is_in_the_rows(self, tmp_path: Path):
        questions = benchmark(judge(fair), "no", "many words")
        paid = 0
        for most in (2, 1, 1, 9):
            evaluation = await run(questions, tmp_path / "log", total=Budget(calls=most), concurrency=1)
            paid += evaluation.paid.calls

        assert paid == 6
        assert sum(row.paid["calls"] for row in evaluation.rows) == 6

    async def test_another_model_behind_the_same_name_is_another_judge(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        own = replace(judge(fair), model="openai:gpt-4o")
        before = own.identity
        monkeypatch.setenv("OPENAI_BASE_URL", "https://second.example/v1")

        assert own.identity != before

    async def test_a_judge_that_is_gone_ends_the_evaluation(self, tmp_path: Path):
        broken = judge(lambda _: ModelError("away", model="judge"))
        evaluation = await run(benchmark(broken, *["no"] * 80), tmp_path / "log", concurrency=1, client=Client())

        assert evaluation.stopped == "errors"
        assert len(evaluation.rows) < 80
        told = " ".join(compare_architectures(evaluation).verdict)
        assert "tries them again" in told

    async def test_a_strict_replay_without_the_verdicts_says_so(self, tmp_path: Path):
        questions = benchmark(judge(fair), "no")
        await evaluate(
            {"single": single(talker())},
            replace(questions, scorer=ByKind({"preference": Exact()})),
            out=tmp_path / "first",
            client=Client(cache=tmp_path / "cache.sqlite"),
        )
        client = Client(cache=tmp_path / "cache.sqlite", replay="strict")

        with pytest.raises(TapeMissError):
            await run(questions, tmp_path / "log", client=client)


async def test_a_protocol_with_a_bug_hides_no_cost(tmp_path: Path):
    class Broken(Longest):
        def score(self, verdicts: Any) -> Any:
            raise RuntimeError("a bug")

        def figures(self, scored: Any) -> Any:
            raise RuntimeError("another one")

    scorer = replace(judge(fair), protocol=Broken())
    evaluation = await run(benchmark(scorer, "no"), tmp_path / "log")

    assert evaluation.paid.calls == 3
    assert "RuntimeError: a bug" in evaluation.rows[0].score.detail
    [standing] = compare_architectures(evaluation, scorer=scorer).standings
    assert standing.figures == {"figures": "cannot be made: RuntimeError: another one"}


async def test_a_conversation_that_is_lost_midway_counts_all_its_turns():
    own = benchmark(judge(fair), "no")
    item = replace(own.items[0], follow_ups=("And now shorter.",))
    score = await own.scorer.score_turns(item, ["a long answer"], Client())

    # Of the second turn there is nothing, and this protocol looks at the last turn.
    assert score.value == 0.0
