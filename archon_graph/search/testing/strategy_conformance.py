"""``StrategyConformance``: the laws every search strategy keeps, as tests for yours to inherit.

    class TestMine(StrategyConformance):
        @pytest.fixture
        def strategy(self):
            return Mine(patience=3)

pytest finds the class and runs one test for each law. Spaces are small and scores are made up: no model, no key,
no network, a few seconds.
"""

from __future__ import annotations

import copy
import json
import os
import pickle
import random
import subprocess
import sys
from collections.abc import Sequence
from typing import Any, ClassVar, NoReturn

import numpy as np
import pytest

from archon_graph.search.point import Point
from archon_graph.search.space import SearchSpace
from archon_graph.search.strategies.base import Observation, Strategy

_MODELS = ("scripted:a", "scripted:b", "scripted:c")
_ENOUGH = 30
"""Observations enough for a strategy to have left its beginning."""

_ELSEWHERE = """
import pickle, sys
from archon_graph.search.space import SearchSpace
strategy, config, observations, seed, pending = pickle.loads(sys.stdin.buffer.read())
space = SearchSpace.from_config(config)
points = strategy.ask(space, observations, count=4, seed=seed, pending=pending)
print([point.key for point in points])
"""


def small_space() -> SearchSpace:
    """A space of some hundred architectures, with axes that are not always in force."""
    return SearchSpace(_MODELS, generators=[1, 2, 3], samples=[1, 2], critic="none", ranker=["none", "first"])


def tiny_space() -> SearchSpace:
    """A space of so few architectures that it is soon exhausted."""
    return SearchSpace(
        _MODELS,
        generators=1,
        samples=[1, 2, 3],
        revisions=0,
        fusion_layers=0,
        evaluation="none",
        final=["fuser", "ranker"],
        critic="none",
        ranker="none",
    )


def single_space() -> SearchSpace:
    """A space of one architecture."""
    return SearchSpace(
        _MODELS[:1],
        generators=1,
        samples=1,
        revisions=0,
        fusion_layers=0,
        evaluation="none",
        final="fuser",
        critic="none",
        ranker="none",
    )


def huge_space() -> SearchSpace:
    """A space of some thousand architectures, of which a strategy is not shown a list."""
    return SearchSpace(_MODELS, samples=[1, 2, 3], enumerate_up_to=10)


def made_up_score(point: Point) -> float:
    """A score between 0 and 1 that depends on the point alone."""
    return int(point.key, 16) / 16**12


def observed(points: Sequence[Point]) -> list[Observation]:
    """What trials of these points might have come to: some failed, some without an error."""
    observations = []
    for number, point in enumerate(points):
        score = None if number % 7 == 3 else made_up_score(point)
        error = None if score is None or number % 5 == 2 else 0.03
        observations.append(Observation(point=point, score=score, error=error))
    return observations


def broken(rule: str, found: str, way_out: str) -> NoReturn:
    """Fail a test: the rule, what was seen, and what to do about it."""
    pytest.fail(f"{rule}\n\nSeen: {found}\nTo do: {way_out}", pytrace=False)


def _global_state() -> tuple[Any, str]:
    """Where the generators stand that everybody draws from."""
    return random.getstate(), repr(np.random.get_state())


