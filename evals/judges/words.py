"""``Words``: what a judge is told, from our own prompts or from the files that were published."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Final

import yaml
from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage

from archon_graph.core import Prompt, load_prompt
from archon_graph.evals.benchmarks.problems import Draft
from archon_graph.evals.benchmarks.reading import read_objects, read_text

_PACKAGE = "archon_graph.evals.judges"
_SYSTEM = "_system"

# What MT-Bench's authors call their templates, and what each of them may have put in.
_TURN = ("question_1", "question_2")
_MT_BENCH: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "single-v1": ("single", ("question", "answer")),
    "single-math-v1": ("single_reference", ("question", "answer", "ref_answer_1")),
    "single-v1-multi-turn": ("single_second", (*_TURN, "answer_1", "answer_2")),
    "single-math-v1-multi-turn": (
        "single_second_reference",
        (*_TURN, "answer_1", "answer_2", "ref_answer_1", "ref_answer_2"),
    ),
    "pair-v2": ("pair", ("question", "answer_a", "answer_b")),
    "pair-math-v1": ("pair_reference", ("question", "answer_a", "answer_b", "ref_answer_1")),
    "pair-v2-multi-turn": (
        "pair_second",
        (*_TURN, "answer_a_1", "answer_a_2", "answer_b_1", "answer_b_2"),
    ),
    "pair-math-v1-multi-turn": (
        "pair_second_reference",
        (*_TURN, "answer_a_1", "answer_a_2", "answer_b_1", "answer_b_2", "ref_answer_1", "ref_answer_2"),
    ),
}
_ARENA_HARD = {"question_1": "question", "answer_1": "answer_a", "answer_2": "answer_b"}
# The file of 2025 writes them so.
_ARENA_HARD_2025 = {"QUESTION": "question", "ANSWER_A": "answer_a", "ANSWER_B": "answer_b"}


ARENA_HARD_2025: Final = "published-2025"
"""The version of words that come from a file of 2025, whose labels are read and weighed otherwise."""


@dataclass(frozen=True, kw_only=True)
class Words:
    """Named templates, each with what the system message says."""

    prompt: Prompt
    """The templates; the part ``NAME_system`` goes before ``NAME``."""

    @property
    def identity(self) -> str:
        """Version and digest of the words."""
        return self.prompt.identity

    def messages(self, name: str, **texts: str) -> tuple[BaseMessage, ...]:
        """What the judge is told.

        The texts are put in as they are: nothing in them is read as a placeholder.

        Raises:
            KeyError: There is no such template, or it needs another text.
        """
        # Not `Prompt.render`, which strips: published words are told letter by letter.
        told = Template(self.prompt.parts[name]).substitute(texts)
        system = self.prompt.parts["system" if name == "user" else f"{name}{_SYSTEM}"]
        return (SystemMessage(Template(system).substitute({})), HumanMessage(told))


def own_words(name: str) -> Words:
    """The package's own words: ``mt_bench`` or ``arena_hard``."""
    own = load_prompt(_PACKAGE, name)
    return Words(prompt=Prompt(version=own.version, parts={key: text.strip() for key, text in own.parts.items()}))


def mt_bench_words(path: str | Path) -> Words:
    """MT-Bench's published templates, from ``judge_prompts.jsonl``.

    Raises:
        BenchmarkError: The file cannot be read, or templates are missing from it; all problems are told.
    """
    draft = Draft(file=str(path))
    parts: dict[str, str] = {}
    for row in read_objects(Path(path), draft):
        known = _MT_BENCH.get(str(row.data.get("name")))
        if known is None:
            continue  # the file may hold others
        name, fields = known
        for key, part in (("prompt_template", name), ("system_prompt", name + _SYSTEM)):
            text = row.data.get(key)
            if isinstance(text, str):
                parts[part] = _as_template(text, dict.fromkeys(fields) if key == "prompt_template" else {})
            else:
                draft.add(
                    row.line, key, f"should be a text, got {text!r:.60}", "Take the file as it was published"
                )
    if not draft.problems and (
        missing := [theirs for theirs, (name, _) in _MT_BENCH.items() if name not in parts]
    ):
        draft.add(
            None, "name", f"no template is called {', '.join(missing)}", "Take the file as FastChat publishes it"
        )
    draft.raise_if_any()
    return Words(prompt=Prompt(version="published", parts=parts))


def arena_hard_words(path: str | Path) -> Words:
    """Arena-Hard's published words, from ``judge_config.yaml`` of 2024.

    A file of 2025 names its template alone: its system prompts stand in the authors' code, and ours is taken.

    Raises:
        BenchmarkError: The file cannot be read, or has no template; all problems are told.
    """
    draft = Draft(file=str(path))
    text = read_text(Path(path), draft)
    draft.raise_if_any()
    try:
        data = yaml.safe_load(text or "")
    except yaml.YAMLError as error:
        draft.add(
            None, None, f"is no YAML: {' '.join(str(error).split())[:120]}", "Take the file as it was published"
        )
        draft.raise_if_any()
    given = data if isinstance(data, Mapping) else {}
    template = given.get("prompt_template")
    if isinstance(template, list) and len(template) == 1:
        template = template[0]
    own = own_words("arena_hard").prompt.parts
    system = given.get("system_prompt")
    if not isinstance(template, str):
        draft.add(None, "prompt_template", f"should be a text, got {template!r:.60}", "Take Arena-Hard's own file")
    if system is not None and not isinstance(system, str):
        draft.add(None, "system_prompt", f"should be a text, got {system!r:.60}", "Take Arena-Hard's own file")
    draft.raise_if_any()
    fields = _ARENA_HARD_2025 if "{QUESTION}" in str(template) else _ARENA_HARD
    made = _as_template(str(template), fields)
    lacking = [theirs for theirs, ours in fields.items() if f"${{{ours}}}" not in made]
    if lacking:
        draft.add(
            None, "prompt_template", f"has no {{{'}, {'.join(lacking)}}}", "Put each where its text shall stand"
        )
    draft.raise_if_any()
    return Words(
        prompt=Prompt(
            version=ARENA_HARD_2025 if fields is _ARENA_HARD_2025 else "published",
            parts={
                "system": own["system"] if system is None else _as_template(system, {}),
                "user": made,
                # What Arena-Hard's code says to a judge that gave no label.
                "again": "continue your judgment and finish by outputting a final verdict label",
            },
        )
    )


def _as_template(text: str, fields: Mapping[str, str | None] | Iterable[str]) -> str:
    """A text with ``{field}`` as one with ``${field}``; other braces stand for themselves."""
    names = dict(fields) if isinstance(fields, Mapping) else dict.fromkeys(fields)
    escaped = text.replace("$", "$$")
    if not names:
        return escaped
    pattern = r"\{(" + "|".join(map(re.escape, names)) + r")\}"
    return re.sub(pattern, lambda match: f"${{{names[match[1]] or match[1]}}}", escaped)
