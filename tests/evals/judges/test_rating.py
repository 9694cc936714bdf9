"""MT-Bench: what its judges are told, and how they are read."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from archon_graph import ScriptedModel
from archon_graph.evals import Item, Score
from archon_graph.evals.benchmarks import BenchmarkError
from archon_graph.evals.judges import JudgeScorer, Protocol, find_protocol, verdicts_of
from archon_graph.evals.judges.pairwise import pair_figures, read_pair, three_labels
from archon_graph.evals.judges.rating import rating_figures, read_rating
from archon_graph.evals.judges.words import mt_bench_words
from archon_graph.models import Client, ScriptedCall

TALK = Item(id="t", input="Name a river.", follow_ups=("And its length.",), kind="judged", metadata={})


def write(path: Path, records: list[Any]) -> Path:
    path.write_text("".join(f"{json.dumps(record)}\n" for record in records), encoding="utf-8")
    return path


async def judge(protocol: Protocol, item: Item, reply: Any, *answers: str) -> Score:
    scorer = JudgeScorer(model=ScriptedModel(reply), protocol=protocol)
    return await scorer.score_turns(item, answers, Client())


class TestRating:
    protocol = find_protocol("rating")

    async def test_each_turn_is_rated_by_itself(self):
        prompts: list[str] = []

        def reply(call: ScriptedCall) -> Any:
            prompts.append(call.prompt)
            return "Good.\nRating: [[9]]" if "the length is" in call.prompt else "Rating: [[6]]"

        score = await judge(self.protocol, TALK, reply, "The Loire.", "the length is 1006 km")

        assert score.value == pytest.approx(0.75)
        assert self.protocol.figures([(TALK, score)]) == {"average": 7.5, "turn-1": 6.0, "turn-2": 9.0}
        assert sum("The Loire." in prompt and "And its length." in prompt for prompt in prompts) == 1

    async def test_the_right_answer_is_shown_where_it_is_known(self):
        item = Item(id="m", input="What is 3 doubled?", target="6", kind="open")

        def reply(call: ScriptedCall) -> Any:
            return "[[10]]" if "An answer that is right\n\n6" in call.prompt else "[[1]]"

        assert (await judge(self.protocol, item, reply, "six")).value == 1.0

    @pytest.mark.parametrize(
        ("text", "grade"),
        [
            ("Rating: [[7]]", 7.0),
            ("[[7.5]] and [[8]]", 7.5),
            ("Rating: [7]", 7.0),
            ("[3] but [[4]]", 4.0),
            ("Rating: 7", None),
            ("[[seven]]", None),
            ("[[" + "9" * 100_000 + "]]", None),
        ],
    )
    def test_reading(self, text: str, grade: float | None):
        assert read_rating(text) == grade

    async def test_a_grade_beyond_ten_is_none(self):
        assert not (await judge(self.protocol, TALK, lambda _: "[[100]]", "a", "b")).scored

    async def test_a_turn_that_cannot_be_read_is_left_out_and_counted(self):
        def reply(call: ScriptedCall) -> Any:
            return "[[8]]" if "And its length." in call.prompt else "no idea"

        score = await judge(self.protocol, TALK, reply, "The Loire.", "1006 km")

        assert score.value == 0.8
        assert self.protocol.figures([(TALK, score)]) == {"average": 8.0, "turn-2": 8.0, "unread": 1}

    async def test_an_empty_turn_has_the_lowest_grade(self):
        score = await judge(self.protocol, TALK, lambda _: "[[10]]", "The Loire.", "")

        assert score.value == pytest.approx(0.55)
        assert self.protocol.figures([(TALK, score)]) == {"average": 5.5, "turn-1": 10.0, "turn-2": 1.0}

    async def test_a_conversation_that_broke_off_counts_whole(self):
        score = await judge(self.protocol, TALK, lambda _: "[[10]]", "The Loire.")

        assert self.protocol.figures([(TALK, score)])["average"] == 5.5

    async def test_each_turn_has_its_own_right_answer(self):
        item = replace(TALK, follow_ups=("b?", "c?"), metadata={"reference": ["R1", "R2", "R3"]})
        shown: list[str] = []

        def reply(call: ScriptedCall) -> Any:
            shown.append(" ".join(re.findall(r"R\d", call.prompt)))
            return "[[5]]"

        await judge(self.protocol, item, reply, "1", "2", "3")

        assert shown == ["R1", "R1 R2", "R2 R3"]

    def test_rows_that_are_there_twice_count_twice(self):
        assert rating_figures([("turn-1", 10.0), ("turn-1", 10.0), ("turn-2", 1.0)])["average"] == 7.0


class TestPairwise:
    protocol = find_protocol("mt_bench_pair")
    item = Item(
        id="t",
        input="Name a river.",
        follow_ups=("And its length.",),
        kind="judged",
        metadata={"baseline": ["theirs 1", "theirs 2"]},
    )

    async def test_a_turn_is_won_only_in_both_orders(self):
        def reply(call: ScriptedCall) -> Any:
            if "And its length." in call.prompt:
                return "[[A]]"  # whoever stands first
            return "[[A]]" if call.prompt.index("ours 1") < call.prompt.index("theirs 1") else "[[B]]"

        score = await judge(self.protocol, self.item, reply, "ours 1", "ours 2")

        assert score.value == 0.75
        assert self.protocol.figures([(self.item, score)]) == {
            "win": 1,
            "loss": 0,
            "tie": 1,
            "win_rate": 0.5,
            "loss_rate": 0.0,
            "win_rate_adjusted": 0.75,
        }
        assert [verdict.game for verdict in verdicts_of(score)] == [
            "turn-1/game-1",
            "turn-1/game-2",
            "turn-2/game-1",
            "turn-2/game-2",
        ]

    def test_a_baseline_of_one_turn_will_not_do(self):
        item = Item(id="t", input="?", follow_ups=("!",), kind="judged", metadata={"baseline": "one"})

        assert "1 of 2 answers" in str(self.protocol.problem(item))

    def test_reading(self):
        texts = ["[[A]] or [[B]]", "so [[B]]", "[[C]]", "[A]", "[[D]]"]

        assert [read_pair(text) for text in texts] == ["A", "B", "tie", None, None]

    def test_no_turn_at_all(self):
        assert pair_figures([]) == {"win": 0, "loss": 0, "tie": 0}


class TestPublishedWords:
    """A file in the published form, with words of our own."""

    names = (
        "single-v1",
        "single-math-v1",
        "single-v1-multi-turn",
        "single-math-v1-multi-turn",
        "pair-v2",
        "pair-math-v1",
        "pair-v2-multi-turn",
        "pair-math-v1-multi-turn",
    )

    def test_texts_are_put_in_as_they_are(self, tmp_path: Path):
        template = "Q {question}\nA {answer_a}\nB {answer_b} {other} $5"
        records = [
            {"name": name, "system_prompt": "Judge {answer_a}.", "prompt_template": template}
            for name in self.names
        ]
        words = mt_bench_words(write(tmp_path / "p.jsonl", records))

        told = words.messages("pair", question="{answer_b} $x", answer_a="{question}", answer_b="\\1")

        assert [str(message.content) for message in told] == [
            "Judge {answer_a}.",
            "Q {answer_b} $x\nA {question}\nB \\1 {other} $5",
        ]

    def test_what_is_missing_is_told(self, tmp_path: Path):
        records = [{"name": name, "system_prompt": "", "prompt_template": ""} for name in self.names[1:]]

        with pytest.raises(BenchmarkError, match="no template is called single-v1"):
            three_labels(write(tmp_path / "p.jsonl", records))
