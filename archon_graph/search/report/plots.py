"""The plots of a study's report."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

from archon_graph.evals.report.svg import (
    FAINT,
    INK,
    SOFT,
    Axes,
    Mark,
    colour,
    draw_svg,
    name_rows,
    plain_name,
    rows_height,
    scale_costs,
    whisker,
)
from archon_graph.evals.statistics import Difference, expected_best
from archon_graph.search.front import Front
from archon_graph.search.importance import Importance
from archon_graph.search.trial import Trial

UNITS = {"calls": "calls", "tokens": "tokens", "money": "US dollars", "seconds": "seconds to the answer"}
"""What costs are called on axes."""

_MOST = 1000  # samples of which an expected best can be told


class Marked(NamedTuple):
    """Which trials stand out, by number."""

    winner: int | None
    singles: frozenset[int]


def plot_trials(trials: Sequence[Trial], front: Front, marked: Marked, *, unit: str) -> str:
    """Score over cost: every trial whose cost is known, the front, the single models and the winner."""
    known = {
        trial.number: (cost, trial.score, trial)
        for trial in trials
        if trial.score is not None and trial.cost is not None and (cost := trial.cost.of(unit)) is not None
    }
    on_front = [known[int(key)] for key in front.keys if int(key) in known]

    def draw(axes: Axes) -> None:
        groups = {
            "stopped early (estimate)": [each for each in known.values() if each[2].status == "dropped"],
            "answered everything": [
                each
                for number, each in known.items()
                if each[2].status == "complete" and number not in marked.singles
            ],
            "a model alone": [known[number] for number in sorted(marked.singles & set(known))],
        }
        looks = (
            {"marker": "x", "color": SOFT, "markersize": 5},
            {"marker": "o", "color": colour(0), "markersize": 6},
            {"marker": "s", "color": colour(1), "markersize": 7},
        )
        line = sorted((cost, score) for cost, score, _ in on_front)
        if line:
            # On to the dearest: whoever has more to spend gets no more for it.
            line.append((max(cost for cost, _, _ in known.values()), line[-1][1]))
        axes.step(
            [cost for cost, _ in line],
            [score for _, score in line],
            where="post",
            color=FAINT,
            linewidth=3,
            zorder=1,
            label="best for its cost",
        )
        for (name, points), look in zip(groups.items(), looks, strict=True):
            if points:
                xs, ys = [cost for cost, _, _ in points], [score for _, score, _ in points]
                axes.plot(xs, ys, linestyle="", label=name, zorder=3, **look)
        if marked.winner in known:
            cost, score, trial = known[marked.winner]
            axes.plot(
                [cost],
                [score],
                marker="*",
                markersize=17,
                color=colour(2),
                linestyle="",
                zorder=4,
                label=f"winner, trial {trial.number}",
            )
        for cost, score, trial in on_front:
            axes.annotate(f"#{trial.number}", (cost, score), (4, 8), textcoords="offset points", fontsize=9)
        scale_costs(axes, [cost for cost, _, _ in known.values()])
        axes.margins(y=0.12)
        axes.set_xlabel(f"{UNITS[unit]} for each question")
        axes.set_ylabel("score on the search questions")
        _legend(axes)

    return draw_svg(draw, "trials", height=4.6) if known else ""


class Pace(NamedTuple):
    """How a search came on: at each trial the best score so far, and what the order of chance would have had."""

    best: list[float]
    """The best score of a trial that answered everything, at each trial from the first that did."""
    trials: list[int]
    """The number of each of these trials."""
    paid: list[int]
    """Calls paid up to each of them."""
    chance: list[float]
    """The expected best of the single models and k others drawn by lot from all trials made, for k from 0."""
    chance_trials: list[int]
    """How many trials that is."""
    chance_calls: list[float]
    """What these would have paid, each alone: all questions, nothing shared, nothing stopped."""


def pace_of(trials: Sequence[Trial]) -> Pace:
    """How the search came on, from its trials by number."""
    singles = [trial for trial in trials if trial.round == 0]
    others = [trial for trial in trials if trial.round and trial.score is not None]
    best: list[float] = []
    numbers, paid = [], []
    for trial, calls in zip(trials, accumulate(trial.calls_paid for trial in trials), strict=True):
        if trial.status == "complete" and trial.score is not None:
            best.append(max(trial.score, best[-1] if best else trial.score))
        elif best:
            best.append(best[-1])
        else:
            continue
        numbers.append(trial.number)
        paid.append(calls)
    floor = max((trial.score for trial in singles if trial.score is not None), default=None)
    scores = [max(trial.score or 0.0, floor) if floor is not None else trial.score or 0.0 for trial in others]
    chance = ([] if floor is None else [floor]) + (
        [float(each) for each in expected_best(scores[:_MOST])] if scores else []
    )
    first = len(singles) if floor is not None else len(singles) + 1
    before = sum(map(_alone, singles))
    each = sum(map(_alone, others)) / len(others) if others else 0.0
    return Pace(
        best=best,
        trials=numbers,
        paid=paid,
        chance=chance,
        chance_trials=[first + place for place in range(len(chance))],
        chance_calls=[before + (first - len(singles) + place) * each for place in range(len(chance))],
    )


def plot_pace(trials: Sequence[Trial], pace: Pace, *, by_calls: bool) -> str:
    """The best score so far, by trials or by calls paid, against the order of chance and the single models."""
    singles = [trial for trial in trials if trial.round == 0 and trial.score is not None]

    def draw(axes: Axes) -> None:
        mine, others = (pace.paid, pace.chance_calls) if by_calls else (pace.trials, pace.chance_trials)
        chance = "plain search by lot, each alone" if by_calls else "the same trials by lot"
        axes.step(mine, pace.best, where="post", color=colour(0), linewidth=2, label="best so far", zorder=3)
        axes.plot(others, pace.chance, color=colour(1), linestyle="--", label=chance, zorder=2)
        for place, trial in enumerate(sorted(singles, key=lambda each: -(each.score or 0.0))):
            axes.axhline(trial.score, color=SOFT, linewidth=1, linestyle=":", zorder=1)
            if place == 0:
                axes.annotate(
                    plain_name(trial.name),
                    (1.0, trial.score),
                    (0, -11),
                    xycoords=("axes fraction", "data"),
                    textcoords="offset points",
                    ha="right",
                    fontsize=9,
                    color=SOFT,
                )
        axes.set_xlabel("model calls" if by_calls else "trials")
        axes.set_ylabel("score on the search questions")
        axes.margins(y=0.15)
        if by_calls:
            axes.set_xlim(left=0.0)
        else:
            axes.xaxis.get_major_locator().set_params(integer=True)
        _legend(axes)

    return draw_svg(draw, f"pace {by_calls}", height=3.2)


def plot_rows(named: Sequence[tuple[str, Difference]], *, salt: str, label: str) -> str:
    """Differences below each other, with the intervals that hold all together."""
    known = [(name, each) for name, each in named if each.mean is not None]

    def draw(axes: Axes) -> None:
        axes.axvline(0.0, color=INK, linewidth=1.0)
        for place, (_, each) in enumerate(known):
            whisker(axes, Mark(0, place, each.mean, each.family_low, each.family_high))
        name_rows(axes, [name for name, _ in known])
        axes.set_xlabel(label)

    return draw_svg(draw, salt, height=rows_height(len(known))) if known else ""


def plot_importance(importance: Importance) -> str:
    """What each axis matters, as bars."""
    forest = importance.method == "forest"
    shown = [(each.axis, (each.share if forest else each.spread) or 0.0) for each in importance.axes]

    def draw(axes: Axes) -> None:
        axes.barh(range(len(shown)), [value for _, value in shown], color=colour(0), height=0.6)
        name_rows(axes, [name for name, _ in shown])
        axes.set_xlim(left=0.0)
        axes.set_xlabel("share of the variance" if forest else "how far the means of its values lie apart")

    return draw_svg(draw, "importance", height=rows_height(len(shown))) if shown else ""


def _alone(trial: Trial) -> float:
    """Model calls of a trial alone: all questions, nothing shared."""
    return 0.0 if trial.cost is None else trial.questions * trial.cost.calls


def _legend(axes: Axes) -> None:
    axes.figure.legend(loc="outside lower center", ncols=3, fontsize=9)
