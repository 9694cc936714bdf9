"""Arena-Hard's files of judgments, in the form of 2024 and in that of 2025.

Both are JSON lines, one for each question, with the two games of it. What this module writes, the official tools
read, and the other way round.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from archon_graph.evals.benchmarks.problems import Draft
from archon_graph.evals.benchmarks.reading import Row, read_objects
from archon_graph.evals.judges.mt_bench_files import Fields, read_records, write_records

Form = Literal["2024", "2025"]
"""Which year's tool reads the file."""

GAMES: Final = 2
"""In the first game A is the baseline, in the second one the model."""


@dataclass(frozen=True, kw_only=True)
class ArenaGame:
    """What a judge said of two answers in one order."""

    judgment: str
    """What the judge wrote."""
    score: str | None
    """The label that was read in it; ``None`` if none could be."""
    user_prompt: str = ""
    """What the judge was told."""


@dataclass(frozen=True, kw_only=True)
class ArenaJudgment:
    """A judge's labels for a model's answer to one question, in both orders."""

    question_id: str
    """The question: ``question_id`` of 2024, ``uid`` of 2025."""
    model: str
    """Whose answer was held against the baseline's."""
    judge: str
    """Who judged."""
    games: tuple[ArenaGame, ...]
    """First with the baseline as A, then with the model as A."""
    baseline: str = ""
    """Whose answer it was held against; a file of 2024 does not say."""
    category: str = ""
    """The question's; a file of 2024 does not say."""


def read_arena_judgments(path: str | Path) -> list[ArenaJudgment]:
    """Read a file of judgments; each line is of the one form or of the other.

    Raises:
        BenchmarkError: It cannot be read, or a field is missing or of another type; all problems are reported.
    """
    draft = Draft(file=str(path))
    return read_records(read_objects(Path(path), draft), _judgment_of, draft)


def write_arena_judgments(path: str | Path, judgments: Iterable[ArenaJudgment], *, form: Form = "2024") -> None:
    """Write judgments so that the official table is made of them.

    The tools take the judge's and the model's name from those of folder and file: ``JUDGE/MODEL.jsonl`` in
    ``model_judgment``.

    Args:
        path: The file.
        judgments: One for each question.
        form: Which year's tool shall read them. That of 2025 needs the baseline's name.

    Raises:
        BenchmarkError: There is no judgment, or one is not what the tool reads; all problems are reported.
        OSError: The file cannot be written.
    """
    make = _of_2024 if form == "2024" else _of_2025
    write_records(path, [make(one) for one in judgments], _judgment_of)


def _judgment_of(fields: Fields) -> ArenaJudgment:
    data = fields.row.data
    newer = "uid" in data or ("baseline" in data and "question_id" not in data)
    games = tuple(
        _game_of(Fields(Row(fields.row.line, game), fields.draft, f"games[{place}]."))
        for place, game in enumerate(fields.objects("games"))
    )
    if games and len(games) != GAMES:
        fields.note("games", f"should be {GAMES} games, got {len(games)}", "Play both orders")
    return ArenaJudgment(
        question_id=fields.text("uid" if newer else "question_id", empty=False),
        model=fields.text("model", empty=False),
        judge=fields.text("judge", empty=False),
        games=games,
        baseline=fields.text("baseline", empty=False) if newer else fields.text("baseline", default=""),
        category=fields.text("category", default=""),
    )


def _game_of(fields: Fields) -> ArenaGame:
    data = fields.row.data
    judgment = data.get("judgment")
    if isinstance(judgment, Mapping):
        inner = Fields(Row(fields.row.line, judgment), fields.draft, f"{fields.prefix}judgment.")
        told = inner.text("answer")
    else:
        told = fields.text("judgment")
    # A judge who gave no label has null here, and a file without the key was cut.
    label = None if "score" in data and data["score"] is None else fields.text("score", empty=False)
    prompt = data.get("prompt")
    if isinstance(prompt, list):
        asked = _last_of_user(prompt)
    else:
        asked = fields.text("prompt" if prompt is not None else "user_prompt", default="")
    return ArenaGame(judgment=told, score=label, user_prompt=asked)


def _last_of_user(messages: list[Any]) -> str:
    """What the judge was told, where the whole conversation was kept."""
    texts = [one.get("content") for one in messages if isinstance(one, Mapping) and one.get("role") == "user"]
    return next((text for text in reversed(texts) if isinstance(text, str)), "")


def _of_2024(judgment: ArenaJudgment) -> dict[str, Any]:
    return {
        "question_id": judgment.question_id,
        "model": judgment.model,
        "judge": judgment.judge,
        "games": [
            {"user_prompt": game.user_prompt, "judgment": game.judgment, "score": game.score}
            for game in judgment.games
        ],
    }


def _of_2025(judgment: ArenaJudgment) -> dict[str, Any]:
    return {
        "uid": judgment.question_id,
        "category": judgment.category,
        "judge": judgment.judge,
        "model": judgment.model,
        "baseline": judgment.baseline,
        "games": [
            {
                "score": game.score,
                "judgment": {"answer": game.judgment},
                "prompt": [{"role": "user", "content": game.user_prompt}],
            }
            for game in judgment.games
        ],
    }
