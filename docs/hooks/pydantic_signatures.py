"""Gives pydantic's classes in the API reference their signatures.

griffe reads source without running it, and knows the dataclasses of the standard library alone. Those of
pydantic are written alike, so they are shown to it as such; a model's signature is made of its fields.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import griffe


class PydanticSignatures(griffe.Extension):
    """Runs before griffe's own extension for dataclasses."""

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Look through a package that was read."""
        for module in _modules(pkg):
            for member in list(module.members.values()):
                if isinstance(member, griffe.Alias):
                    if member.target_path == "pydantic.dataclasses.dataclass":
                        member.target_path = "dataclasses.dataclass"
                elif isinstance(member, griffe.Class) and any(
                    "BaseChatModel" in str(base) for base in member.bases
                ):
                    _add_init(member)


def _modules(module: griffe.Module) -> Iterator[griffe.Module]:
    yield module
    for member in module.members.values():
        if isinstance(member, griffe.Module):
            yield from _modules(member)


def _add_init(model: griffe.Class) -> None:
    fields = [
        griffe.Parameter(
            name,
            annotation=member.annotation,
            kind=griffe.ParameterKind.keyword_only,
            default=_default(member.value),
        )
        for name, member in model.members.items()
        if isinstance(member, griffe.Attribute)
        and member.annotation is not None
        and name[0] != "_"
        and "property" not in member.labels
    ]
    if "__init__" in model.members or not fields:
        return
    itself = griffe.Parameter("self", kind=griffe.ParameterKind.positional_or_keyword)
    init = griffe.Function("__init__", parent=model, parameters=griffe.Parameters(itself, *fields))
    model.set_member("__init__", init)


def _default(value: Any) -> Any:
    """What stands for a field that is not given: what ``Field(...)`` says it is."""
    if not isinstance(value, griffe.ExprCall) or str(value.function) != "Field":
        return value
    given = {
        argument.name: argument.value for argument in value.arguments if isinstance(argument, griffe.ExprKeyword)
    }
    if "default_factory" in given:
        return f"{given['default_factory']}()"
    return given.get("default")
