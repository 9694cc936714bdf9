"""Arena-Hard's recorded judgments: prompts to the byte, labels as stored, and the published win rate."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from langchain_core.messages import AIMessage
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped,unused-ignore]

from archon_graph.evals.benchmarks.arena_hard import arena_hard
from archon_graph.evals.judges.arena_files import read_arena_judgments
from archon_graph.evals.judges.battles import arena_figures, battles_of, rating_of
from archon_graph.evals.judges.pairwise import five_labels, has_labels, read_label
from tests.evals.shared import SHARED, expected, needs_shared, rows

pytestmark = needs_shared

DATA = SHARED / "benchmarks" / "arena_hard_auto"
JUDGMENTS = SHARED / "replay" / "arena_hard_auto" / "raw_judgments.jsonl"
SHARES = {"model_a": 0.0, "tie": 0.5, "model_b": 1.0}
MODEL = "gpt-3.5-turbo-0125"


def battles() -> list[float]:
    """Of the official judgments, weighted already."""
    return [SHARES[row["winner"]] for row in rows("replay/arena_hard_auto/battles_official.jsonl")]


def test_the_questions_of_both_years_are_the_same():
    """With the baseline's answer to each."""
    baseline = DATA / "model_answer_gpt-4-0314.jsonl"
    older, newer = (
        arena_hard(DATA / name, baseline=baseline)
        for name in ("question_v0.1_2024.jsonl", "question_v0.1_2025_format.jsonl")
    )
    assert len(older) == 500
    assert older.items == newer.items
    assert Counter(Counter(item.metadata["topic"] for item in older).values()) == {2: 250}
    assert {item.metadata["baseline_model"] for item in older} == {"gpt-4-0314"}


def test_prompts():
    """Both games of 79 questions, to the byte, with the official answers of the baseline."""
    questions = arena_hard(DATA / "question_v0.1_2024.jsonl", baseline=DATA / "model_answer_gpt-4-0314.jsonl")
    protocol = five_labels(DATA / "judge_config_2024.yaml")
    newer = five_labels(DATA / "arena-hard-v0.1_2025.yaml")
    head, tail = "<|The Start of Assistant B's Answer|>\n", "\n<|The End of Assistant B's Answer|>"
    recorded = read_arena_judgments(JUDGMENTS)
    assert len(recorded) == 79
    for row in recorded:
        item = questions[row.question_id]
        first = row.games[0].user_prompt
        shown = f"<|User Prompt|>\n{item.input}\n\n<|The Start of Assistant A's Answer|>\n"
        shown += f"{item.metadata['baseline']}\n"
        assert first.startswith(shown)
        answer = first[len(shown) :].partition(head)[2].removesuffix(tail)
        for each in (protocol, newer):
            told = [str(game.messages[-1].content) for game in each.games(item, [answer])]
            assert told == [game.user_prompt for game in row.games]


def test_labels_are_read_as_stored():
    """By the rule of 2024; where none was, none stands in the reply."""
    games = [game for row in read_arena_judgments(JUDGMENTS) for game in row.games]
    assert len(games) == 158
    for game in games:
        assert read_label(game.judgment, rule="2024") == game.score
        assert has_labels(game.judgment) == (game.score is not None)


def test_the_protocol_makes_the_battles_that_the_labels_stand_for():
    """In the first game A is the baseline."""
    protocol = five_labels()
    made: Counter[float] = Counter()
    by_hand: Counter[float] = Counter()
    for row in read_arena_judgments(JUDGMENTS):
        for swapped, game in zip((False, True), row.games, strict=True):
            made.update(battles_of(game.score, swapped=swapped))
            if game.score is None:
                continue
            sign, best = game.score.strip("AB"), game.score[0]
            count = 3 if sign == ">>" else 1
            better = 0.5 if sign == "=" else float((best == "A") == swapped)
            by_hand.update([better] * count)
            read = protocol.read(
                next(one for one in protocol.games(_any(), ["ours"]) if one.swapped == swapped),
                AIMessage(game.judgment),
            )
            assert (read.label, read.value) == (game.score, better)
    assert made == by_hand
    assert sum(made.values()) == 158 - 2 + 2 * (25 + 12)


def test_the_published_win_rate_and_its_interval():
    """23.34 to the last digit. Ends of the interval depend on the draws of 100 samples."""
    told = expected("arena_hard_auto")
    published, counts = told["published"][MODEL], told["battle_counts"][MODEL]
    figures = arena_figures(battles())
    assert (figures.losses, figures.wins, figures.ties) == (
        counts["baseline_wins"],
        counts["model_wins"],
        counts["ties"],
    )
    assert figures.win_rate is not None
    assert round(figures.win_rate, 2) == published["score"]
    assert figures.win_rate == pytest.approx(100 * (258 + 144 / 2) / 1414)
    ends = [arena_figures(battles(), seed=seed) for seed in range(20)]
    assert np.mean([one.low for one in ends]) == pytest.approx(published["q025"], abs=0.75)
    assert np.mean([one.high for one in ends]) == pytest.approx(published["q975"], abs=0.75)


def test_the_rating_is_that_of_the_published_regression():
    """Of its two strengths one is the baseline's; all battles stand there twice, and a tie is a win of either."""
    shares = np.array(battles())
    scale = np.full(2 * len(shares), np.log(10))
    design = np.column_stack([-scale, scale])
    won = np.empty(2 * len(shares))
    won[0::2], won[1::2] = shares > 0.25, shares > 0.75
    fit = LogisticRegression(fit_intercept=False, C=np.inf, tol=1e-8).fit(design, won)
    baseline, model = 400 * fit.coef_[0] + 1000
    assert rating_of(shares) == pytest.approx(1000 + model - baseline, abs=1e-3)


def test_published_ends_are_percentiles_of_the_published_samples():
    """Interpolated between samples, as numpy does it by default."""
    recorded = rows("replay/arena_hard_auto/bootstrap_stats.jsonl")
    assert len(recorded) == 14
    for row in recorded:
        assert np.percentile(row["results"], [2.5, 97.5]) == pytest.approx([row["lower"], row["upper"]], abs=1e-9)


def _any():
    from archon_graph.evals import Item

    return Item(id="any", input="any", kind="preference", metadata={"baseline": "theirs"})
