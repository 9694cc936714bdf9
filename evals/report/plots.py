"""The report's plots, as SVG that stands in the page itself and takes the page's colours."""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

from archon_graph.evals.comparison import Standing, Summary, shortened
from archon_graph.evals.curves import SampleCurves
from archon_graph.evals.log import digest
from archon_graph.evals.statistics import Estimate

# matplotlib's own types differ from version to version.
Axes = Any

# Stand-ins that become colours of the page, light or dark: matplotlib knows no variables.
_INK, _FAINT = "#010203", "#010204"
_SERIES = tuple(f"#01020{digit}" for digit in "56789abc")
_STAND_INS = {_INK: "var(--ink)", _FAINT: "var(--line)"} | {
    colour: f"var(--series-{number})" for number, colour in enumerate(_SERIES, start=1)
}
_MARKERS = "osD^vPX*"
_STYLE: Any = {
    "svg.fonttype": "none",
    "text.parse_math": False,  # a dollar in a name is a dollar
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib: the measures are the same everywhere
    "font.size": 10,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": _FAINT,
    "axes.titlesize": 10,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": _FAINT,
    "grid.linewidth": 0.6,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "legend.frameon": False,
}
_LONGEST_NAME = 40


class _Point(NamedTuple):
    """A value to draw, of the architecture at this place."""

    place: int
    at: float
    mean: float | None
    low: float | None
    high: float | None


def plot_scores(summary: Summary) -> str:
    """Each architecture's mean score with its interval."""
    known = [each for each in summary.standings if each.score.mean is not None]
    order = _places(summary)

    def draw(axes: Axes) -> None:
        for place, standing in enumerate(known):
            score = standing.score
            _whisker(axes, _Point(order[standing.architecture], place, score.mean, score.low, score.high))
        _name_rows(axes, [each.architecture for each in known])
        axes.set_xlabel("score")

    return _svg(draw, "scores", height=_rows_height(len(known)))


def plot_differences(summary: Summary) -> str:
    """The paired differences to the baseline, with the intervals that hold all together."""
    known = [each for each in summary.differences if each.mean is not None]
    order = _places(summary)

    def draw(axes: Axes) -> None:
        axes.axvline(0.0, color=_INK, linewidth=1.0)
        for place, each in enumerate(known):
            _whisker(axes, _Point(order[each.first], place, each.mean, each.family_low, each.family_high))
        _name_rows(axes, [each.first for each in known])
        axes.set_xlabel(f"difference to {_name(summary.baseline)}")

    return _svg(draw, "differences", height=_rows_height(len(known)))


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
        axes.plot([x for x, _ in front], [y for _, y in front], color=_FAINT, linewidth=3, zorder=1)
        for cost, standing, place in known:
            score = standing.score
            _whisker(axes, _Point(place, cost, score.mean, score.low, score.high), upright=True)
            axes.annotate(
                _name(standing.architecture), (cost, score.mean or 0.0), (8, 4), textcoords="offset points"
            )
        spread = [cost for cost, _, _ in known]
        if min(spread) > 0 and max(spread) / min(spread) >= 10:
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter("{x:g}")
            axes.xaxis.set_minor_formatter("")
        else:
            axes.set_xlim(left=0.0)
        # Names stand to the right of their points.
        axes.margins(x=0.25)
        axes.set_xlabel(f"{unit} for each question")
        axes.set_ylabel("score")

    return _svg(draw, "costs", height=3.6)


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
                color=_colour(place),
                marker=_MARKERS[place % len(_MARKERS)] if len(numbers) <= 32 else None,
                markersize=4,
                linestyle="--" if name == "one" else "-",
                label=_name(name),
            )
            axes.fill_between(
                numbers,
                [low for low, _ in ends],
                [high for _, high in ends],
                color=_colour(place),
                alpha=0.12,
                lw=0,
            )
        axes.set_xlabel("samples")
        axes.set_ylabel("score")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.legend(loc="best")

    return _svg(draw, f"curves {digest(curves.architecture)}", height=3.4)


def _svg(draw: Any, salt: str, *, height: float) -> str:
    """The plot as an ``<svg>`` element."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    # The salt makes ids equal in equal reports, and different in each plot of a page.
    with mpl.rc_context({**_STYLE, "svg.hashsalt": f"archon-graph {salt}"}), warnings.catch_warnings():
        # A name may have characters that the measuring font lacks; the browser's has them.
        warnings.simplefilter("ignore", UserWarning)
        figure = Figure(figsize=(7.2, height), layout="constrained")
        draw(figure.subplots())
        made = io.StringIO()
        figure.savefig(made, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return _in_page(made.getvalue())


def _in_page(text: str) -> str:
    """An SVG file as part of a page: without prolog and page-wide style, in the page's colours and font."""
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<style[^>]*>.*?</style>", "", text, flags=re.DOTALL)
    # The size is the page's to choose; the shape is in the viewBox.
    text = re.sub(r'(<svg [^>]*?)width="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg [^>]*?)height="[^"]*"', r"\1", text, count=1)
    text = re.sub(r"'DejaVu Sans'(?=[^<>]*>)", "system-ui", text)
    for stand_in, colour in _STAND_INS.items():
        text = text.replace(stand_in, colour)
    return text


def _whisker(axes: Axes, point: _Point, *, upright: bool = False) -> None:
    """A point with its interval, lying or upright."""
    if point.mean is None:
        return
    ends = (
        None if point.low is None or point.high is None else [[point.mean - point.low], [point.high - point.mean]]
    )
    x, y = (point.at, point.mean) if upright else (point.mean, point.at)
    axes.errorbar(
        x,
        y,
        **{"yerr" if upright else "xerr": ends},
        fmt=_MARKERS[point.place % len(_MARKERS)],
        color=_colour(point.place),
        markersize=7,
        capsize=4,
        elinewidth=1.8,
        zorder=3,
    )


def _name_rows(axes: Axes, names: Sequence[str]) -> None:
    """A row for each, the first on top."""
    axes.set_yticks(range(len(names)), [_name(name) for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")


def _places(summary: Summary) -> dict[str, int]:
    """The place of each architecture: it has one colour in all plots."""
    return {each.architecture: place for place, each in enumerate(summary.standings)}


def _rows_height(count: int) -> float:
    return 0.9 + 0.34 * count


def _colour(place: int) -> str:
    return _SERIES[place % len(_SERIES)]


def _name(name: str) -> str:
    return shortened("".join(letter for letter in name if letter.isprintable()), _LONGEST_NAME)


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
