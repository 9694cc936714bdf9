"""Make the tables that strategies are measured on: every architecture of a space, with the score it truly has.

    python benchmarks/make_tables.py [--records FOLDER] [--only recorded]

What the tables are, and every rule and figure behind them, is told in tables/README.md. The records (labels and
reward scores of real models' real answers) are not part of this project; without them the figures that were taken
from them, `RECORDED`, are used as they stand, and with them they are computed anew and compared.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import zlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tables
from numpy.typing import NDArray

from archon_graph.core import Architecture
from archon_graph.search.point import Point
from archon_graph.search.space import SearchSpace

SEED = 20240923
QUESTIONS = 1500
PARTS = 4
Array = NDArray[Any]


@dataclass(frozen=True)
class Recorded:
    """What the records say; see tables/README.md for how each figure comes out of them."""

    accuracies: Mapping[str, float] = field(
        default_factory=lambda: {
            "scripted:a": 0.5625,
            "scripted:b": 0.3904,
            "scripted:c": 0.3472,
            "scripted:d": 0.2168,
        }
    )
    """Share of questions answered right, by model."""
    between: float = 0.663
    """Correlation of two models on one question."""
    within: float = 0.918
    """Correlation of two answers of one model to one question."""
    discernment: float = 1.74
    """By how many standard deviations right answers to a question score above wrong ones."""
    agreement: float = 0.43
    """How often two wrong answers to a question are the same."""


RECORDED = Recorded()

# Rules of the simulation, made up and stated in tables/README.md.
KNOWS, KNOWS_NOT = 1.5, 0.5
CRITIQUED = 1.25
CROWD = 16.0
ALIKE = 0.5
POINTWISE = 1.2
SLIP, SLIP_EACH = 0.02, 0.004
SECOND_THOUGHT = 0.15


class Simulation:
    """A population of questions, models that answer them, and techniques that work on the answers.

    An answer is a number: 0 is right, 1 is the wrong answer that many give, others are wrong and given once.
    Everything by chance is drawn from a stream named after its place (technique, number): equal parts of two
    architectures have equal luck, and differences between scores are differences between architectures.
    """

    def __init__(self, recorded: Recorded = RECORDED, questions: int = QUESTIONS, seed: int = SEED) -> None:
        self.recorded, self.questions, self.seed = recorded, questions, seed
        self._streams: dict[tuple[object, ...], Array] = {}
        self._unique = 1
        self._common = math.sqrt(recorded.between) * self.chance("questions")

    def chance(self, *place: object) -> Array:
        """Standard normal numbers, one for each question; the same for the same place."""
        if place not in self._streams:
            name = zlib.crc32(repr(place).encode())
            self._streams[place] = np.random.default_rng([self.seed, name]).standard_normal(self.questions)
        return self._streams[place]

    def solve(self, model: str, *place: object, lift: float = 0.0) -> Array:
        """One answer of a model to each question."""
        recorded = self.recorded
        own = math.sqrt(recorded.within - recorded.between) * self.chance("model", model)
        luck = math.sqrt(1 - recorded.within) * self.chance("solve", *place)
        right = self._common + own + luck + lift > _quantile(1 - recorded.accuracies[model])
        # Two wrong answers agree if both are the common one.
        common = self.chance("wrong", *place) < _quantile(math.sqrt(recorded.agreement))
        self._unique += 1
        return np.where(right, 0, np.where(common, 1, self._unique))

    def judge(
        self, model: str, answers: Array, alive: Array, place: object, sharper: Array | float = 1.0
    ) -> Array:
        """How good each answer looks to a model; where it could not have answered itself it sees little."""
        accuracies = self.recorded.accuracies
        skill = self.recorded.discernment * accuracies[model] / max(accuracies.values())
        knows = self.solve(model, "judge", place) == 0
        eye = (skill * np.where(knows, KNOWS, KNOWS_NOT) * sharper)[:, None]
        luck = np.stack([self.chance("look", place, number) for number in range(answers.shape[1])], axis=1)
        alone = np.stack([self.chance("look alone", place, number) for number in range(answers.shape[1])], axis=1)
        # Equal answers look alike: half of what misleads the judge misleads it about all of them.
        shared = np.where(
            answers == 0,
            self.chance("look right", place)[:, None],
            np.where(answers == 1, self.chance("look wrong", place)[:, None], alone),
        )
        looks = eye * ((answers == 0) - 0.5) + math.sqrt(ALIKE) * shared + math.sqrt(1 - ALIKE) * luck
        return np.where(alive, looks, -np.inf)

    def outcomes(self, architecture: Architecture) -> Array:
        """Which questions it answers right."""
        answers, alive = np.zeros((self.questions, 0), dtype=int), np.zeros((self.questions, 0), dtype=bool)
        met: Counter[str] = Counter()
        critiqued = False
        for names in architecture.layers:
            components: list[Any] = [architecture.components[name] for name in names]
            one, technique = components[0], components[0].technique
            place = (technique, met[technique])
            met[technique] += 1
            crowd = 1 / np.sqrt(1 + np.maximum(alive.sum(axis=1) - 1, 0) / CROWD)
            sharper = crowd * (CRITIQUED if critiqued else 1.0)
            if technique == "generator":
                drawn = [
                    self.solve(each.model, each.model, sample)
                    for each in components
                    for sample in range(each.samples)
                ]
                answers, alive = _fresh(drawn)
            elif technique == "critic":
                critiqued = True
            elif technique == "reviser":
                answers, critiqued = self._revised(one, answers, alive, place), False
            elif technique == "fuser":
                fused = [
                    self._fused(each, answers, alive, sharper, (*place, number))
                    for number, each in enumerate(components)
                ]
                (answers, alive), critiqued = _fresh(fused), False
            elif technique == "ranker":
                answers, alive = _best(
                    answers, alive, self.judge(one.model, answers, alive, place, sharper), one.top_k
                )
            elif technique == "verifier":
                alive = self._verified(one, answers, alive, place)
            elif technique == "unit_test_evaluator":
                answers, alive = _best(answers, alive, self.judge(one.model, answers, alive, place), one.top_k)
            elif technique == "voter":
                chosen = _weight(answers, alive.astype(float)).argmax(axis=1)
                answers, alive = _fresh([np.take_along_axis(answers, chosen[:, None], axis=1)[:, 0]])
            elif technique != "unit_test_generator":
                raise ValueError(f"the simulation has no rule for {technique}")
        first = alive.argmax(axis=1)
        return np.take_along_axis(answers, first[:, None], axis=1)[:, 0] == 0

    def _verified(self, verifier: Any, answers: Array, alive: Array, place: object) -> Array:
        """Those that look right, in their order; if none does, the one that looks best."""
        looks = self.judge(verifier.model, answers, alive, place, POINTWISE)
        passed = looks > 0
        nobody = ~passed.any(axis=1, keepdims=True)
        passed |= nobody & (np.arange(answers.shape[1]) == looks.argmax(axis=1)[:, None])
        return passed if verifier.first_k is None else passed & (passed.cumsum(axis=1) <= verifier.first_k)

    def _fused(self, fuser: Any, answers: Array, alive: Array, sharper: Array, place: object) -> Array:
        """The answer with the most weight; the fuser's own has a part in it, and now and then it miswrites."""
        looks = self.judge(fuser.model, answers, alive, place, sharper)
        own = self.solve(fuser.model, place)
        every = np.concatenate([answers, own[:, None]], axis=1)
        weights = np.concatenate([np.exp(looks), np.ones((self.questions, 1))], axis=1)
        chosen = _weight(every, weights).argmax(axis=1)
        fused = np.take_along_axis(every, chosen[:, None], axis=1)[:, 0]
        share = SLIP + SLIP_EACH * alive.sum(axis=1)
        self._unique += 1
        return np.where(_cumulative(self.chance("slip", place)) < share, self._unique, fused)

    def _revised(self, reviser: Any, answers: Array, alive: Array, place: object) -> Array:
        """What looks wrong after the critique is solved again, a little better; the rest stays."""
        looks = self.judge(reviser.model, answers, alive, place, CRITIQUED)
        numbers = range(answers.shape[1])
        again = [self.solve(reviser.model, place, number, lift=SECOND_THOUGHT) for number in numbers]
        return np.where(looks < 0, np.stack(again, axis=1), answers)


