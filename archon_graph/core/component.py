"""``Component``: the base class of every technique, and ``ModelComponent``, of those that ask a model.

To write a technique: subclass `Component` (or `ModelComponent` if it asks a model), name it, and implement
`run`. The base class brings settings from and to files, records, losses and drawing.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import KW_ONLY, field, fields, is_dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, NamedTuple

from langchain_core.language_models import BaseChatModel
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from archon_graph.core import registry
from archon_graph.core.context import NodeContext
from archon_graph.core.errors import Problem, UnsavableModelError
from archon_graph.core.prompt import Prompt
from archon_graph.core.state import Candidate
from archon_graph.models import ConfigurationError, ModelError, Sampling
from archon_graph.models.providers import identity, label

if TYPE_CHECKING:
    from archon_graph.core.architecture import Architecture

COMPONENT_CONFIG = ConfigDict(arbitrary_types_allowed=True, extra="forbid")
"""Settings of a component are checked when it is made; a misspelt one is an error."""

Count = Annotated[int, Field(ge=1)]
"""A number of things of which there is at least one."""

Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
"""A span of time."""

QUORUM_SETTINGS = ("min_candidates", "straggler_timeout")
"""Settings that say when a component goes on, and nothing about what it draws."""


MOST_IN_A_PROMPT = 32
"""More candidates than this in one prompt are warned about: models lose track, and context windows end."""


def warn_of_many(node: str, incoming: int) -> Iterable[Problem]:
    """The warning of a component that shows all its candidates to a model at once."""
    if incoming > MOST_IN_A_PROMPT:
        yield Problem(
            rule="many-candidates",
            where=node,
            message=f"{incoming} candidates go into one prompt, more than {MOST_IN_A_PROMPT}",
            way_out="Rank or merge them in smaller groups first",
            severity="warning",
        )


class Style(NamedTuple):
    """How a technique looks in a diagram."""

    shape: Literal[
        "stadium", "hexagon", "trapezoid", "rectangle", "rhombus", "subroutine", "parallelogram", "flag"
    ] = "rectangle"
    """Outline of the box."""
    colour: str = "#e8e8e8"
    """Fill, as a hexadecimal colour that black text can be read on."""


@dataclass(frozen=True, config=COMPONENT_CONFIG)
class Component(ABC):
    """One inference-time technique with its settings: a node of the graph.

    A subclass sets the class variables, declares its settings as fields, and implements `run`. It is a frozen
    dataclass: decorate it with ``@dataclass(frozen=True, config=COMPONENT_CONFIG)`` from
    ``pydantic.dataclasses`` and its settings are checked.
    """

    technique: ClassVar[str]
    """Name of the technique in files, diagrams and messages."""
    starts: ClassVar[bool] = False
    """Whether it can stand in the first layer: it needs a question, not candidates."""
    makes_candidates: ClassVar[bool] = False
    """Whether it makes new candidates (or hands on those it was given)."""
    gives_critiques: ClassVar[bool] = False
    """Whether it adds critiques to candidates."""
    reads_critiques: ClassVar[bool] = False
    """Whether it makes use of critiques that candidates carry."""
    gives_tests: ClassVar[bool] = False
    """Whether it writes unit tests."""
    reads_tests: ClassVar[bool] = False
    """Whether it makes use of unit tests, if there are any."""
    needs_tests: ClassVar[bool] = False
    """Whether it can do nothing without unit tests."""
    style: ClassVar[Style] = Style()
    """How it is drawn."""

    _: KW_ONLY
    name: str | None = None
    """Name of its node; by default the technique and a number."""
    min_candidates: Count | None = field(default=None, repr=False)
    """Go on once this many candidates are there, and cut the others off; by default it waits for all."""
    straggler_timeout: Seconds | None = field(default=None, repr=False)
    """How long the others are waited for once ``min_candidates`` are there, in seconds; by default not at all."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "technique" in cls.__dict__:
            registry.register(cls)

    def __or__(self, other: Any) -> Architecture:
        """This component, and then the other component, layer or architecture."""
        joined: Architecture = self.alone() | other
        return joined

    def __ror__(self, other: Any) -> Architecture:
        """A layer given as a list, and then this component."""
        joined: Architecture = other | self.alone()
        return joined

    def alone(self) -> Architecture:
        """An architecture of this component only."""
        from archon_graph.core.architecture import Architecture  # it is made of components: a cycle otherwise

        return Architecture.from_layers([self])

    @abstractmethod
    async def run(self, context: NodeContext) -> Sequence[Candidate]:
        """Turn what the node was given into what it passes on, best first.

        Called once a turn by the compiled graph, with at least one candidate unless the component `starts`.
        It may not mutate anything it was given. It asks models through ``context.draw`` alone.

        Raises:
            ModelError: No call came through; what `degrade` gives takes the place of what it would have made.
        """

    def degrade(self, context: NodeContext, error: ModelError) -> Sequence[Candidate]:  # noqa: ARG002
        """What the node passes on when its model could not be used at all: here, what it was given."""
        return context.candidates

    def calls(self, incoming: int) -> int:  # noqa: ARG002
        """How many model calls a run makes when ``incoming`` candidates reach it and nothing is lost."""
        return 0

    def candidates_out(self, incoming: int) -> int:
        """How many candidates it passes on when ``incoming`` reach it and nothing is lost."""
        return incoming

    def fewest_calls(self, incoming: int) -> int:
        """How many model calls it makes at least, if it can end early; otherwise as `calls`."""
        return self.calls(incoming)

    def fewest_out(self, incoming: int) -> int:
        """How many candidates it passes on at least, if that depends on their content; otherwise all."""
        return self.candidates_out(incoming)

    def calls_in_a_row(self, incoming: int) -> int:
        """How many of its calls wait for each other; by default all run side by side."""
        return 1 if self.calls(incoming) else 0

    def shown(self, incoming: int) -> int:
        """How many candidates stand in one of its prompts, to estimate tokens by; by default all."""
        return incoming

    def check(self, node: str, incoming: int) -> Iterable[Problem]:  # noqa: ARG002
        """What is wrong with its settings in a place where ``incoming`` candidates reach it.

        Called before any model is, with the name of its node.
        """
        return ()

    @property
    def sample_count(self) -> int:
        """How many samples it draws of one and the same request; equal siblings are kept that far apart."""
        return 1

    @property
    def writes_one_answer(self) -> bool:
        """Whether it draws one answer and passes it on as it is, so that its words can be shown as they come."""
        return False

    def summary(self) -> str:
        """Its settings in a few words, for diagrams and lists."""
        return ""

    def waiting(self) -> str:
        """How it waits for candidates, in a few words, for diagrams; empty if it waits for all."""
        if self.min_candidates is None:
            return ""
        patience = f", waits {self.straggler_timeout:g} s" if self.straggler_timeout else ""
        return f"goes on at {self.min_candidates}{patience}"

    def to_config(self) -> dict[str, Any]:
        """The component as plain data, settings that were left at their default omitted.

        Raises:
            UnsavableModelError: Its model is an instance without a name.
            ConfigurationError: Its class goes by the technique of another class, which a file would load.
        """
        if registry.find_component(self.technique) is not type(self):
            raise ConfigurationError(
                f"{type(self).__name__} has the technique {self.technique!r} of another class, which would be "
                f"loaded in its place; give it a `technique` of its own"
            )
        config: dict[str, Any] = {"technique": self.technique}
        for field_ in fields(self):
            value = getattr(self, field_.name)
            if value != field_.default or field_.name == "model":
                config[field_.name] = _plain(value, self)
        return config

    def identity(self) -> dict[str, Any]:
        """What makes two components do the same: everything but the node's name."""
        settings = {field_.name: getattr(self, field_.name) for field_ in fields(self) if field_.name != "name"}
        return {
            "technique": self.technique,
            **{
                name: _identity_of(value)
                for name, value in settings.items()
                # Left out where it waits for all, as before there were quorums: the fingerprint stays the same.
                if not (name in QUORUM_SETTINGS and value is None)
            },
        }


