"""``StudySpec``: what a search is asked to do, from Python or a file; all that is wrong is told at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import yaml

from archon_graph.core.config import nearest
from archon_graph.evals.benchmarks import Benchmark, load_benchmark
from archon_graph.evals.judges import Judging, judged
from archon_graph.models import Budget, ConfigurationError
from archon_graph.search.racing import RacingRule
from archon_graph.search.space import SearchSpace
from archon_graph.search.strategies import find_strategy
from archon_graph.search.strategies.base import Strategy

SPLITS = ("search", "selection", "holdout")
"""The questions of a study: to search with, to choose among finalists, and to report on. They never overlap."""

UNITS = ("calls", "tokens", "money", "seconds")
"""What quality can be weighed against."""


class SpecError(ConfigurationError, ValueError):
    """A study cannot be made of what it was given; every problem is in the message."""


@dataclass(frozen=True, kw_only=True)
class StudySpec:
    """What a search is asked to do.

    Args:
        space: What may vary.
        data: The questions, by split: ``search``, ``selection`` and ``holdout``.
        strategy: Which architecture is tried next.
        trials: How many architectures are tried, single models that are measured first not counted.
        parallel: How many trials run side by side. A round of them is proposed together, so this is part of what
            the study is: another number proposes others.
        racing: When a trial is stopped early; ``None``: never.
        cost: What quality is weighed against: ``calls``, ``tokens``, ``money`` or ``seconds``.
        finalists: How many of the best trials are scored again on the selection questions.
        ablate: Whether the winner is taken apart, to see what each node adds.
        search_share: The part of the budget that the search may spend; the rest is for finalists, held-out
            questions and baselines.
        seed: Namespace of the samples, and seed of the strategy and of the order of questions.
        budget: The most that the study may spend in all.
        budget_per_question: The most that one question may take.

    Raises:
        SpecError: Something is wrong; every problem is in it.
    """

    space: SearchSpace
    data: Mapping[str, Benchmark]
    strategy: Strategy = field(default_factory=lambda: find_strategy("bayesian"))
    trials: int = 40
    parallel: int = 4
    racing: RacingRule | None = field(default_factory=RacingRule)
    cost: str = "calls"
    finalists: int = 4
    ablate: bool = True
    search_share: float = 0.5
    seed: int = 0
    budget: Budget | None = None
    budget_per_question: Budget | None = None

    def __post_init__(self) -> None:
        problems = [*self._number_problems(), *overlaps(self.data)]
        if problems:
            raise SpecError(_told(problems, "this study"))

    def _number_problems(self) -> list[str]:
        found = []
        for name, least in (("trials", 0), ("parallel", 1), ("finalists", 1)):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                found.append(f"{name}: should be a whole number of at least {least}, got {value!r}")
        # As they come from a file: anything.
        seed: Any = self.seed
        share: Any = self.search_share
        if not isinstance(seed, int) or isinstance(seed, bool):
            found.append(f"seed: should be a whole number, got {seed!r}")
        if not isinstance(share, int | float) or isinstance(share, bool) or not 0 < share <= 1:
            found.append(f"search_share: should lie between 0 and 1, got {share!r}")
        if self.cost not in UNITS:
            found.append(f"cost: {self.cost!r} is none of {', '.join(UNITS)}{nearest(str(self.cost), UNITS)}")
        return found

    @property
    def identity(self) -> dict[str, Any]:
        """What makes two studies the same: they may share a directory. Budget and number of trials may grow."""
        return {
            "space": self.space.to_config(),
            "data": {name: self.data[name].describe()["fingerprint"] for name in SPLITS},
            "scorer": self.data["search"].scorer.identity,
            "strategy": {"name": self.strategy.name, **self.strategy.settings()},
            "parallel": self.parallel,
            "racing": None if self.racing is None else self.racing.to_config(),
            "finalists": self.finalists,
            "seed": self.seed,
            "budget_per_question": None if self.budget_per_question is None else str(self.budget_per_question),
        }

    def describe(self) -> dict[str, Any]:
        """Everything as plain data, for the record."""
        return {
            **self.identity,
            "data": {name: self.data[name].describe() for name in SPLITS},
            "trials": self.trials,
            "cost": self.cost,
            "search_share": self.search_share,
            "ablate": self.ablate,
            "budget": None if self.budget is None else asdict(self.budget),
        }

    def budget_of(self, share: float) -> Budget | None:
        """This share of the budget; ``None`` if there is none."""
        budget = self.budget
        if budget is None:
            return None
        return Budget(
            calls=None if budget.calls is None else int(budget.calls * share),
            tokens=None if budget.tokens is None else int(budget.tokens * share),
            money=None if budget.money is None else budget.money * share,
            seconds=None if budget.seconds is None else budget.seconds * share,
        )

    def with_limits(
        self, *, trials: int | None = None, calls: int | None = None, money: float | None = None
    ) -> StudySpec:
        """The same study with other limits; what is ``None`` stays as it is."""
        budget = self.budget or Budget()
        wanted = replace(
            budget,
            calls=budget.calls if calls is None else calls,
            money=budget.money if money is None else money,
        )
        return replace(
            self,
            trials=self.trials if trials is None else trials,
            budget=None if wanted == Budget() else wanted,
        )

    # --- from a file ------------------------------------------------------------------------------------------

    @classmethod
    def load(cls, path: str | Path) -> StudySpec:
        """A spec from a ``.yaml`` file; paths in it are relative to where it lies.

        Raises:
            SpecError: The file cannot be read, or something in it is wrong; every problem is in it.
        """
        file = Path(path)
        try:
            data = yaml.safe_load(file.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            why = getattr(error, "strerror", None) or " ".join(str(error).split())
            raise SpecError(f"{file} cannot be read: {why}; docs/search.md shows what stands in one") from error
        return cls.from_config(data, source=str(file), folder=file.parent)

    @classmethod
    def from_config(cls, data: object, *, source: str = "this study", folder: Path = Path()) -> StudySpec:
        """A spec from plain data: ``models``, ``benchmark``, and whatever else should not be as it is by default.

        Args:
            data: The data; docs/search.md tells every key.
            source: What to call it in messages.
            folder: Where relative paths begin.

        Raises:
            SpecError: Something in it is wrong; every problem is in it.
        """
        if not isinstance(data, Mapping):
            raise SpecError(
                f"{source}: a study is a mapping with models and a benchmark, got {type(data).__name__}"
            )
        return _Reader(dict(data), source, folder).read()


_PLAIN = ("trials", "parallel", "cost", "finalists", "ablate", "search_share", "seed")
_KEYS = (
    "models",
    "space",
    "benchmark",
    "questions",
    "strategy",
    "racing",
    "budget",
    "budget_per_question",
    *_PLAIN,
)


class _Reader:
    """Reads a spec, and collects what is wrong on the way."""

    def __init__(self, data: dict[str, Any], source: str, folder: Path) -> None:
        self._data = data
        self._source = source
        self._folder = folder
        self._problems: list[str] = []

    def read(self) -> StudySpec:
        for key in self._data:
            if key not in _KEYS:
                self._problems.append(
                    f"{key}: unknown key{nearest(str(key), _KEYS)}. Known keys are {', '.join(_KEYS)}"
                )
        made: dict[str, Any] = {
            "space": self._attempt("space", self._space),
            "data": self._attempt("benchmark", self._questions),
            "strategy": self._attempt("strategy", self._strategy),
            "racing": self._attempt("racing", self._racing),
            "budget": self._attempt("budget", lambda: self._budget("budget")),
            "budget_per_question": self._attempt(
                "budget_per_question", lambda: self._budget("budget_per_question")
            ),
            **{key: self._data[key] for key in _PLAIN if key in self._data},
        }
        unread = made["data"] is None
        spec = None
        try:
            spec = StudySpec(**{**made, "data": {} if unread else made["data"]})
        except SpecError as error:
            told = [text.removeprefix("- ") for text in str(error).splitlines()[1:]]
            # Of questions that could not be read, the reason is told already.
            self._problems += [text for text in told if not (unread and text.startswith("data: "))]
        if self._problems or spec is None:
            raise SpecError(_told(self._problems, self._source))
        return spec

    def _attempt(self, key: str, make: Any) -> Any:
        try:
            return make()
        except (ConfigurationError, ValueError, TypeError) as error:
            first, *rest = str(error).splitlines()
            listed = [text.removeprefix("- ") for text in rest if text.startswith("- ")]
            self._problems += [f"{key}: {text}" for text in listed or [" ".join((first, *rest))]]
            return None

    def _space(self) -> SearchSpace:
        space = self._data.get("space", {})
        if not isinstance(space, Mapping):
            raise SpecError(f"should map axes to values, got {type(space).__name__}")
        models = self._data.get("models", space.get("models"))
        if models is None:
            raise SpecError("no models are given. Write, for example, models: [local:coder-0.5b]")
        return SearchSpace.from_config({**space, "models": models})

    def _questions(self) -> dict[str, Benchmark]:
        given = self._data.get("benchmark")
        if given is None:
            raise SpecError("no benchmark is given. Write benchmark: starter, or the path of a file of yours")
        options = dict(given) if isinstance(given, Mapping) else {"name": given}
        if "name" not in options:
            raise SpecError("has no name. Write benchmark: {name: gsm8k, path: test.jsonl}")
        name = str(options.pop("name"))
        judge = options.pop("judge", None)
        if "path" in options:
            options["path"] = self._folder / str(options["path"])
        elif (self._folder / name).is_file():
            name = str(self._folder / name)
        limits = self._limits()
        whole = load_benchmark(name, **options)
        if judge is not None:
            whole = judged(whole, Judging.from_config(judge, folder=self._folder))
        return split_data(whole, limits)

    def _limits(self) -> dict[str, int]:
        given = self._data.get("questions", {})
        if not isinstance(given, Mapping):
            raise SpecError(f"questions should map splits to numbers, got {type(given).__name__}")
        wrong = []
        for split, count in given.items():
            if split not in SPLITS:
                wrong.append(f"questions: {split!r} is none of {', '.join(SPLITS)}{nearest(str(split), SPLITS)}")
            elif not isinstance(count, int) or isinstance(count, bool) or count < 1:
                wrong.append(f"questions: {split} should be a whole number of at least 1, got {count!r}")
        if wrong:
            raise SpecError(_told(wrong, "questions"))
        return dict(given)

    def _strategy(self) -> Strategy:
        given = self._data.get("strategy", "bayesian")
        if isinstance(given, Mapping):
            settings = dict(given)
            return find_strategy(str(settings.pop("name", "bayesian")), **settings)
        return find_strategy(str(given))

    def _racing(self) -> RacingRule | None:
        given = self._data.get("racing", True)
        if given is False or given is None:
            return None
        if given is True:
            return RacingRule()
        if not isinstance(given, Mapping):
            raise SpecError(f"should be true, false or the settings of the rule, got {given!r}")
        return RacingRule.from_config(given)

    def _budget(self, key: str) -> Budget | None:
        given = self._data.get(key)
        if given is None:
            return None
        known = [each.name for each in fields(Budget)]
        if not isinstance(given, Mapping) or not set(given) <= set(known):
            raise SpecError(f"should hold some of {', '.join(known)}, got {given!r}")
        return Budget(**given)


def split_data(whole: Benchmark, limits: Mapping[str, int] | None = None) -> dict[str, Benchmark]:
    """The three parts of a benchmark that a study needs.

    Args:
        whole: The questions, of which each belongs to one split.
        limits: At most so many questions of a split, drawn by a fixed seed.

    Raises:
        UnknownBenchmarkError: The benchmark has no such split.
        ValueError: A split holds no question.
    """
    sizes = limits or {}
    parts = {name: whole.in_split(name) for name in SPLITS}
    return {name: part.sample(sizes[name]) if name in sizes else part for name, part in parts.items()}


def overlaps(data: Mapping[str, Benchmark]) -> list[str]:
    """What is wrong with the splits of a study: one is missing, or two of them share questions or clusters."""
    found = [
        f"data: the split {name!r} is missing; a study needs {', '.join(SPLITS)}"
        for name in SPLITS
        if name not in data
    ]
    seen: dict[str, tuple[str, str]] = {}
    shared: dict[tuple[str, str], list[str]] = {}
    for split in SPLITS:
        for item in data[split].items if split in data else ():
            for unit in (f"id {item.id}", item.unit):
                earlier, _ = seen.setdefault(unit, (split, item.id))
                if earlier != split and item.id not in shared.setdefault((earlier, split), []):
                    shared[earlier, split].append(item.id)
    for (one, other), ids in shared.items():
        found.append(
            f"data: {one} and {other} share {len(ids)} questions (or questions of one cluster), {ids[0]!r} for "
            f"one; what was searched on says nothing when it is reported on. Give each question to one split"
        )
    return found


def _told(problems: Sequence[str], source: str) -> str:
    count = "one problem" if len(problems) == 1 else f"{len(problems)} problems"
    return f"{count} in {source}:\n" + "\n".join(f"- {problem}" for problem in problems)
