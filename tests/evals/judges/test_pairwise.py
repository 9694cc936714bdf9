"""Arena-Hard-Auto: its five labels, and win rates from battles."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from archon_graph import ScriptedModel
from archon_graph.evals import Item, Score
from archon_graph.evals.benchmarks import BenchmarkError
from archon_graph.evals.judges import JudgeScorer, audit, find_protocol, verdicts_of
from archon_graph.evals.judges.battles import arena_figures, battles_of, rating_of
from archon_graph.evals.judges.pairwise import FiveLabels, five_labels, read_label
from archon_graph.evals.judges.words import arena_hard_words
from archon_graph.models import Client, ScriptedCall

ITEM = Item(id="r", input="Name a river.", kind="preference", metadata={"baseline": "THEIRS"})
PROTOCOL = find_protocol("pairwise")


async def judge(reply: Any, item: Item = ITEM, answer: str = "OURS") -> Score:
    scorer = JudgeScorer(model=ScriptedModel(reply), protocol=PROTOCOL)
    return await scorer.score_turns(item, [answer], Client())


def ours_first(call: ScriptedCall) -> bool:
    return call.prompt.index("OURS") < call.prompt.index("THEIRS")


class TestJudge:
    async def test_much_better_counts_for_three(self):
        score = await judge(lambda call: "[[A>>B]]" if ours_first(call) else "[[A>B]]")

        # Three battles won where ours stood first, one lost where it stood second.
        assert score.value == 0.75
        figures = PROTOCOL.figures([(ITEM, score)])
        assert (figures["wins"], figures["losses"], figures["win_rate"]) == (3, 1, pytest.approx(75.0))

    async def test_without_a_label_the_judge_is_asked_to_finish(self):
        talks: list[int] = []

        def reply(call: ScriptedCall) -> Any:
            talks.append(len(call.messages))
            return "I have to think." if len(call.messages) == 2 else "[[A=B]]"

        score = await judge(reply)

        assert sorted(talks) == [2, 2, 4, 4]
        assert score.value == 0.5
        assert [verdict.attempts for verdict in verdicts_of(score)] == [2, 2]

    async def test_several_labels_are_none_and_not_asked_for_again(self):
        score = await judge(lambda call: "[[A>B]] or [[B>A]]" if ours_first(call) else "[[B>A]]")

        assert not score.scored, "the one order that is left would decide"
        labels = [(verdict.label, verdict.attempts) for verdict in verdicts_of(score)]
        assert labels == [("B>A", 1), ("several", 1)]
        found = audit([score])
        assert found is not None
        assert (found.verdicts, found.unreadable) == (2, 1)
        assert PROTOCOL.figures([(ITEM, score)])["wins"] == 1, (
            "the published figure counts the order that was read"
        )

    async def test_a_label_that_is_none_of_the_five_weighs_nothing(self):
        score = await judge(lambda call: "[[A<B]]" if ours_first(call) else "[[B>A]]")

        assert not score.scored
        assert PROTOCOL.figures([(ITEM, score)])["wins"] == 1

    async def test_who_says_nothing_loses_both_games(self):
        score = await judge(lambda _: "[[A=B]]", answer=" ")

        assert score.value == 0.0
        assert PROTOCOL.figures([(ITEM, score)])["losses"] == 2

    async def test_the_same_answer_is_a_tie(self):
        score = await judge(lambda _: "[[A>>B]]", answer="THEIRS")

        assert score.value == 0.5
        assert audit([score]) is not None
        assert audit([score]).verdicts == 0  # type: ignore[union-attr]

    def test_several_turns_are_for_another_protocol(self):
        item = replace(ITEM, follow_ups=("And its length.",))

        assert "mt_bench_pair" in str(PROTOCOL.problem(item))


class TestLabels:
    @pytest.mark.parametrize(
        ("text", "of_2024", "of_2025"),
        [
            ("[[A>B]]", "A>B", "A>B"),
            ("[[A>B]] and again [[A>B]]", "A>B", "A>B"),
            ("[[A>B]], no: [[B>>A]]", None, "B>>A"),
            ("[[a>b]]", None, "A>B"),
            ("[B>A]", None, "B>A"),
            ("[[]] A>B", None, None),
            ("[[A>B", None, None),
            ("[[" + "A" * 100_000 + "]]", None, None),
        ],
    )
    def test_reading(self, text: str, of_2024: str | None, of_2025: str | None):
        assert (read_label(text, rule="2024"), read_label(text, rule="2025")) == (of_2024, of_2025)

    @given(st.text(alphabet="[]AB<>= x"))
    def test_no_text_raises(self, text: str):
        for rule in ("2024", "2025"):
            label = read_label(text, rule=rule)  # type: ignore[arg-type]
            assert label is None or label in text


class TestBattles:
    @given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 60))
    def test_the_strength_is_what_a_logistic_regression_finds(self, wins: int, losses: int, ties: int):
        shares = np.array([1.0] * wins + [0.0] * losses + [0.5] * ties)
        # Every battle twice, a tie once for either side, as Arena-Hard's authors fit it.
        outcomes = [1] * (2 * wins + ties) + [0] * (2 * losses + ties)
        fitted = LogisticRegression(fit_intercept=False, C=np.inf, tol=1e-8).fit(
            np.full((len(outcomes), 1), np.log(10)), outcomes
        )

        assert rating_of(shares) == pytest.approx(400 * float(fitted.coef_[0, 0]) + 1000, abs=1e-2)

    def test_swapping_the_sides(self):
        for label, mirrored in (("A>>B", "B>>A"), ("A>B", "B>A"), ("A=B", "A=B")):
            assert battles_of(label, swapped=True) == battles_of(mirrored, swapped=False)

    def test_the_interval_holds_the_rate_and_is_the_same_each_time(self):
        battles = [1.0] * 30 + [0.0] * 60 + [0.5] * 10

        one, other = arena_figures(battles), arena_figures(battles)

        assert one == other
        assert one.win_rate == pytest.approx(35.0)
        assert one.low is not None
        assert one.high is not None
        assert one.low < 35.0 < one.high

    def test_all_won(self):
        figures = arena_figures([1.0] * 5)

        assert (figures.win_rate, figures.low, figures.high) == (100.0, 100.0, 100.0)

    def test_no_battle(self):
        assert arena_figures([]).win_rate is None

    def test_what_is_no_battle(self):
        with pytest.raises(ValueError, match=r"0\.7"):
            arena_figures([1.0, 0.7])


class TestPublishedWords:
    """Files in the published forms, with words of our own."""

    def test_of_2024(self, tmp_path: Path):
        path = tmp_path / "c.yaml"
        path.write_text(
            "system_prompt: Judge {question_1}.\nprompt_template: ['Q {question_1} A {answer_1} B {answer_2}']\n"
        )

        told = arena_hard_words(path).messages("user", question="{answer_1}", answer_a="a", answer_b="$b")

        assert [str(message.content) for message in told] == ["Judge {question_1}.", "Q {answer_1} A a B $b"]

    def test_of_2025_has_no_system_prompt(self, tmp_path: Path):
        path = tmp_path / "c.yaml"
        path.write_text('prompt_template: "Q {QUESTION} A {ANSWER_A} B {ANSWER_B}"\n')

        told = arena_hard_words(path).messages("user", question="q", answer_a="a", answer_b="b")

        assert str(told[1].content) == "Q q A a B b"
        assert five_labels(path).rule == "2025"

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ("a: [", "is no YAML"),
            ("a: 1", "prompt_template: should be a text"),
            ("prompt_template: 'Q {question_1} A {answer_1}'", "{answer_2}"),
        ],
    )
    def test_what_is_none(self, tmp_path: Path, text: str, told: str):
        path = tmp_path / "c.yaml"
        path.write_text(text)

        with pytest.raises(BenchmarkError, match=told.replace("{", r"\{")):
            five_labels(path)


async def test_the_figures_of_2025():
    protocol = FiveLabels(rule="2025")
    scorer = JudgeScorer(
        model=ScriptedModel(lambda call: "[[a>b]]" if ours_first(call) else "first [[A>B]], then [[B>A]]"),
        protocol=protocol,
    )
    score = await scorer.score_turns(ITEM, ["OURS"], Client())

    figures = protocol.figures([(ITEM, score)])
    assert (figures["mean"], figures["questions"]) == (100.0, 1)
    turned = await JudgeScorer(
        model=ScriptedModel(lambda call: "[[A>B]]" if ours_first(call) else "[[A<B]]"), protocol=protocol
    ).score_turns(ITEM, ["OURS"], Client())
    assert turned.value == 1.0
