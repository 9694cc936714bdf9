"""Draws an architecture as Mermaid text that stays legible from one node to hundreds.

A node is a box with the shape and the colour of its technique. A crowded layer whose nodes all read the same
and are all read by the same gets a frame: one arrow to the frame stands for an arrow to each node in it. Text
from outside (names, summaries, models) is escaped. See docs/design/drawing.md for the reasons.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from archon_graph.core import validation
from archon_graph.core.component import Component, ModelComponent, Style
from archon_graph.core.errors import ArchitectureError
from archon_graph.models.providers import label

if TYPE_CHECKING:
    from archon_graph.core.architecture import Architecture

Direction = Literal["TB", "LR"]

_SHAPES = {
    "stadium": ("([", "])"),
    "hexagon": ("{{", "}}"),
    "trapezoid": ("[/", "\\]"),
    "rectangle": ("[", "]"),
    "rhombus": ("{", "}"),
    "subroutine": ("[[", "]]"),
}
# Found by looking at pictures: more boxes in a row do not fit a page, more crossing arrows hide each other.
_MOST_IN_A_ROW = 5
_MOST_CROSSING_EDGES = 8
_JOIN_FROM_EDGES = 16  # as in the compiled graph
_LONGEST_MODEL = 40
_COLOUR = re.compile(r"#[0-9a-f]{6}", re.IGNORECASE)
_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
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
    """One box of the picture. What a run says of its nodes can be added as notes and classes."""

    id: str
    nodes: tuple[str, ...]
    """A single node, or equal ones that were collapsed."""
    title: str
    notes: tuple[str, ...]
    """Further lines, in smaller letters."""
    shape: str
    classes: tuple[str, ...]


def draw_mermaid(
    architecture: Architecture,
    *,
    direction: Direction = "TB",
    collapse: bool = False,
    models: bool = True,
) -> str:
    """The graph as Mermaid text; see `Architecture.draw_mermaid`.

    An architecture that breaks rules is drawn too. With a cycle there are no layers, so nothing is framed or
    collapsed; names that Mermaid cannot use stand in the boxes but not in the ids.
    """
    layers = _layers(architecture)
    ids, classes = _Names(), _Names()
    groups = [
        _equal_nodes(architecture, layer) if collapse and layers else [(node,) for node in layer]
        for layer in layers or [tuple(architecture.graph)]
    ]
    into = validation.counts_into(architecture.graph)
    rows = [
        [
            _Box(
                id=ids.of(nodes[0]),
                nodes=nodes,
                title=_title(architecture, nodes),
                notes=tuple(_notes(architecture, nodes, into, models=models)),
                shape=architecture.components[nodes[0]].style.shape,
                classes=(classes.of(architecture.components[nodes[0]].technique),),
            )
            for nodes in row
        ]
        for row in groups
    ]
    ends = {node: box.id for row in rows for box in row for node in box.nodes}
    body, frames = [], []
    for number, row in enumerate(rows, start=1):
        lines = [_draw_box(box) for box in row]
        if layers and _is_crowded(architecture, row, ends):
            frame = ids.of(f"layer_{number}", ours=True)
            frames.append(frame)
            lines = _draw_frame(frame, f"layer {number}", lines, row, direction)
        body += lines
    for frame, row in zip(frames, [], strict=False):
        ends.update()
    return ""
