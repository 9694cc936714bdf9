"""How often racing stops a trial that it should not, how often one that it should, and what it saves.

    python benchmarks/racing.py [--rounds 2000]

Everything is simulated, no model is called. A score is 1 if skill plus the ease of the question plus luck is above
0, ease and luck being normal: the ease is shared by all trials, which is what pairing takes out. A study has 40
trials in random order; the incumbent is the trial with the highest mean among those that answered every question.
"""

from __future__ import annotations

import argparse
import platform
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtr  # type: ignore[import-untyped,unused-ignore]

from archon_graph.search.racing import BETS, RacingRule

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]
Race = Callable[[Floats, Floats], Ints]
"""How many questions each trial answers: all, or as many as when it was stopped."""

TRIALS, FINALISTS = 40, 5
SHARED = 0.6
"""Part of the variance between questions that all trials have in common."""
RULES: dict[str, RacingRule] = {
    "these": RacingRule(),
    "these, margin 0.02": RacingRule(margin=0.02),
    "these, 40 races": RacingRule(races=TRIALS),
    "all": RacingRule(about="all"),
    "all, 40 races": RacingRule(about="all", races=TRIALS),
}


def scores(random: np.random.Generator, accuracies: Floats, questions: int, shared: float = SHARED) -> Floats:
    """For each row of accuracies a table of scores, trials by questions."""
    rows, trials = accuracies.shape
    ease = random.standard_normal((rows, 1, questions))
    luck = random.standard_normal((rows, trials, questions))
    skill = ndtri(accuracies)[:, :, None]
    return (skill + np.sqrt(shared) * ease + np.sqrt(1 - shared) * luck > 0).astype(np.float64)


def spread(random: np.random.Generator, rows: int, low: float, high: float, best: float) -> Floats:
    """Accuracies of the trials of many studies: one best, at a random place, and the others between two bounds."""
    accuracies = random.uniform(low, high, (rows, TRIALS))
    accuracies[np.arange(rows), random.integers(TRIALS, size=rows)] = best
    return accuracies


@dataclass(frozen=True, kw_only=True)
class Studied:
    """Means over many studies."""

    first_kept: float
    """The trial that comes first on all search questions answered all of them (one of those, if several do)."""
    best_kept: float
    """The truly best trial did."""
    finalist: float
    """The truly best trial is among the finalists, the five highest estimates."""
    finalist_unraced: float
    """The same without racing."""
    finalist_worth: float
    """True accuracy of the best finalist."""
    finalist_worth_unraced: float
    """The same without racing."""
    saved: float
    """Part of the questions that nobody had to answer."""
    stopped: float
    """Part of the trials that were stopped."""
    bias: float
    """Mean of estimate minus mean on all questions, of stopped trials."""
    errors: tuple[float, float, float]
    """Root mean square of it; the same for the plain paired difference, and for the mean of the trial's scores."""


def study(random: np.random.Generator, accuracies: Floats, questions: int, race: Race) -> Studied:
    """Many studies side by side, one in each row."""
    table = scores(random, accuracies, questions)
    rows, trials, _ = table.shape
    every = np.arange(rows)
    full = table.mean(axis=2)
    estimates, plain, truncated = full.copy(), full.copy(), full.copy()
    answered = np.full((rows, trials), questions)
    incumbent = np.zeros(rows, dtype=np.intp)
    for trial in range(1, trials):
        mine, theirs = table[:, trial], table[every, incumbent]
        count = race(mine, theirs)
        answered[:, trial] = count
        last = count - 1
        difference = np.cumsum(mine - theirs, axis=1)[every, last] / count
        weight = (count + (questions - count) * count / (count + 10.0)) / questions  # as `estimate_score` has it
        complete = count == questions
        estimates[:, trial] = full[every, incumbent] + weight * difference
        plain[:, trial] = full[every, incumbent] + difference
        truncated[:, trial] = np.cumsum(mine, axis=1)[every, last] / count
        incumbent = np.where(complete & (full[:, trial] > full[every, incumbent]), trial, incumbent)
    best = accuracies.argmax(axis=1)
    first = full == full.max(axis=1, keepdims=True)
    stopped = answered < questions
    finalists, unraced = (np.argsort(-one, axis=1, kind="stable")[:, :FINALISTS] for one in (estimates, full))
    off = [(one - full)[stopped] for one in (estimates, plain, truncated)]
    rms = [float(np.sqrt((one**2).mean())) if len(one) else 0.0 for one in off]
    return Studied(
        first_kept=float((first & ~stopped).any(axis=1).mean()),
        best_kept=float((~stopped[every, best]).mean()),
        finalist=float((finalists == best[:, None]).any(axis=1).mean()),
        finalist_unraced=float((unraced == best[:, None]).any(axis=1).mean()),
        finalist_worth=float(np.take_along_axis(accuracies, finalists, 1).max(axis=1).mean()),
        finalist_worth_unraced=float(np.take_along_axis(accuracies, unraced, 1).max(axis=1).mean()),
        saved=float(1 - answered.mean() / questions),
        stopped=float(stopped[:, 1:].mean()),
        bias=float(off[0].mean()) if len(off[0]) else 0.0,
        errors=(rms[0], rms[1], rms[2]),
    )


