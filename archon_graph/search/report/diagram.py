"""``draw_svg_diagram``: an architecture as boxes, drawn without any program that a reader's machine may lack."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from archon_graph.core import Architecture, Component
from archon_graph.core.component import ModelComponent, Style
from archon_graph.evals.comparison import shortened
from archon_graph.evals.report.transcripts import visible
from archon_graph.models.providers import label

_WIDTH, _MIDDLE = 900.0, 450.0
_BOX, _GAP, _PADDING, _BETWEEN = 200.0, 16.0, 12.0, 34.0
_LINE, _ACROSS, _LONGEST = 16.0, 4, 31
_PILL = (96.0, 28.0)
_COLOUR = re.compile(r"#[0-9a-f]{6}", re.IGNORECASE)


@dataclass(frozen=True)
class Note:
    """A line in a box."""

    text: str
    kind: str = ""
    """How it is coloured: ``gain``, ``loss``, or not at all."""


@dataclass(frozen=True)
class _Box:
    """Something with a place in the picture."""

    x: float
    y: float
    width: float
    height: float
    layer: int

    @property
    def middle(self) -> float:
        return self.x + self.width / 2

    @property
    def bottom(self) -> float:
        return self.y + self.height


def draw_svg_diagram(architecture: Architecture, notes: Mapping[str, Sequence[Note]]) -> str:
    """The architecture as an ``<svg>`` element, from the question on top to the answer below.

    A layer whose nodes all read the same and are all read by the same stands in a frame, and an arrow to the frame
    means all of them. Everything that comes from outside is escaped.

    Args:
        architecture: What is drawn.
        notes: Lines for the boxes of its nodes, below their settings and models.
    """
    graph = architecture.graph
    lines = {
        node: [*_settings(component), *notes.get(node, ())] for node, component in architecture.components.items()
    }
    boxes: dict[str, _Box] = {}
    frames: list[_Box] = []
    ends: dict[str, _Box] = {}
    question = _Box(_MIDDLE - _PILL[0] / 2, 4.0, *_PILL, -1)
    y = question.bottom + _BETWEEN
    for place, layer in enumerate(architecture.layers):
        framed = _is_uniform(architecture, layer)
        top = y + _PADDING if framed else y
        for row in _rows(layer):
            height = max(_LINE * (len(lines[node]) + 1) + 14.0 for node in row)
            x = _MIDDLE - (len(row) * (_BOX + _GAP) - _GAP) / 2
            for node in row:
                boxes[node] = _Box(x, top, _BOX, height, place)
                x += _BOX + _GAP
            top += height + _GAP
        y = top - _GAP
        if framed:
            across = max(len(row) for row in _rows(layer))
            wide = across * (_BOX + _GAP) - _GAP + 2 * _PADDING
            y += _PADDING
            start = min(boxes[node].y for node in layer) - _PADDING
            frames.append(_Box(_MIDDLE - wide / 2, start, wide, y - start, place))
        ends |= {node: frames[-1] if framed else boxes[node] for node in layer}
        y += _BETWEEN
    answer = _Box(_MIDDLE - _PILL[0] / 2, y, *_PILL, len(architecture.layers))
    arrows = dict.fromkeys(
        [
            *((question, ends[node]) for node in graph if not graph.pred[node]),
            *((ends[before], ends[after]) for before, after in graph.edges),
            *((ends[node], answer) for node in graph if not graph.succ[node]),
        ]
    )
    drawn = [
        *(_draw_frame(frame) for frame in frames),
        *(_draw_arrow(start, end) for start, end in arrows),
        _draw_pill(question, "question"),
        *(
            line
            for node, box in boxes.items()
            for line in _draw_box(box, node, architecture.components[node], lines[node])
        ),
        _draw_pill(answer, "answer"),
    ]
    inside = "\n".join(drawn)
    return f'<svg class="diagram" viewBox="0 0 {_WIDTH:g} {answer.bottom + 4:g}">\n{inside}\n</svg>'


def _settings(component: Component) -> list[Note]:
    found = [", ".join(filter(None, (component.summary(), component.waiting())))]
    if isinstance(component, ModelComponent):
        found.append(label(component.model))
    return [Note(text) for text in found if text.strip()]


def _is_uniform(architecture: Architecture, layer: Sequence[str]) -> bool:
    graph = architecture.graph
    before = {frozenset(graph.pred[node]) for node in layer}
    after = {frozenset(graph.succ[node]) for node in layer}
    return len(layer) > 1 and len(before) == 1 and len(after) == 1


def _rows(layer: Sequence[str]) -> list[Sequence[str]]:
    """A layer in rows of about equal length, none wider than the picture."""
    count = -(-len(layer) // _ACROSS)
    length = -(-len(layer) // count)
    return [layer[start : start + length] for start in range(0, len(layer), length)]


def _draw_frame(box: _Box) -> str:
    return (
        f'<rect class="frame" x="{box.x:g}" y="{box.y:g}" width="{box.width:g}" height="{box.height:g}" rx="8"/>'
    )


def _draw_pill(box: _Box, text: str) -> str:
    return (
        f'<rect class="pill" x="{box.x:g}" y="{box.y:g}" width="{box.width:g}" height="{box.height:g}" rx="14"/>\n'
        f'<text class="on-page" x="{box.middle:g}" y="{box.y + 19:g}">{text}</text>'
    )


def _draw_box(box: _Box, node: str, component: Component, lines: Sequence[Note]) -> Iterator[str]:
    style = component.style
    fill = style.colour if _COLOUR.fullmatch(style.colour) else Style().colour
    yield (
        f'<rect x="{box.x:g}" y="{box.y:g}" width="{box.width:g}" height="{box.height:g}" rx="6" fill="{fill}"/>'
    )
    for place, note in enumerate((Note(node, "title"), *lines)):
        text, y = escape(visible(note.text)), box.y + 20 + place * _LINE
        short = escape(visible(shortened(note.text, _LONGEST)))
        yield f'<text class="{note.kind}" x="{box.middle:g}" y="{y:g}"><title>{text}</title>{short}</text>'


def _draw_arrow(start: _Box, end: _Box) -> str:
    """Straight down where possible; around the layers that it passes by, on the right, where it has to."""
    if end.layer - start.layer > 1 and start.layer >= 0:
        x1, y1 = start.x + start.width, start.y + start.height / 2
        x2, y2 = end.x + end.width, end.y + end.height / 2
        out = _WIDTH - 6
        path = f"M{x1:g} {y1:g} C{out:g} {y1:g} {out:g} {y1:g} {out:g} {(y1 + y2) / 2:g}"
        path += f" S{out:g} {y2:g} {x2 + 7:g} {y2:g}"
        head = f"{x2:g},{y2:g} {x2 + 8:g},{y2 - 4:g} {x2 + 8:g},{y2 + 4:g}"
    else:
        x1, y1, x2, y2 = start.middle, start.bottom, end.middle, end.y
        half = (y1 + y2) / 2
        path = f"M{x1:g} {y1:g} C{x1:g} {half:g} {x2:g} {half:g} {x2:g} {y2 - 7:g}"
        head = f"{x2:g},{y2:g} {x2 - 4:g},{y2 - 8:g} {x2 + 4:g},{y2 - 8:g}"
    return f'<path class="arrow" d="{path}"/><polygon class="head" points="{head}"/>'
