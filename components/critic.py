"""``Critic``: says of each candidate what is good and what is wrong; and the grammar of critiques."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass as plain_dataclass
from dataclasses import replace
from typing import Any, ClassVar, NamedTuple

from langchain_core.messages import BaseMessage, HumanMessage, SystemMessage
from pydantic.dataclasses import dataclass

from archon_graph.components.judging import as_number, without_nul
from archon_graph.core import (
    COMPONENT_CONFIG,
    CONVERSATION,
    Candidate,
    ModelComponent,
    NodeContext,
    Problem,
    Prompt,
    Style,
    as_material,
    conversation_text,
    load_prompt,
    show_candidates,
    warn_of_many,
)


@dataclass(frozen=True, config=COMPONENT_CONFIG)
class Critic(ModelComponent):
    """Adds to each candidate its strengths and weaknesses, for rankers and fusers behind it.

    The model sees the conversation and all candidates in one call. The same candidates are passed on in the same
    order, each with one more entry in `Candidate.critiques`: ``node``, ``strengths`` and ``weaknesses``. A
    candidate whose critique cannot be read, or is there twice with different words, goes on without; that is
    recorded. What other critics said is not shown, so that several of them judge independently.

    Model calls: 1.

    Source: the critic of Archon (arXiv 2409.15254), section 3; the prompt is our own.

    Args:
        model: Spec of the model, or a chat model.
    """

    technique: ClassVar[str] = "critic"
    gives_critiques: ClassVar[bool] = True
    style: ClassVar[Style] = Style("rectangle", "#f8cfc2")
    default_prompt: ClassVar[Prompt | None] = load_prompt("archon_graph.components", "critic")

    async def run(self, context: NodeContext) -> Sequence[Candidate]:
        """Ask for the critiques and put each on its candidate."""
        candidates = context.candidates
        count = len(candidates)
        as_json = await context.wants_json(self)
        schema = critiques_schema(count) if as_json else None
        [draw] = await context.draw(self, self._messages(context, as_json=as_json), schema=schema)
        critiques = read_critiques_json(draw.data, count) if draw.data is not None else None
        if critiques is None:
            text = str(draw.message.text) if draw.message is not None else ""
            critiques = read_critiques_text(text, count)
        missing = [candidate.id for place, candidate in enumerate(candidates) if place not in critiques.by_place]
        if missing or critiques.problem:
            without = f"without a critique: {', '.join(missing)}" if missing else ""
            detail = "; ".join(part for part in (critiques.problem, without) if part)
            context.lose("unreadable", detail)
        return [
            _criticised(candidate, self_node=context.node, critique=critiques.by_place.get(place))
            for place, candidate in enumerate(candidates)
        ]

    def calls(self, incoming: int) -> int:
        """One, if there is anything to criticise."""
        return 1 if incoming else 0

    def check(self, node: str, incoming: int) -> Iterable[Problem]:
        """What comes in should fit into a prompt."""
        return warn_of_many(node, incoming)

    def _messages(self, context: NodeContext, *, as_json: bool) -> list[BaseMessage]:
        count = len(context.candidates)
        around = conversation_text(context.question)
        material = self.words.render(
            "material",
            # The conversation may hold images, so it is put in as content blocks after the text is made.
            conversation=CONVERSATION,
            candidates=show_candidates(context.candidates, around=around, critiques=False),
            count=count,
            reply=self.words.render("reply_json" if as_json else "reply_text", count=count),
        )
        return [
            SystemMessage(content=self.words.render("task", count=count)),
            HumanMessage(content=as_material(material, context.question)),
        ]


class Critique(NamedTuple):
    """What is said of one candidate."""

    strengths: str
    weaknesses: str


@plain_dataclass(frozen=True, slots=True)
class Critiques:
    """What could be read of a reply."""

    by_place: Mapping[int, Critique]
    """Critiques by the position of their candidate, from 0; some may be missing."""
    problem: str = ""
    """What else was in the reply that could not be used; empty if there was nothing."""


def critiques_schema(count: int) -> dict[str, Any]:
    """The JSON schema of critiques of ``count`` candidates, numbered from 1."""
    critique = {
        "type": "object",
        "properties": {
            "answer": {"type": "integer", "enum": list(range(1, count + 1))},
            "strengths": {"type": "string"},
            "weaknesses": {"type": "string"},
        },
        "required": ["answer", "strengths", "weaknesses"],
        "additionalProperties": False,
    }
    return {
        "title": "critiques",
        "description": "What is good and what is wrong, for each answer.",
        "type": "object",
        "properties": {"critiques": {"type": "array", "items": critique}},
        "required": ["critiques"],
        "additionalProperties": False,
    }


def read_critiques_json(data: Mapping[str, Any], count: int) -> Critiques | None:
    """The critiques in a JSON reply; ``None`` if it holds no list of them."""
    entries = data.get("critiques")
    if not isinstance(entries, list):
        return None
    named = [
        (number, Critique(_prose(entry.get("strengths")), _prose(entry.get("weaknesses"))))
        for entry in entries
        if isinstance(entry, dict) and (number := as_number(entry.get("answer"))) is not None
    ]
    return _collect(named, count) if named else None


# Critiques in text, as we ask for them and as models vary them:
#
#   critiques  = { critique } ;
#   critique   = header, label, text, label, text ;   both labels, in any order
#   header     = [ word ] "[" number "]" [ ":" ]      at the beginning of a line; the line holds nothing more,
#              | ( "Answer" | "Candidate" | "Response" ) number [ ":" ]      or goes on with a label
#   label      = ( "Strengths" | "Weaknesses" ) ":"   at the beginning of a line, or behind the header
#   text       = the rest of the line, and the lines after it up to a blank one; blank lines before its first
#                word and before a list item or an indented line belong to it
#   number     = digit { digit } ;                    from 1
#
# Whatever stands elsewhere belongs to nobody. So does what follows a label that comes a second time under one
# header: the header of the next answer may be one that we do not know, and a critique must never move to another
# answer. Marks of emphasis and headings around headers and labels are ignored.
# Every repeat is bounded, so that a hostile line costs linear time.
_MARKS = r"[\s#>*_`]{0,12}"
_HEADER = re.compile(
    rf"{_MARKS}(?:(?:[A-Za-z]{{1,12}}\s{{1,4}})?\[\s{{0,4}}(\d{{1,6}})\s{{0,4}}\]"
    rf"|(?:answer|candidate|response)\s{{1,4}}(\d{{1,6}})(?!\d)){_MARKS}:?{_MARKS}",
    re.IGNORECASE | re.ASCII,
)
_LABEL = re.compile(
    rf"(?:[-•]\s{{1,4}})?{_MARKS}(?:(strengths?)|weakness(?:es)?){_MARKS}:[*_`]{{0,3}}", re.IGNORECASE | re.ASCII
)
_GOES_ON = re.compile(r"[-*•]\s|\s")


def read_critiques_text(text: str, count: int) -> Critiques:
    """The critiques in a text reply, by the grammar above; none if there are none."""
    named: list[tuple[int, dict[str, list[str]]]] = []
    lines: list[str] | None = None  # of the text that is being read
    blank = False
    for whole in text.splitlines():
        line = whole
        header = _HEADER.match(line)
        if header is not None:
            rest = line[header.end() :]
            if not rest or _LABEL.match(rest):
                named.append((int(header[1] or header[2]), {}))
                lines, line = None, rest
        label = _LABEL.match(line)
        if label is not None and named:
            parts = named[-1][1]
            kind = "strengths" if label[1] else "weaknesses"
            if kind in parts:
                named.append((0, {}))  # nobody's, and number 0 is no answer
                lines = None
                continue
            lines = parts[kind] = [line[label.end() :].strip()]
            blank = False
        elif lines is not None:
            if not line.strip():
                blank = any(lines)
            elif blank and not _GOES_ON.match(line):
                lines = None
            else:
                lines.append(line.rstrip())
                blank = False
    complete = [
        (number, Critique(_joined(parts["strengths"]), _joined(parts["weaknesses"])))
        for number, parts in named
        if len(parts) == 2
    ]
    return _collect(complete, count)


def _collect(named: Sequence[tuple[int, Critique]], count: int) -> Critiques:
    """The critiques of candidates that there are, without those that contradict each other."""
    found: dict[int, set[Critique]] = {}
    strays = 0
    for number, critique in named:
        if not 1 <= number <= count:
            strays += 1
        elif any(map(str.isalnum, "".join(critique))):  # dots alone are an echo of the form we ask for
            found.setdefault(number - 1, set()).add(critique)
    by_place = {place: critiques.pop() for place, critiques in sorted(found.items()) if len(critiques) == 1}
    problems = []
    if strays:
        problems.append(f"{strays} of the critiques in the reply are of no answer that there is")
    if len(by_place) < len(found):
        problems.append(f"{len(found) - len(by_place)} candidates were criticised twice with different words")
    if not found:
        problems.append("no critique could be read in the reply")
    return Critiques(by_place, "; ".join(problems))


def _criticised(candidate: Candidate, *, self_node: str, critique: Critique | None) -> Candidate:
    if critique is None:
        return candidate
    entry = {"node": self_node, **critique._asdict()}
    return replace(candidate, critiques=(*candidate.critiques, entry))


def _joined(lines: Sequence[str]) -> str:
    return without_nul("\n".join(lines))


def _prose(value: object) -> str:
    """A text, or the lines of a list of texts, which models like to send; empty for anything else."""
    if isinstance(value, list):
        return without_nul("\n".join(item for item in value if isinstance(item, str)))
    return without_nul(value) if isinstance(value, str) else ""
