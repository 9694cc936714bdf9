"""How many trials each strategy takes to the best architecture, on tables where it is known.

    python benchmarks/strategies.py [--studies 50] [--tables recorded ...] [--strategies bayesian ...] [--jobs 2]
        [--keep studies.jsonl]

Strategies see noisy scores, as a study would; whether a trial was the best is judged by true scores. See
tables/README.md for the tables and docs/design/strategies.md for what came of it. With --keep it may be stopped at
any time: the same command, or one for more studies, goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import tables
from tables import Table

from archon_graph.search.point import Point, Value
from archon_graph.search.strategies import STRATEGIES, GreedySearch, Observation, find_strategy

TOLERANCES = (0.0, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05)
LIMIT = 300
"""Trials a study may take."""
FAR_LIMITS = {"random": 100_000, "grid": 100_000, "greedy": 100_000, "local": 600}
"""Strategies that cost nothing to ask go on behind the limit, to say how many trials they would take."""
REPORTED = range(1000, 1050)
"""Studies that are reported. Settings were tuned on others."""


class Task(NamedTuple):
    """One study."""

    table: str
    strategy: str
    settings: tuple[tuple[str, Any], ...]
    study: int
    limit: int


@dataclass(frozen=True)
class Outcome:
    """What came of one study."""

    found: Mapping[float, int]
    """By tolerance, the trial that was first so close to the best."""
    trials: int
    """How many there were."""
    seconds: float
    """CPU time that it took to ask for all of them."""
    slowest: float
    """What the slowest ask took."""


@lru_cache(maxsize=8)
def table_of(name: str) -> Table:
    """A table whose space remembers what it was asked: the same things are asked in every study."""
    table = tables.load(name)
    space: Any = table.space
    canonical, varying = space.canonical, [axis.name for axis in space.axes if len(axis.values) > 1]
    known: dict[tuple[Value, ...], Point | None] = {}

    def remembered(values: Mapping[str, Value]) -> Point | None:
        key = tuple(map(values.get, varying))
        if key not in known:
            known[key] = canonical(values)
        return known[key]

    space.canonical = remembered
    space.neighbours = cache(space.neighbours)
    space.encode = cache(space.encode)
    return table


def study(task: Task) -> Outcome:
    """Search until the best architecture was tried, or the limit is reached."""
    import skopt.learning  # noqa: F401  once in a process, and no part of what an ask takes

    table = table_of(task.table)
    strategy = find_strategy(task.strategy, **dict(task.settings))
    observations: list[Observation] = []
    found: dict[float, int] = {}
    seconds = slowest = 0.0
    while len(observations) < task.limit and 0.0 not in found:
        before = time.process_time()
        points = strategy.ask(table.space, observations, seed=task.study)
        took = time.process_time() - before
        seconds, slowest = seconds + took, max(slowest, took)
        if not points:
            break
        for point in points:
            score, error = table.measured(point, task.study)
            observations.append(Observation(point=point, score=score, error=error))
            behind = table.optimum - table.scores[point]
            for tolerance in TOLERANCES:
                # Scores are written with five digits.
                if behind <= tolerance + 1e-9:
                    found.setdefault(tolerance, len(observations))
    return Outcome(found, len(observations), seconds, slowest)


def ordered_study(task: Task) -> Outcome:
    """The same for a strategy that looks at no score: asked for all of its order at once."""
    table = table_of(task.table)
    order = find_strategy(task.strategy).ask(table.space, [], count=task.limit, seed=task.study)
    return _followed(table, order)


def walked_study(task: Task) -> Outcome:
    """The same for the greedy strategy, whose ask repeats its walk from the start: here it is walked once.

    A test compares the two.
    """
    table, walk = table_of(task.table), GreedySearch().walk(table_of(task.table).space, task.study)
    order: dict[Point, None] = {}
    point = next(walk, None)
    while point is not None and len(order) < task.limit and table.optimum - table.scores[point] > 1e-9:
        order[point] = None
        try:
            point = walk.send(table.measured(point, task.study)[0])
        except StopIteration:
            point = None
    if point is not None and len(order) < task.limit:
        order[point] = None
    return _followed(table, list(order))


def _followed(table: Table, order: Sequence[Point]) -> Outcome:
    found: dict[float, int] = {}
    for number, point in enumerate(order, start=1):
        for tolerance in TOLERANCES:
            if table.optimum - table.scores[point] <= tolerance + 1e-9:
                found.setdefault(tolerance, number)
    return Outcome(found, len(order), 0.0, 0.0)


def run(task: Task) -> Outcome:
    """One study, in the way that suits its strategy."""
    ways = {"random": ordered_study, "grid": ordered_study, "greedy": walked_study}
    return ways.get(task.strategy, study)(task)


def median(trials: Sequence[int | None]) -> float | None:
    """The middle of all studies, those that did not find it counting as longer; ``None`` if that is the middle."""
    ordered = sorted(float("inf") if one is None else one for one in trials)
    middle = statistics.median(ordered)
    return None if middle == float("inf") else middle


def summary(outcomes: Sequence[Outcome], limit: int) -> list[dict[str, Any]]:
    """For each tolerance what came of the studies."""
    rows = []
    for tolerance in TOLERANCES:
        trials = [outcome.found.get(tolerance) for outcome in outcomes]
        within = [one for one in trials if one is not None and one <= LIMIT]
        rows.append(
            {
                "tolerance": tolerance,
                "median": median(trials),
                "mean": statistics.fmean(limit if one is None else one for one in trials),
                "found": sum(one is not None for one in trials) / len(trials),
                "found_within_limit": len(within) / len(trials),
                "mean_within_limit": statistics.fmean(LIMIT if one is None else min(one, LIMIT) for one in trials),
            }
        )
    return rows


def fewer(ours: float | None, theirs: float | None, limit: int) -> str:
    """How many fewer trials in percent; at least so many where the other number is only known to be larger."""
    if ours is None:
        return "-"
    if theirs is None:
        return f">{100 * (1 - ours / limit):.1f}"
    return f"{100 * (1 - ours / theirs):.1f}"


def printed(name: str, results: Mapping[str, Any]) -> Iterable[str]:
    """The lines about one table."""
    facts = results["facts"]
    yield ""
    count, best, questions = facts["architectures"], facts["best"], facts["questions"]
    yield f"{name}: {count} architectures, best {best:.4f}; {questions} questions a trial"
    strategies = results["strategies"]
    head = "".join(f"{tolerance:>9g}" for tolerance in TOLERANCES)
    yield f"  {'architectures within':34}{head}"
    yield f"  {'':34}" + "".join(f"{count:>9}" for count in facts["within"])
    for title, key in (("median trials", "median"), ("mean trials*", "mean")):
        for strategy, result in strategies.items():
            cells = [row[key] for row in result["rows"]]
            shown = "".join(
                f"{'>' + str(result['limit']) if one is None else format(one, '.1f'):>9}" for one in cells
            )
            yield f"  {title + ', ' + strategy:34}{shown}"
    for strategy, result in strategies.items():
        shown = "".join(f"{100 * row['found_within_limit']:>8.0f}%" for row in result["rows"])
        yield f"  {f'found in {LIMIT} trials, ' + strategy:34}{shown}"
    if "bayesian" in strategies:
        ours = strategies["bayesian"]["rows"]
        for other in [one for one in strategies if one != "bayesian"]:
            rows, limit = strategies[other]["rows"], strategies[other]["limit"]
            for title, key in (("% fewer (median)", "median"), ("% fewer (mean*)", "mean")):
                pairs = [(mine[key], theirs[key]) for mine, theirs in zip(ours, rows, strict=True)]
                yield f"  {title + ' than ' + other:34}" + "".join(f"{fewer(*pair, limit):>9}" for pair in pairs)
    for strategy, result in strategies.items():
        if result["ask_ms"] is not None:
            mean, most = result["ask_ms"], result["slowest_ms"]
            yield f"  an ask of {strategy}: {mean:.1f} ms of CPU on average, {most:.0f} at most"


class Kept:
    """Outcomes of studies that were done before, in a file of one JSON object a line."""

    def __init__(self, path: Path | None) -> None:
        self._path, self._known = path, dict[str, Outcome]()
        if path is not None and path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                row = json.loads(line)
                found = {float(tolerance): trial for tolerance, trial in row["found"].items()}
                self._known[row["task"]] = Outcome(found, row["trials"], row["seconds"], row["slowest"])

    @staticmethod
    def _key(task: Task) -> str:
        # Settings in full: a default that was changed makes another study.
        return json.dumps([*task, find_strategy(task.strategy, **dict(task.settings)).settings()])

    def outcomes(self, tasks: Sequence[Task], pool: ProcessPoolExecutor) -> list[Outcome]:
        """What came of each, in order; those that are not known yet are run."""
        under_way = {
            pool.submit(run, task): self._key(task) for task in tasks if self._key(task) not in self._known
        }
        for done in as_completed(under_way):
            key, outcome = under_way[done], done.result()
            self._known[key] = outcome
            if self._path is not None:
                with self._path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps({"task": key, **asdict(outcome)}) + "\n")
        return [self._known[self._key(task)] for task in tasks]


def measure(options: argparse.Namespace, pool: ProcessPoolExecutor) -> dict[str, Any]:
    """Run every study, and sum up."""
    kept = Kept(options.keep)
    results: dict[str, Any] = {}
    for name in options.tables:
        table = table_of(name)
        behind = [table.optimum - score for score in table.scores.values()]
        facts = {
            "architectures": len(behind),
            "best": table.optimum,
            "questions": table.questions,
            "shared": table.shared,
            "within": [sum(one <= tolerance + 1e-9 for one in behind) for tolerance in TOLERANCES],
        }
        results[name] = {"facts": facts, "strategies": {}}
        for strategy in options.strategies:
            settings = tuple(options.settings.items()) if strategy == "bayesian" else ()
            limit = min(FAR_LIMITS.get(strategy, LIMIT), len(behind))
            studies = range(options.first, options.first + options.studies)
            outcomes = kept.outcomes([Task(name, strategy, settings, number, limit) for number in studies], pool)
            asks = sum(outcome.trials for outcome in outcomes if outcome.seconds)
            results[name]["strategies"][strategy] = {
                "settings": find_strategy(strategy, **dict(settings)).settings(),
                "studies": len(outcomes),
                "limit": limit,
                "rows": summary(outcomes, limit),
                "ask_ms": 1000 * sum(one.seconds for one in outcomes) / asks if asks else None,
                "slowest_ms": 1000 * max(one.slowest for one in outcomes),
                "found": [{f"{key:g}": value for key, value in one.found.items()} for one in outcomes],
            }
        print("\n".join(printed(name, results[name])), flush=True)
    return results


def plot(results: Mapping[str, Any], path: Path) -> None:
    """The curves over tolerances, if there is something to draw with."""
    try:
        import matplotlib as mpl
    except ImportError:
        return
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, places = plt.subplots(1, len(results), figsize=(5 * len(results), 4), squeeze=False)
    for place, (name, result) in zip(places[0], results.items(), strict=True):
        for strategy, one in result["strategies"].items():
            y = [one["limit"] if row["median"] is None else row["median"] for row in one["rows"]]
            place.plot(range(len(TOLERANCES)), y, marker="o", label=strategy)
        place.set_xticks(range(len(TOLERANCES)), [f"{tolerance:g}" for tolerance in TOLERANCES])
        place.set(title=name, xlabel="tolerance", ylabel="median trials", yscale="log")
        place.legend()
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def main() -> int:
    """Measure, print, and write what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=len(REPORTED))
    parser.add_argument("--first", type=int, default=REPORTED.start, help="the seed of the first study")
    parser.add_argument("--tables", nargs="+", default=list(tables.names()), choices=tables.names())
    parser.add_argument("--strategies", nargs="+", default=sorted(STRATEGIES), choices=sorted(STRATEGIES))
    parser.add_argument("--settings", type=json.loads, default={}, help="of the bayesian strategy, as JSON")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="a file for the outcome of each study, read at the start")
    parser.add_argument("--out", type=Path, help="write results to this file, and a picture beside it")
    options = parser.parse_args()
    started = time.perf_counter()
    machine = f"Python {platform.python_version()}, {os.cpu_count()} cores"
    print(f"{machine}; {options.studies} studies, seeds from {options.first}", flush=True)
    with ProcessPoolExecutor(options.jobs) as pool:
        results = measure(options, pool)
    print(f"\n* a study that did not find it counts with its limit: {LIMIT}, or {FAR_LIMITS}")
    print(f"{time.perf_counter() - started:.0f} seconds")
    if options.out:
        options.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        plot(results, options.out.with_suffix(".svg"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
