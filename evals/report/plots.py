"""The plots of an evaluation's report."""

from __future__ import annotations

import math
from collections.abc import Sequence

from archon_graph.evals.comparison import Standing, Summary
from archon_graph.evals.curves import SampleCurves
from archon_graph.evals.log import digest
from archon_graph.evals.report.svg import (
    FAINT,
    INK,
    Axes,
    Mark,
    colour,
    draw_svg,
    marker,
    name_rows,
    plain_name,
    rows_height,
    scale_costs,
    whisker,
)
from archon_graph.evals.statistics import Estimate


def plot_scores(summary: Summary) -> str:
    """Each architecture's mean score with its interval."""
    known = [each for each in summary.standings if each.score.mean is not None]
    order = _places(summary)

    def draw(axes: Axes) -> None:
        for place, standing in enumerate(known):
            score = standing.score
            whisker(axes, Mark(order[standing.architecture], place, score.mean, score.low, score.high))
        name_rows(axes, [each.architecture for each in known])
        axes.set_xlabel("score")

    return draw_svg(draw, "scores", height=rows_height(len(known)))


def plot_differences(summary: Summary) -> str:
    """The paired differences to the baseline, with the intervals that hold all together."""
    known = [each for each in summary.differences if each.mean is not None]
    order = _places(summary)

    def draw(axes: Axes) -> None:
        axes.axvline(0.0, color=INK, linewidth=1.0)
        for place, each in enumerate(known):
            whisker(axes, Mark(order[each.first], place, each.mean, each.family_low, each.family_high))
        name_rows(axes, [each.first for each in known])
        axes.set_xlabel(f"difference to {plain_name(summary.baseline)}")

    return draw_svg(draw, "differences", height=rows_height(len(known)))


def plot_costs(summary: Summary) -> str:
    """Score over cost for each question, and the front: what no other one beats in both."""
    unit, costs = _costs(summary.standings)
    known = [
        (cost, standing, place)
        for place, (cost, standing) in enumerate(zip(costs, summary.standings, strict=True))
        if standing.score.mean is not None
    ]

    def draw(axes: Axes) -> None:
        best = -math.inf
        front = []
        for cost, standing, _ in sorted(known, key=lambda each: (each[0], -(each[1].score.mean or 0.0))):
            if (mean := standing.score.mean or 0.0) > best:
                best = mean
                front.append((cost, mean))
        axes.plot([x for x, _ in front], [y for _, y in front], color=FAINT, linewidth=3, zorder=1)
        for cost, standing, place in known:
            score = standing.score
            whisker(axes, Mark(place, cost, score.mean, score.low, score.high), upright=True)
            axes.annotate(
                plain_name(standing.architecture), (cost, score.mean or 0.0), (8, 4), textcoords="offset points"
            )
        scale_costs(axes, [cost for cost, _, _ in known])
        # Names stand to the right of their points.
        axes.margins(x=0.25)
        axes.set_xlabel(f"{unit} for each question")
        axes.set_ylabel("score")

    return draw_svg(draw, "costs", height=3.6)


def plot_curves(curves: SampleCurves) -> str:
    """What more samples would bring, each curve with its interval."""
    found = curves.curves

    def draw(axes: Axes) -> None:
        for place, (name, curve) in enumerate(found.items()):
            points = [(n, point) for n, point in enumerate(curve.points, start=1) if point.mean is not None]
            numbers = [n for n, _ in points]
            ends = [_ends(point) for _, point in points]
            axes.plot(
                numbers,
                [point.mean for _, point in points],
                color=colour(place),
                marker=marker(place) if len(numbers) <= 32 else None,
                markersize=4,
                linestyle="--" if name == "one" else "-",
                label=plain_name(name),
            )
            axes.fill_between(
                numbers,
                [low for low, _ in ends],
                [high for _, high in ends],
                color=colour(place),
                alpha=0.12,
                lw=0,
            )
        axes.set_xlabel("samples")
        axes.set_ylabel("score")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.legend(loc="best")

    return draw_svg(draw, f"curves {digest(curves.architecture)}", height=3.4)


def _places(summary: Summary) -> dict[str, int]:
    """The place of each architecture: it has one colour in all plots."""
    return {each.architecture: place for place, each in enumerate(summary.standings)}


def _ends(point: Estimate) -> tuple[float, float]:
    mean = point.mean or 0.0
    return (mean if point.low is None else point.low), (mean if point.high is None else point.high)


def _costs(standings: Sequence[Standing]) -> tuple[str, list[float]]:
    """What each architecture costs, in the first unit that all are known in: money, tokens, calls."""
    for unit, costs in (
        ("US dollars", [each.money for each in standings]),
        ("tokens", [each.tokens for each in standings]),
    ):
        known = [cost for cost in costs if cost is not None]
        if len(known) == len(standings) and any(known):
            return unit, known
    return "calls", [each.calls for each in standings]
