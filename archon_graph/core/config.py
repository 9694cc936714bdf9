"""Architectures in files: plain data in and out, and errors that say where in the file.

    archon_graph: 1
    name: two-drafts
    layers:
      - - {technique: generator, model: "local:coder-0.5b", samples: 2}
        - {technique: generator, model: "openai:gpt-4o"}
      - {technique: fuser, model: "openai:gpt-4o"}

A graph that is not made of layers has ``nodes`` (components by name) and ``edges`` (pairs of names) instead.
The configs of Archon's first implementation are read as well, see `archon_graph.core.first_implementation`.
"""

from __future__ import annotations

import difflib
import json
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import networkx as nx
import yaml
from pydantic import ValidationError
from typing_extensions import TypeIs

from archon_graph.core.component import Component
from archon_graph.core.errors import ArchitectureError, Problem
from archon_graph.core.registry import UnknownTechniqueError, find_component, techniques

if TYPE_CHECKING:
    from archon_graph.core.architecture import Architecture

FORMAT = 1
"""Version of the file format; a file from a later one is refused."""

_KEYS = ("archon_graph", "name", "layers", "nodes", "edges")


@dataclass
class Draft:
    """What was read of a configuration: a graph that may have gaps, and everything found wrong with it."""

    graph: nx.DiGraph[str] = field(default_factory=nx.DiGraph)
    name: str = "architecture"
    problems: list[Problem] = field(default_factory=list)

    def add(self, rule: str, where: str, message: str, way_out: str) -> None:
        """Note a problem and read on."""
        self.problems.append(Problem(rule=rule, where=where, message=message, way_out=way_out))


def read_file(path: Path, *, lenient: bool = False) -> Draft:
    """Read a ``.json``, ``.yaml`` or ``.yml`` file.

    Raises:
        ArchitectureError: The file cannot be read, or is not what its ending says; with line and column.
    """
    draft = Draft(name=path.stem)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        near = difflib.get_close_matches(path.name, _beside(path), n=1)
        draft.add(
            "unreadable-file",
            str(path),
            f"the file cannot be read: {reason}",
            f"Did you mean {path.with_name(near[0])}?" if near else "Check the path",
        )
        raise ArchitectureError(draft.problems, source=str(path)) from error
    try:
        data = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except json.JSONDecodeError as error:
        where = f"{path}:{error.lineno}:{error.colno}"
        draft.add("broken-file", where, f"this is not valid JSON: {error.msg}", "Mend the file at this place")
        raise ArchitectureError(draft.problems, source=str(path)) from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        draft.add("broken-file", where, f"this is not valid YAML: {error.problem}", "Mend the file at this place")
        raise ArchitectureError(draft.problems, source=str(path)) from error
    except yaml.YAMLError as error:
        draft.add("broken-file", str(path), f"this is not valid YAML: {error}", "Mend the file")
        raise ArchitectureError(draft.problems, source=str(path)) from error
    return read_config(data, name=path.stem, lenient=lenient)


def read_config(data: object, *, name: str = "architecture", lenient: bool = False) -> Draft:
    """Read plain data; what cannot be read becomes a problem, and reading goes on."""
    draft = Draft(name=name)
    if not isinstance(data, Mapping):
        draft.add(
            "bad-config",
            "the top level",
            f"it must be a mapping, got {kind(data)}",
            "Begin with 'layers:' and a list of components",
        )
        return draft
    # It builds on this module: a cycle otherwise.
    from archon_graph.core import first_implementation

    if first_implementation.is_config(data):
        return first_implementation.read(data, name=name, lenient=lenient)
    if isinstance(data.get("name"), str):
        draft.name = data["name"]
    version = data.get("archon_graph", FORMAT)
    if not isinstance(version, int) or isinstance(version, bool) or not 1 <= version <= FORMAT:
        draft.add(
            "bad-format",
            "archon_graph",
            f"format {version!r} is not known; this version reads formats 1 to {FORMAT}",
            "Upgrade archon-graph, or mend the number",
        )
    unknown_keys(draft, data, _KEYS, "", lenient=lenient)
    if "layers" in data:
        if "nodes" in data or "edges" in data:
            draft.add("bad-config", "layers", "a graph has either layers, or nodes and edges", "Remove one")
        _read_layers(draft, data["layers"], lenient=lenient)
    elif "nodes" in data:
        _read_nodes(draft, data["nodes"], data.get("edges", []), lenient=lenient)
    else:
        draft.add("bad-config", "the top level", "there are neither layers nor nodes", "Add 'layers:'")
    return draft


