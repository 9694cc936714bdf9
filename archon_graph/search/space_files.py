"""Search spaces in files and in words: plain data in and out, the paper's axes, and a description to read.

models: ["openai:gpt-4o-mini", "together:Qwen/Qwen2.5-7B-Instruct-Turbo"]
samples: [1, 2, 4]
evaluation: [none, verifier]
final: fuser
max_calls: 20
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from langchain_core.language_models import BaseChatModel

from archon_graph.core.config import kind, nearest
from archon_graph.core.errors import Problem, UnsavableModelError
from archon_graph.models.providers import identity
from archon_graph.models.request import ModelLike
from archon_graph.search.axes import NAMES, Axis
from archon_graph.search.point import Value
from archon_graph.search.space_problems import SpaceError

if TYPE_CHECKING:
    from archon_graph.search.space import SearchSpace

SETTINGS = ("answers", "max_calls", "most_candidates", "rules", "enumerate_up_to")
"""What a space has beside its models and axes."""

FORMAT = 1
"""Version of the format; a file from a later one is refused."""

_PRESETS = ("default", "archon")
_KEYS = ("archon_graph_space", "preset", "models", *NAMES, *SETTINGS)


def archon_settings(models: object) -> dict[str, Any]:
    """The axes of the paper's space for these models."""
    count = len(models) if isinstance(models, list | tuple) else 1
    return {
        "generators": range(1, max(1, min(count, 10)) + 1),
        "samples": range(1, 6),
        "temperature": None,
        "prompt_style": "direct",
        "revisions": 0,
        "fusion_layers": range(5),
        "fusers": range(2, 11, 2),
        "evaluation": ["none", "verifier", "tests"],
        "final": "fuser",
        "eval_top_k": 5,
        "critic": ["none", "every"],
        "ranker": ["none", "every"],
        "rank_top_k": 5,
        "most_candidates": 24,
    }


def read_file(path: Path) -> Any:
    """The plain data in a file.

    Raises:
        SpaceError: It cannot be read, or is not what its ending says; with line and column.
    """
    try:
        text = path.read_text(encoding="utf-8")
        return json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except OSError as error:
        near = nearest(path.name, [other.name for other in path.parent.glob("*")] if path.parent.is_dir() else [])
        message = f"the file cannot be read: {error.strerror}{near}"
        problem = _problem("unreadable-file", str(path), message, "Check the path")
    except UnicodeDecodeError:
        problem = _problem("unreadable-file", str(path), "the file is not UTF-8 text", "Save it as UTF-8")
    except json.JSONDecodeError as error:
        where = f"{path}:{error.lineno}:{error.colno}"
        problem = _problem("broken-file", where, f"this is not valid JSON: {error.msg}", "Mend it at this place")
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        said = getattr(error, "problem", None) or str(error)
        problem = _problem("broken-file", where, f"this is not valid YAML: {said}", "Mend it at this place")
    raise SpaceError([problem], source=str(path))


def from_config(cls: type[SearchSpace], data: object, *, source: str | None) -> SearchSpace:
    """A space from plain data."""
    if not isinstance(data, Mapping):
        message = f"it must be a mapping, and is {kind(data)}"
        raise SpaceError(
            [_problem("bad-config", "the top level", message, "Begin with 'models:' and a list of models")],
            source=source,
        )
    problems = [
        _problem(
            "unknown-key",
            str(key),
            f"unknown key {key!r}{nearest(str(key), _KEYS)}",
            f"Known keys are {', '.join(_KEYS)}",
        )
        for key in data
        if key not in _KEYS
    ]
    version = data.get("archon_graph_space", FORMAT)
    if version != FORMAT or isinstance(version, bool):
        message = f"format {version!r} is not known; this version reads format {FORMAT}"
        problems.append(_problem("bad-format", "archon_graph_space", message, "Upgrade archon-graph, or mend it"))
    preset = data.get("preset", "default")
    if preset not in _PRESETS:
        message = f"there is no preset {preset!r}{nearest(str(preset), _PRESETS)}"
        problems.append(_problem("unknown-preset", "preset", message, f"Presets are {', '.join(_PRESETS)}"))
    models = data.get("models", ())
    settings = {key: value for key, value in data.items() if key in NAMES or key in SETTINGS}
    if preset == "archon":
        settings = {**archon_settings(models), **settings}
    # In a file null says "as if it were not there", but for a temperature, of which it is a value.
    settings = {key: value for key, value in settings.items() if value is not None or key == "temperature"}
    try:
        space = cls(models, **settings)
    except SpaceError as error:
        raise SpaceError([*problems, *error.problems], source=source) from None
    if problems:
        raise SpaceError(problems, source=source)
    return space


def to_config(space: SearchSpace, models: Mapping[str, ModelLike]) -> dict[str, Any]:
    """A space as plain data, every axis in it."""
    for name, model in models.items():
        if isinstance(model, BaseChatModel) and identity(model) is None:
            raise UnsavableModelError(
                f"the search space holds {name}, a {type(model).__name__} instance, which no file can name. Give "
                f"it a name and use that: model = register_model('my-model', chat)"
            )
    return {
        "archon_graph_space": FORMAT,
        "models": list(space.model_names),
        **{axis.name: list(axis.values) for axis in space.axes},
        **{name: getattr(space, name) for name in SETTINGS},
    }


def check_order(order: Sequence[str], labels: Sequence[str]) -> None:
    """See that an order names every model once.

    Raises:
        SpaceError: It does not.
    """
    way_out = f"Name each of {', '.join(labels)} once"
    problems = [
        _problem("unknown-model", f"order[{place}]", f"there is no {name!r}{nearest(str(name), labels)}", way_out)
        for place, name in enumerate(order)
        if name not in labels
    ]
    for name in labels:
        count = list(order).count(name)
        if count != 1:
            message = f"{name!r} is missing" if count == 0 else f"{name!r} is there {count} times"
            problems.append(_problem("bad-order", "order", message, way_out))
    if problems:
        raise SpaceError(problems)


def describe(space: SearchSpace) -> str:
    """A space in words."""
    varying = [axis for axis in space.axes if len(axis.values) > 1]
    fixed = [axis for axis in space.axes if len(axis.values) == 1]
    size = space.size()
    known = f"{size:,}" if size is not None else f"more than {space.enumerate_up_to:,}"
    limit = "" if space.max_calls is None else f" of at most {space.max_calls} model calls a question"
    lines = [
        f"{known} architectures{limit}, from {space.raw_size():,} combinations of {len(varying)} axes.",
        f"Models, the best first: {', '.join(space.model_names)}.",
        "",
        *_table(varying),
    ]
    if fixed:
        lines += ["", f"Fixed: {', '.join(f'{axis.name} {_word(axis.values[0])}' for axis in fixed)}."]
    return "\n".join(lines)


def _table(axes: Sequence[Axis]) -> list[str]:
    rows = [(axis.name, ", ".join(map(_word, axis.values)), axis.about) for axis in axes]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)] if rows else [0, 0]
    return [f"{name:<{widths[0]}}  {values:<{widths[1]}}  {about}" for name, values, about in rows]


def _word(value: Value) -> str:
    return "provider's own" if value is None else str(value)


def _problem(rule: str, where: str, message: str, way_out: str) -> Problem:
    return Problem(rule=rule, where=where, message=message, way_out=way_out)
