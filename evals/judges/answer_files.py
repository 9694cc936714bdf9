"""Files of answers: those of the official tools, our own, and what an evaluation left behind."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from archon_graph.evals.benchmarks.fields import take_text
from archon_graph.evals.benchmarks.model_answers import ModelAnswer, read_model_answers, write_model_answers
from archon_graph.evals.benchmarks.problems import Draft, nearest
from archon_graph.evals.benchmarks.reading import Row, read_objects
from archon_graph.models import ConfigurationError

if TYPE_CHECKING:
    from archon_graph.evals.benchmarks.benchmark import Benchmark
    from archon_graph.evals.log import Row as EvaluationRow
    from archon_graph.evals.runner import Evaluation

Form = Literal["ours", "alpaca_eval", "arena_hard", "mt_bench"]
"""Our own lines, or the file that an official tool reads."""


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What somebody answered to the questions of a benchmark."""

    by_item: Mapping[str, Sequence[str]]
    """The answers to the turns of each item, by its id."""
    model: str | None
    """Who answered; ``None`` if the file does not say."""


def read_answers(path: str | Path, benchmark: Benchmark) -> Answers:
    """Read answers to a benchmark's questions.

    The form is told from what the file holds:

    - lines of ``{"id", "answer"}``; ``answer`` is a list where an item has several turns
    - a submission to AlpacaEval: a list of ``{"instruction", "output", "generator"}``
    - a ``model_answer`` file of MT-Bench or Arena-Hard: ``{"question_id", "choices"}``
    - the directory of an evaluation of one architecture

    Answers to other questions than the benchmark's are left out.

    Args:
        path: The file or directory.
        benchmark: The questions.

    Raises:
        BenchmarkError: The file has problems; all are told.
        ConfigurationError: The directory holds no evaluation, or one of several architectures.
    """
    path = Path(path)
    if path.is_dir():
        return _of_evaluation(path, benchmark)
    draft = Draft(file=str(path))
    rows = read_objects(path, draft)
    draft.raise_if_any()
    read = _reader(rows[0].data)
    found = read(path, rows, benchmark, draft)
    draft.raise_if_any()
    return found


def _reader(first: Mapping[str, Any]) -> Callable[[Path, list[Row], Benchmark, Draft], Answers]:
    if "question_id" in first or "choices" in first:
        return _model_answers
    return _submission if "instruction" in first or "output" in first else _own


def _own(_: Path, rows: list[Row], __: Benchmark, draft: Draft) -> Answers:
    found: dict[str, Sequence[str]] = {}
    for row in rows:
        name = take_text(row, "id", draft)
        given = row.data.get("answer")
        turns = [given] if isinstance(given, str) else given
        if not isinstance(turns, list) or not turns or not all(isinstance(turn, str) for turn in turns):
            draft.add(
                row.line,
                "answer",
                f"should be a text, or a list of one for each turn, got {given!r:.60}",
                'Write {"id": "...", "answer": "..."}',
            )
        elif name is not None:
            if name in found:
                draft.add(row.line, "id", f"{name!r} is answered already", "Keep one of the two")
            found[name] = turns
    return Answers(by_item=found, model=None)


def _submission(path: Path, _: list[Row], benchmark: Benchmark, __: Draft) -> Answers:
    from archon_graph.evals.judges.alpaca_files import read_submission

    outputs = read_submission(path)
    by_text = {one.instruction: one.output for one in outputs}
    return Answers(
        by_item={
            item.id: [by_text[item.input]]
            for item in benchmark.items
            if isinstance(item.input, str) and item.input in by_text
        },
        model=outputs[0].generator,
    )


def _model_answers(path: Path, _: list[Row], __: Benchmark, ___: Draft) -> Answers:
    found = read_model_answers(path)
    return Answers(by_item=found.by_question, model=found.model or None)


