"""The protocols as judges play them: which games, in which order, and what comes of the replies."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage

from archon_graph import ScriptedModel
from archon_graph.evals import Item, Score
from archon_graph.evals.benchmarks import BenchmarkError
from archon_graph.evals.judges import JudgeScorer, Protocol, find_protocol, verdicts_of
from archon_graph.evals.judges.alpaca_eval import is_switched
from archon_graph.models import Client, ConfigurationError, ScriptedCall

ANSWER, BASELINE = "an answer of our own", "what the baseline said"


def compared(text: str = "Name a river.", **metadata: Any) -> Item:
    """A question with a baseline's answer."""
    return Item(id="one", input=text, kind="preference", metadata={"baseline": BASELINE, **metadata})


async def judge(protocol: Protocol, item: Item, reply: Any, *answers: str) -> Score:
    """What such a judge makes of the answers."""
    scorer = JudgeScorer(model=ScriptedModel(reply), protocol=protocol)
    return await scorer.score_turns(item, answers or [ANSWER], Client())


def likelihoods(**tokens: float) -> AIMessage:
    """A reply of one token, with the probabilities of all that it might have been."""
    top = [{"token": token, "logprob": math.log(chance)} for token, chance in tokens.items()]
    return AIMessage(top[0]["token"], response_metadata={"logprobs": {"content": [{"top_logprobs": top}]}})


class TestWeightedPreference:
    protocol = find_protocol("alpaca_eval")

    async def test_both_orders_and_the_share_of_each(self):
        shown: list[str] = []

        def reply(call: ScriptedCall) -> Any:
            shown.append(call.prompt)
            own_first = call.prompt.index(ANSWER) < call.prompt.index(BASELINE)
            # It prefers ours, with 0.9 where it stands first, and with 0.7 where it stands second.
            return likelihoods(m=0.9, M=0.1) if own_first else likelihoods(M=0.7, m=0.3)

        score = await judge(self.protocol, compared(), reply)

        assert len(shown) == 2
        assert score.value == pytest.approx(0.8)
        assert sorted(verdict.value or 0 for verdict in verdicts_of(score)) == pytest.approx([0.7, 0.9])

    async def test_the_published_figure_is_of_the_drawn_order_alone(self):
        def first_place(call: ScriptedCall) -> Any:
            return likelihoods(m=0.75, M=0.25)

        item = compared()
        score = await judge(self.protocol, item, first_place)

        drawn = 0.75 if is_switched(str(item.input)) else 0.25
        assert score.value == pytest.approx(0.5), "a preference for a place cancels out"
        assert self.protocol.figures([(item, score)])["win_rate"] == pytest.approx(100 * drawn)

    async def test_equal_answers_are_a_draw_and_nobody_is_asked(self):
        def nobody(call: ScriptedCall) -> Any:
            raise AssertionError(call.prompt)

        item = compared()
        score = await judge(self.protocol, item, nobody, BASELINE)

        assert score.value == 0.5
        assert self.protocol.figures([(item, score)])["n_draws"] == 1

    async def test_a_judge_without_probabilities_is_read_by_its_letter(self):
        def reply(call: ScriptedCall) -> Any:
            return "m" if call.prompt.index(ANSWER) < call.prompt.index(BASELINE) else "M"

        assert (await judge(self.protocol, compared(), reply)).value == 1.0

    async def test_one_token_with_its_probabilities_is_asked_for(self):
        assert self.protocol.sampling.settings() == {
            "temperature": 1.0,
            "max_tokens": 1,
            "logprobs": True,
            "top_logprobs": 5,
        }


class TestClosedForm:
    protocol = find_protocol("mixeval")
    short = Item(id="s", input="Which river?", target=("Loire", "Seine"), kind="mixeval_free_form")
    choice = Item(
        id="c", input="Which?", target="B", kind="mixeval_choice", metadata={"options": ["Oder", "Loire"]}
    )

    async def test_a_grade(self):
        score = await judge(self.protocol, self.short, lambda _: "Close: [[0.7]]")

        assert score.value == 0.7
        assert self.protocol.figures([(self.short, score)])["overall"] == 0.7

    async def test_a_letter_is_compared_by_rule(self):
        right, wrong = [
            await judge(self.protocol, self.choice, lambda _, say=say: say) for say in ("[[B]]", "[[A]]")
        ]

        assert (right.value, wrong.value) == (1.0, 0.0)

    async def test_ten_replies_at_most(self):
        samples: list[int] = []

        def mumbles(call: ScriptedCall) -> Any:
            samples.append(call.sample)
            return "I could not say."

        score = await judge(self.protocol, self.short, mumbles)

        assert not score.scored
        assert samples == list(range(10))

    async def test_other_questions_are_refused_before(self):
        assert "mixeval" in str(self.protocol.problem(compared()))
        assert self.protocol.problem(self.choice) is None


def test_an_unknown_protocol_names_the_nearest():
    with pytest.raises(ConfigurationError, match="did you mean 'arena_hard'"):
        find_protocol("arena-hrad")


class TestLengthControl:
    """Who wins by length alone is worth less where lengths are made equal."""

    @staticmethod
    def items(count: int = 40) -> list[Item]:
        return [
            Item(
                id=f"q{number}",
                input=f"Question {number}.",
                kind="preference",
                metadata={
                    "baseline": "b" * (20 + 7 * number % 31),
                    "baseline_model": "gpt4_1106_preview",
                    "index": number,
                },
            )
            for number in range(count)
        ]

    async def test_a_judge_who_likes_length(self):
        protocol = find_protocol("alpaca_eval")

        def longer(call: ScriptedCall) -> Any:
            m, big = (len(part) for part in re.findall(r"a{10,}|b{10,}", call.prompt))
            return likelihoods(m=0.9, M=0.1) if m > big else likelihoods(m=0.1, M=0.9)

        # Four of five answers are longer than the baseline's.
        scored = [
            (item, await judge(protocol, item, longer, "a" * (12 if number % 5 == 0 else 60)))
            for number, item in enumerate(self.items())
        ]
        figures = protocol.figures(scored)

        assert figures["win_rate"] == pytest.approx(74.0)
        assert figures["length_controlled_win_rate"] < 64
        assert "not to be held against published" in figures["length_control"]

    async def test_with_the_published_data_it_says_so(self, tmp_path: Path):
        rows = "".join(f"{number},{number / 40}\n" for number in range(40))
        (tmp_path / "instruction_difficulty.csv").write_text(f"index,instruction_difficulty\n{rows}")
        gamed = "".join(f"{one},{two},{0.3 + one / 4}\n" for one in (-1, 0, 1) for two in (0.1, 0.5, 0.9))
        (tmp_path / "df_gamed.csv").write_text(f"std_delta_len,instruction_difficulty,preference\n{gamed}")
        protocol = find_protocol("alpaca_eval", prompts=tmp_path)

        def fair(call: ScriptedCall) -> Any:
            return likelihoods(m=0.5, M=0.5)

        scored = [(item, await judge(protocol, item, fair, "a" * 30)) for item in self.items()]

        assert protocol.figures(scored[5:])["length_control"].startswith("Fitted as the published")
        another = [
            (replace(item, metadata={**item.metadata, "baseline_model": "mine"}), one) for item, one in scored
        ]
        assert "not to be held against published" in protocol.figures(another)["length_control"]

    def test_a_folder_without_any_of_it(self, tmp_path: Path):
        with pytest.raises(BenchmarkError, match=r"alpaca_eval_clf\.txt"):
            find_protocol("alpaca_eval", prompts=tmp_path)
