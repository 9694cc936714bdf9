"""MMLU: questions on 57 subjects, each with four choices."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any, Final

from archon_graph.core import Prompt
from archon_graph.evals.benchmarks.benchmark import Benchmark
from archon_graph.evals.benchmarks.fields import take_text
from archon_graph.evals.benchmarks.hub import HubSet
from archon_graph.evals.benchmarks.item import Item
from archon_graph.evals.benchmarks.problems import Draft
from archon_graph.evals.benchmarks.published import PublishedFormat
from archon_graph.evals.benchmarks.reading import Row, read_table, type_name

LETTERS: Final = "ABCD"
_COLUMNS = ("question", *LETTERS, "answer")
_PLACE = "\0place"  # the key under which a row carries its number within its subject


def mmlu(
    path: str | Path | None = None,
    *,
    part: str | None = None,
    revision: str | None = None,
    prompt: Prompt | None = None,
) -> Benchmark:
    """MMLU, from one of its CSV files, from a folder of them (``test/``), or from the hub.

    The files have no header; their columns are the question, four choices, and the letter of the right one. The
    subject is the file's name: ``abstract_algebra_test.csv``. Ids are ``abstract_algebra/1`` for the first row
    of a file and so on. To take some subjects: ``mmlu(...).where({"subject": ["virology", "anatomy"]})``.

    The question is asked without examples before it; the paper puts five there, from ``dev/``. Items have no
    cluster: the 57 subjects are all there are, and not a draw from many.

    Source: Hendrycks et al., Measuring massive multitask language understanding (arXiv 2009.03300).

    Args:
        path: The file or folder; ``None`` for the hub, which needs the extra ``datasets``.
        part: On the hub, ``test``, ``validation`` or ``dev``.
        revision: On the hub, the version.
        prompt: Other words around the question.

    Raises:
        BenchmarkError: The data has problems; all are reported.
    """
    return _FORMAT.load(path, part=part, revision=revision, prompt=prompt, read=_read)


def _read(path: Path, draft: Draft) -> list[Row]:
    files = sorted(path.glob("*.csv")) if path.is_dir() else [path]
    if not files:
        inside = sorted({file.parent.name for file in path.glob("*/*.csv")})
        way_out = (
            f"Name one of the folders in it: {', '.join(inside)}"
            if inside
            else "Name the folder 'test' of the release"
        )
        draft.add(None, None, "the folder holds no .csv file", way_out)
    rows: list[Row] = []
    for file in files:
        own = Draft(file=str(file))
        subject = re.sub(r"(_test|_val|_dev)?\.csv(\.gz)?$", "", file.name)
        for row in read_table(file, _COLUMNS, own):
            choices = [row.data[letter] for letter in LETTERS]
            told = {"question": row.data["question"], "choices": choices, "answer": row.data["answer"]}
            rows.append(Row(row.line, {**told, "subject": subject}, str(file)))
        draft.problems.extend(own.problems)
    return rows


def _number(rows: list[Row]) -> list[Row]:
    """Number the rows of each subject from 1; their lines would not do, since some cells have several."""
    count: Counter[Any] = Counter()
    numbered = []
    for row in rows:
        subject = str(row.data.get("subject"))
        count[subject] += 1
        numbered.append(Row(row.line, {**row.data, _PLACE: count[subject]}, row.file))
    return numbered


def _make(row: Row, prompt: Prompt, draft: Draft) -> Item | None:
    question = take_text(row, "question", draft)
    subject = take_text(row, "subject", draft)
    choices = row.data.get("choices")
    if (
        not isinstance(choices, list)
        or len(choices) != len(LETTERS)
        or not all(isinstance(c, str) for c in choices)
    ):
        draft.add(
            row.line, "choices", f"should be {len(LETTERS)} texts, got {type_name(choices)}", "Give all choices"
        )
        return None
    answer = row.data.get("answer")
    # The hub numbers the choices from 0.
    letter = (
        LETTERS[answer] if isinstance(answer, int) and 0 <= answer < len(LETTERS) else str(answer).strip().upper()
    )
    if letter not in [*LETTERS]:
        draft.add(row.line, "answer", f"should be a letter from A to {LETTERS[-1]}, got {answer!r}", "Mend it")
        return None
    if question is None or subject is None:
        return None
    name = f"{subject}/{row.data[_PLACE]}"
    return Item(
        id=name,
        input=prompt.render(
            "question",
            subject=subject.replace("_", " "),
            question=question.strip(),
            choices="\n".join(f"{letter}. {words}" for letter, words in zip(LETTERS, choices, strict=True)),
        ),
        target=letter,
        metadata={"subject": subject, "choices": choices},
        kind="choice",
    )


_FORMAT = PublishedFormat(
    name="mmlu",
    hub=HubSet(repository="cais/mmlu", config="all"),
    parts=("test", "validation", "dev"),
    make=_make,
    prepare=_number,
)