def _of_evaluation(directory: Path, benchmark: Benchmark) -> Answers:
    """The answers to those questions that are asked in the same words: an id alone says little."""
    from archon_graph.evals.runner import Evaluation

    evaluation = Evaluation.read(directory)
    found = answers_of(evaluation)
    asked = {item.id: (item.question, item.follow_ups) for item in evaluation.items}
    same = {item.id for item in benchmark.items if asked.get(item.id) == (item.question, item.follow_ups)}
    return Answers(
        by_item={name: turns for name, turns in found.by_item.items() if name in same}, model=found.model
    )


def write_answers(
    evaluation: Evaluation,
    path: str | Path,
    *,
    form: Form = "ours",
    architecture: str | None = None,
    name: str = "",
) -> int:
    """Write an architecture's answers so that others can score them, or so that others can be compared with them.

    Questions without an answer are left out of our own form, and are an empty answer in the official ones, whose
    tools expect one to each.

    Args:
        evaluation: What came of it.
        path: The file.
        form: ``ours`` for lines of ``{"id", "answer"}``, or the form of an official tool.
        architecture: Whose answers; may be left out where there is only one.
        name: What the official tool shall call it; the architecture's name by default.

    Returns:
        How many answers were written.

    Raises:
        ConfigurationError: There are several architectures, or none of this name, or the file cannot be written.
    """
    try:
        return _write(evaluation, Path(path), form, answers_of(evaluation, architecture), name)
    except OSError as error:
        raise ConfigurationError(
            f"the answers {path} cannot be written: {error.strerror or error}; name a file in a folder that exists"
        ) from error


def _write(evaluation: Evaluation, path: Path, form: Form, answers: Answers, name: str) -> int:
    name = name or str(answers.model)
    if form == "ours":
        lines = [
            json.dumps({"id": item, "answer": turns[0] if len(turns) == 1 else list(turns)}, ensure_ascii=False)
            for item, turns in answers.by_item.items()
        ]
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return len(lines)
    if form == "alpaca_eval":
        _write_submission(path, evaluation, answers, name)
    else:
        tokens = {row.item: _tokens(row) for row in evaluation.of(str(answers.model))}
        made = [
            ModelAnswer(
                question=item.id,
                turns=answers.by_item.get(item.id) or [""] * (1 + len(item.follow_ups)),
                tokens=tokens.get(item.id),
            )
            for item in evaluation.items
        ]
        write_model_answers(path, made, model=name, form=form)
    return len(evaluation.items)


def _tokens(row: EvaluationRow) -> int | None:
    """Length of the answer in tokens, as the provider of the last call counted it."""
    candidates = row.result.get("candidates") or [{}]
    usage = candidates[0].get("usage") or {}
    return usage.get("completion_tokens") or None


def _write_submission(path: Path, evaluation: Evaluation, answers: Answers, name: str) -> None:
    from archon_graph.evals.judges.alpaca_files import ModelOutput, write_submission

    write_submission(
        path,
        [
            ModelOutput(
                instruction=item.input if isinstance(item.input, str) else str(item.input[-1].text),
                output=(answers.by_item.get(item.id) or [""])[-1],
                generator=name,
                dataset=str(item.metadata.get("dataset", "")),
            )
            for item in evaluation.items
        ],
    )


def answers_of(evaluation: Evaluation, architecture: str | None = None) -> Answers:
    """What an architecture answered in an evaluation.

    Args:
        evaluation: What came of it.
        architecture: Whose answers; may be left out where there is only one.

    Raises:
        ConfigurationError: There are several, or none of this name.
    """
    names = evaluation.architectures
    if architecture is None:
        if len(names) > 1:
            raise ConfigurationError(
                f"{evaluation.directory} holds answers of {', '.join(names)}; write those of one into a file: "
                f"archon-graph answers {evaluation.directory} --architecture {names[0]}"
            )
        architecture = names[0]
    if architecture not in names:
        raise ConfigurationError(
            f"{evaluation.directory} holds no answers of {architecture!r}{nearest(architecture, names)}; it has "
            f"those of {', '.join(names)}"
        )
    rows = [row for row in evaluation.of(architecture) if row.answer is not None]
    return Answers(by_item={row.item: row.answers for row in rows}, model=architecture)
