"""Every strategy keeps the laws and goes its recorded way; the kit notices those that do not."""

from __future__ import annotations

import inspect
import itertools
import os
import random
import re
import statistics
import subprocess
import sys
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from archon_graph.search.asking import AskTell
from archon_graph.search.point import Point
from archon_graph.search.space import SearchSpace
from archon_graph.search.strategies import (
    STRATEGIES,
    BayesianSearch,
    GreedySearch,
    GridSearch,
    LocalSearch,
    Observation,
    RandomSearch,
    Strategy,
    find_strategy,
)
from archon_graph.search.strategies._surrogate import alone, fit_process, log_likelihood, settings_of
from archon_graph.search.testing import StrategyConformance
from archon_graph.search.testing.strategy_conformance import huge_space, small_space
from tests.scripts import ROOT

GOLDEN = Path(__file__).parent / "golden"


class TestBayesian(StrategyConformance):
    @pytest.fixture
    def strategy(self):
        return BayesianSearch()


class TestBayesianForest(StrategyConformance):
    @pytest.fixture
    def strategy(self):
        return BayesianSearch(surrogate="forest", acquisition="lcb", pool=40)


class TestGreedy(StrategyConformance):
    @pytest.fixture
    def strategy(self):
        return GreedySearch()


class TestGrid(StrategyConformance):
    uses_seed: ClassVar[bool] = False

    @pytest.fixture
    def strategy(self):
        return GridSearch()


class TestLocal(StrategyConformance):
    @pytest.fixture
    def strategy(self):
        return LocalSearch(initial=5)


class TestRandom(StrategyConformance):
    @pytest.fixture
    def strategy(self):
        return RandomSearch()


@cache
def toy_space() -> SearchSpace:
    return small_space()


def toy_score(point: Point) -> float:
    """Best with three generators of two samples, two layers, a ranker, a verifier, and a ranker at the end."""
    score = 0.3 + 0.05 * point["generators"] + 0.04 * point["samples"] + 0.03 * point["fusion_layers"]
    score += 0.06 * (point.get("ranker") == "first") * point["fusion_layers"]
    score += {"verifier": 0.05, "tests": 0.02}.get(point.get("evaluation"), 0.0)
    return score - 0.04 * (point["final"] == "fuser") + 0.02 * point["revisions"]


def search(strategy: Strategy, trials: int, seed: int = 0) -> list[Observation]:
    """A search without noise."""
    asking = AskTell(strategy, toy_space(), seed=seed)
    for _ in range(trials):
        for point in asking.ask():
            asking.tell(point, toy_score(point), 0.0)
    return asking.observations


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_golden_outcomes(name, request):
    """What a strategy proposes is written down, so that a change of it is seen and meant.

    To renew a file after a change that is meant, delete it and run this test twice; then read the difference.
    """
    lines = [
        f"{number:3} {one.score:.3f} {' '.join(f'{axis}={value}' for axis, value in one.point.items())}"
        for number, one in enumerate(search(find_strategy(name), 24, seed=7), start=1)
    ]
    text = "\n".join(lines) + "\n"
    path = GOLDEN / f"{name}.txt"
    if not path.exists():
        path.write_text(text, encoding="utf-8")
        pytest.fail(f"{path} was not there and was written; look at it and run again")
    assert text == path.read_text(encoding="utf-8")


# --- what the first implementation got wrong ---------------------------------------------------------------------


