"""``Generator``: draws candidate answers from a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY
from typing import ClassVar, Literal

from pydantic.dataclasses import dataclass

from archon_graph.components.agreement import Agreement
from archon_graph.core import (
    COMPONENT_CONFIG,
    Candidate,
    Count,
    ModelComponent,
    ModelError,
    NodeContext,
    Prompt,
    Style,
    load_prompt,
    show_tests,
    with_task,
)

PromptStyle = Literal["direct", "chain_of_thought", "re_read", "plan_first"]
"""Ways to go about an answer: at once, step by step, after reading the question again, or by a plan."""


@dataclass(frozen=True, config=COMPONENT_CONFIG)
class Generator(ModelComponent):
    """Adds ``samples`` candidates, each an independent answer to the conversation as it stands.

    Sends the caller's messages as they are, system message, images and tool results included. An empty answer
    is dropped and recorded, as is a sample whose call failed. Behind other components it answers anew and the
    candidates before it are not passed on. Behind a `UnitTestGenerator` it is told the tests: they are added to
    the system message as requirements.

    With ``stop_when`` it draws no more samples than it takes to settle a vote on them: as many side by side as are
    needed in any case, then as many again as could settle it. What is drawn depends on the answers alone, never
    on what finishes first. That it stopped is noted on its `NodeReport`.

    Model calls: ``samples``; with ``stop_when`` at most.

    Source: repeated sampling as in Archon (arXiv 2409.15254), section 3; the prompt styles are chain of thought
    (arXiv 2205.11916), re-reading (arXiv 2309.06275) and plan-and-solve (arXiv 2305.04091), in our own words.

    Args:
        model: Spec of the model, or a chat model.
        samples: How many answers to draw.
        use_tests: Whether unit tests that reach it are told to the model.
        prompt_style: ``direct``, ``chain_of_thought``, ``re_read`` or ``plan_first``; other than with ``direct``,
            a sentence is added to the system message.
        stop_when: When to stop drawing early: ``agreement()``.
    """

    technique: ClassVar[str] = "generator"
    starts: ClassVar[bool] = True
    makes_candidates: ClassVar[bool] = True
    reads_tests: ClassVar[bool] = True
    style: ClassVar[Style] = Style("stadium", "#cfe8ff")
    default_prompt: ClassVar[Prompt | None] = load_prompt("archon_graph.components", "generator")

    _: KW_ONLY
    samples: Count = 1
    """How many answers to draw."""
    use_tests: bool = True
    """Whether unit tests that reach it are told to the model."""
    prompt_style: PromptStyle = "direct"
    """How the model is told to go about it; ``direct`` adds nothing to the conversation."""
    stop_when: Agreement | None = None
    """When to stop drawing early; ``None`` to draw all samples."""

    async def run(self, context: NodeContext) -> Sequence[Candidate]:
        """Draw the samples and keep those that say something."""
        candidates: list[Candidate] = []
        tasks, drawn = self._tasks(context), 0
        # Made anew from the conversation as it came in, so that tests of one run never reach another.
        messages = with_task(context.question, "\n\n".join(tasks)) if tasks else context.question
        # With no word of the prompt in it, it is the same call whatever the prompt says.
        version = None if tasks else ""
        while wanted := self._wanted(candidates, drawn):
            try:
                draws = await context.draw(
                    self, messages, first=drawn, samples=wanted, prompt_version=version, form=context.form
                )
            except ModelError as error:
                if not candidates:
                    raise
                context.lose_to(error, f"the {len(candidates)} answers drawn before are passed on")
                break
            drawn += wanted
            answers = [context.answer(self, draw, form=context.form) for draw in draws]
            candidates.extend(answer for answer in answers if answer is not None)
        else:
            if drawn < self.samples:
                context.note(f"stopped after {drawn} of {self.samples} samples: the vote is settled")
        return candidates

    def _wanted(self, candidates: Sequence[Candidate], drawn: int) -> int:
        """How many samples to draw next."""
        remaining = self.samples - drawn
        if self.stop_when is None:
            return remaining
        return self.stop_when.fewest_to_settle([candidate.content for candidate in candidates], remaining)

    def degrade(self, context: NodeContext, error: ModelError) -> Sequence[Candidate]:  # noqa: ARG002
        """Nothing: there is no answer to fall back to."""
        return ()

    def calls(self, incoming: int) -> int:  # noqa: ARG002
        """One for each sample."""
        return self.samples

    def fewest_calls(self, incoming: int) -> int:  # noqa: ARG002
        """One for each sample, or as many as settle the vote if all agree."""
        return self._wanted((), 0)

    def calls_in_a_row(self, incoming: int) -> int:  # noqa: ARG002
        """One; with ``stop_when``, one more for each sample after the first round."""
        return 1 + self.samples - self._wanted((), 0)

    def candidates_out(self, incoming: int) -> int:  # noqa: ARG002
        """One for each sample."""
        return self.samples

    def fewest_out(self, incoming: int) -> int:  # noqa: ARG002
        """One for each sample, or as many as settle the vote if all agree."""
        return self._wanted((), 0)

    def shown(self, incoming: int) -> int:  # noqa: ARG002
        """None: it answers the conversation."""
        return 0

    @property
    def writes_one_answer(self) -> bool:
        """With one sample."""
        return self.samples == 1

    @property
    def sample_count(self) -> int:
        """One for each answer."""
        return self.samples

    def summary(self) -> str:
        """The number of samples, if there are several, and the way of prompting, if it is a special one."""
        count = f"{self.samples} samples" if self.samples > 1 else ""
        style = self.prompt_style.replace("_", " ") if self.prompt_style != "direct" else ""
        return ", ".join(filter(None, [count if self.stop_when is None else f"at most {count}", style]))

    def _tasks(self, context: NodeContext) -> Sequence[str]:
        """What is added to the system message."""
        tasks = []
        if self.prompt_style != "direct":
            tasks.append(self.words.render(self.prompt_style))
        if self.use_tests and context.tests:
            tasks.append(self.words.render("tests", tests=show_tests(context.tests)))
        return tasks