# --- what else one might do -------------------------------------------------------------------------------------


def naive_t(level: float, *, sides: int = 2) -> Race:
    """Student's t-test at each look, as if it was the only one."""

    def race(trials: Floats, incumbents: Floats) -> Ints:
        differences = trials - incumbents
        n = np.arange(1, differences.shape[1] + 1)
        mean = np.cumsum(differences, axis=1) / n
        with np.errstate(divide="ignore", invalid="ignore"):
            variance = (np.cumsum(differences**2, axis=1) / n - mean**2) * n / (n - 1)
            p_values = sides * stdtr(n - 1, mean / np.sqrt(variance / n))
        return _first(np.where(variance > 0, p_values, 1.0) < level)

    return race


def hoeffding(trials: Floats, incumbents: Floats) -> Ints:
    """An e-process that knows only that differences lie from -1 to 1, and not how many are 0."""
    differences = trials - incumbents
    total, n = np.cumsum(differences, axis=1), np.arange(1, differences.shape[1] + 1)
    return _first(np.mean([np.exp(-bet * total - bet**2 * n / 2) for bet in BETS], axis=0) >= 20)


def adaptive(trials: Floats, incumbents: Floats) -> Ints:
    """One bet that follows mean and variance so far (aGRAPA of Waudby-Smith and Ramdas), for `all` questions."""
    differences = trials - incumbents
    n = np.arange(2, differences.shape[1] + 2)
    mean = np.cumsum(differences, axis=1) / n
    variance = (0.25 + np.cumsum((differences - mean) ** 2, axis=1)) / n
    bet = np.clip(-mean / (variance + mean**2), 0.0, 0.8)
    bet = np.concatenate([np.zeros((len(bet), 1)), bet[:, :-1]], axis=1)
    return _first(np.cumprod(1 - bet * differences, axis=1) >= 20)


def _first(stop: NDArray[np.bool_]) -> Ints:
    """The first of the default rule's looks at which it says so, or all questions."""
    rule, questions = RacingRule(), stop.shape[1]
    looks = np.array([n for n in range(rule.block, questions, rule.block) if n >= rule.min_questions])
    hit = stop[:, looks - 1]
    return np.where(hit.any(axis=1), looks[hit.argmax(axis=1)], questions)


ALTERNATIVES: dict[str, Race] = {
    "t-test at each look": naive_t(0.05),
    "t-test, one-sided": naive_t(0.05, sides=1),
    "Hoeffding": hoeffding,
    "one adaptive bet": adaptive,
}


def pairs(
    random: np.random.Generator, rows: int, questions: int, incumbent: float, trial: float
) -> tuple[Floats, Floats]:
    """Trials against incumbents that nobody chose by their scores."""
    table = scores(random, np.tile([[trial, incumbent]], (rows, 1)), questions)
    return table[:, 0], table[:, 1]


def ended_equal(random: np.random.Generator, rows: int, questions: int, discordant: int) -> tuple[Floats, Floats]:
    """Trials that end with just the incumbent's mean: the order of the questions is all that is random."""
    trial = np.zeros(questions)
    incumbent = np.zeros(questions)
    trial[:discordant], incumbent[discordant : 2 * discordant] = 1.0, 1.0
    order = random.permuted(np.tile(np.arange(questions), (rows, 1)), axis=1)
    return trial[order], incumbent[order]