@pytest.mark.parametrize("name", ["bayesian", "greedy", "grid", "local", "random"])
def test_known_failure_2_every_named_strategy_runs_and_improves(name):
    """Greedy was never dispatched, random search passed wrong names, and the worst trials were kept."""
    strategy = find_strategy(name)
    assert strategy.name == name
    observations = search(strategy, 40)
    scores = [one.score for one in observations]
    middle = sorted(map(toy_score, toy_space().points()))[toy_space().size() // 2]
    assert len(scores) == 40
    assert max(scores) > max(scores[0], middle)


@pytest.mark.parametrize("name", ["bayesian", "greedy", "local"])
def test_known_failure_2_what_learns_looks_for_the_highest_score(name):
    """After a while those that look at scores find higher ones than chance does, not lower ones."""
    later = [one.score for seed in range(3) for one in search(find_strategy(name), 40, seed)[20:]]
    everywhere = [toy_score(point) for point in toy_space().points()]
    assert statistics.fmean(later) > statistics.fmean(everywhere) + 0.05


def test_known_failure_2_the_best_is_the_highest():
    asking = AskTell(RandomSearch(), toy_space())
    points = asking.ask(5)
    for point, score in zip(points, [0.2, 0.9, None, 0.9, 0.1], strict=True):
        asking.tell(point, score)
    assert (asking.best.point, asking.best.score) == (points[1], 0.9)


@pytest.mark.parametrize("surrogate", ["gp", "forest"])
def test_known_failure_4_a_failed_trial_makes_no_cliff(surrogate, monkeypatch):
    """The surrogate is fitted to what was scored, and to nothing in the place of a score that is missing."""
    space, fitted = toy_space(), []
    points = space.sample(5, 30)
    strategy = BayesianSearch(surrogate=surrogate, initial=5)
    scored = [Observation(point=point, score=toy_score(point), error=0.01) for point in points[:20]]
    failed = [Observation(point=point, score=None) for point in points[20:]]
    fit = BayesianSearch._model

    def noted(self, x, y, noise, guesses, chance):
        fitted.append((x.tolist(), y.tolist(), noise.tolist(), guesses.tolist()))
        return fit(self, x, y, noise, guesses, chance)

    monkeypatch.setattr(BayesianSearch, "_model", noted)
    [point] = strategy.ask(space, [*scored, *failed], count=1, seed=3)
    assert point not in points
    strategy.ask(space, scored, count=1, seed=3)
    with_failures, without = fitted
    assert with_failures == without
    assert with_failures[1] == [one.score for one in scored]


@pytest.mark.parametrize("name", ["greedy", "local"])
def test_known_failure_4_a_failed_trial_is_not_the_worst(name):
    """With a failed trial in place of its lowest score, a search still goes on from its best."""
    observations = search(find_strategy(name), 20)
    best = max(observations, key=lambda one: one.score)
    failed = [one if one is best else replace(one, score=None) for one in observations]
    [point] = find_strategy(name).ask(toy_space(), failed, seed=1)
    assert point not in {one.point for one in observations}


# --- finding one -------------------------------------------------------------------------------------------------


def test_settings_are_passed_on():
    assert find_strategy("local", best=2, explore=0.3) == LocalSearch(best=2, explore=0.3)


def test_a_misspelt_name_is_answered_with_the_nearest():
    with pytest.raises(
        ValueError, match=r"no strategy 'bayesain' \(did you mean 'bayesian'\?\); there are bayesian, "
    ):
        find_strategy("bayesain")


def test_a_misspelt_setting_is_answered_with_those_there_are():
    with pytest.raises(TypeError, match="the strategy local has no setting 'bets'; it has initial, best, explore"):
        find_strategy("local", bets=2)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("bayesian", {"surrogate": "tree"}),
        ("bayesian", {"acquisition": "best"}),
        ("bayesian", {"initial": 0}),
        ("bayesian", {"pool": 0}),
        ("bayesian", {"kappa": -1.0}),
        ("local", {"best": 0}),
        ("local", {"initial": 0}),
        ("local", {"explore": 1.5}),
    ],
)
def test_bad_settings_are_refused_at_once(name, settings):
    [(setting, value)] = settings.items()
    with pytest.raises(ValueError, match=rf"{setting}.*{value!r}"):
        find_strategy(name, **settings)


# --- what single strategies do -----------------------------------------------------------------------------------


def test_random_goes_the_same_way_in_any_batches():
    space = toy_space()
    singles = [one.point for one in search(RandomSearch(), 12, seed=3)]
    assert RandomSearch().ask(space, [], count=12, seed=3) == singles


