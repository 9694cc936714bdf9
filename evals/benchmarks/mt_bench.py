"""MT-Bench: questions of two turns, for a judge who rates answers or compares them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from archon_graph.evals.benchmarks.benchmark import Benchmark
from archon_graph.evals.benchmarks.fields import check_ids, take_text, take_texts
from archon_graph.evals.benchmarks.item import Item
from archon_graph.evals.benchmarks.model_answers import read_model_answers
from archon_graph.evals.benchmarks.problems import Draft, nearest
from archon_graph.evals.benchmarks.reading import Row, need_path, read_objects

TEMPERATURES: Final[Mapping[str, float]] = {
    "writing": 0.7,
    "roleplay": 0.7,
    "reasoning": 0.0,
    "math": 0.0,
    "coding": 0.0,
    "extraction": 0.0,
    "stem": 0.1,
    "humanities": 0.1,
}
"""The categories, and the temperature at which the published answers to each were drawn."""

WITH_REFERENCE: Final = ("math", "reasoning", "coding")
"""The categories whose judge is shown a right answer."""

_TURNS = 2
_WAY_OUT = "Give the path of question.jsonl, from the folder mt_bench of the repository lm-sys/FastChat"


def mt_bench(path: str | Path | None = None, *, references: str | Path | None = None) -> Benchmark:
    """MT-Bench, from ``question.jsonl`` as its authors publish it.

    An item asks the first turn, and its one follow-up is the second. Ids are the published numbers: ``81`` etc.
    Metadata are the ``question_id``, the ``category``, both ``turns``, the ``reference`` (right answers to both
    turns, in the categories of `WITH_REFERENCE`, else ``None``) and the ``temperature`` of the category. No rule
    scores these items: they are of the kind ``judged``.

    Published figures were made with GPT-4's answers as references (``references``). Without that file, the
    references are those in the questions' file itself: they are shorter, and some turns have none. References in
    other categories are left out, as no published judge is shown them.

    Source: Zheng et al., Judging LLM-as-a-judge with MT-Bench and Chatbot Arena (arXiv 2306.05685).

    Args:
        path: The file of questions.
        references: The file of right answers, ``reference_answer/gpt-4.jsonl``.

    Raises:
        BenchmarkError: There is no path, or the data has problems; all of a file are reported.
    """
    file = need_path(path, "mt_bench", _WAY_OUT)
    draft = Draft(file=str(file))
    answers = None if references is None else _references(references)
    items = []
    for row in read_objects(file, draft):
        item = _make(row, answers, str(references), draft)
        if item is not None:
            items.append((row.line, item))
    check_ids(((line, item.id) for line, item in items), draft, way_out="Remove one of the two")
    draft.raise_if_any()
    source = str(path) if references is None else f"{path}, references {references}"
    return Benchmark(name="mt_bench", items=tuple(item for _, item in items), source=source)


def _make(row: Row, answers: Mapping[str, list[str]] | None, source: str, draft: Draft) -> Item | None:
    before = len(draft.problems)
    number = row.data.get("question_id")
    if isinstance(number, bool) or not isinstance(number, int):
        has = "" if "question_id" in row.data else nearest("question_id", row.data)
        draft.add(row.line, "question_id", f"should be a whole number, got {number!r:.60}{has}", "Number it")
    category = take_text(row, "category", draft)
    if category is not None and category not in TEMPERATURES:
        draft.add(
            row.line,
            "category",
            f"no category is called {category!r}{nearest(category, TEMPERATURES)}; known are "
            f"{', '.join(TEMPERATURES)}",
            "Name one of them, or load questions of your own as JSON lines in this package's form",
        )
    turns = take_texts(row, "turns", draft)
    if turns is not None and len(turns) != _TURNS:
        draft.add(row.line, "turns", f"should be two questions, got {len(turns)}", 'Write ["first", "second"]')
    reference: list[str] | None = None
    if category in WITH_REFERENCE:
        if answers is None:
            reference = _own_reference(row, draft)
        elif isinstance(number, int):
            reference = answers.get(str(number))
            if reference is None:
                draft.add(
                    row.line,
                    "question_id",
                    f"{number} is of the category {category}, and {source} has no right answer to it",
                    "Add it there: published judges are shown one",
                )
    if len(draft.problems) > before or turns is None or category is None:
        return None
    metadata: dict[str, Any] = {
        "question_id": number,
        "category": category,
        "turns": list(turns),
        "reference": reference,
        "temperature": TEMPERATURES[category],
    }
    return Item(id=str(number), input=turns[0], follow_ups=turns[1:], metadata=metadata, kind="judged")


def _own_reference(row: Row, draft: Draft) -> list[str] | None:
    """The right answers in a question's own line, up to the first turn that has none."""
    given = row.data.get("reference")
    texts = given if isinstance(given, list) else []
    blank = next((n for n, one in enumerate(texts) if isinstance(one, str) and not one.strip()), None)
    if blank is None:
        return [*(take_texts(row, "reference", draft, required=False) or ())] or None
    # The published file has an empty text where a turn has no right answer.
    kept = Row(row.line, {"reference": texts[:blank] or None})
    return [*(take_texts(kept, "reference", draft, required=False) or ())] or None


def _references(path: str | Path) -> dict[str, list[str]]:
    """The right answers by question."""
    draft = Draft(file=str(path))
    found = {}
    for question, turns in read_model_answers(path).by_question.items():
        if len(turns) != _TURNS or not all(turn.strip() for turn in turns):
            message = f"question {question} should have two right answers, got {len(turns)}, or an empty one"
            draft.add(None, "choices", message, "Answer both turns")
        found[question] = list(turns)
    draft.raise_if_any()
    return found