# --- tables -----------------------------------------------------------------------------------------------------


def print_errors(random: np.random.Generator, rounds: int) -> None:
    print("\nStopped although not worse. `all` may stop 5 % of trials equal in truth, `these` 5 % of those that")
    print(
        "would end equal; 0.125 % for 40 races. To be equal in truth and behind here does not help with `these`."
    )
    print(f"{'':22}{'equal in truth':>30}{'ends equal on these':>30}")
    print(f"{'questions':22}" + "".join(f"{n:>10}" for n in (60, 120, 480)) * 2)
    for name, race in _all_races().items():
        shares = [
            float((race(*made) < n).mean())
            for made, n in [
                *((pairs(random, rounds, n, 0.6, 0.6), n) for n in (60, 120, 480)),
                *((ended_equal(random, rounds, n, n // 6), n) for n in (60, 120, 480)),
            ]
        ]
        print(f"{name:22}" + "".join(f"{share:>10.2%}" for share in shares))


def print_power(random: np.random.Generator, rounds: int) -> None:
    behind = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4)
    for questions in (30, 60, 120):
        print(f"\nStopped, and saved, of {questions} questions; the incumbent has 0.62, the trial less by")
        print(f"{'':22}" + "".join(f"{one:>14.2f}" for one in behind))
        for name, race in _all_races().items():
            cells = []
            for one in behind:
                count = race(*pairs(random, rounds, questions, 0.62, 0.62 - one))
                cells.append(f"{(count < questions).mean():>8.0%}{1 - count.mean() / questions:>6.0%}")
            print(f"{name:22}" + "".join(cells))


def print_studies(random: np.random.Generator, rounds: int) -> None:
    spreads = {
        "best 0.62, others 0.35 to 0.60": (0.35, 0.60, 0.62),
        "best 0.62, others 0.55 to 0.60": (0.55, 0.60, 0.62),
        "best 0.62, others 0.60": (0.60, 0.60, 0.62),
        "all 0.60, so that none is truly best": (0.60, 0.60, 0.60),
    }
    print(f"\nStudies of {TRIALS} trials.")
    print("  first kept: the trial that would come first on all search questions was not stopped")
    print("  best kept: the truly best trial was not stopped")
    print(f"  finalist: the truly best trial is among the {FINALISTS} highest estimates (without racing)")
    print("  worth: true accuracy of the best finalist (without racing)")
    print("  bias, errors: of the estimates of stopped trials, of plain differences, of their truncated means")
    for label, bounds in spreads.items():
        for questions in (60, 90, 120):
            accuracies = spread(random, rounds, *bounds)
            print(f"\n{label}; {questions} questions")
            print(
                f"{'':22}{'first kept':>11}{'best kept':>11}{'saved':>8}{'stopped':>9}{'finalist':>18}"
                f"{'worth':>18}{'bias':>8}{'errors':>21}"
            )
            for name, rule in RULES.items():
                found = study(random, accuracies, questions, rule.race)
                finalist = f"{found.finalist:.1%} ({found.finalist_unraced:.1%})"
                worth = f"{found.finalist_worth:.4f} ({found.finalist_worth_unraced:.4f})"
                errors = ", ".join(f"{one:.3f}" for one in found.errors)
                print(
                    f"{name:22}{found.first_kept:>11.1%}{found.best_kept:>11.1%}{found.saved:>8.1%}"
                    f"{found.stopped:>9.1%}{finalist:>18}{worth:>18}{found.bias:>+8.3f}{errors:>21}"
                )


def _all_races() -> dict[str, Race]:
    return {**{name: rule.race for name, rule in RULES.items()}, **ALTERNATIVES}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=2_000, help="studies, and tenths of races (default: 2000)")
    rounds = parser.parse_args().rounds
    random = np.random.default_rng(0)
    print(
        f"Python {platform.python_version()}, numpy {np.__version__}; {rounds} studies, {10 * rounds} races each"
    )
    print_errors(random, 10 * rounds)
    print_power(random, rounds)
    print_studies(random, rounds)


if __name__ == "__main__":
    main()
