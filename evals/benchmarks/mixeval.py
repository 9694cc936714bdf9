"""MixEval and MixEval-Hard: questions of many benchmarks, mixed as people ask them; short answers and choices."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from string import ascii_uppercase
from typing import Any, Final, Literal, get_args

from archon_graph.core import Prompt, load_prompt
from archon_graph.evals.benchmarks.benchmark import Benchmark
from archon_graph.evals.benchmarks.fields import take_text, take_texts
from archon_graph.evals.benchmarks.item import Item
from archon_graph.evals.benchmarks.problems import Draft, UnknownBenchmarkError, nearest
from archon_graph.evals.benchmarks.reading import Row, read_object, type_name
from archon_graph.evals.scorers.mixeval_rules import CHOICE, FREE_FORM, MixEvalRules

MixEvalPart = Literal["free-form", "multiple-choice"]
"""The two halves of the benchmark, scored in two ways."""

PARTS: Final[tuple[MixEvalPart, ...]] = get_args(MixEvalPart)
_STEPS = frozenset({"BBH", "GSM8k", "MATH"})
"""The benchmarks among the free-form ones whose questions ask for reasoning."""


def mixeval(path: str | Path, *, part: MixEvalPart | None = None, prompt: Prompt | None = None) -> Benchmark:
    """MixEval, from the folder with ``free-form.json`` and ``multiple-choice.json``, or from one of these files.

    Ids are ``free-form/12`` and ``multiple-choice/12``, by the keys of the files. An item's metadata has its
    ``benchmark_name``, ``problem_type``, ``context``, ``question`` (without the context) and, for a choice, its
    ``options``; its target is the letter of the right one. Of a free-form question, any of the targets is right.

    The release (2024-06-01) repeats many questions: of the 4000, 815 are another one once more, and of the 1000
    hard ones 554. They all stay, since the published figures count them. But questions on one text, or with the
    same words, share a cluster: otherwise intervals would be too narrow.

    Scored by rule (`MixEvalRules`) until it is given a judge; the authors' figures are by a judge.

    Source: Ni et al., MixEval: deriving wisdom of the crowd from LLM benchmark mixtures (arXiv 2406.06565).
    Context, question, options and request come in the authors' order; the words are ours, but for ``prompt``.

    Args:
        path: The folder or the file.
        part: One half alone, ``free-form`` or ``multiple-choice``; by default whatever is there.
        prompt: Other words around the questions: parts ``free_form``, ``free_form_steps`` and ``choice``.

    Raises:
        BenchmarkError: The data has problems; all are reported.
        UnknownBenchmarkError: There is no such part.
    """
    return _load("mixeval", path, part, prompt)


def mixeval_hard(path: str | Path, *, part: MixEvalPart | None = None, prompt: Prompt | None = None) -> Benchmark:
    """MixEval-Hard: those questions of a larger mix that models find hard, in the form of `mixeval`.

    Args:
        path: The folder or the file.
        part: One half alone, ``free-form`` or ``multiple-choice``; by default whatever is there.
        prompt: Other words around the questions, see `mixeval`.

    Raises:
        BenchmarkError: The data has problems; all are reported.
        UnknownBenchmarkError: There is no such part.
    """
    return _load("mixeval_hard", path, part, prompt)


def _load(name: str, path: str | Path, part: MixEvalPart | None, prompt: Prompt | None) -> Benchmark:
    if part is not None and part not in PARTS:
        raise UnknownBenchmarkError(
            f"{name} has no part {part!r}{nearest(part, PARTS)}; it has {', '.join(PARTS)}, and both without one"
        )
    base = load_prompt("archon_graph.evals.benchmarks", "mixeval")
    words = base if prompt is None else prompt.over(base)
    draft = Draft(file=str(path))
    items = []
    for row in _rows(Path(path), part, draft):
        own = Draft(file=row.file or draft.file)
        item = _make(row, part, words, own)
        draft.problems.extend(own.problems)
        if item is not None:
            items.append(item)
    if not items and not draft.problems:
        wanted = "record" if part is None else f"{part} record"
        draft.add(None, None, f"there is no {wanted} in it", f"Name the folder with {' and '.join(_files(None))}")
    draft.raise_if_any()
    return Benchmark(name=name, items=tuple(items), source=str(path), prompt=words.identity, scorer=MixEvalRules())


def _files(part: MixEvalPart | None) -> list[str]:
    return [f"{each}.json" for each in PARTS if part in (None, each)]


def _rows(path: Path, part: MixEvalPart | None, draft: Draft) -> list[Row]:
    """The records of all files; each with its key as the field that `_make` names it by."""
    rows: list[Row] = []
    for file in [path / name for name in _files(part)] if path.is_dir() else [path]:
        own = Draft(file=str(file))
        records = read_object(file, own)
        for number, (key, record) in enumerate((records or {}).items(), start=1):
            if isinstance(record, Mapping):
                rows.append(Row(number, {**record, _KEY: key}, str(file)))
            else:
                told = f"the record {key!r} should be an object, got {type_name(record)}"
                own.add(number, None, told, 'The form is {"0": {"problem_type": ..., "prompt": ...}, "1": ...}')
        draft.problems.extend(own.problems)
    return rows


_KEY = "\0key"  # the key under which a row carries the one it has in its file


def _make(row: Row, part: MixEvalPart | None, prompt: Prompt, draft: Draft) -> Item | None:
    kind = take_text(row, "problem_type", draft)
    if kind is None:
        return None
    if kind not in PARTS:
        known = f"known are {', '.join(PARTS)}"
        draft.add(row.line, "problem_type", f"{kind!r} is no type{nearest(kind, PARTS)}; {known}", "Mend it")
        return None
    if part not in (None, kind):
        return None
    question, source = take_text(row, "prompt", draft), take_text(row, "benchmark_name", draft)
    context = take_text(row, "context", draft, default="")
    # The authors' reader takes these words for no context, too.
    context = None if context is None or context.strip().lower() in ("", "none", "null") else context
    options = take_texts(row, "options", draft) if kind == "multiple-choice" else ()
    target = _letter(row, options, draft) if kind == "multiple-choice" else take_texts(row, "target", draft)
    if question is None or source is None or options is None or target is None:
        return None
    whole = question if context is None else f"{context}\n{question}"
    choices = listed(options)
    told: dict[str, Any] = {
        "benchmark_name": source,
        "problem_type": kind,
        "context": context,
        "question": question,
    }
    if kind == "multiple-choice":
        wording, told["options"] = prompt.render("choice", question=whole, choices=choices), [*options]
    else:
        wording = prompt.render("free_form_steps" if source in _STEPS else "free_form", question=whole)
    return Item(
        id=f"{kind}/{row.data[_KEY]}",
        input=wording,
        target=target,
        metadata=told,
        cluster=f"mixeval/{hashlib.sha256((context or question).strip().encode()).hexdigest()[:16]}",
        kind=CHOICE if kind == "multiple-choice" else FREE_FORM,
    )


def listed(options: Sequence[str]) -> str:
    """Options as lines, each after its letter, as question and judge see them."""
    return "\n".join(f"{letter}. {option}" for letter, option in zip(ascii_uppercase, options, strict=False))


def _letter(row: Row, options: tuple[str, ...] | None, draft: Draft) -> str | None:
    """The letter of the right option; the file has a list with its one place, from 0."""
    target: Any = row.data.get("target")
    if options is not None and not 2 <= len(options) <= len(ascii_uppercase):
        draft.add(row.line, "options", f"should be 2 to 26 options, got {len(options)}", "Mend the list")
        return None
    place = target[0] if isinstance(target, list) and len(target) == 1 else None
    count = len(options or ascii_uppercase)
    if isinstance(place, bool) or not isinstance(place, int) or not 0 <= place < count:
        shown = repr(target)[:60]
        draft.add(
            row.line,
            "target",
            f"should be a list with the place of the right option, from 0 to {count - 1}, got {shown}",
            "Write [0] for the first option",
        )
        return None
    return ascii_uppercase[place]
