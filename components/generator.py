"""``Generator``: draws candidate answers from a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY
from typing import ClassVar

from pydantic.dataclasses import dataclass

from archon_graph.core import (
    COMPONENT_CONFIG,
    Candidate,
    Count,
    ModelComponent,
    ModelError,
    NodeContext,
    Style,
    is_empty,
)


@dataclass(frozen=True, config=COMPONENT_CONFIG)
class Generator(ModelComponent):
    """Adds ``samples`` candidates, each an independent answer to the conversation as it stands.

    Sends the caller's messages as they are, system message, images and tool results included. An empty answer
    is dropped and recorded, as is a sample whose call failed. Behind other components it answers anew and the
    candidates before it are not passed on.

    Model calls: ``samples``.

    Source: repeated sampling as in Archon (arXiv 2409.15254), section 3.

    Args:
        model: Spec of the model, or a chat model.
        samples: How many answers to draw.
    """

    technique: ClassVar[str] = "generator"
    starts: ClassVar[bool] = True
    makes_candidates: ClassVar[bool] = True
    style: ClassVar[Style] = Style("stadium", "#cfe8ff")

    _: KW_ONLY
    samples: Count = 1
    """How many answers to draw."""

    async def run(self, context: NodeContext) -> Sequence[Candidate]:
        """Draw the samples and keep those that say something."""
        candidates = []
        for draw in await context.draw(self, context.question, samples=self.samples):
            candidate = context.candidate(self, draw)
            if is_empty(candidate.message):
                context.lose("empty", "the model gave an empty answer, which was dropped", sample=draw.index)
            else:
                candidates.append(candidate)
        return candidates

    def degrade(self, context: NodeContext, error: ModelError) -> Sequence[Candidate]:  # noqa: ARG002
        """Nothing: there is no answer to fall back to."""
        return ()

    def calls(self, incoming: int) -> int:  # noqa: ARG002
        """One for each sample."""
        return self.samples

    def candidates_out(self, incoming: int) -> int:  # noqa: ARG002
        """One for each sample."""
        return self.samples

    @property
    def sample_count(self) -> int:
        """One for each answer."""
        return self.samples

    def summary(self) -> str:
        """The number of samples, if there are several."""
        return f"{self.samples} samples" if self.samples > 1 else ""