def edge_problems(edges: Iterable[tuple[str, str]], graph: nx.DiGraph[str]) -> list[Problem]:
    """A problem for each end of an edge that is no node, with the nearest name."""
    return [
        Problem(
            rule="unknown-node",
            where=f"edge {before} -> {after}",
            message=f"there is no node {end!r}{nearest(end, graph)}",
            way_out=f"Nodes are {', '.join(graph) or 'missing altogether'}",
        )
        for before, after in edges
        for end in (before, after)
        if end not in graph
    ]


def write_config(architecture: Architecture) -> dict[str, Any]:
    """An architecture as plain data: as layers where layers say it all, else as nodes and edges."""
    head: dict[str, Any] = {"archon_graph": FORMAT, "name": architecture.name}
    graph, components = architecture.graph, architecture.components
    layers = architecture.layers
    fully_layered = all(
        tuple(graph.pred[node]) == before
        for before, layer in zip(((), *layers), layers, strict=False)
        for node in layer
    )
    in_order = [node for layer in layers for node in layer] == list(graph)
    if fully_layered and in_order:
        written = [[components[node].to_config() for node in layer] for layer in layers]
        return {**head, "layers": [layer[0] if len(layer) == 1 else layer for layer in written]}
    return {
        **head,
        "nodes": {
            node: {key: value for key, value in component.to_config().items() if key != "name"}
            for node, component in components.items()
        },
        "edges": [[before, node] for node in graph for before in graph.pred[node]],
    }


def write_file(data: Mapping[str, Any], path: Path) -> None:
    """Write plain data to a ``.json``, ``.yaml`` or ``.yml`` file.

    Raises:
        ValueError: The file's ending is another one.
    """
    if path.suffix == ".json":
        text = json.dumps(data, indent=2, ensure_ascii=False) + "\n"
    elif path.suffix in {".yaml", ".yml"}:
        text = yaml.safe_dump(dict(data), sort_keys=False, allow_unicode=True, width=100)
    else:
        raise ValueError(f"cannot save to {str(path)!r}: its ending must be .json, .yaml or .yml")
    path.write_text(text, encoding="utf-8")


def _read_layers(draft: Draft, layers: object, *, lenient: bool) -> None:
    if not is_list(layers):
        draft.add("bad-config", "layers", f"it must be a list, got {kind(layers)}", "Write a list of layers")
        return
    numbers: dict[str, int] = {}
    before: list[str] = []
    for number, layer in enumerate(layers):
        members = layer if is_list(layer) else [layer]
        if not members:
            draft.add("empty-layer", f"layers[{number}]", "it is an empty list", "Put a component into it")
            continue
        nodes = []
        for place, member in enumerate(members):
            where = f"layers[{number}][{place}]" if is_list(layer) else f"layers[{number}]"
            component = _read_component(draft, member, where, lenient=lenient)
            given = member.get("name") if isinstance(member, Mapping) else None
            stem = member.get("technique", "component") if isinstance(member, Mapping) else "component"
            if isinstance(given, str) and given not in draft.graph:
                node = given
            else:
                stem = given if isinstance(given, str) else str(stem)
                while True:
                    numbers[stem] = numbers.get(stem, 0) + 1
                    node = f"{stem}_{numbers[stem]}"
                    if node not in draft.graph:
                        break
            draft.graph.add_node(node, component=component)
            nodes.append(node)
        draft.graph.add_edges_from((earlier, node) for node in nodes for earlier in before)
        before = nodes


