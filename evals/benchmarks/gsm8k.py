"""GSM8K: word problems from grade school, with a number for an answer."""

from __future__ import annotations

import re
from pathlib import Path

from archon_graph.answers import parse_number
from archon_graph.core import Prompt
from archon_graph.evals.benchmarks.benchmark import Benchmark
from archon_graph.evals.benchmarks.fields import take_text
from archon_graph.evals.benchmarks.hub import HubSet
from archon_graph.evals.benchmarks.item import Item
from archon_graph.evals.benchmarks.problems import Draft
from archon_graph.evals.benchmarks.published import PublishedFormat
from archon_graph.evals.benchmarks.reading import Row

_GOLD = re.compile(r"#### (-?[0-9.,]+)")


def gsm8k(
    path: str | Path | None = None,
    *,
    part: str | None = None,
    revision: str | None = None,
    prompt: Prompt | None = None,
) -> Benchmark:
    """GSM8K, from a file of JSON lines ``{"question", "answer"}`` as its authors publish it, or from the hub.

    An answer ends with ``#### 18``; what follows the mark is the target. Ids are ``gsm8k/1`` for the first line
    and so on, so they hold for the whole published file and not for a part of it.

    Source: Cobbe et al., Training verifiers to solve math word problems (arXiv 2110.14168).

    Args:
        path: The file; ``None`` for the hub, which needs the extra ``datasets``.
        part: On the hub, ``test`` or ``train``.
        revision: On the hub, the version.
        prompt: Other words around the question.

    Raises:
        BenchmarkError: The data has problems; all are reported.
    """
    return _FORMAT.load(path, part=part, revision=revision, prompt=prompt)


def _make(row: Row, prompt: Prompt, draft: Draft) -> Item | None:
    question = take_text(row, "question", draft)
    answer = take_text(row, "answer", draft)
    if question is None or answer is None:
        return None
    # The rule of the authors' own script; the first match, as there.
    gold = _GOLD.search(answer)
    target = None if gold is None else gold[1].replace(",", "").rstrip(".")
    if target is None or parse_number(target) is None:
        draft.add(
            row.line,
            "answer",
            f"has no number after '####': {answer[-60:]!r}",
            "End it with '#### number', as the published file does",
        )
        return None
    return Item(
        id=f"gsm8k/{row.line}",
        input=prompt.render("question", question=question),
        target=target,
        metadata={"solution": answer},
        kind="numeric",
    )


_FORMAT = PublishedFormat(
    name="gsm8k",
    hub=HubSet(repository="openai/gsm8k", config="main"),
    parts=("test", "train"),
    make=_make,
)
