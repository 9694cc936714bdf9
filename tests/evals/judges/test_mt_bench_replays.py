"""MT-Bench's recorded judgments: prompts to the byte, replies read as stored, and the published figures."""

from __future__ import annotations

import re
from collections import defaultdict
from functools import cache
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage

from archon_graph.evals import Benchmark, Item, Score
from archon_graph.evals.benchmarks.mt_bench import WITH_REFERENCE, mt_bench
from archon_graph.evals.judges.mt_bench_files import read_pair_judgments, read_single_judgments
from archon_graph.evals.judges.pairwise import pair_figures, read_pair, three_labels
from archon_graph.evals.judges.protocol import Game, Protocol, Verdict
from archon_graph.evals.judges.rating import rating, rating_figures, read_rating
from tests.evals.shared import SHARED, expected, needs_shared, rows

pytestmark = needs_shared

DATA = SHARED / "benchmarks" / "mt_bench"
SINGLE, WITH_PROMPTS, PAIR = (
    SHARED / "replay" / "mt_bench" / name
    for name in ("gpt-4_single.jsonl", "gpt-4_single_with_prompts.jsonl", "gpt-4_pair.jsonl")
)
WINNERS = {
    "A": ("model_1", "model_2"),
    "B": ("model_2", "model_1"),
    "tie": ("tie", "tie"),
    None: ("error", "error"),
}


@cache
def questions() -> Benchmark:
    return mt_bench(DATA / "question.jsonl", references=DATA / "reference_answer_gpt-4.jsonl")


@cache
def templates() -> dict[str, dict[str, str]]:
    return {row["name"]: row for row in rows("benchmarks/mt_bench/judge_prompts.jsonl")}


def told(messages: tuple[BaseMessage, ...]) -> list[tuple[str, Any]]:
    return [(message.type, message.content) for message in messages]


def cut(template: str, prompt: str, item: Item) -> dict[str, str]:
    """The answers that stand in a recorded prompt, all else in it being known."""
    known = {f"question_{turn}": text for turn, text in enumerate(item.metadata["turns"], 1)}
    known |= {f"ref_answer_{turn}": text for turn, text in enumerate(item.metadata["reference"] or (), 1)}
    known["question"] = item.metadata["turns"][0]
    pattern = re.sub(
        r"\\\{(\w+)\\\}",
        lambda match: re.escape(known[match[1]]) if match[1] in known else f"(?P<{match[1]}>.*)",
        re.escape(template),
    )
    found = re.fullmatch(pattern, prompt, re.DOTALL)
    assert found is not None, item.id
    return found.groupdict()


def test_the_questions_are_all_there():
    """Ten in each category, and a right answer to both turns where published judges are shown one."""
    of_category: dict[str, list[Item]] = defaultdict(list)
    for item in questions():
        of_category[item.metadata["category"]].append(item)
    assert {category: len(items) for category, items in of_category.items()} == dict.fromkeys(of_category, 10)
    assert len(of_category) == 8
    for category, items in of_category.items():
        references = [item.metadata["reference"] for item in items]
        assert all(map(len, references)) if category in WITH_REFERENCE else references == [None] * 10
        assert all(len(item.follow_ups) == 1 for item in items)


@pytest.mark.parametrize("protocol", [rating(DATA / "judge_prompts.jsonl"), rating()] if SHARED.is_dir() else [])
def test_prompts_for_ratings(protocol: Protocol):
    """Of 60 recorded ones, to the byte; our own words are other ones for each."""
    published = protocol.prompt.startswith("published")
    first: dict[tuple[int | str, int], str] = {}
    equal = 0
    for row in read_single_judgments(WITH_PROMPTS):
        item, template = questions()[str(row.question_id)], templates()[row.judge[1]]
        answers = cut(template["prompt_template"], row.user_prompt, item)
        turns = [answers["answer"]] if row.turn == 1 else [answers["answer_1"], answers["answer_2"]]
        # Both rows of a question show the same first answer: what was cut out is an answer.
        assert first.setdefault((row.question_id, 1), turns[0]) == turns[0]
        game = protocol.games(item, turns)[row.turn - 1]
        wanted = [("system", template["system_prompt"]), ("human", row.user_prompt)]
        equal += told(game.messages) == wanted
        if not published:
            assert all(turn in str(game.messages[-1].content) for turn in turns)
    assert equal == (60 if published else 0)