def _quantile(share: float) -> float:
    from scipy.special import ndtri

    return float(ndtri(share))


def _cumulative(values: Array) -> Array:
    from scipy.special import ndtr

    return np.asarray(ndtr(values))


def _fresh(columns: Sequence[Array]) -> tuple[Array, Array]:
    """Answers side by side, all of them there."""
    answers = np.stack(columns, axis=1)
    return answers, np.ones_like(answers, dtype=bool)


def _best(answers: Array, alive: Array, looks: Array, keep: int | None) -> tuple[Array, Array]:
    """The best-looking first, the others gone."""
    order = np.argsort(-looks, axis=1, kind="stable")[:, :keep]
    return np.take_along_axis(answers, order, axis=1), np.take_along_axis(alive, order, axis=1)


def _weight(answers: Array, weights: Array) -> Array:
    """For each answer the weight of all that say the same."""
    return np.einsum("qij,qj->qi", answers[:, :, None] == answers[:, None, :], weights)


def _simulated(part: tuple[Recorded, Sequence[Point]]) -> list[tuple[Point, Array]]:
    simulation, space = Simulation(part[0]), tables.space_of("recorded")
    return [(point, simulation.outcomes(space.decode(point))) for point in part[1]]


def recorded(space: SearchSpace, recorded: Recorded) -> tuple[dict[Point, float], float]:
    """The scores of the simulation, and how much two architectures' results have in common."""
    points = _all(space)
    parts = [(recorded, points[start::PARTS]) for start in range(PARTS)]
    with ProcessPoolExecutor(PARTS) as pool:
        simulated = dict(pair for part in pool.map(_simulated, parts) for pair in part)
    outcomes = {point: simulated[point] for point in points}
    rows = np.array(list(outcomes.values())[:: max(len(outcomes) // 200, 1)], dtype=float)
    rows = rows[rows.std(axis=1) > 0]
    between = np.corrcoef(rows)
    shared = float(between[np.triu_indices(len(rows), 1)].mean())
    return {point: float(right.mean()) for point, right in outcomes.items()}, shared


def additive(space: SearchSpace) -> tuple[dict[Point, float], float]:
    """What each value adds, what pairs of values add together, and a sum of those in force.

    Values of an axis with a scale rise and then fall again; others are independent. Six pairs of axes interact.
    """
    chance = np.random.default_rng(SEED)
    axes = [axis for axis in space.axes if len(axis.values) > 1]
    alone: dict[str, list[float]] = {}
    for axis in axes:
        if axis.ordered:
            top = chance.uniform(0, len(axis.values) - 1)
            effect = -((np.arange(len(axis.values)) - top) ** 2) / len(axis.values) ** 2 * 2
        else:
            effect = chance.standard_normal(len(axis.values))
        alone[axis.name] = list(chance.uniform(0.5, 1.5) * (effect - effect.mean()))
    pairs = chance.choice(len(axes) * (len(axes) - 1) // 2, 6, replace=False)
    every = [(one, other) for place, one in enumerate(axes) for other in axes[place + 1 :]]
    together = {
        (every[pair][0].name, every[pair][1].name): 0.7
        * chance.standard_normal((len(every[pair][0].values), len(every[pair][1].values)))
        for pair in pairs
    }
    index = {axis.name: {value: place for place, value in enumerate(axis.values)} for axis in axes}

    def raw(point: Point) -> float:
        places = {name: index[name][point[name]] for name in index if name in point}
        total = sum(alone[name][place] for name, place in places.items())
        pairs = sum(
            table[places[a], places[b]] for (a, b), table in together.items() if a in places and b in places
        )
        return float(total + pairs)

    return _scaled({point: raw(point) for point in _all(space)}, 0.30, 0.80), 0.5


def ridge(space: SearchSpace) -> tuple[dict[Point, float], float]:
    """A plain that is nearly flat, a narrow ridge across it that rises, and a needle on the ridge.

    On the ridge the number of samples fits the numbers of generators and of fusion layers (more of one, fewer of
    the others); whoever changes a single one of them falls off. Along it the score depends on everything else, and
    one architecture, whose neighbours do not tell of it, stands 0.02 above all others.
    """
    chance = np.random.default_rng(SEED + 1)
    axes = {axis.name: axis for axis in space.axes if len(axis.values) > 1}
    other = [name for name in axes if name not in {"generators", "samples", "fusion_layers"}]
    liking = {name: chance.standard_normal(len(axes[name].values)) for name in other}
    samples = {value: place for place, value in enumerate(axes["samples"].values)}

    def raw(point: Point) -> float:
        fit = 6 - int(point["generators"]) - int(point["fusion_layers"])  # type: ignore[arg-type, call-overload]
        off = samples[point["samples"]] - fit
        plain = sum(liking[name][axes[name].values.index(point[name])] for name in other if name in point)
        height = math.exp(-(off**2) / 0.5) * (1.0 + 0.15 * int(point["fusion_layers"]))  # type: ignore[arg-type, call-overload]
        return float(0.04 * plain + 0.25 * height * (1 + 0.2 * plain))

    scores = _scaled({point: raw(point) for point in _all(space)}, 0.35, 0.75)
    high = sorted(scores, key=lambda point: (-scores[point], point.key))
    needle = high[int(chance.integers(20, 60))]
    return scores | {needle: scores[high[0]] + 0.02}, 0.5


def _all(space: SearchSpace) -> Sequence[Point]:
    points = space.points()
    if points is None:
        raise ValueError("the space of a table has to be small enough to list")
    return points


def _scaled(raw: Mapping[Point, float], low: float, high: float) -> dict[Point, float]:
    least, most = min(raw.values()), max(raw.values())
    return {point: low + (high - low) * (value - least) / (most - least) for point, value in raw.items()}


def from_records(folder: Path) -> Recorded:
    """The figures that the simulation stands on, computed from recorded labels and reward scores."""
    from scipy.optimize import brentq
    from scipy.stats import multivariate_normal, norm

    def correlation(first: float, second: float, both: float) -> float:
        """Of two normal variables of which so many lie above their thresholds, and so many both (tetrachoric)."""
        cuts = [norm.ppf(first), norm.ppf(second)]
        return float(brentq(lambda it: multivariate_normal.cdf(cuts, cov=[[1, it], [it, 1]]) - both, -0.99, 0.995))

    solved = [json.loads(line) for line in (folder / "gsm8k" / "example_model_solutions_6b.jsonl").open()]
    right = np.array(
        [[row[f"6b_{way}"]["is_correct"] for way in ("verification", "finetuning")] for row in solved]
    )
    accuracies = dict(RECORDED.accuracies)
    accuracies["scripted:b"], accuracies["scripted:d"] = (round(float(one), 4) for one in right.mean(axis=0))
    between = correlation(*right.mean(axis=0), float((right[:, 0] & right[:, 1]).mean()))

    sampled = [json.loads(line) for line in (folder / "math" / "qwen2.5-math_cot_50x8.jsonl").open()]
    labels = np.array([row["score"] for row in sampled])
    count = labels.sum(axis=1)
    each = labels.shape[1]
    both = float((count * (count - 1)).mean()) / (each * (each - 1))
    within = correlation(float(labels.mean()), float(labels.mean()), both)

    rewards = np.array([[score[0] for score in row["pred_score"]] for row in sampled])
    higher = [
        (one[good][:, None] > one[~good][None, :]).ravel() for one, good in zip(rewards, labels, strict=True)
    ]
    discernment = math.sqrt(2) * float(norm.ppf(np.concatenate(higher).mean()))

    agreements = []
    for row, good in zip(sampled, labels, strict=True):
        wrong = [answer for answer, it in zip(row["pred"], good, strict=True) if not it]
        if len(wrong) > 1:
            equal = sum(wrong.count(answer) - 1 for answer in wrong)
            agreements.append(equal / (len(wrong) * (len(wrong) - 1)))
    return Recorded(
        accuracies,
        round(between, 3),
        round(within, 3),
        round(discernment, 2),
        round(float(np.mean(agreements)), 2),
    )


def main() -> int:
    """Write the tables, and say what is in them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--records", type=Path, help="folder with gsm8k/ and math/ records, to compute the figures anew"
    )
    parser.add_argument("--only", choices=tables.names(), help="make this one table only")
    options = parser.parse_args()
    figures = RECORDED if options.records is None else from_records(options.records)
    if figures != RECORDED:
        print(f"the records say {figures}, and this program {RECORDED}", file=sys.stderr)
        return 1
    makers: Mapping[str, Callable[[SearchSpace], tuple[dict[Point, float], float]]] = {
        "recorded": lambda space: recorded(space, figures),
        "additive": additive,
        "ridge": ridge,
    }
    for name in [options.only] if options.only else tables.names():
        scores, shared = makers[name](tables.space_of(name))
        tables.write(name, scores, shared)
        best = sorted(scores.values(), reverse=True)
        print(f"{name}: {len(best)} architectures, {best[-1]:.3f} to {best[0]:.3f}, second {best[1]:.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
