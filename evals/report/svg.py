"""Plots as SVG that stands in a page itself and takes the page's colours: what the plots of all reports share."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from archon_graph.evals.comparison import shortened

# matplotlib's own types differ from version to version.
Axes = Any

# Stand-ins that become colours of the page, light or dark: matplotlib knows no variables.
INK, SOFT, FAINT = "#010203", "#010205", "#010204"
"""Colours of what is not data: text, what steps back, lines."""
_SERIES = tuple(f"#01020{digit}" for digit in "6789abcd")
_STAND_INS = {INK: "var(--ink)", SOFT: "var(--soft)", FAINT: "var(--line)"} | {
    colour: f"var(--series-{number})" for number, colour in enumerate(_SERIES, start=1)
}
_MARKERS = "osD^vPX*"
_STYLE: Any = {
    "svg.fonttype": "none",
    "text.parse_math": False,  # a dollar in a name is a dollar
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib: the measures are the same everywhere
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "axes.titlesize": 10,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": FAINT,
    "grid.linewidth": 0.6,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "legend.frameon": False,
}
_LONGEST_NAME = 40


class Mark(NamedTuple):
    """A value to draw, with its interval."""

    place: int
    """Place of whom it belongs to, which decides colour and shape."""
    at: float
    """Where it stands on the other axis."""
    mean: float | None
    """The value; ``None`` draws nothing."""
    low: float | None
    """Lower end of the interval, if there is one."""
    high: float | None
    """Upper end."""


def draw_svg(draw: Callable[[Axes], None], salt: str, *, height: float) -> str:
    """A plot as an ``<svg>`` element.

    Args:
        draw: Draws on the axes.
        salt: Makes the ids in it equal in equal reports, and different in each plot of a page.
        height: Of a plot that is 7.2 wide.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context({**_STYLE, "svg.hashsalt": f"archon-graph {salt}"}), warnings.catch_warnings():
        # A name may have characters that the measuring font lacks; the browser's has them.
        warnings.simplefilter("ignore", UserWarning)
        figure = Figure(figsize=(7.2, height), layout="constrained")
        draw(figure.subplots())
        made = io.StringIO()
        figure.savefig(made, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return _in_page(made.getvalue())


def whisker(axes: Axes, mark: Mark, *, upright: bool = False) -> None:
    """Draw a value with its interval, lying or upright."""
    if mark.mean is None:
        return
    ends = None if mark.low is None or mark.high is None else [[mark.mean - mark.low], [mark.high - mark.mean]]
    x, y = (mark.at, mark.mean) if upright else (mark.mean, mark.at)
    axes.errorbar(
        x,
        y,
        **{"yerr" if upright else "xerr": ends},
        fmt=marker(mark.place),
        color=colour(mark.place),
        markersize=7,
        capsize=4,
        elinewidth=1.8,
        zorder=3,
    )


def name_rows(axes: Axes, names: Sequence[str]) -> None:
    """Give each name a row, the first on top."""
    axes.set_yticks(range(len(names)), [plain_name(name) for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")


def scale_costs(axes: Axes, costs: Sequence[float]) -> None:
    """Let the lower axis begin at nothing; where costs lie too far apart for that, in powers."""
    if min(costs) > 0 and max(costs) / min(costs) >= 10:
        from matplotlib.ticker import LogLocator

        axes.set_xscale("log")
        if max(costs) / min(costs) < 200:
            axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter("")
    else:
        axes.set_xlim(left=0.0)


def rows_height(count: int) -> float:
    """The height of a plot with so many rows."""
    return 0.9 + 0.34 * count


def colour(place: int) -> str:
    """The colour of whoever is at this place."""
    return _SERIES[place % len(_SERIES)]


def marker(place: int) -> str:
    """The shape of whoever is at this place."""
    return _MARKERS[place % len(_MARKERS)]


def plain_name(name: str) -> str:
    """A name as a plot can show it: without what cannot be seen, and not too long."""
    return shortened("".join(letter for letter in name if letter.isprintable()), _LONGEST_NAME)


def _in_page(text: str) -> str:
    """An SVG file as part of a page: without prolog and page-wide style, in the page's colours and font."""
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<style[^>]*>.*?</style>", "", text, flags=re.DOTALL)
    # The size is the page's to choose; the shape is in the viewBox.
    text = re.sub(r'(<svg [^>]*?)width="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg [^>]*?)height="[^"]*"', r"\1", text, count=1)
    text = re.sub(r"'DejaVu Sans'(?=[^<>]*>)", "system-ui", text)
    for stand_in, name in _STAND_INS.items():
        text = text.replace(stand_in, name)
    return text
