"""What the report shows of one question: everything that was said, and why it scored as it did."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from archon_graph.evals.benchmarks import Item
from archon_graph.evals.curves import known_scores, text_of
from archon_graph.evals.judges import baseline_of
from archon_graph.evals.log import Row, digest
from archon_graph.evals.runner import Evaluation
from archon_graph.evals.scorers import Score

_LONGEST = 20_000  # characters of one text
_ABOUT = ("area", "subject", "difficulty", "level", "split")


def transcript(
    item: Item, rows: Sequence[tuple[str, Row | None]], scores: Mapping[tuple[str, str], Score]
) -> dict[str, Any]:
    """One question with what each architecture made of it.

    Args:
        item: The question.
        rows: For each architecture its row; ``None`` for one that was not asked yet.
        scores: What is known of single candidates, see `known_scores`.
    """
    done = [row for _, row in rows if row is not None]
    values = [row.score.value for row in done if row.score.scored]
    flags = {
        "differ": len({str(value) for value in values}) > 1,
        "wrong": any(value != 1.0 for value in values),
        "unscored": any(not row.score.scored for row in done),
        "lost": any(row.losses for row in done),
    }
    return {
        "id": item.id,
        "about": [item.kind, *(str(item.metadata[name]) for name in _ABOUT if name in item.metadata)],
        "cluster": item.cluster,
        "question": _question(item),
        "baseline": [cut(text) for text in baseline_of(item)],
        "targets": item.targets,
        "tests": cut("\n".join(item.tests)),
        "flags": " ".join(name for name, holds in flags.items() if holds),
        "answers": [_answer(name, row, scores) for name, row in rows],
    }


def transcripts_of(evaluation: Evaluation, most: int) -> Iterator[dict[str, Any]]:
    """The first questions of an evaluation, each with what all architectures made of it."""
    scores = known_scores(evaluation)
    by_item: dict[str, dict[str, Row]] = {}
    for row in evaluation.rows:
        by_item.setdefault(row.item, {})[row.architecture] = row
    for item in evaluation.items[:most]:
        rows = [(name, by_item.get(item.id, {}).get(name)) for name in evaluation.architectures]
        yield transcript(item, rows, scores)


def visible(text: object) -> str:
    """The text with characters that would not be seen, or would move others about, as what they are."""
    return "".join(letter if letter.isprintable() or letter in "\n\t" else _named(letter) for letter in str(text))


def cut(text: str) -> str:
    """The text, or its beginning if it is longer than anybody reads."""
    if len(text) <= _LONGEST:
        return text
    return f"{text[:_LONGEST]}\n[{len(text) - _LONGEST:,} more characters are in the log]"


def _named(letter: str) -> str:
    number = ord(letter)
    if letter.isspace():
        return " "  # of whatever width
    return chr(0x2400 + number) if number < 0x20 else f"[U+{number:04X}]"


def _question(item: Item) -> list[tuple[str, str]]:
    """Who says what."""
    then = [(f"turn {number}", cut(text)) for number, text in enumerate(item.follow_ups, start=2)]
    if isinstance(item.input, str):
        return [("", cut(item.input)), *then]
    return [*((message.type, cut(text_of(message.content))) for message in item.input), *then]


def _answer(name: str, row: Row | None, scores: Mapping[tuple[str, str], Score]) -> dict[str, Any]:
    if row is None:
        return {"name": name, "row": None, "mark": "not asked yet", "state": "missing"}
    kept = row.result.get("nodes", ())
    return {
        "name": name,
        "row": row,
        **_mark(row.score),
        "answer": None if row.answer is None else cut(row.answer),
        "earlier": [cut(str(turn["answer"])) for turn in row.earlier],
        "judge": (row.score.judgment or {}).get("judge", ""),
        "verdicts": [
            {**verdict, "text": cut(verdict["text"])} for verdict in (row.score.judgment or {}).get("verdicts", ())
        ],
        "extracted": None if row.score.extracted is None else cut(row.score.extracted),
        "nodes": [_node(node, row.item, scores) for node in kept if "candidates" in node],
        # Of a run whose candidates were not kept, what its nodes took.
        "spent": [(node["node"], node["usage"]["calls"]) for node in kept if "candidates" not in node],
        "trace": row.result.get("trace", ()),
        "losses": row.losses,
    }


def _mark(score: Score | None) -> dict[str, str]:
    """A score in a word, and what kind of score it is."""
    if score is None:
        return {"mark": "", "state": "missing"}
    value = score.to_json()["value"]
    state = "unscored" if value is None else "right" if value == 1.0 else "wrong" if value == 0.0 else "partly"
    return {"mark": f"{value:.3g}" if state == "partly" else state, "state": state}


def _node(node: Mapping[str, Any], item: str, scores: Mapping[tuple[str, str], Score]) -> dict[str, Any]:
    made, kept = [], []
    for candidate in node["candidates"]:
        if candidate["node"] == node["node"]:
            made.append(_candidate(candidate, item, scores))
        else:
            kept.append(candidate["id"])
    said = [each for each in (_said_of(candidate) for candidate in node["candidates"]) if each["said"]]
    return {**node, "made": made, "kept": kept, "said": said}


def _candidate(candidate: Mapping[str, Any], item: str, scores: Mapping[tuple[str, str], Score]) -> dict[str, Any]:
    text = text_of(candidate["content"])
    return {
        "id": candidate["id"],
        "model": candidate["model"],
        "parents": candidate["parents"],
        "text": cut(text),
        "tool_calls": json.dumps(candidate["tool_calls"], ensure_ascii=False) if candidate["tool_calls"] else "",
        **_mark(scores.get((item, digest(text)))),
    }


def _said_of(candidate: Mapping[str, Any]) -> dict[str, Any]:
    """What critics, verifiers and tests said of a candidate."""
    said = [
        (kind, cut(json.dumps(entry, ensure_ascii=False, indent=1)))
        for kind, entries in (
            ("critique", candidate["critiques"]),
            ("verdict", candidate["verdicts"]),
            ("test result", candidate["test_results"]),
        )
        for entry in entries
    ]
    if candidate["score"] is not None:
        said.append(("score", f"{candidate['score']:.3g}"))
    return {"id": candidate["id"], "said": said}
