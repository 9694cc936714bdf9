"""``Fuser``: writes one answer out of several."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import KW_ONLY
from typing import ClassVar

from langchain_core.messages import BaseMessage
from pydantic.dataclasses import dataclass

from archon_graph.core import (
    COMPONENT_CONFIG,
    Candidate,
    Count,
    ModelComponent,
    ModelError,
    NodeContext,
    Problem,
    Prompt,
    Style,
    conversation_text,
    form_words,
    load_prompt,
    show_candidates,
    warn_of_many,
    with_task,
)


@dataclass(frozen=True, config=COMPONENT_CONFIG)
class Fuser(ModelComponent):
    """Replaces the candidates by ``samples`` new ones, each written from all of them.

    The model gets the conversation itself, with the candidates (and their critiques) added to the system
    message. An empty answer is dropped and recorded; if nothing else is left, the first candidate it was given,
    the best so far, is passed on as it is.

    Model calls: ``samples``.

    Source: generative fusion as in LLM-Blender (arXiv 2306.02561) and Archon (arXiv 2409.15254), section 3; the
    prompt is our own.

    Args:
        model: Spec of the model, or a chat model.
        samples: How many fused answers to write.
        use_critiques: Whether the model sees what critics said of the candidates.
    """

    technique: ClassVar[str] = "fuser"
    makes_candidates: ClassVar[bool] = True
    reads_critiques: ClassVar[bool] = True
    style: ClassVar[Style] = Style("trapezoid", "#d3f0d0")
    default_prompt: ClassVar[Prompt | None] = load_prompt("archon_graph.components", "fuser")

    _: KW_ONLY
    samples: Count = 1
    """How many fused answers to write."""
    use_critiques: bool = True
    """Whether the model sees what critics said of the candidates."""
    length_control: bool = False
    """Whether the model is told to write no more than the longest candidate: judges prefer longer answers."""

    async def run(self, context: NodeContext) -> Sequence[Candidate]:
        """Write the fused answers; fall back to the best candidate if none says anything."""
        version, form = self.prompt_identity, context.form.after(one.message for one in context.candidates)
        if context.form.tools:
            version = f"{version}+{form_words().identity}"
        draws = await context.draw(
            self, self._messages(context), samples=self.samples, prompt_version=version, form=form
        )
        answers = [context.answer(self, draw, form=form, parents=context.candidates) for draw in draws]
        fused = [answer for answer in answers if answer is not None]
        if not fused:
            best = context.candidates[0]
            context.lose("empty", f"no fused answer is left; the best candidate given, {best.id}, takes its place")
            return [best]
        return fused

    def degrade(self, context: NodeContext, error: ModelError) -> Sequence[Candidate]:  # noqa: ARG002
        """The best candidate it was given."""
        return context.candidates[:1]

    def calls(self, incoming: int) -> int:  # noqa: ARG002
        """One for each fused answer."""
        return self.samples

    def candidates_out(self, incoming: int) -> int:  # noqa: ARG002
        """One for each fused answer."""
        return self.samples

    def check(self, node: str, incoming: int) -> Iterable[Problem]:
        """What comes in should fit into a prompt."""
        return warn_of_many(node, incoming)

    @property
    def writes_one_answer(self) -> bool:
        """With one sample."""
        return self.samples == 1

    @property
    def sample_count(self) -> int:
        """One for each fused answer."""
        return self.samples

    def summary(self) -> str:
        """The number of fused answers, if there are several."""
        return f"{self.samples} samples" if self.samples > 1 else ""

    def _messages(self, context: NodeContext) -> Sequence[BaseMessage]:
        candidates, critiques = context.candidates, self.use_critiques
        shown = show_candidates(candidates, around=conversation_text(context.question), critiques=critiques)
        task = self.words.render("task", candidates=shown, count=len(candidates))
        if critiques and any(candidate.critiques for candidate in candidates):
            task += "\n\n" + self.words.render("critiques")
        if self.length_control:
            task += "\n\n" + self.words.render("length")
        if context.form.tools:
            task += "\n\n" + form_words().render("tools")
        return with_task(context.question, task)
