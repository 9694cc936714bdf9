"""``mixeval_figures``: the figures that MixEval's authors print, from the scores of its items."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from archon_graph.evals.scorers.base import UNSCORED, Score

if TYPE_CHECKING:
    from archon_graph.evals.benchmarks.item import Item

_OVERALL = "overall"


def mixeval_figures(scored: Sequence[tuple[Item, Score]]) -> dict[str, Any]:
    """Mean scores from 0 to 1: overall, of each part, and of each benchmark that the questions are from.

    Within a part, the mean of all and the mean of each benchmark are rounded to 3 decimals; what is in both parts
    is their mean, weighted by the numbers of questions. Unscored answers are left out, and counted.

    Source: the protocol of Ni et al. (arXiv 2406.06565).

    Args:
        scored: Items of `mixeval` or `mixeval_hard`, each with the score of the answer to it.

    Returns:
        ``overall``, then the parts by name, then the benchmarks by name, the largest first, and ``unscored`` if
        there are such answers. Nothing if no answer is scored.
    """
    values: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    unscored = 0
    for item, score in scored:
        if score.value is UNSCORED:
            unscored += 1
            continue
        part = values[str(item.metadata.get("problem_type", item.kind))]
        part[_OVERALL].append(score.value)
        part[str(item.metadata.get("benchmark_name", "unknown"))].append(score.value)
    names = {name: 0 for part in values.values() for name in part}
    for part in values.values():
        for name, found in part.items():
            names[name] += len(found)
    figures: dict[str, Any] = {}
    if values:
        figures[_OVERALL] = _weighted([part[_OVERALL] for part in values.values()])
        figures |= {name: _mean(part[_OVERALL]) for name, part in sorted(values.items())}
    for name in sorted(names, key=lambda name: (-names[name], name)):
        if name != _OVERALL:
            figures[name] = _weighted([part[name] for part in values.values() if name in part])
    return {**figures, "unscored": unscored} if unscored else figures


def _mean(values: Sequence[float]) -> float:
    return round(sum(values) / len(values), 3)


def _weighted(parts: Sequence[Sequence[float]]) -> float:
    """The mean of rounded means; a part by itself stays as it is, whatever the arithmetic would add to it."""
    if len(parts) == 1:
        return _mean(parts[0])
    return sum(_mean(part) * len(part) for part in parts) / sum(map(len, parts))
