"""Evaluations made up of scores, without a model."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from archon_graph.evals import UNSCORED, Evaluation, Item, Row, Score
from archon_graph.models import Usage
from tests.evals.doubling import item

USAGE = Usage(calls=1, prompt_tokens=6, completion_tokens=4, money=0.5, seconds=2.0)


def row(architecture: str, item: str, value: Any, **settings: Any) -> Row:
    """A row with this score; ``None`` for one that is unscored."""
    score = Score(value=UNSCORED if value is None else value, detail="made up")
    usage = dataclasses.asdict(settings.pop("usage", USAGE))
    given = {"cluster": f"item:{item}", "answer": "an answer", "seconds": 0.1, "usage": usage, "paid": usage}
    return Row(architecture=architecture, item=item, score=score, **{**given, "at": "now", **settings})


def evaluation(
    scores: Mapping[str, Sequence[Any]],
    *,
    clusters: Sequence[str | None] = (),
    usage: Mapping[str, Usage] | None = None,
    directory: Path = Path("nowhere"),
) -> Evaluation:
    """An evaluation with these scores; ``None`` for one that is unscored, `...` for a question not done yet."""
    count = len(next(iter(scores.values())))
    items = [item(number, cluster=clusters[number - 1] if clusters else None) for number in range(1, count + 1)]
    rows = [
        row(name, each.id, value, cluster=each.unit, usage=(usage or {}).get(name, USAGE))
        for name, values in scores.items()
        for each, value in zip(items, values, strict=True)
        if value is not ...
    ]
    return Evaluation(
        directory=directory, run=run(list(scores), items), items=tuple(items), rows=tuple(rows), paid=Usage()
    )


def run(names: Sequence[str], items: Sequence[Item] = ()) -> dict[str, Any]:
    """What a log says of what was evaluated."""
    about = {"name": "made", "split": None, "fingerprint": "f", "scorer": "s", "source": "here", "prompt": None}
    identity = {
        "architectures": dict.fromkeys(names, "0"),
        "models": {},
        "benchmark": about,
        "seed": 0,
        "budget": None,
    }
    architectures = [
        {
            "name": name,
            "fingerprint": "0",
            "config": {"name": name},
            "prompts": {},
            "calls": 1,
            "mermaid": f"graph {name}",
        }
        for name in names
    ]
    start = {"at": "now", "command": ["eval"], "concurrency": 1, "git": None, "versions": {"python": "3"}}
    return {
        "identity": identity,
        "architectures": architectures,
        "benchmark": {**about, "items": len(items)},
        "starts": [start],
    }
