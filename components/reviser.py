"""``Reviser``: rewrites each candidate in the light of its critique."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from pydantic.dataclasses import dataclass

from archon_graph.core import (
    COMPONENT_CONFIG,
    Candidate,
    ModelComponent,
    ModelError,
    NodeContext,
    Prompt,
    Style,
    conversation_text,
    load_prompt,
    show_candidates,
    with_task,
)


@dataclass(frozen=True, config=COMPONENT_CONFIG)
class Reviser(ModelComponent):
    """Replaces each candidate by one rewritten from it and its critiques, in the same order.

    A candidate without a critique is rewritten too: the model then looks for the faults itself. Where the model
    gives an empty answer or fails, the candidate stays as it is, and that is recorded.

    Model calls: 1 for each candidate.

    Source: self-refinement (arXiv 2303.17651); the prompt is our own.
    """

    technique: ClassVar[str] = "reviser"
    makes_candidates: ClassVar[bool] = True
    reads_critiques: ClassVar[bool] = True
    style: ClassVar[Style] = Style("trapezoid", "#d8eee8")
    default_prompt: ClassVar[Prompt | None] = load_prompt("archon_graph.components", "reviser")

    async def run(self, context: NodeContext) -> Sequence[Candidate]:
        """Rewrite every candidate."""
        outcomes = await context.for_each(list(enumerate(context.candidates)), self._rewrite)
        revised = []
        for outcome, candidate in zip(outcomes, context.candidates, strict=True):
            if isinstance(outcome, ModelError):
                context.lose_to(outcome, f"{candidate.id} stays as it is")
            revised.append(candidate if isinstance(outcome, ModelError) else outcome)
        return revised

    def calls(self, incoming: int) -> int:
        """One for each candidate."""
        return incoming

    def shown(self, incoming: int) -> int:
        """Each by itself."""
        return min(1, incoming)

    async def _rewrite(self, context: NodeContext, item: tuple[int, Candidate]) -> Candidate:
        number, candidate = item
        draft = show_candidates([candidate], around=conversation_text(context.question))
        messages = with_task(context.question, self.words.render("task", draft=draft))
        form = context.form.after([candidate.message])
        [draw] = await context.draw(self, messages, form=form)
        kept = f"{candidate.id} stays as it is"
        revised = context.answer(self, draw, form=form, parents=[candidate], number=number, instead=kept)
        return candidate if revised is None else revised
