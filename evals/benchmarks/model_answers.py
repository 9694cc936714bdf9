"""The ``model_answer`` files of MT-Bench and Arena-Hard: a model's answers to all questions, a line each."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from archon_graph.evals.benchmarks.problems import Draft
from archon_graph.evals.benchmarks.reading import Row, read_objects

_FORM = '{"question_id": ..., "model_id": "...", "choices": [{"index": 0, "turns": ["..."]}]}'


@dataclass(frozen=True, kw_only=True)
class ModelAnswers:
    """What a file says."""

    model: str
    """What the model is called; empty if the file does not say."""
    by_question: Mapping[str, tuple[str, ...]]
    """The answers to the turns of each question, by its id as a text."""


@dataclass(frozen=True, kw_only=True)
class ModelAnswer:
    """One line of a file that is written."""

    question: str
    """Id of the question."""
    turns: Sequence[str]
    """The answers to its turns."""
    tokens: int | None = None
    """Length of the last one in tokens, where its provider said so."""


def read_model_answers(path: str | Path) -> ModelAnswers:
    """Read a file, in MT-Bench's form or in Arena-Hard's, where a turn is an object with its ``content``.

    Of several choices the first counts, as for the official tools; of several lines for one question the last.

    Raises:
        BenchmarkError: The file has problems; all are told.
    """
    draft = Draft(file=str(path))
    found: dict[str, tuple[str, ...]] = {}
    models: dict[str, None] = {}
    for row in read_objects(Path(path), draft):
        name = row.data.get("question_id", row.data.get("uid"))
        turns = _turns(row, draft)
        if not isinstance(name, str | int) or isinstance(name, bool):
            draft.add(row.line, "question_id", f"should name a question, got {name!r:.60}", f"Write {_FORM}")
        elif turns is not None:
            found[str(name)] = turns
        models[str(row.data.get("model_id", row.data.get("model", "")))] = None
    if len(models) > 1:
        draft.add(
            None, "model_id", f"the file holds answers of {', '.join(models)}", "Give each model its own file"
        )
    draft.raise_if_any()
    return ModelAnswers(model=next(iter(models), ""), by_question=found)


def write_model_answers(
    path: str | Path, answers: Iterable[ModelAnswer], *, model: str, form: Literal["mt_bench", "arena_hard"]
) -> None:
    """Write a file that the official tool reads.

    Where a provider told no number of tokens, Arena-Hard's ``token_len`` is a quarter of the characters: it is
    shown beside the score, and is no part of it.

    Raises:
        OSError: It cannot be written.
    """
    lines = []
    for answer in answers:
        turns: list[Any] = list(answer.turns)
        if form == "arena_hard":
            turns = [{"content": text, "token_len": answer.tokens or round(len(text) / 4)} for text in turns]
        question: str | int = answer.question
        if form == "mt_bench" and answer.question.isdecimal():
            question = int(answer.question)
        record = {
            "question_id": question,
            "answer_id": uuid.uuid4().hex,
            "model_id": model,
            "choices": [{"index": 0, "turns": turns}],
            "tstamp": time.time(),
        }
        lines.append(json.dumps(record, ensure_ascii=False))
    Path(path).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _turns(row: Row, draft: Draft) -> tuple[str, ...] | None:
    choices = row.data.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    turns = first.get("turns") if isinstance(first, Mapping) else None
    several = turns if isinstance(turns, list) else []
    texts = [one.get("content") if isinstance(one, Mapping) else one for one in several]
    if texts and all(isinstance(text, str) for text in texts):
        return tuple(str(text) for text in texts)
    draft.add(row.line, "choices", f"should hold the turns of an answer, got {choices!r:.60}", f"Write {_FORM}")
    return None