def test_the_grid_is_coarse_before_it_is_fine():
    points = list(toy_space().points())
    found = [points.index(point) for point in GridSearch().ask(toy_space(), [], count=4)]
    half = 1 << ((len(points) - 1).bit_length() - 1)
    assert found[:2] == [0, half]
    assert found[2:] == [index for index in (half // 2, half + half // 2) if index < len(points)][:2]


def test_greedy_changes_one_axis_at_a_time():
    """Until it begins again, a point differs from the best one before it in what one axis brings about."""
    observations = search(GreedySearch(), 8, seed=2)
    start = observations[0].point
    changed = {axis.name for axis in toy_space().axes if axis.name in start}
    values = {axis.name: axis.values[0] for axis in toy_space().axes} | dict(start)
    second = observations[1].point
    reachable = {
        toy_space().canonical({**values, name: value})
        for name in {axis.name for axis in toy_space().axes}
        for value in next(axis.values for axis in toy_space().axes if axis.name == name)
    }
    assert changed
    assert second in reachable


def test_a_batch_of_greedy_fills_up_without_scores():
    points = GreedySearch().ask(toy_space(), [], count=30, seed=1)
    assert len(set(points)) == 30


def test_local_search_proposes_neighbours_of_the_best():
    observations = search(LocalSearch(initial=10, best=1, explore=0.0), 10)
    best = max(observations, key=lambda one: one.score).point
    [point] = LocalSearch(initial=10, best=1, explore=0.0).ask(toy_space(), observations)
    assert point in toy_space().neighbours(best)


def test_bayesian_batches_lie_apart():
    """The second of two is another one, and not merely the next in rank: the model has taken the first as done."""
    observations = search(BayesianSearch(), 20)
    two = BayesianSearch().ask(toy_space(), observations, count=2, seed=0)
    [again] = BayesianSearch().ask(toy_space(), observations, count=1, seed=0, pending=two[:1])
    assert two[1] == again


def test_bayesian_takes_errors_for_noise():
    """A score that is known exactly pulls the model more than one that is not."""
    x = np.array([[0.0], [0.5], [1.0], [0.25], [0.75], [0.1]])
    y = np.array([0.0, 1.0, 0.0, 0.4, 0.6, 0.1])
    sure = fit_process(x, y, np.full(6, 1e-6), 6).predict(x[1:2])[0][0]
    unsure = fit_process(x, y, np.array([1e-6, 1.0, 1e-6, 1e-6, 1e-6, 1e-6]), 6).predict(x[1:2])[0][0]
    assert abs(sure - 1.0) < abs(unsure - 1.0)


def test_our_likelihood_is_that_of_scikit_optimize():
    """Value and gradient, for the same kernel."""
    from skopt.learning import GaussianProcessRegressor
    from skopt.learning.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

    chance = np.random.default_rng(0)
    x, y, noise = chance.random((15, 3)), chance.standard_normal(15), chance.random(15) * 0.1
    theta = np.log([0.7, 1.1, 0.3, 0.8, 1.4, 0.02, 1.0])
    squares = ((x[:, None, :] - x[None, :, :]) ** 2).transpose(2, 0, 1)
    # Without what axes do alone, which scikit-optimize has no kernel for; then with it, by differences.
    value, gradient = log_likelihood(theta, squares, np.zeros((15, 15)), y, noise)
    kernel = ConstantKernel(1.4) * Matern(length_scale=[0.7, 1.1, 0.3], nu=2.5) + WhiteKernel(0.02)
    process = GaussianProcessRegressor(kernel=kernel, alpha=noise, optimizer=None).fit(x, y)
    theirs, slope = process.log_marginal_likelihood(kernel.theta, eval_gradient=True)
    assert value == pytest.approx(theirs, abs=1e-4)
    assert gradient[[4, 0, 1, 2, 5]] == pytest.approx(slope, abs=1e-4)
    _, gradient = log_likelihood(theta, squares, alone(x, x), y, noise)
    steps = [
        log_likelihood(theta + sign * 1e-5 * np.eye(7)[place], squares, alone(x, x), y, noise)[0]
        for place in range(7)
        for sign in (1, -1)
    ]
    assert gradient == pytest.approx((np.array(steps[::2]) - np.array(steps[1::2])) / 2e-5, rel=1e-4, abs=1e-5)


def test_what_axes_do_alone_is_a_kernel():
    """Positive definite wherever numbers lie between 0 and 1."""
    x = np.random.default_rng(2).integers(0, 4, (60, 5)) / 3
    assert np.linalg.eigvalsh(alone(x, x)).min() > -1e-9


def test_the_surrogate_finds_the_axes_that_matter_together():
    chance = np.random.default_rng(1)
    x = chance.integers(0, 5, (60, 4)) / 4
    y = np.sin(4 * x[:, 1]) * np.cos(4 * x[:, 2])
    lengths = settings_of(x, (y - y.mean()) / y.std(), np.full(60, 1e-4)).lengths
    assert set(np.argsort(lengths)[:2]) == {1, 2}


def test_importing_strategies_loads_no_scikit():
    code = "import sys, archon_graph.search.strategies; print(*{'skopt', 'sklearn'} & sys.modules.keys())"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=900, check=True)
    assert ran.stdout.split() == []


# --- the kit can fail --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Good(Strategy):
    """Chance, and nothing else; what the bad ones below are made of."""

    name: ClassVar[str] = "good"

    def ask(self, space, observations, *, count=1, seed=0, pending=()):
        return RandomSearch().ask(space, observations, count=count, seed=seed, pending=pending)


class Repeats(Good):
    """Proposes what was tried."""

    def ask(self, space, observations, *, count=1, seed=0, pending=()):
        return super().ask(space, [], count=count, seed=seed, pending=pending)


class ForgetsPending(Good):
    def ask(self, space, observations, *, count=1, seed=0, pending=()):
        return super().ask(space, observations, count=count, seed=seed)


class Twice(Good):
    def ask(self, space, observations, *, count=1, seed=0, pending=()):
        return super().ask(space, observations, count=1, seed=seed, pending=pending) * count


class GivesUp(Good):
    def ask(self, space, observations, *, count=1, seed=0, pending=()):
        return super().ask(space, observations, count=min(count, 2), seed=seed, pending=pending)


class NeedsAList(Good):
    def ask(self, space, observations, *, count=1, seed=0, pending=()):
        return super().ask(space, observations, count=count if space.points() else 0, seed=seed, pending=pending)


class RawValues(Good):
    def ask(self, space, observations, *, count=1, seed=0, pending=()):
        found = super().ask(space, observations, count=count, seed=seed, pending=pending)
        return [Point({**point, "samples": 99}) for point in found]


class NumpyValues(Good):
    def ask(self, space, observations, *, count=1, seed=0, pending=()):
        found = super().ask(space, observations, count=count, seed=seed, pending=pending)
        return [Numpy(point) for point in found]


class Numpy(Point):
    """Equal to a point, with numpy's numbers for values."""

    def __getitem__(self, axis):
        value = super().__getitem__(axis)
        return np.int64(value) if type(value) is int else value


class NoSeed(Good):
    def ask(self, space, observations, *, count=1, seed=0, pending=()):
        return super().ask(space, observations, count=count, seed=0, pending=pending)


class Impure(Good):
    def ask(self, space, observations, *, count=1, seed=0, pending=()):
        seed = random.Random().getrandbits(32)
        return super().ask(space, observations, count=count, seed=seed, pending=pending)


class GlobalChance(Good):
    def ask(self, space, observations, *, count=1, seed=0, pending=()):
        random.random()
        return super().ask(space, observations, count=count, seed=seed, pending=pending)


class GlobalNumpy(Good):
    def ask(self, space, observations, *, count=1, seed=0, pending=()):
        np.random.random()
        return super().ask(space, observations, count=count, seed=seed, pending=pending)


class Changes(Good):
    def ask(self, space, observations, *, count=1, seed=0, pending=()):
        found = super().ask(space, observations, count=count, seed=seed, pending=pending)
        if isinstance(observations, list):
            observations.reverse()
        return found


class HashOrder(Good):
    def ask(self, space, observations, *, count=1, seed=0, pending=()):
        taken = {one.point for one in observations} | set(pending)
        names = sorted({point.key for point in space.points() or space.sample(seed, 60)}, key=hash)
        points = {point.key: point for point in space.points() or space.sample(seed, 60)}
        return [points[name] for name in names if points[name] not in taken][:count]


class NeedsScores(Good):
    def ask(self, space, observations, *, count=1, seed=0, pending=()):
        max((one.score + 1 for one in observations), default=0)
        return super().ask(space, observations, count=count, seed=seed, pending=pending)


class DividesBySpread(Good):
    def ask(self, space, observations, *, count=1, seed=0, pending=()):
        scores = [one.score for one in observations if one.score is not None]
        if len(scores) > 1:
            1 / (max(scores) - min(scores))
        return super().ask(space, observations, count=count, seed=seed, pending=pending)


@dataclass(frozen=True)
class ForgetsSettings(Good):
    patience: int = 3

    def settings(self):
        return {}


BAD: dict[type[Good], tuple[str, ...]] = {
    Repeats: ("test_points_are_new_and_different", "test_every_point_is_proposed_before_it_ends"),
    ForgetsPending: ("test_points_are_new_and_different", "test_points_under_way_exhaust_a_space_as_well"),
    Twice: ("test_points_are_new_and_different",),
    GivesUp: ("test_points_are_new_and_different",),
    NeedsAList: ("test_a_space_without_a_list_is_searched_as_well",),
    RawValues: ("test_points_are_new_and_different",),
    NumpyValues: ("test_points_are_new_and_different",),
    NoSeed: ("test_other_seeds_are_other_searches",),
    Impure: ("test_equal_seeds_are_equal_searches",),
    GlobalChance: ("test_nothing_else_changes",),
    GlobalNumpy: ("test_nothing_else_changes",),
    Changes: ("test_nothing_else_changes",),
    HashOrder: ("test_a_new_process_goes_on_the_same_way",),
    NeedsScores: ("test_failed_trials_are_survived",),
    DividesBySpread: ("test_equal_scores_are_survived",),
    ForgetsSettings: ("test_settings_survive_a_file",),
}


def outcomes(law: str, strategy: Strategy) -> list[BaseException | None]:
    """What a law says of a strategy, for each case that pytest would make of it."""
    kit = StrategyConformance()
    method = getattr(kit, law)
    cases = [
        [(mark.args[0], value) for value in mark.args[1]]
        for mark in getattr(method, "pytestmark", [])
        if mark.name == "parametrize"
    ]
    said: list[BaseException | None] = []
    for case in itertools.product(*cases):
        arguments: dict[str, Any] = dict(case)
        assert set(inspect.signature(method).parameters) == {"strategy", *arguments}
        try:
            method(strategy=strategy, **arguments)
        except BaseException as error:  # noqa: BLE001  pytest's failures are no Exceptions
            said.append(error)
        else:
            said.append(None)
    return said


@pytest.mark.parametrize("bad", BAD, ids=lambda cls: cls.__name__)
def test_the_kit_notices(bad):
    strategy = ForgetsSettings(patience=4) if bad is ForgetsSettings else bad()
    for law in BAD[bad]:
        assert any(outcomes(law, strategy)), law


def test_the_kit_lets_a_good_one_pass():
    """Every law of the kit is one that some bad strategy breaks, or is about asking for nothing."""
    laws = {name for name in dir(StrategyConformance) if name.startswith("test_")}
    assert laws - {law for broken in BAD.values() for law in broken} == {"test_no_points_are_no_points"}
    for law in sorted(laws - {"test_a_new_process_goes_on_the_same_way"}):
        assert not any(outcomes(law, Good())), law


def test_the_kit_says_what_it_lacks():
    with pytest.raises(pytest.fail.Exception, match="has to say what is tested"):
        StrategyConformance.strategy.__wrapped__(StrategyConformance())


def test_the_large_space_of_the_kit_has_no_list():
    assert huge_space().points() is None


# --- docs/write_a_strategy.md ------------------------------------------------------------------------------------

HOWTO = (ROOT / "docs" / "write_a_strategy.md").read_text(encoding="utf-8")


def test_the_how_to_says_what_is_so(tmp_path):
    """Its strategy keeps the laws, and its program runs."""
    blocks = re.findall(r"^```python\n(.*?)^```", HOWTO, flags=re.MULTILINE | re.DOTALL)
    for block in blocks[:2]:
        name, text = re.match(r"# (\w+\.py)\n(.*)", block, flags=re.DOTALL).groups()
        (tmp_path / name).write_text(text, encoding="utf-8")
    laws = [
        "-m",
        "pytest",
        "-q",
        "-W",
        "error",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:asyncio",
        "test_two_phases.py",
    ]
    for command in (laws, ["-W", "error", "-c", blocks[2]]):
        ran = subprocess.run(
            [sys.executable, *command],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=os.environ
            | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(Path(__file__).parent.parent.parent)])},
            timeout=900,
            check=False,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr


def test_the_how_to_names_every_law():
    laws = [name for name in dir(StrategyConformance) if name.startswith("test_")]
    assert sorted(re.findall(r"^\| `(test_\w+)`", HOWTO, flags=re.MULTILINE)) == laws
