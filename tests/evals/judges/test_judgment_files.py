"""The official tools' files of judgments: read, written, and told what is wrong with them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from archon_graph.evals.benchmarks import BenchmarkError
from archon_graph.evals.judges.arena_files import (
    ArenaGame,
    ArenaJudgment,
    read_arena_judgments,
    write_arena_judgments,
)
from archon_graph.evals.judges.mt_bench_files import (
    PairJudgment,
    SingleJudgment,
    read_pair_judgments,
    read_single_judgments,
    write_pair_judgments,
    write_single_judgments,
)

SINGLE = SingleJudgment(
    question_id=7,
    model="ours",
    judge=("some-judge", "single-v1"),
    judgment="Good.\u2028 Rating: [[8.5]]",
    score=8.5,
    turn=2,
    user_prompt="Judge {this}: ü",
    tstamp=12.5,
)
PAIR = PairJudgment(
    question_id=7,
    model_1="ours",
    model_2="theirs",
    g1_winner="model_1",
    g2_winner="error",
    judge=("some-judge", "pair-v2"),
    g1_judgment="[[A]]",
    g2_judgment="",
    turn=1,
)
ARENA = ArenaJudgment(
    question_id="abc",
    model="ours",
    judge="some-judge",
    games=(
        ArenaGame(judgment="So: [[B>>A]]", score="B>>A", user_prompt="asked"),
        ArenaGame(judgment="I could not say.", score=None, user_prompt="asked again"),
    ),
)


def lines(path: Path, *records: Any) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def places(path: Path, read: Any) -> list[tuple[int | None, str | None]]:
    """Line and field of all problems."""
    with pytest.raises(BenchmarkError) as caught:
        read(path)
    assert all(problem.file == str(path) and problem.way_out for problem in caught.value.problems)
    return [(problem.line, problem.field) for problem in caught.value.problems]


def test_ratings_come_back(tmp_path: Path):
    """With the keys of the official tool, and rows that are there twice."""
    path = tmp_path / "single.jsonl"
    write_single_judgments(path, [SINGLE, SINGLE])

    assert read_single_judgments(path) == [SINGLE, SINGLE]
    keys = {"question_id", "model", "judge", "user_prompt", "judgment", "score", "turn", "tstamp"}
    assert set(records(path)[0]) == keys
    assert records(path)[0]["judge"] == ["some-judge", "single-v1"]


def test_verdicts_on_pairs_come_back(tmp_path: Path):
    path = tmp_path / "pair.jsonl"
    write_pair_judgments(path, [PAIR])

    assert read_pair_judgments(path) == [PAIR]
    names = ("winner", "user_prompt", "judgment")
    games = {f"g{number}_{name}" for number in (1, 2) for name in names}
    assert set(records(path)[0]) == {"question_id", "model_1", "model_2", "judge", "turn", "tstamp"} | games


def test_labels_of_2024_come_back(tmp_path: Path):
    path = tmp_path / "arena.jsonl"
    write_arena_judgments(path, [ARENA])

    assert read_arena_judgments(path) == [ARENA]
    (record,) = records(path)
    assert set(record) == {"question_id", "model", "judge", "games"}
    assert set(record["games"][0]) == {"user_prompt", "judgment", "score"}


def test_labels_of_2025_come_back(tmp_path: Path):
    path = tmp_path / "arena.jsonl"
    newer = replace(ARENA, baseline="theirs", category="some")
    write_arena_judgments(path, [newer], form="2025")

    assert read_arena_judgments(path) == [newer]
    (record,) = records(path)
    assert set(record) == {"uid", "category", "judge", "model", "baseline", "games"}
    assert record["games"][0]["judgment"] == {"answer": "So: [[B>>A]]"}


def test_the_tool_of_2025_needs_to_know_the_baseline(tmp_path: Path):
    path = tmp_path / "arena.jsonl"
    with pytest.raises(BenchmarkError, match="baseline: is empty"):
        write_arena_judgments(path, [ARENA], form="2025")
    assert not path.exists()


def test_optional_fields_may_be_left_out(tmp_path: Path):
    """Published files are often cut so."""
    record = {"question_id": 7, "model": "m", "judge": ["j", "t"], "judgment": "", "score": -1, "turn": 1}
    (read,) = read_single_judgments(lines(tmp_path / "f.jsonl", record))
    assert (read.score, read.user_prompt, read.tstamp) == (-1, "", 0.0)


def test_all_problems_of_ratings_at_once(tmp_path: Path):
    good = {"question_id": 7, "model": "m", "judge": ["j", "t"], "judgment": "", "score": 3, "turn": 1}
    path = lines(
        tmp_path / "f.jsonl",
        good,
        {**good, "score": "3", "turn": 3},
        {**good, "judge": "j", "question_id": True},
        {**good, "model": " ", "judgment": "\ud83d"},
        {"modle": "m", **{key: good[key] for key in good if key != "model"}},
    )
    assert places(path, read_single_judgments) == [
        (2, "score"),
        (2, "turn"),
        (3, "question_id"),
        (3, "judge"),
        (4, "model"),
        (4, "judgment"),
        (5, "model"),
    ]
    with pytest.raises(BenchmarkError, match=r"f\.jsonl:5: model: is missing \(did you mean 'modle'\?\)"):
        read_single_judgments(path)


def test_a_winner_that_is_none_names_the_nearest(tmp_path: Path):
    path = tmp_path / "f.jsonl"
    write_pair_judgments(path, [PAIR])
    lines(path, {**records(path)[0], "g1_winner": "model1"})
    with pytest.raises(BenchmarkError, match=r"g1_winner: 'model1' is no end of a game \(did you mean 'model_1'"):
        read_pair_judgments(path)


def test_all_problems_of_labels_at_once(tmp_path: Path):
    game = {"user_prompt": "", "judgment": "[[A=B]]", "score": "A=B"}
    good = {"question_id": "a", "model": "m", "judge": "j", "games": [game, game]}
    cut = {key: game[key] for key in ("user_prompt", "judgment")}
    path = lines(
        tmp_path / "f.jsonl",
        good,
        {**good, "games": [game]},
        {**good, "games": [game, cut]},
        {**good, "games": [{**game, "judgment": {}}, {**game, "score": 1}]},
        {**good, "games": {}, "judge": None},
    )
    assert places(path, read_arena_judgments) == [
        (2, "games"),
        (3, "games[1].score"),
        (4, "games[0].judgment.answer"),
        (4, "games[1].score"),
        (5, "games"),
        (5, "judge"),
    ]


@pytest.mark.parametrize(
    ("write", "bad", "field"),
    [
        (write_single_judgments, replace(SINGLE, score=float("nan")), "score"),
        (write_single_judgments, replace(SINGLE, judgment="\ud83d"), "judgment"),
        (write_pair_judgments, replace(PAIR, model_2=""), "model_2"),
        (write_arena_judgments, replace(ARENA, games=ARENA.games[:1]), "games"),
    ],
)
def test_what_could_not_be_read_is_not_written(tmp_path: Path, write: Any, bad: Any, field: str):
    """And an older file stays as it is."""
    path = lines(tmp_path / "f.jsonl", {"older": True})
    assert places(path, lambda path: write(path, [bad])) == [(1, field)]
    assert places(path, lambda path: write(path, [])) == [(None, None)]
    assert records(path) == [{"older": True}]