def test_prompts_for_pairs():
    """Both games of 75 recorded pairs, to the byte."""
    protocol = three_labels(DATA / "judge_prompts.jsonl")
    recorded = read_pair_judgments(PAIR)
    assert len(recorded) == 75
    for row in recorded:
        item, template = questions()[str(row.question_id)], templates()[row.judge[1]]
        answers = cut(template["prompt_template"], row.g1_user_prompt, item)
        compared = Item(
            id=item.id,
            input=item.input,
            kind=item.kind,
            metadata={**item.metadata, "baseline": [answers["answer_a"]]},
        )
        games = protocol.games(compared, [answers["answer_b"]])
        for game, prompt in zip(games, (row.g1_user_prompt, row.g2_user_prompt), strict=True):
            assert told(game.messages) == [("system", template["system_prompt"]), ("human", prompt)]


def test_ratings_are_read_as_stored():
    recorded = [*read_single_judgments(SINGLE), *read_single_judgments(WITH_PROMPTS)]
    assert len(recorded) == 540
    for row in recorded:
        assert read_rating(row.judgment) == (None if row.score == -1 else row.score)


def test_verdicts_on_pairs_are_read_as_stored():
    """In the second game A is model 2."""
    for row in read_pair_judgments(PAIR):
        games = (row.g1_judgment, row.g1_winner), (row.g2_judgment, row.g2_winner)
        for place, (judgment, winner) in enumerate(games):
            assert WINNERS[read_pair(judgment)][place] == winner


def test_published_means():
    """Of each turn, and over all rows."""
    grades: dict[str, list[tuple[str, float | None]]] = defaultdict(list)
    for row in read_single_judgments(SINGLE):
        grades[row.model].append((f"turn_{row.turn}", read_rating(row.judgment)))
    figures = {model: rating_figures(of_model) for model, of_model in grades.items()}
    told = expected("mt_bench")
    assert {model: round(one["average"], 2) for model, one in figures.items()} == told["published"]
    for model, one in figures.items():
        computed = told["computed"][model]
        assert len(grades[model]) == computed.pop("n")
        assert one == pytest.approx(computed)


def test_the_protocol_itself_comes_to_the_published_means():
    """From replies to verdicts, scores and figures."""
    protocol = rating()
    replies = {(row.model, row.question_id, row.turn): row.judgment for row in read_single_judgments(SINGLE)}
    for model, published in expected("mt_bench")["published"].items():
        scored = []
        for item in questions():
            verdicts = []
            for turn, game in enumerate(protocol.games(item, ["first", "second"]), 1):
                reply = replies[model, item.metadata["question_id"], turn]
                verdicts.append(verdict(protocol, game, reply))
            value, _ = protocol.score(verdicts)
            assert value is not None
            scored.append((item, Score(value=value, judgment={"verdicts": [one.to_json() for one in verdicts]})))
        assert round(protocol.figures(scored)["average"], 2) == published


def test_the_table_of_pairs():
    """Won and lost in both orders alone; a row with an order that could not be read is left out."""
    protocol = three_labels()
    item = Item(id="any", input="any", kind="judged", metadata={"baseline": "theirs"})
    turns = []
    for row in read_pair_judgments(PAIR):
        replies = row.g1_judgment, row.g2_judgment
        games = zip(protocol.games(item, ["ours"]), replies, strict=True)
        value, _ = protocol.score([verdict(protocol, game, reply) for game, reply in games])
        turns.append(value)
    ((_, told),) = expected("mt_bench")["computed_pair"].items()
    assert turns.count(None) == told["rows_dropped_as_error"]
    read = [turn for turn in turns if turn is not None]
    assert pair_figures(read) == pytest.approx(told["models"]["phi-3-dpo"], abs=1e-6)
    assert pair_figures([1 - turn for turn in read]) == pytest.approx(told["models"]["phi-3"], abs=1e-6)


def verdict(protocol: Protocol, game: Game, reply: str) -> Verdict:
    """How a game ended in which the judge said this."""
    read = protocol.read(game, AIMessage(reply))
    return Verdict(
        game=game.name,
        pair=game.pair,
        swapped=game.swapped,
        label=read.label,
        value=read.value,
        text=reply,
        attempts=1,
    )
