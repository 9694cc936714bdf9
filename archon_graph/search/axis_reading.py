"""Reads models and axes from what a user wrote, and notes everything that is wrong with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel

from archon_graph.core.config import kind
from archon_graph.core.errors import Problem
from archon_graph.models.providers import identity, label
from archon_graph.models.request import ModelLike
from archon_graph.search.axes import DOMAINS, PLACES, RANKED, ROLES, Axis, Domain
from archon_graph.search.point import Value


class Reader:
    """Reads what a space is made of, and notes everything that is wrong with it."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def add(self, rule: str, where: str, message: str, way_out: str) -> None:
        """Note a problem and read on."""
        self.problems.append(Problem(rule=rule, where=where, message=message, way_out=way_out))

    def models(self, given: object) -> dict[str, ModelLike]:
        """The generator models by label, in order."""
        if isinstance(given, str | BaseChatModel):
            given = [given]
        if not isinstance(given, Sequence) or not given:
            self.add(
                "bad-models",
                "models",
                f"it has to be a list of models, best first, and is {kind(given)}",
                "Name at least one, for example models: ['openai:gpt-4o-mini']",
            )
            return {}
        found: dict[str, ModelLike] = {}
        for place, model in enumerate(given):
            self._model(model, f"models[{place}]", found)
        return found

    def axis(self, name: str, given: object, models: dict[str, ModelLike]) -> Axis:
        """One axis; ``models`` grows by those that only a role names."""
        domain = DOMAINS[name]
        values = list(given) if isinstance(given, list | tuple | range) else [given]
        if not values:
            self.add("bad-values", name, "it has no value", "Leave it out for its default values, or give one")
        if name in ROLES:
            values = [self._role(value, f"{name}[{place}]", models) for place, value in enumerate(values)]
        taken: list[Value] = []
        for place, value in enumerate(values):
            where = f"{name}[{place}]"
            plain = _plain(value, domain)
            problem = domain.fault(plain)
            if problem is not None:
                self.add("bad-values", where, problem, domain.way_out)
            elif plain in taken:
                self.add("twice", where, f"{plain!r} is there already", "Remove one of them")
            else:
                taken.append(plain)
        return Axis(name, _in_order(taken, domain), _is_ordered(taken, domain), domain.about)

    def _role(self, value: object, where: str, models: dict[str, ModelLike]) -> str:
        if value == RANKED:
            return RANKED
        own: dict[str, ModelLike] = {}
        name = self._model(value, where, own)
        there = models.get(name)
        if (
            isinstance(value, BaseChatModel)
            and there is not None
            and there is not value
            and identity(value) is None
        ):
            self._alike(where, name)
        models.setdefault(name, own.get(name, name))
        return name

    def _model(self, model: object, where: str, found: dict[str, ModelLike]) -> str:
        if isinstance(model, str) and model and model != RANKED:
            name = model
        elif isinstance(model, BaseChatModel):
            name = label(model)
        else:
            self.add(
                "bad-models",
                where,
                f"it has to be a spec or a chat model, and is {kind(model)}",
                "Write a spec such as 'openai:gpt-4o-mini'",
            )
            return str(model)
        if name in found:
            if found[name] is model or identity(model) is not None:
                way_out = "Remove one of them; to draw several answers from one model, take the axis samples"
                self.add("twice", where, f"the model {name!r} is there already", way_out)
            else:
                self._alike(where, name)
        else:
            found[name] = model
        return name

    def _alike(self, where: str, name: str) -> None:
        self.add(
            "bad-models",
            where,
            f"two different chat models are both called {name!r}",
            "Give each a name of its own: model = register_model('my-model', chat)",
        )


def _plain(value: Any, domain: Domain) -> Any:
    if domain.scale is PLACES and isinstance(value, bool):
        return "every" if value else "none"
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return float(value) if domain is DOMAINS["temperature"] and is_number else value


def _is_ordered(values: Sequence[Value], domain: Domain) -> bool:
    if domain.scale is None:
        # Temperatures are a scale where each is a number; the provider's own has no place on it.
        return domain is DOMAINS["temperature"] and None not in values
    return True


def _in_order(values: Sequence[Value], domain: Domain) -> tuple[Value, ...]:
    if not _is_ordered(values, domain):
        return tuple(values)
    scale = domain.scale
    key: Callable[[Any], Any] = scale.index if scale else lambda value: value
    return tuple(sorted(values, key=key))
