"""``SearchSpace``: the architectures a search chooses from, each of them once."""

from __future__ import annotations

import hashlib
import json
import math
import random
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from archon_graph.answers import Extraction
from archon_graph.core.component import MOST_IN_A_PROMPT
from archon_graph.models.request import ModelLike
from archon_graph.search import space_files
from archon_graph.search.axes import NAMES, Axis
from archon_graph.search.canonical import Rules, Settled
from archon_graph.search.decoding import Decoder, calls_of
from archon_graph.search.encoding import Encoder
from archon_graph.search.exploring import Explorer
from archon_graph.search.point import Point, Value
from archon_graph.search.space_problems import SpaceError, foreign, unknown_axis, unknown_value
from archon_graph.search.space_reading import read_space

if TYPE_CHECKING:
    from archon_graph.core import Architecture

AxisValues = Value | ModelLike | Sequence[Value | ModelLike]
"""What an axis is given: its values, or a single one."""


class SearchSpace:
    """Architectures by what varies between them; immutable.

    A *point* sets every axis that has a say; it decodes to one architecture, which is valid under
    ``rules="archon"`` and affordable. Different points are different architectures. An axis that is left out has
    its default values; give it a single value to hold it fixed.

    An architecture of a point is built like this: generators; rounds of critic and reviser; layers of fusers; an
    evaluation layer; a final fuser, ranker or voter. A critic and a ranker may stand before the fusions.

    Args:
        models: Who generates, the best first; see `ranked`.
        generators: How many models answer.
        samples: How many answers each of them gives.
        temperature: Of the generators; ``None`` is the provider's own.
        prompt_style: How the generators are told to go about it.
        revisions: How often all answers are criticised and rewritten before anything else is done.
        fusion_layers: How many layers of several fusers there are, a final fuser not counted.
        fusers: How many fusers stand in each of them.
        evaluation: What tells good answers from bad ones before the final step: ``none``, ``verifier``, ``tests``
            (written and judged by a model), ``executed`` (written by a model and run), ``examples`` (those that
            the question shows, run).
        final: What makes one answer of several: ``fuser``, ``ranker``, ``voter`` (for questions with one right
            answer only), or ``none``: the evaluation layer chooses, if there are several.
        eval_top_k: How many answers at most go on from unit tests to a final step.
        critic: Before which fusions (or final ranker) a critic stands: ``none``, the ``first``, or ``every`` one.
        ranker: The same of a ranker, before fusions.
        rank_top_k: How many answers at most the ranker passes on.
        judge_model: Who criticises, ranks, verifies, and writes and judges tests; ``"ranked"`` is the best model.
        fuser_model: Who fuses and revises; with ``"ranked"``, several fusers are as many models, best first.
        answers: Where a voter looks for the final answer.
        max_calls: The most model calls that one question may take; ``None`` for any number.
        most_candidates: The most candidates that may go into one prompt, at most 32.
        rules: The rules that architectures are held to; there is only ``"archon"``.
        enumerate_up_to: Up to how many points the space is listed.

    Raises:
        SpaceError: Something in it is wrong; every problem is reported.
    """

    def __init__(
        self,
        models: Sequence[ModelLike],
        *,
        generators: AxisValues | None = None,
        samples: AxisValues | None = None,
        temperature: AxisValues | Literal["default"] = "default",
        prompt_style: AxisValues | None = None,
        revisions: AxisValues | None = None,
        fusion_layers: AxisValues | None = None,
        fusers: AxisValues | None = None,
        evaluation: AxisValues | None = None,
        final: AxisValues | None = None,
        eval_top_k: AxisValues | None = None,
        critic: AxisValues | None = None,
        ranker: AxisValues | None = None,
        rank_top_k: AxisValues | None = None,
        judge_model: AxisValues | None = None,
        fuser_model: AxisValues | None = None,
        answers: Extraction = "auto",
        max_calls: int | None = None,
        most_candidates: int = MOST_IN_A_PROMPT,
        rules: Literal["archon"] = "archon",
        enumerate_up_to: int = 100_000,
    ) -> None:
        given: dict[str, Any] = {
            "generators": generators,
            "samples": samples,
            "prompt_style": prompt_style,
            "revisions": revisions,
            "fusion_layers": fusion_layers,
            "fusers": fusers,
            "evaluation": evaluation,
            "final": final,
            "eval_top_k": eval_top_k,
            "critic": critic,
            "ranker": ranker,
            "rank_top_k": rank_top_k,
            "judge_model": judge_model,
            "fuser_model": fuser_model,
        }
        given = {name: values for name, values in given.items() if values is not None}
        if temperature != "default":
            given["temperature"] = temperature
        read = read_space(
            models,
            given,
            answers=answers,
            max_calls=max_calls,
            most_candidates=most_candidates,
            rules=rules,
            enumerate_up_to=enumerate_up_to,
        )
        self._labels = read.ranking
        self._models = read.models
        self.axes: tuple[Axis, ...] = read.axes
        """What varies, and what is held fixed, in a fixed order."""
        self.answers = answers
        """Where a voter looks for the final answer."""
        self.max_calls = max_calls
        """The most model calls that one question may take."""
        self.most_candidates = most_candidates
        """The most candidates that may go into one prompt."""
        self.rules = rules
        """The rules that architectures are held to."""
        self.enumerate_up_to = enumerate_up_to
        """Up to how many points the space is listed."""
        self._axis = {axis.name: axis for axis in self.axes}
        self._rules = Rules(self._axis, self._labels, most_candidates)
        self._decoder = Decoder(self._models, self._labels, answers)
        self._encoder = Encoder(self.axes)
        self._explorer = Explorer(self.axes, self._rules, self._affordable, enumerate_up_to)

    # --- making one -----------------------------------------------------------------------------------------

    @classmethod
    def archon(cls, models: Sequence[ModelLike], **settings: Any) -> SearchSpace:
        """The space of the Archon paper, for these models; see docs/design/search_space.md for how it counts.

        One to ten models of one to five samples, at most 24 answers in all; up to four layers of 2, 4, ... 10
        fusers; a critic and a ranker (of five) before every fusion, or not; a verifier, unit tests or neither
        before the final fuser.

        Source: Archon (arXiv 2409.15254), section 3.3.

        Args:
            models: Who generates, the best first.
            settings: Anything that the constructor takes, in place of the paper's.
        """
        return cls(models, **{**space_files.archon_settings(models), **settings})

    @classmethod
    def from_config(cls, data: Mapping[str, Any]) -> SearchSpace:
        """A space from plain data, as `to_config` gives it: ``models``, axes and settings by name.

        ``preset: archon`` begins with the paper's axes in place of the defaults.

        Raises:
            SpaceError: Something in it is wrong; every problem is reported.
        """
        return space_files.from_config(cls, data, source=None)

    @classmethod
    def load(cls, path: str | Path) -> SearchSpace:
        """A space from a ``.yaml``, ``.yml`` or ``.json`` file.

        Raises:
            SpaceError: The file cannot be read, or something in it is wrong; every problem is reported.
        """
        return space_files.from_config(cls, space_files.read_file(Path(path)), source=str(path))

    def to_config(self) -> dict[str, Any]:
        """The space as plain data that `from_config` reads, every axis in it.

        Raises:
            UnsavableModelError: A model is an instance without a name.
        """
        return space_files.to_config(self, self._models)

    def ranked(self, order: Sequence[str]) -> SearchSpace:
        """The same space with its models in another order, for example a measured one, best first.

        Args:
            order: The labels of all models.

        Raises:
            SpaceError: A model is missing, or is none of this space.
        """
        space_files.check_order(order, self._labels)
        return self._with([self._models[name] for name in order])

    def _with(self, models: Sequence[ModelLike]) -> SearchSpace:
        axes: dict[str, Any] = {
            axis.name: [self._models.get(str(value), value) for value in axis.values]
            if axis.name in {"judge_model", "fuser_model"}
            else axis.values
            for axis in self.axes
        }
        settings: dict[str, Any] = {name: getattr(self, name) for name in space_files.SETTINGS}
        return SearchSpace(models, **axes, **settings)

    # --- looking at it --------------------------------------------------------------------------------------

    @property
    def models(self) -> tuple[ModelLike, ...]:
        """Who generates, the best first."""
        return tuple(self._models[name] for name in self._labels)

    @property
    def model_names(self) -> tuple[str, ...]:
        """The labels of `models`, in the same order."""
        return self._labels

    def raw_size(self) -> int:
        """How many combinations of the axes' values there are, whatever comes of them."""
        return math.prod(len(axis.values) for axis in self.axes)

    def size(self) -> int | None:
        """How many different, valid and affordable architectures there are.

        ``None`` if there are more than ``enumerate_up_to``, or too many unaffordable ones to go through.
        """
        points = self.points()
        return None if points is None else len(points)

    def points(self) -> Sequence[Point] | None:
        """Every point, in a fixed order; ``None`` if the space is too large to be listed, as with `size`."""
        return self._points

    @cached_property
    def _points(self) -> tuple[Point, ...] | None:
        return self._explorer.points()

    def canonical(self, values: Mapping[str, Value]) -> Point | None:
        """The point that a combination of values comes to; ``None`` if it is invalid or unaffordable.

        Args:
            values: Values of axes by name. Those of inactive axes are dropped; an axis that is left out has its
                first value.

        Raises:
            SpaceError: There is no such axis, or it has no such value.
        """
        settled = self._rules.canonical(self._checked(values))
        return Point(settled) if settled is not None and self._affordable(settled) else None

    def __contains__(self, point: object) -> bool:
        if not isinstance(point, Point):
            return False
        try:
            return self.canonical(point) == point
        except SpaceError:
            return False

    def _checked(self, values: Mapping[str, Value]) -> dict[str, Value]:
        problems, known = [], dict[str, Value]()
        for name, value in values.items():
            axis = self._axis.get(name)
            if axis is None:
                problems.append(unknown_axis(name, NAMES))
            elif value not in axis.values:
                problems.append(unknown_value(axis, value))
            else:
                known[name] = axis.values[axis.values.index(value)]
        if problems:
            raise SpaceError(problems)
        return known

    def _affordable(self, settled: Settled) -> bool:
        return self.max_calls is None or calls_of(settled) <= self.max_calls

    # --- choosing from it -----------------------------------------------------------------------------------

    def sample(self, seed: int, count: int = 1, excluding: Collection[Point] = ()) -> list[Point]:
        """Different points by chance; fewer than wanted only if there are no more, or none are found.

        Where the space can be listed, every point is equally likely. Elsewhere values are drawn for each axis, all
        equally likely, and what they come to is taken if it is new; a point that many combinations come to is
        then more likely. If nothing affordable is found that way, the space is searched in an order of chance.

        Args:
            seed: Decides which.
            count: How many.
            excluding: Points not to draw.
        """
        chance = random.Random(f"{self.fingerprint}:{seed}")  # noqa: S311  nothing secret is drawn
        return self._explorer.sample(chance, count, set(excluding), self.points())

    def neighbours(self, point: Point) -> list[Point]:
        """The points one step away, in a fixed order, without itself.

        One step: of some combination of values that comes to this point, one axis is changed, by one place if it
        is ordered and to any other value if not, and what that comes to is the neighbour. An inactive axis may
        have any value, so what becomes active comes in every form. Whoever is a neighbour of a point has it as a
        neighbour.

        Raises:
            SpaceError: It is no point of this space.
        """
        self._check(point)
        return self._explorer.neighbours(point)

    # --- what a point is --------------------------------------------------------------------------------------

    def decode(self, point: Point) -> Architecture:
        """The architecture of a point, with a name that can be read: ``2x3 samples, ranker 3, 2 fusers, fuser``.

        Raises:
            SpaceError: It is no point of this space.
        """
        self._check(point)
        return self._decoder.decode(point)

    def calls(self, point: Point) -> int:
        """The most model calls that one question takes: ``decode(point).max_calls``."""
        self._check(point)
        return calls_of(point)

    def encode(self, point: Point) -> tuple[float, ...]:
        """The point as numbers from 0 to 1, as many for every point; see `encoded_names`."""
        return self._encoder.encode(point)

    @property
    def encoded_names(self) -> tuple[str, ...]:
        """What each number of `encode` stands for."""
        return self._encoder.names

    def _check(self, point: Point) -> None:
        if point not in self:
            raise SpaceError([foreign(point)])

    # --- telling of it ----------------------------------------------------------------------------------------

    @cached_property
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits, equal for equal spaces: same models in the same order, axes and limits."""
        content = {
            "models": self._labels,
            "axes": {axis.name: axis.values for axis in self.axes},
            "settings": {name: getattr(self, name) for name in space_files.SETTINGS if name != "enumerate_up_to"},
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]

    def describe(self) -> str:
        """What varies, what is fixed, and how many architectures that makes, as text."""
        return space_files.describe(self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SearchSpace) and self.fingerprint == other.fingerprint

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __repr__(self) -> str:
        varying = ", ".join(axis.name for axis in self.axes if len(axis.values) > 1)
        return f"<SearchSpace of {', '.join(self._labels)}: {varying or 'one architecture'}>"
