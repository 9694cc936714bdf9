"""Draws an architecture as Mermaid text that stays legible from one node to hundreds.

A node is a box with the shape and the colour of its technique. A layer of several nodes that all read the same
and are all read by the same gets a frame: one arrow to the frame stands for an arrow to each node in it. Text
from outside (names, summaries, models) is escaped. See docs/design/drawing.md for the reasons.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from archon_graph.core import validation
from archon_graph.core.component import ModelComponent, Style
from archon_graph.core.errors import ArchitectureError
from archon_graph.core.preflight import longest_path
from archon_graph.models import Usage
from archon_graph.models.providers import label

if TYPE_CHECKING:
    from archon_graph.core.architecture import Architecture
    from archon_graph.core.result import NodeReport, Result

Direction = Literal["TB", "LR"]

_SHAPES = {
    "stadium": ("([", "])"),
    "hexagon": ("{{", "}}"),
    "trapezoid": ("[/", "\\]"),
    "rectangle": ("[", "]"),
    "rhombus": ("{", "}"),
    "subroutine": ("[[", "]]"),
    "parallelogram": ("[/", "/]"),
    "flag": (">", "]"),
}
# Found by looking at pictures: more boxes in a row do not fit a page.
_MOST_IN_A_ROW = 5
_JOIN_FROM_EDGES = 16  # as in the compiled graph
_LONGEST_NOTE = 40
_END_OF_LONG_NOTE = 28
_COLOUR = re.compile(r"#[0-9a-f]{6}", re.IGNORECASE)
# Words of Mermaid's grammar, classes of its style sheet and ours, and what every JavaScript object has: a node
# or a class of that name breaks the picture.
_UNUSABLE = validation.RESERVED_NAMES | {
    *("call", "classdef", "cluster", "edge", "href", "interpolate", "join", "label", "layer", "linkstyle"),
    *("node", "root", "terminal", "constructor", "hasownproperty", "isprototypeof", "propertyisenumerable"),
    *("tolocalestring", "tostring", "valueof"),
}
# Letters, digits, blanks, and marks inside a word are plain; everything else becomes an entity code. Mermaid
# takes "direction TB" for a statement wherever it stands, and some viewers "www." for a link.
_CHARACTER = re.compile(
    r"(?P<plain>[a-z0-9]|(?<!direction) |(?<=[a-z0-9])(?<!www)[._/-](?=[a-z0-9]))|.",
    re.ASCII | re.DOTALL | re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True)
class _Box:
    """A box of the picture. What is known of a run can be added to it: as notes, and as classes."""

    id: str
    nodes: tuple[str, ...]
    """A single node, or equal ones that were collapsed."""
    title: str
    notes: tuple[str, ...]
    """Further lines, in smaller letters."""
    shape: str
    technique: str
    """Name of the class that colours it."""


def draw_mermaid(
    architecture: Architecture,
    *,
    direction: Direction = "TB",
    collapse: bool = False,
    models: bool = True,
    run: Result | None = None,
) -> str:
    """The graph as Mermaid text; see `Architecture.draw_mermaid`.

    An architecture that breaks rules is drawn too. With a cycle there are no layers, so nothing is framed or
    collapsed; a name that Mermaid cannot use is shown, but another one is used as its id.
    """
    layers = _layers(architecture)
    ids, class_names = _Names(), _Names()
    techniques = {part.technique: part.style for part in architecture.components.values()}
    classes = {technique: class_names.of(technique) for technique in techniques}
    calls = _calls(architecture) if collapse else {}
    reports = {report.node: report for report in run.nodes} if run is not None else {}
    critical = set(_critical_path(architecture, reports)) if reports and layers else set()
    rows = [
        [
            _Box(
                id=ids.of(nodes[0]),
                nodes=nodes,
                title=_title(architecture, nodes),
                notes=(*_notes(architecture, nodes, calls, models=models), *_costs(nodes, reports)),
                shape=architecture.components[nodes[0]].style.shape,
                technique=classes[architecture.components[nodes[0]].technique],
            )
            for nodes in groups
        ]
        for groups in _groups(architecture, layers, collapse=collapse)
    ]
    box_of = {node: box.id for row in rows for box in row for node in box.nodes}
    # What the arrows of a node end at: its box, or the frame around it.
    ends = dict(box_of)
    body, frames = list[str](), list[str]()
    for number, row in enumerate(rows, start=1):
        lines = [_draw_box(box) for box in row]
        if layers and _is_uniform(architecture, row):
            frame = ids.of(f"layer_{number}")
            frames.append(frame)
            ends.update((node, frame) for box in row for node in box.nodes)
            lines = _draw_frame(frame, f"layer {number}", lines, row, direction)
        body += lines
    edges = list(_draw_edges(architecture, ends, ids))
    styles = [_draw_class(classes[technique], style) for technique, style in techniques.items()]
    styles.append("classDef terminal fill:#f4f4f4,stroke:#999999,color:#333333")
    if critical:
        marked = ",".join(box.id for row in rows for box in row if critical.intersection(box.nodes))
        styles += ["classDef critical stroke:#c0392b,stroke-width:4px", f"class {marked} critical"]
    if any(line.endswith(":::join") for line in edges):
        styles.append("classDef join fill:#999999,stroke:#999999")
    if frames:
        styles.append("classDef layer fill:none,stroke:#aaaaaa,stroke-dasharray:4 3,color:#777777")
        styles.append(f"class {','.join(frames)} layer")
    terminals = ['question(["question"]):::terminal', 'answer(["answer"]):::terminal']
    lines = [terminals[0], *body, terminals[1], *edges, *styles]
    return "\n".join([f"flowchart {direction}", *("  " + line for line in lines)])


def _layers(architecture: Architecture) -> Sequence[Sequence[str]]:
    try:
        return architecture.layers
    except ArchitectureError:
        return ()


def _groups(
    architecture: Architecture, layers: Sequence[Sequence[str]], *, collapse: bool
) -> Iterator[Iterable[tuple[str, ...]]]:
    """The nodes of each layer by the boxes they get; of a graph without layers as if there were one."""
    graph = architecture.graph
    for layer in layers or [list(graph)]:
        if not (layers and collapse):
            yield [(node,) for node in layer]
            continue
        equal: dict[tuple[object, ...], list[str]] = {}
        for node in layer:
            identity = json.dumps(architecture.components[node].identity(), sort_keys=True, default=str)
            key = (identity, frozenset(graph.pred[node]), frozenset(graph.succ[node]))
            equal.setdefault(key, []).append(node)
        yield map(tuple, equal.values())


def _calls(architecture: Architecture) -> Mapping[str, int]:
    """The model calls of each node when nothing is lost."""
    into = validation.counts_into(architecture.graph)
    return {node: component.calls(into[node] or 0) for node, component in architecture.components.items()}


def _title(architecture: Architecture, nodes: Sequence[str]) -> str:
    if len(nodes) == 1:
        return nodes[0]
    return f"{architecture.components[nodes[0]].technique} \N{MULTIPLICATION SIGN}{len(nodes)}"


def _notes(
    architecture: Architecture, nodes: Sequence[str], calls: Mapping[str, int], *, models: bool
) -> tuple[str, ...]:
    component = architecture.components[nodes[0]]
    total = sum(calls[node] for node in nodes) if len(nodes) > 1 else 0
    settings = [component.summary(), component.waiting(), f"{total} calls in all" if total else ""]
    notes = [", ".join(filter(None, settings))]
    if models and isinstance(component, ModelComponent):
        notes.append(label(component.model))
    return tuple(_shortened(note) for note in notes if note.strip())


def _is_uniform(architecture: Architecture, row: Sequence[_Box]) -> bool:
    """Whether a layer has several boxes, and arrows to a frame around them say the same as arrows to each."""
    graph = architecture.graph
    nodes = [node for box in row for node in box.nodes]
    before = {frozenset(graph.pred[node]) for node in nodes}
    after = {frozenset(graph.succ[node]) for node in nodes}
    return len(row) > 1 and len(before) == 1 and len(after) == 1


def _costs(nodes: Sequence[str], reports: Mapping[str, NodeReport]) -> tuple[str, ...]:
    """What a run took in these nodes: calls and tokens together, seconds of the slowest."""
    found = [reports[node] for node in nodes if node in reports]
    if not found:
        return ()
    usage = Usage.total(report.usage for report in found)
    tokens = usage.prompt_tokens + usage.completion_tokens
    parts = [f"{usage.calls} {'call' if usage.calls == 1 else 'calls'}", f"{tokens} tokens"] if usage.calls else []
    seconds = max(report.seconds for report in found)
    return (", ".join([*parts, f"{seconds:.1f} s"]),)


def _critical_path(architecture: Architecture, reports: Mapping[str, NodeReport]) -> list[str]:
    """The chain of nodes that a run waited for."""
    seconds = {node: reports[node].seconds if node in reports else 0.0 for node in architecture.components}
    return longest_path(architecture.graph, seconds)


def _draw_box(box: _Box) -> str:
    left, right = _SHAPES.get(box.shape, _SHAPES["rectangle"])
    small = "<br/>".join(_escaped(note) for note in box.notes)
    text = _escaped(box.title) + (f"<br/><small>{small}</small>" if small else "")
    return f'{box.id}{left}"{text}"{right}:::{box.technique}'


def _draw_frame(
    frame: str, title: str, lines: Iterable[str], row: Sequence[_Box], direction: Direction
) -> list[str]:
    """A layer in a frame, its boxes side by side in as many rows as keep the picture in shape."""
    side = math.ceil(math.sqrt(len(row)))
    most = max(_MOST_IN_A_ROW, side) if direction == "TB" else 2 * max(_MOST_IN_A_ROW, side)
    across = math.ceil(len(row) / math.ceil(len(row) / most))
    # Boxes are put behind each other by links that are not seen; without any, all would stand in one row.
    chains = [row[place::across] for place in range(across)]
    links = [" ~~~ ".join(box.id for box in chain) for chain in chains if len(chain) > 1]
    inside = [f"direction {direction}", *lines, *links]
    return [f'subgraph {frame}["{title}"]', *("  " + line for line in inside), "end"]


def _draw_edges(architecture: Architecture, ends: Mapping[str, str], ids: _Names) -> Iterator[str]:
    """Arrows between what stands for the nodes, through a dot where many would cross."""
    graph = architecture.graph
    before: dict[str, dict[str, None]] = {}
    for node in graph:
        read_by_node = [ends[source] for source in graph.pred[node]] or ["question"]
        before.setdefault(ends[node], {}).update(dict.fromkeys(read_by_node))
    before["answer"] = dict.fromkeys(ends[node] for node in graph if not graph.succ[node])
    readers: dict[tuple[str, ...], list[str]] = {}
    for reader, sources in before.items():
        readers.setdefault(tuple(sources), []).append(reader)
    joins = 0
    for read, reading in readers.items():
        left, right = " & ".join(read), " & ".join(reading)
        if len(read) > 1 and len(reading) > 1 and len(read) * len(reading) >= _JOIN_FROM_EDGES:
            joins += 1
            join = ids.of(f"join_{joins}")
            yield f'{join}((" ")):::join'
            yield f"{left} --- {join}"
            left = join
        if left:
            yield f"{left} --> {right}"


def _draw_class(name: str, style: Style) -> str:
    fill = style.colour if _COLOUR.fullmatch(style.colour) else Style().colour
    # The outline is a darker shade of the fill.
    stroke = "#" + "".join(f"{int(fill[place : place + 2], 16) * 2 // 3:02x}" for place in (1, 3, 5))
    return f"classDef {name} fill:{fill},stroke:{stroke},color:#000000"


def _shortened(text: str) -> str:
    """The text with its middle left out if it is long; of a model's name the end says more than the start."""
    if len(text) <= _LONGEST_NOTE:
        return text
    return f"{text[: _LONGEST_NOTE - _END_OF_LONG_NOTE - 1]}…{text[-_END_OF_LONG_NOTE:]}"


def _escaped(text: str) -> str:
    """Text that Mermaid shows as it is: on one line, and neither Mermaid, Markdown nor HTML."""
    shown = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in " ".join(text.split()))
    # Mermaid looks for icons and formulas after it has read the entity codes: a mark without width parts them.
    shown = re.sub(r"(?<=:)(?=fa-)|(?<=\$)(?=\$)", "\N{WORD JOINER}", shown)
    return _CHARACTER.sub(lambda found: found[0] if found["plain"] else f"#{ord(found[0])};", shown)


class _Names:
    """Gives each text an identifier of its own that Mermaid can use: the text itself where possible."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def of(self, text: str) -> str:
        name = re.sub(r"[^A-Za-z0-9_]", "_", text)[:64]
        if not name[:1].isalpha() or name.lower() in _UNUSABLE:
            name = f"n_{name}"
        while name in self._taken:
            name += "_"
        self._taken.add(name)
        return name