class StrategyConformance:
    """The tests of a strategy; subclass it as ``TestSomething`` and give the fixture `strategy`.

    To leave a law out, override its method with one that skips and says why.
    """

    uses_seed: ClassVar[bool] = True
    """Set it to ``False`` for a strategy that goes the same way whatever the seed."""

    @pytest.fixture
    def strategy(self) -> Strategy:
        """The strategy that is tested, with settings that let it leave its beginning within 20 trials."""
        pytest.fail(
            f"{type(self).__name__} has to say what is tested; give it a fixture:\n\n"
            f"    @pytest.fixture\n"
            f"    def strategy(self):\n"
            f"        return MyStrategy()",
            pytrace=False,
        )

    @pytest.mark.parametrize("make", [small_space, huge_space], ids=["listed", "not listed"])
    @pytest.mark.parametrize("known", [0, 1, 2, _ENOUGH], ids=lambda known: f"{known} known")
    def test_points_are_new_and_different(self, strategy: Strategy, make: Any, known: int) -> None:
        """Canonical points of the space, as many as wanted, none twice, observed or pending."""
        space = make()
        # What it proposes itself is what it would propose again if it forgot.
        points = strategy.ask(space, [], count=known + 3)
        self._check(space, points, [], known + 3)
        observations, pending = observed(points[:known]), points[known:]
        for count in (1, 4):
            self._check(space, strategy.ask(space, observations, count=count, pending=pending), points, count)

    def test_no_points_are_no_points(self, strategy: Strategy) -> None:
        """Asked for none it gives none."""
        found = strategy.ask(small_space(), [], count=0)
        if found:
            broken("count=0 asks for nothing.", f"{found!r}", "Return at most count points")

    @pytest.mark.parametrize("make", [single_space, tiny_space], ids=["one point", "six points"])
    def test_every_point_is_proposed_before_it_ends(self, strategy: Strategy, make: Any) -> None:
        """Fewer than wanted only if the space has no more; then nothing, and no error."""
        space = make()
        observations: list[Observation] = []
        for _ in range(2 * len(space.points() or ())):
            points = strategy.ask(space, observations, count=1)
            tried = [one.point for one in observations]
            left = space.size() - len(observations)
            self._check(space, points, tried, min(1, left))
            observations = observed([*tried, *points])
        whole = strategy.ask(space, [], count=100)
        self._check(space, whole, [], space.size() or 0)

    def test_points_under_way_exhaust_a_space_as_well(self, strategy: Strategy) -> None:
        """With everything pending there is nothing to propose."""
        space = tiny_space()
        found = strategy.ask(space, [], count=2, pending=list(space.points() or ()))
        if found:
            broken(
                "What is pending is not proposed.",
                f"{found!r}",
                "Leave out pending points as well as observed ones",
            )

    def test_a_space_without_a_list_is_searched_as_well(self, strategy: Strategy) -> None:
        """Where ``space.points()`` is ``None`` it finds points all the same, trial after trial."""
        space = huge_space()
        if space.points() is not None:
            broken("The kit's large space has no list.", "it has one", "Tell us; this is a fault of the kit")
        observations: list[Observation] = []
        for _ in range(_ENOUGH):
            points = strategy.ask(space, observations, count=1)
            self._check(space, points, [one.point for one in observations], 1)
            observations = observed([*[one.point for one in observations], *points])

    @pytest.mark.parametrize("known", [0, _ENOUGH], ids=lambda known: f"{known} known")
    def test_equal_seeds_are_equal_searches(self, strategy: Strategy, known: int) -> None:
        """Asked the same, it says the same."""
        arguments = self._arguments(known)
        first, second = strategy.ask(**arguments), strategy.ask(**arguments)
        if first != second:
            broken(
                "ask is a pure function of its arguments.",
                f"{first!r} and then {second!r}",
                "Make your own random.Random from the seed and the history, and keep nothing between calls",
            )

    def test_other_seeds_are_other_searches(self, strategy: Strategy) -> None:
        """Of ten seeds, two at least begin differently."""
        if not self.uses_seed:
            pytest.skip("this strategy says that it goes the same way whatever the seed")
        space = small_space()
        found = {tuple(strategy.ask(space, [], count=4, seed=seed)) for seed in range(10)}
        if len(found) == 1:
            broken(
                "The seed decides which search it is.",
                "ten seeds, one beginning",
                "Use it, or set uses_seed = False",
            )

    @pytest.mark.parametrize("known", [0, _ENOUGH], ids=lambda known: f"{known} known")
    def test_a_new_process_goes_on_the_same_way(self, strategy: Strategy, known: int) -> None:
        """Whatever the order of sets and hashes there."""
        arguments = self._arguments(known)
        here = [point.key for point in strategy.ask(**arguments)]
        config = arguments["space"].to_config()
        sent = (strategy, config, *(arguments[name] for name in ("observations", "seed", "pending")))
        environment = {
            **os.environ,
            "PYTHONHASHSEED": "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1",
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        }
        ran = subprocess.run(  # noqa: S603  our own Python, our own code
            [sys.executable, "-c", _ELSEWHERE],
            input=pickle.dumps(sent),
            capture_output=True,
            env=environment,
            timeout=600,
            check=False,
        )
        there = ran.stderr.decode()[-500:] if ran.returncode else ran.stdout.decode().strip()
        if there != str(here):
            broken(
                "Equal histories have equal futures, in any process.",
                f"{here} here, {there} in another process",
                "Never go through a set in its own order, and do not use hash() or the clock",
            )

    @pytest.mark.parametrize("known", [0, _ENOUGH], ids=lambda known: f"{known} known")
    def test_nothing_else_changes(self, strategy: Strategy, known: int) -> None:
        """Neither what it is given, nor itself, nor the generators that others draw from."""
        arguments = self._arguments(known)
        before = copy.copy(arguments["observations"]), copy.copy(arguments["pending"]), repr(strategy)
        state = _global_state()
        strategy.ask(**arguments)
        if (arguments["observations"], arguments["pending"], repr(strategy)) != before:
            broken("ask changes nothing it was given.", "an argument or the strategy changed", "Work on copies")
        if _global_state() != state:
            broken(
                "ask draws on no generator but its own.",
                "the state of random or numpy.random changed",
                "Use random.Random(...) or numpy.random.default_rng(...) of your own",
            )

    @pytest.mark.parametrize("known", [1, 3, _ENOUGH], ids=lambda known: f"{known} known")
    def test_failed_trials_are_survived(self, strategy: Strategy, known: int) -> None:
        """If all have failed, and if one alone has not."""
        space = small_space()
        points = space.sample(3, known)
        failed = [Observation(point=point, score=None) for point in points]
        for observations in (failed, [*failed[:-1], Observation(point=points[-1], score=0.5)]):
            self._check(space, strategy.ask(space, observations, count=2), points, 2)

    @pytest.mark.parametrize("score", [0.0, 0.5, -1e9], ids=str)
    def test_equal_scores_are_survived(self, strategy: Strategy, score: float) -> None:
        """Nothing to tell them apart, and no error to go by."""
        space = small_space()
        points = space.sample(4, _ENOUGH)
        observations = [Observation(point=point, score=score, error=0.0) for point in points]
        self._check(space, strategy.ask(space, observations, count=2), points, 2)

    def test_settings_survive_a_file(self, strategy: Strategy) -> None:
        """Written as JSON and read again, they make an equal strategy."""
        cls = type(strategy)
        again = cls.from_settings(json.loads(json.dumps(strategy.settings())))
        if again != strategy:
            broken(
                "A strategy is its settings.",
                f"{strategy!r}, then {again!r}",
                "Make it a frozen dataclass of plain data",
            )
        if not isinstance(getattr(cls, "name", None), str) or not cls.name:
            broken("A strategy has a name.", f"{getattr(cls, 'name', None)!r}", "Set the class variable name")
        with pytest.raises(TypeError, match=r"no_such_setting"):
            cls.from_settings({"no_such_setting": 1})

    # --- what the laws need -----------------------------------------------------------------------------------

    def _arguments(self, known: int) -> dict[str, Any]:
        space = small_space()
        points = space.sample(2, known + 2)
        return {
            "space": space,
            "observations": observed(points[:known]),
            "count": 4,
            "seed": 5,
            "pending": points[known:],
        }

    def _check(self, space: SearchSpace, found: Sequence[Point], taken: Sequence[Point], count: int) -> None:
        if len(found) != count:
            broken(
                "As many points as wanted, fewer only if no more are left.",
                f"{len(found)} where {count} were wanted and free",
                "Fall back on space.sample(...)",
            )
        if len(set(found)) != len(found):
            broken("No point twice.", f"{found!r}", "Leave out what you have chosen already")
        for point in found:
            if point not in space:
                broken(
                    "Points of the space only.", f"{point!r}", "Take them from points(), sample() or canonical()"
                )
            if point in taken:
                broken(
                    "Nothing that was tried or is under way.",
                    f"{point!r}",
                    "Leave out observed and pending points",
                )
            odd = {
                name: value
                for name, value in point.items()
                if type(value) not in {bool, int, float, str, type(None)}
            }
            if odd:
                broken(
                    "Values are plain data.", f"{odd!r}", "Turn numpy's numbers into Python's, or use canonical()"
                )
