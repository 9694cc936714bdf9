"""Diagrams: what they say about the graph, how they look, and that no text from outside can break them."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from itertools import product
from typing import ClassVar

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic.dataclasses import dataclass
from syrupy.assertion import SnapshotAssertion

from archon_graph import Architecture, Fuser, Generator, Ranker, ScriptedModel
from archon_graph.core import COMPONENT_CONFIG, Candidate, Component, NodeContext, Style
from archon_graph.graphs import READY_MADE
from tests.strategies import dags, layer_lists

A, B, C = "openai:gpt-4o", "together:meta-llama/Llama-3.3-70B-Instruct-Turbo", "local:coder-0.5b"

_LABEL = r'"(?P<label>(?:[A-Za-z0-9 ._/-]|#\d+;|<br/>|<small>|</small>)*)"'
BOX = re.compile(rf"(?P<id>\w+)(?:\(\[|{{{{|\[/|\[\[|\[|{{|>){_LABEL}(?:\]\)|}}}}|\\\]|/\]|\]\]|\]|}})(?::::\w+)+")
DOT = re.compile(r'(?P<id>\w+)\(\(" "\)\):::join')
FRAME = re.compile(r'subgraph (?P<id>\w+)\["layer \d+"\]')
LINK = re.compile(r"(?P<left>\w+(?: & \w+)*) (?P<arrow>-->|---) (?P<right>\w+(?: & \w+)*)")
REST = re.compile(
    r"flowchart (TB|LR)|direction (TB|LR)|\w+( ~~~ \w+)+|end"
    r"|classDef \w+ fill:(#[0-9a-f]{6}|none)(,[a-z-]+:[#0-9a-z ]+)*|class \w+(,\w+)* layer",
)


def shown_text(diagram: str, node: str) -> str:
    """What is read in the box of a node, its lines joined by line breaks."""
    found = next(
        match for line in diagram.splitlines() if (match := BOX.fullmatch(line.strip())) and match["id"] == node
    )
    label = re.sub(r"</?small>", "", found["label"]).replace("<br/>", "\n")
    return html.unescape(re.sub(r"#(\d+);", r"&#\1;", label)).replace("\N{WORD JOINER}", "")


def drawn_edges(diagram: str) -> set[tuple[str, str]]:
    """The edges between boxes that a reader of the diagram sees: through frames and dots, question and answer."""
    inside: dict[str, list[str]] = {}
    links: list[tuple[str, str]] = []
    dots, frame = set[str](), ""
    for line in map(str.strip, diagram.splitlines()):
        if match := FRAME.fullmatch(line):
            frame = match["id"]
            inside[frame] = []
        elif line == "end":
            frame = ""
        elif match := DOT.fullmatch(line):
            dots.add(match["id"])
        elif match := BOX.fullmatch(line):
            if frame:
                inside[frame].append(match["id"])
        elif match := LINK.fullmatch(line):
            links += product(match["left"].split(" & "), match["right"].split(" & "))
        else:
            assert REST.fullmatch(line), f"not a statement: {line}"
    edges = {
        edge for left, right in links for edge in product(inside.get(left, [left]), inside.get(right, [right]))
    }
    through = {(a, b) for dot in dots for a, x in edges if x == dot for y, b in edges if y == dot}
    return {edge for edge in edges if not dots.intersection(edge)} | through


def real_edges(architecture: Architecture) -> set[tuple[str, str]]:
    """The edges of the graph, question and answer included."""
    graph = architecture.graph
    begins = {("question", node) for node in graph if not graph.pred[node]}
    return {*graph.edges, *begins, *((node, "answer") for node in graph if not graph.succ[node])}


def link_count(diagram: str) -> int:
    """How many links Mermaid has to lay out, those that are not seen included."""
    links = 0
    for line in map(str.strip, diagram.splitlines()):
        if match := LINK.fullmatch(line):
            links += len(match["left"].split(" & ")) * len(match["right"].split(" & "))
        links += line.count("~~~")
    return links


def skipping() -> Architecture:
    """Branches of different lengths, and edges that skip layers."""
    return Architecture.from_edges(
        {
            "quick": Generator(A),
            "broad": Generator(B, samples=8),
            "spare": Generator(C),
            "judge": Ranker(A, top_k=2),
            "merge": Fuser(A),
            "last": Fuser(B),
        },
        [
            ("quick", "judge"),
            ("broad", "judge"),
            ("judge", "merge"),
            ("spare", "merge"),
            ("quick", "last"),
            ("merge", "last"),
        ],
    )


def crossing() -> Architecture:
    """Four nodes read fully by four that go different ways afterwards, so that no frame says the same."""
    first = {f"g{number}": Generator(A) for number in range(4)}
    second = {f"f{number}": Fuser(A) for number in range(4)}
    edges = [(before, after) for after in second for before in first]
    rest = [("f0", "best"), *((node, "last") for node in ["g0", "f1", "f2", "f3", "best"])]
    return Architecture.from_edges({**first, **second, "best": Ranker(A), "last": Fuser(B)}, [*edges, *rest])


def hundreds() -> Architecture:
    """Three layers of a hundred."""
    return Architecture.from_layers(
        [[Generator(A, samples=5) for _ in range(100)], *([Fuser(B) for _ in range(100)] for _ in range(2))]
    )


@pytest.mark.parametrize("name", READY_MADE)
@pytest.mark.parametrize("direction", ["TB", "LR"])
def test_ready_made(name: str, direction: str, snapshot: SnapshotAssertion):
    architecture = READY_MADE[name]()
    assert architecture.draw_mermaid(direction=direction) == snapshot
    assert architecture.draw_mermaid(direction=direction, collapse=True) == snapshot(name="collapsed")


@pytest.mark.parametrize("architecture", [skipping(), crossing()], ids=["skipping", "crossing"])
def test_other_shapes(architecture: Architecture, snapshot: SnapshotAssertion):
    diagram = architecture.draw_mermaid()
    assert diagram == snapshot
    assert drawn_edges(diagram) == real_edges(architecture)


def test_many_edges_go_through_a_dot():
    diagram = crossing().draw_mermaid()
    assert "g0 & g1 & g2 & g3 --- join_1" in diagram
    assert "join_1 --> f0 & f1 & f2 & f3" in diagram
    assert "join" not in skipping().draw_mermaid()


@given(architecture=dags(), direction=st.sampled_from(["TB", "LR"]))
@settings(max_examples=60, deadline=None)
def test_a_diagram_has_the_edges_of_the_graph(architecture: Architecture, direction: str):
    assert drawn_edges(architecture.draw_mermaid(direction=direction)) == real_edges(architecture)


@given(layers=layer_lists())
@settings(max_examples=40, deadline=None)
def test_a_diagram_of_layers_has_the_edges_of_the_graph(layers: Sequence[Sequence[Component]]):
    architecture = Architecture.from_layers(layers)
    assert drawn_edges(architecture.draw_mermaid()) == real_edges(architecture)


@pytest.mark.parametrize("count", [1, 10, 100])
@pytest.mark.parametrize("direction", ["TB", "LR"])
def test_a_layer_of_any_size(count: int, direction: str):
    architecture = Architecture.from_layers([[Generator(A) for _ in range(count)], Ranker(A, top_k=1)])
    diagram = architecture.draw_mermaid(direction=direction)
    assert drawn_edges(diagram) == real_edges(architecture)
    assert link_count(diagram) <= 2 * count + 1
    assert ("subgraph" in diagram) == (count > 1)


def test_hundreds_of_nodes_stay_within_the_limits_of_web_pages():
    """Mermaid refuses more than 500 links or 50 000 characters unless the page allows it; GitHub does not."""
    diagram = hundreds().draw_mermaid()
    assert drawn_edges(diagram) == real_edges(hundreds())
    assert link_count(diagram) < 300
    assert len(diagram) < 50_000


def test_equal_nodes_collapse_into_one_box(snapshot: SnapshotAssertion):
    diagram = hundreds().draw_mermaid(collapse=True)
    assert shown_text(diagram, "generator_1").splitlines()[:2] == [
        "generator \N{MULTIPLICATION SIGN}100",
        "5 samples, 500 calls in all",
    ]
    assert drawn_edges(diagram) == {
        ("question", "generator_1"),
        ("generator_1", "fuser_1"),
        ("fuser_1", "fuser_101"),
        ("fuser_101", "answer"),
    }
    assert diagram == snapshot


def test_only_nodes_equal_in_everything_collapse():
    """Another setting, another model, other neighbours: not equal."""
    parts = {
        "a": Generator(A),
        "b": Generator(A),
        "c": Generator(B),
        "d": Generator(A, samples=2),
        "e": Generator(A),
    }
    last = {"f": Fuser(A), "g": Fuser(A), "h": Fuser(A)}
    edges = [*((node, "f") for node in "abcd"), ("e", "g"), ("f", "h"), ("g", "h")]
    diagram = Architecture.from_edges({**parts, **last}, edges).draw_mermaid(collapse=True)
    boxes = [match["id"] for line in diagram.splitlines() if (match := BOX.fullmatch(line.strip()))]
    assert boxes == ["question", "a", "c", "d", "e", "f", "g", "h", "answer"]


def test_models_can_be_left_out():
    assert "gpt" in skipping().draw_mermaid()
    assert "gpt" not in skipping().draw_mermaid(models=False)


def test_a_long_model_name_loses_its_middle():
    text = shown_text(Generator(B).__or__(Ranker(A)).draw_mermaid(), "generator_1")
    assert text == "generator_1\ntogether:me…Llama-3.3-70B-Instruct-Turbo"


def test_the_same_architecture_gives_the_same_text():
    architecture = crossing()
    again = Architecture.from_config(architecture.to_config())
    assert architecture.draw_mermaid() == architecture.draw_mermaid() == again.draw_mermaid()


@dataclass(frozen=True, config=COMPONENT_CONFIG)
class Odd(Component):
    """A technique from elsewhere: no model, and a style that we do not know."""

    technique: ClassVar[str] = "node; my-own"
    makes_candidates: ClassVar[bool] = True
    style: ClassVar[Style] = Style("cloud", "red;}")  # type: ignore[arg-type]

    async def run(self, context: NodeContext) -> Sequence[Candidate]:
        return context.candidates

    def summary(self) -> str:
        return 'as "it"\nwants'


def test_a_plug_in_of_unknown_style_is_a_plain_box(snapshot: SnapshotAssertion):
    diagram = (Generator(A) | Odd()).draw_mermaid()
    assert drawn_edges(diagram)
    assert 'as #34;it#34; wants"' in diagram.replace("</small>", "")
    assert diagram == snapshot


HOSTILE = [
    'quote " bracket ] ) } > pipe |',
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "`code` **bold** _it_ [a](b) # head",
    "#quot; &lt; #35; ;",
    "1. one\n2. two\r\n%%{init: {}}%%\u2028end",
    "direction TB",
    "x direction\tLR y",
    "fa:fa-car fab:fa-git $$x^2$$",
    "style:a#b;c classDef:x#y;",
    "www.example.com http://a.b a@b.c",
    "日本語 🙂 e\u0301 \u202egnp.exe \x00\x1b[31m",
    "\\ ^ ~~~ --> --- end subgraph",
]


@given(text=st.text(max_size=60) | st.lists(st.sampled_from(HOSTILE), min_size=1, max_size=2).map("".join))
@settings(max_examples=150, deadline=None)
@example(text=HOSTILE[0])
@example(text="")
def test_no_model_name_breaks_the_diagram(text: str):
    """One statement a line, nothing in a label but plain characters and entity codes, and the name is shown."""
    model = ScriptedModel(label=text)
    architecture = [Generator(model), Generator(A)] | Ranker(A, top_k=1)
    diagram = architecture.draw_mermaid()
    assert drawn_edges(diagram) == real_edges(architecture)
    assert len(diagram.splitlines()) == 17
    assert diagram.isascii()
    expected = "".join(
        char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in " ".join(text.split())
    )
    lines = shown_text(diagram, "generator_1").splitlines()
    assert lines[0] == "generator_1"
    if len(text) <= 40:
        assert lines[1:] == ([expected.replace("\N{WORD JOINER}", "")] if expected else [])


@pytest.mark.parametrize("text", HOSTILE)
def test_what_mermaid_would_read_is_not_in_a_label(text: str):
    line = next(
        line for line in Generator(text).__or__(Ranker(A)).draw_mermaid().splitlines() if "generator_1(" in line
    )
    assert not re.search(r"direction\s", line)
    assert not re.search(r"(style|classDef).*:\S*#.*;", line.removesuffix(":::generator"))
    assert "www." not in line


BAD_NAMES = [
    "end",
    "call",
    "a b",
    "1",
    "",
    'x"]',
    "question",
    "layer_1",
    "join_1",
    "constructor",
    "ü",
    "a_b",
    "n_end",
]


def bad_names() -> Architecture:
    """Every name that a node may not have, and some that could be mistaken for ours."""
    parts = {name: Generator(A) for name in BAD_NAMES}
    return Architecture.from_edges({**parts, "last": Fuser(A)}, [(name, "last") for name in parts])


def cyclic() -> Architecture:
    """Nodes that wait for each other."""
    parts = {"first": Generator(A), "chicken": Fuser(A), "egg": Fuser(B), "self": Fuser(C)}
    return Architecture.from_edges(
        parts, [("first", "chicken"), ("chicken", "egg"), ("egg", "chicken"), ("self", "self")]
    )


def test_names_that_cannot_be_ids_are_shown():
    diagram = bad_names().draw_mermaid()
    ids = [match["id"] for line in diagram.splitlines() if (match := BOX.fullmatch(line.strip()))][1:-2]
    assert len(set(ids)) == len(BAD_NAMES)
    assert [shown_text(diagram, node).splitlines()[0] for node in ids] == BAD_NAMES
    assert not {"end", "call", "constructor", "question"}.intersection(ids)
    assert {("question", node) for node in ids} < drawn_edges(diagram)


@pytest.mark.parametrize("collapse", [False, True])
def test_a_cycle_is_drawn_as_it_is(*, collapse: bool):
    diagram = cyclic().draw_mermaid(collapse=collapse)
    assert drawn_edges(diagram) == {("question", "first"), *cyclic().graph.edges}


def test_nothing_is_drawn_as_question_and_answer():
    assert drawn_edges(Architecture.from_layers([]).draw_mermaid()) == set()


def test_a_run_is_drawn_over_the_diagram():
    """Calls, tokens and seconds of each node; the chain that the answer waited for is marked."""
    quick = ScriptedModel(lambda call: "[1] > [2]")
    slow = ScriptedModel(lambda call: "slow", latency=0.1)
    architecture = [Generator(quick, samples=2), Generator(slow)] | Ranker(quick, top_k=1)
    diagram = architecture.draw_mermaid(run=architecture.run("q"))
    assert "class generator_2,ranker_1 critical" in diagram
    [line] = [line for line in diagram.splitlines() if line.strip().startswith("generator_1")]
    assert "2 calls" in line
    assert "tokens" in line
    assert architecture.draw_mermaid().count("critical") == 0