def _read_nodes(draft: Draft, nodes: object, edges: object, *, lenient: bool) -> None:
    if not isinstance(nodes, Mapping):
        draft.add("bad-config", "nodes", f"it must map names to components, got {kind(nodes)}", "Name each node")
        return
    for node, member in nodes.items():
        component = _read_component(draft, member, f"nodes.{node}", lenient=lenient)
        draft.graph.add_node(
            str(node), component=replace(component, name=str(node)) if component is not None else None
        )
    if not is_list(edges):
        draft.add("bad-config", "edges", f"it must be a list of pairs, got {kind(edges)}", "Write [from, to]")
        return
    pairs: list[tuple[str, str]] = []
    for number, edge in enumerate(edges):
        if is_list(edge) and len(edge) == 2:
            pairs.append((str(edge[0]), str(edge[1])))
        else:
            draft.add("bad-config", f"edges[{number}]", f"it must be a pair, got {edge!r}", "Write [from, to]")
    draft.problems.extend(edge_problems(pairs, draft.graph))
    draft.graph.add_edges_from(pair for pair in pairs if pair[0] in draft.graph and pair[1] in draft.graph)


def _read_component(draft: Draft, data: object, where: str, *, lenient: bool) -> Component | None:
    """The component, or ``None`` and a problem for everything wrong with it."""
    if not isinstance(data, Mapping):
        draft.add("bad-config", where, f"a component must be a mapping, got {kind(data)}", "Write technique: ...")
        return None
    technique = data.get("technique")
    if not isinstance(technique, str):
        draft.add(
            "unknown-technique",
            where,
            "it does not say which technique it is",
            f"Add 'technique:', one of {', '.join(techniques())}",
        )
        return None
    try:
        cls = find_component(technique)
    except UnknownTechniqueError:
        known = techniques()
        draft.add(
            "unknown-technique",
            where,
            f"no technique is called {technique!r}{nearest(technique, known)}",
            f"Known are {', '.join(known)}",
        )
        return None
    known_keys = [field_.name for field_ in fields(cls)]
    unknown_keys(draft, data, ["technique", *known_keys], f"{where}.", lenient=lenient)
    settings = {key: value for key, value in data.items() if key in known_keys}
    try:
        return cls(**settings)
    except ValidationError as error:
        for part in error.errors(include_url=False):
            path = ".".join([where, *(str(step) for step in part["loc"])])
            draft.add("bad-setting", path, reason(part), f"Mend {part['loc'][-1] if part['loc'] else where}")
    except TypeError as error:
        draft.add("bad-setting", where, str(error), f"Its settings are {', '.join(known_keys)}")
    except ValueError as error:
        draft.add("bad-setting", where, str(error), "Mend it")
    return None


def unknown_keys(
    draft: Draft, data: Mapping[Any, Any], known: Sequence[str], prefix: str, *, lenient: bool
) -> None:
    """A problem for each key that is not known, with the nearest one that is; a warning if ``lenient``."""
    for key in data:
        if key not in known:
            message = f"unknown key {key!r}{nearest(str(key), known)}"
            if lenient:
                warnings.warn(f"{prefix}{key}: {message}; it is ignored", stacklevel=2)
            else:
                draft.add("unknown-key", f"{prefix}{key}", message, f"Known keys are {', '.join(known)}")


def reason(part: Any) -> str:
    """What pydantic found wrong with a setting, in our words."""
    if part["type"] in {"missing", "missing_argument"}:
        return "it is missing"
    if part["type"] == "value_error":
        return str(part["ctx"]["error"])
    text = str(part["msg"])
    return f"{text[0].lower()}{text[1:]}, got {part['input']!r}"


def is_list(value: object) -> TypeIs[list[Any] | tuple[Any, ...]]:
    """Whether this is what a file has for a list."""
    return isinstance(value, list | tuple)


def kind(value: object) -> str:
    """What was received, in a few words."""
    return "nothing" if value is None else f"{type(value).__name__} {value!r:.60}"


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint at the known word that looks most like this one; empty if none does."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def _beside(path: Path) -> list[str]:
    try:
        return [other.name for other in path.parent.iterdir()]
    except OSError:
        return []