@dataclass(frozen=True, config=COMPONENT_CONFIG)
class ModelComponent(Component):
    """A technique that asks a model.

    Args:
        model: Spec of the model (``"openai:gpt-4o"``, ``"local:coder-0.5b"``) or a LangChain chat model.
    """

    default_prompt: ClassVar[Prompt | None] = None
    """The technique's own words; ``None`` if it has none and sends the conversation as it is."""

    model: str | BaseChatModel
    _: KW_ONLY
    temperature: Annotated[float, Field(ge=0)] | None = None
    """Spread of the samples; by default the provider's own."""
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    """Share of the probability mass that is sampled from; by default the provider's own."""
    max_tokens: Count | None = None
    """Most tokens of one answer; by default the provider's own limit."""
    structured: bool | None = None
    """Ask for JSON (``True``), for text (``False``), or for JSON where the model offers it (``None``)."""
    prompt: Prompt | None = None
    """Words of your own in place of the technique's."""

    def __post_init__(self) -> None:
        """Check a prompt of one's own against the technique's parts, before any call.

        Raises:
            ValueError: It has a part that this technique does not know.
        """
        if self.prompt is None:
            return
        if self.default_prompt is None:
            raise ValueError(f"{self.technique} sends the conversation as it is and takes no prompt")
        self.prompt.over(self.default_prompt)

    @property
    def sampling(self) -> Sampling:
        """How its model is sampled."""
        return Sampling(temperature=self.temperature, top_p=self.top_p, max_tokens=self.max_tokens)

    @property
    def words(self) -> Prompt:
        """The prompt in force: the technique's own, with the parts that were replaced.

        Raises:
            ValueError: The technique has no prompt.
        """
        if self.default_prompt is None:
            raise ValueError(f"{self.technique} has no prompt")
        return self.default_prompt if self.prompt is None else self.prompt.over(self.default_prompt)

    @property
    def prompt_identity(self) -> str:
        """Identity of the prompt in force, empty if there is none."""
        return "" if self.default_prompt is None else self.words.identity

    def identity(self) -> dict[str, Any]:
        """What makes two components do the same, the wording in force included."""
        return {**super().identity(), "prompt": self.prompt_identity}


def _plain(value: Any, component: Component) -> Any:
    if isinstance(value, BaseChatModel):
        spec = identity(value)
        if spec is None:
            raise UnsavableModelError(
                f"{component.name or component.technique} holds a {type(value).__name__} instance, which no "
                f"file can name. Give it a name and use that: model = register_model('my-model', chat), or "
                f"use a spec such as 'openai:gpt-4o'"
            )
        return spec
    if isinstance(value, Prompt):
        return {"version": value.version, "parts": dict(value.parts)}
    if isinstance(value, tuple):
        return [_plain(item, component) for item in value]
    if is_dataclass(value) and not isinstance(value, type):
        made = {field_.name: getattr(value, field_.name) for field_ in fields(value)}
        return {name: _plain(item, component) for name, item in made.items()}
    return value


def _identity_of(value: Any) -> Any:
    if isinstance(value, BaseChatModel):
        return identity(value) or f"{label(value)}#{id(value):x}"
    if isinstance(value, Prompt):
        return value.identity
    if isinstance(value, tuple):
        return [_identity_of(item) for item in value]
    if is_dataclass(value) and not isinstance(value, type):
        return {field_.name: _identity_of(getattr(value, field_.name)) for field_ in fields(value)}
    return value
