"""Finds techniques by name: those defined in this process, and those that packages declare.

A package declares its techniques as entry points in the group ``archon_graph.components``; ours are declared
the same way, so a plug-in is a first-class citizen. A class defined anywhere registers itself.
"""

from __future__ import annotations

import difflib
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from archon_graph.models import ConfigurationError

if TYPE_CHECKING:
    from archon_graph.core.component import Component

GROUP = "archon_graph.components"

_defined: dict[str, type[Component]] = {}


class UnknownTechniqueError(ConfigurationError, LookupError):
    """No component goes by this name."""


def register(cls: type[Component]) -> None:
    """Make a component class known under its ``technique``; called for every subclass as it is defined.

    Raises:
        ConfigurationError: Another class has the name already.
    """
    other = _defined.get(cls.technique)
    # The same class defined again (a notebook cell run twice, a reload) replaces itself.
    if other is not None and (other.__module__, other.__qualname__) != (cls.__module__, cls.__qualname__):
        raise ConfigurationError(
            f"two components are called {cls.technique!r}: {other.__module__}.{other.__qualname__} and "
            f"{cls.__module__}.{cls.__qualname__}; give one of them another `technique`"
        )
    _defined[cls.technique] = cls


def techniques() -> list[str]:
    """The names of all known techniques, sorted."""
    return sorted({*_defined, *(entry.name for entry in entry_points(group=GROUP))})


def find_component(technique: str) -> type[Component]:
    """The component class of a technique.

    Raises:
        UnknownTechniqueError: No such technique; names the nearest one.
    """
    if technique in _defined:
        return _defined[technique]
    for entry in entry_points(group=GROUP, name=technique):
        loaded: type[Component] = entry.load()
        return loaded
    known = techniques()
    close = difflib.get_close_matches(technique, known, n=1)
    raise UnknownTechniqueError(
        f"no technique is called {technique!r}"
        + (f" (did you mean {close[0]!r}?)" if close else "")
        + f"; known are {', '.join(known)}"
    )
