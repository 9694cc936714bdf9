"""``Verifier``: keeps the candidates that are judged correct after written reasoning; the grammar of a verdict."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, replace
from typing import Any, ClassVar, Literal, NamedTuple

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from pydantic.dataclasses import dataclass

from archon_graph.components.judging import judge_until, rounds_until
from archon_graph.core import (
    COMPONENT_CONFIG,
    CONVERSATION,
    Candidate,
    Count,
    ModelComponent,
    ModelError,
    NodeContext,
    Problem,
    Prompt,
    Style,
    as_material,
    conversation_text,
    is_empty,
    load_prompt,
    show_candidates,
)


@dataclass(frozen=True, config=COMPONENT_CONFIG)
class Verifier(ModelComponent):
    """Passes on the candidates that are judged correct, in incoming order.

    Each candidate is judged by itself: the model first writes its reasoning, then gives a verdict on the strength
    of it. Every candidate that is passed on has one more entry in `Candidate.verdicts`: ``node``, ``correct`` and
    ``reasoning``. A verdict that cannot be read, and a call that failed, count as not verified and are recorded.
    If no candidate is verified, ``keep`` says what is passed on; that is recorded too, and the candidates carry
    the verdict that they are not verified.

    Model calls: 2 for each candidate; with ``first_k`` as many as it takes to verify that many. A candidate of
    which the model wrote no reasoning costs 1.

    Source: the verifier of Archon (arXiv 2409.15254), section 3; the prompt is our own.

    Args:
        model: Spec of the model, or a chat model.
        keep: What to pass on if none is verified: the first candidate (``"best"``), all, or none of them.
        first_k: Pass on the first that many only, and judge no more than that takes; all by default.
    """

    technique: ClassVar[str] = "verifier"
    style: ClassVar[Style] = Style("rhombus", "#d5d3fb")
    default_prompt: ClassVar[Prompt | None] = load_prompt("archon_graph.components", "verifier")

    _: KW_ONLY
    keep: Literal["best", "all", "none"] = "best"
    """What to pass on if none is verified."""
    first_k: Count | None = None
    """How many to pass on, the first that are verified; ``None`` for all of them."""

    async def run(self, context: NodeContext) -> Sequence[Candidate]:
        """Judge the candidates and pass on those that are verified."""
        outcomes = await judge_until(context, self._judge, good=lambda it: it.correct, enough=self.first_k)
        judged = []
        # With first_k the candidates behind the last one judged are neither needed nor passed on.
        for candidate, outcome in zip(context.candidates, outcomes, strict=False):
            if isinstance(outcome, ModelError):
                context.lose_to(outcome, f"{candidate.id} counts as not verified")
                outcome = _Verdict(correct=False, reasoning="")  # noqa: PLW2901
            judged.append((_marked(candidate, context.node, outcome), outcome.correct))
        verified = [candidate for candidate, correct in judged if correct]
        return verified or self._unverified(context, [candidate for candidate, _ in judged])

    def degrade(self, context: NodeContext, error: ModelError) -> Sequence[Candidate]:  # noqa: ARG002
        """What ``keep`` says, marked as not verified."""
        nothing = _Verdict(correct=False, reasoning="")
        return self._unverified(context, [_marked(each, context.node, nothing) for each in context.candidates])

    def calls(self, incoming: int) -> int:
        """Two for each candidate; with ``first_k`` at most."""
        return 2 * incoming

    def fewest_calls(self, incoming: int) -> int:
        """Two for each candidate; with ``first_k``, two for each of the first that many."""
        return 2 * (incoming if self.first_k is None else min(self.first_k, incoming))

    def calls_in_a_row(self, incoming: int) -> int:
        """A verdict waits for its reasoning; with ``first_k``, candidates may have to wait for others."""
        return 2 * rounds_until(incoming, self.first_k)

    def candidates_out(self, incoming: int) -> int:
        """All that come in, at most ``first_k``, if every one is verified."""
        return incoming if self.first_k is None else min(self.first_k, incoming)

    def fewest_out(self, incoming: int) -> int:
        """One, or none if none is kept."""
        return 0 if self.keep == "none" else min(1, incoming)

    def shown(self, incoming: int) -> int:
        """Each by itself."""
        return min(1, incoming)

    def check(self, node: str, incoming: int) -> Iterable[Problem]:
        """``first_k`` must not be larger than what comes in."""
        if self.first_k is not None and self.first_k > incoming:
            yield Problem(
                rule="top-k",
                where=node,
                message=f"first_k is {self.first_k}, and only {incoming} candidates come in",
                way_out=f"Set first_k to {incoming} or less, or draw more samples before it",
            )

    def summary(self) -> str:
        """What it keeps, where that is not the default."""
        settings = [f"first {self.first_k}"] if self.first_k is not None else []
        return ", ".join(settings if self.keep == "best" else [*settings, f"keep {self.keep}"])

    async def _judge(self, context: NodeContext, candidate: Candidate) -> _Verdict:
        messages = self._messages(context, candidate)
        [thought] = await context.draw(self, messages)
        if thought.message is None or is_empty(thought.message):
            context.lose("empty", f"there is no reasoning on {candidate.id}, which counts as not verified")
            return _Verdict(correct=False, reasoning="")
        reasoning = str(thought.message.text).strip()
        as_json = await context.wants_json(self)
        ask = self.words.render("verdict_json" if as_json else "verdict_text")
        # The reasoning as text: its other parts (thinking blocks, calls of tools) are not to be continued.
        messages = [*messages, AIMessage(content=reasoning), HumanMessage(content=ask)]
        [draw] = await context.draw(self, messages, schema=verdict_schema() if as_json else None)
        correct = read_verdict_json(draw.data) if draw.data is not None else None
        if correct is None:
            correct = read_verdict_text(str(draw.message.text) if draw.message is not None else "")
        if correct is None:
            context.lose("unreadable", f"the verdict on {candidate.id} cannot be read; it counts as not verified")
        return _Verdict(correct=bool(correct), reasoning=reasoning)

    def _unverified(self, context: NodeContext, marked: Sequence[Candidate]) -> Sequence[Candidate]:
        kept = {"best": marked[:1], "all": marked[: self.first_k], "none": marked[:0]}[self.keep]
        names = ", ".join(candidate.id for candidate in kept) or "nothing"
        context.lose("unverified", f"no candidate of {len(marked)} is verified; passed on unverified: {names}")
        return kept

    def _messages(self, context: NodeContext, candidate: Candidate) -> list[BaseMessage]:
        around = conversation_text(context.question)
        material = self.words.render(
            "material",
            # The conversation may hold images, so it is put in as content blocks after the text is made.
            conversation=CONVERSATION,
            candidate=show_candidates([candidate], around=around, critiques=False),
            reply=self.words.render("reasoning"),
        )
        return [
            SystemMessage(content=self.words.render("task")),
            HumanMessage(content=as_material(material, context.question)),
        ]


class _Verdict(NamedTuple):
    correct: bool
    """Whether the candidate is verified."""
    reasoning: str


def _marked(candidate: Candidate, node: str, verdict: _Verdict) -> Candidate:
    return replace(candidate, verdicts=(*candidate.verdicts, {"node": node, **verdict._asdict()}))


def verdict_schema() -> dict[str, Any]:
    """The JSON schema of a verdict: what decides it first."""
    return {
        "title": "verdict",
        "description": "Whether the answer is correct.",
        "type": "object",
        "properties": {"summary": {"type": "string"}, "correct": {"type": "boolean"}},
        "required": ["summary", "correct"],
        "additionalProperties": False,
    }


def read_verdict_json(data: Mapping[str, Any]) -> bool | None:
    """The verdict in a JSON reply; ``None`` if it has none. A text such as "true" is none."""
    correct = data.get("correct")
    return correct if isinstance(correct, bool) else None


# A verdict in text, as we ask for it and as models vary it:
#
#   verdict = [ label ] [ "[" ] mark [ "]" ] [ "." ] ;    a whole line
#   label   = [ "Final" ] "Verdict" ":" ;
#   mark    = "Correct" | "Incorrect" | "Not correct" ;   round brackets and "!" will do, too
#
# The last such line counts: models weigh first and decide at the end. Marks of emphasis are ignored.
# To read a wrong answer as correct is worse than to read nothing. So a verdict that something speaks against is
# none: a line with a label and another mark after it, a later line that says "incorrect", "wrong" or "not ...
# correct", or a line before it that breaks off with "not".
# Every repeat is bounded, so that a hostile line costs linear time.
_EMPHASIS = re.compile(r"[*_`#]")
_LABELLED = re.compile(r"(?:final\s{1,4})?verdict\s{0,4}:\s{0,4}", re.IGNORECASE)
_MARK = re.compile(r"[\[(]?\s{0,4}(in|not\s{1,4})?correct\s{0,4}[\])]?\s{0,4}[.!]?", re.IGNORECASE | re.ASCII)
_AGAINST = re.compile(r"incorrect|wrong|(?:not|never|n['\u2019]t)\b[^.!?]{0,40}?correct", re.IGNORECASE | re.ASCII)
_BREAKS_OFF = re.compile(r"(?:not|never|n['\u2019]t|\bin)[\s-]*$", re.IGNORECASE | re.ASCII)


def read_verdict_text(text: str) -> bool | None:
    """The verdict in a text reply, by the grammar above; ``None`` if there is none."""
    lines = [plain for line in text.splitlines() if (plain := _EMPHASIS.sub("", line).strip())]
    against = False
    for place in reversed(range(len(lines))):
        label = _LABELLED.match(lines[place])
        mark = _MARK.fullmatch(lines[place], label.end() if label else 0)
        if mark is None:
            if label is not None:
                return None
            against = against or _AGAINST.search(lines[place]) is not None
        elif mark[1]:
            return False
        else:
            # Only the end of the line before can break off, and only that is searched.
            broken = place > 0 and _BREAKS_OFF.search(lines[place - 1][-12:]) is not None
            return None if against or broken else True
    return None
