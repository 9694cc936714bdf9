"""``NodeContext``: what a component sees and may do while it runs."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from langchain_core.messages import BaseMessage

from archon_graph.core.answer_form import FREE, AnswerForm
from archon_graph.core.state import CallDict, Candidate, Candidates, Loss, UnitTest, call_row, is_empty
from archon_graph.models import (
    AnswerStream,
    BudgetError,
    Client,
    Draw,
    Gate,
    ModelError,
    Request,
    StragglerError,
)
from archon_graph.models.providers import label

if TYPE_CHECKING:
    from archon_graph.core.component import ModelComponent

_TOLD_TOGETHER = (BudgetError.kind, StragglerError.kind)

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


class NodeContext:
    """What a component sees and may do while it runs: the question, the candidates, and a way to models.

    Everything it holds is read-only. Every call made and every loss is recorded here.
    """

    def __init__(
        self,
        *,
        node: str,
        question: Sequence[BaseMessage],
        candidates: Sequence[Candidate],
        client: Client,
        tests: Sequence[UnitTest] = (),
        replicate: int = 0,
        first_sample: int = 0,
        gate: Gate | None = None,
        form: AnswerForm = FREE,
        stream: AnswerStream | None = None,
        hidden: bool = False,
    ) -> None:
        self.node = node
        """Name of the node."""
        self.question = tuple(question)
        """The whole conversation, system message included; its last message is what is to be answered."""
        self.candidates = candidates if isinstance(candidates, tuple) else tuple(candidates)
        """What the nodes before this one produced, in the order of the edges, then of the samples."""
        self.tests = tuple(tests)
        """Unit tests that nodes before this one wrote; they go on with the candidates."""
        self.form = form
        """What form the caller wants the answer in; it holds for what is drawn as an answer."""
        self.first_sample = first_sample
        """Index of this node's first sample; equal siblings draw from different ranges."""
        self.calls: list[CallDict] = []
        """A row for each model call made."""
        self.losses: list[Loss] = []
        """What was recorded as lost; see `all_losses`."""
        self.notes: list[str] = []
        """What else a reader of the result should know, such as an early end."""
        self._client = client
        self._replicate = replicate
        self._gate = gate
        self._stream = stream
        self._hidden = hidden
        # Which piece of the node's work this is, in `for_each`.
        self._part = ""
        # Shared with the contexts of `for_each`: what the budget refused, and what was cut off as a straggler.
        self._missing: list[Draw] = []

    async def draw(
        self,
        component: ModelComponent,
        messages: Sequence[BaseMessage],
        *,
        samples: int = 1,
        first: int = 0,
        schema: Mapping[str, Any] | None = None,
        prompt_version: str | None = None,
        form: AnswerForm | None = None,
    ) -> list[Draw]:
        """Ask the component's model.

        Model calls: ``samples``.

        Args:
            component: Whose model and settings are used.
            messages: What is sent.
            samples: How many draws; their indices begin at `first_sample`.
            first: How far after `first_sample` they begin, to ask the same again and get another draw. Count
                it in `Component.sample_count`.
            schema: JSON schema the answer shall keep to; used where the model offers it (see `wants_json`).
            prompt_version: Identity of the prompt that the messages were made from, by which recorded answers
                are found: the component's by default; empty for messages without a word of it.
            form: Given where what is drawn answers the user: the form it shall have (`NodeContext.form`). A single
                one may be shown as it comes, if this node's answer is the graph's.

        Returns:
            The draws that succeeded, in order of their indices; at least one. The others are recorded as
            losses; how many these are may depend on time where a budget or a quorum cuts calls off.

        Raises:
            ModelError: Every draw failed. A `BudgetError` or a `StragglerError` if nothing worse happened.
        """
        request = Request(
            model=component.model,
            messages=tuple(messages),
            sampling=component.sampling,
            schema=schema,
            prompt_version=component.prompt_identity if prompt_version is None else prompt_version,
            replicate=self._replicate,
            node=self.node,
            part=self._part,
            hidden=self._hidden,
        )
        if form is not None:
            request = await self._as_answer(request, form, samples)
        start = self.first_sample + first
        indices = range(start, start + samples)
        draws = await self._client.draw(request, indices, gate=self._gate)
        # A draw that cost nothing and brought nothing was never sent: it is lost, but no call.
        self.calls.extend(
            call_row(self.node, draw.model or label(component.model), draw)
            for draw in draws
            if draw.usage.calls or draw.error is None
        )
        failed = [(draw, draw.error) for draw in draws if draw.error is not None]
        self._missing.extend(draw for draw, error in failed if error.kind in _TOLD_TOGETHER)
        if len(failed) == len(draws):
            raise _worst([error for _, error in failed])
        for draw, error in failed:
            if error.kind not in _TOLD_TOGETHER:
                self.lose(error.kind, str(error), sample=draw.index)
        return [draw for draw in draws if draw.error is None]

    async def _as_answer(self, request: Request, form: AnswerForm, samples: int) -> Request:
        """The request for an answer to the user."""
        if form is not FREE:
            wants_json = form.schema is not None and await self._client.offers_json(
                request.model, request.sampling
            )
            request = form.of_request(request, offers_json=wants_json)
        if self._stream is not None and samples == 1 and form.is_free:
            request = replace(request, stream=self._stream)
        return request

    async def for_each(
        self, items: Sequence[Item], work: Callable[[NodeContext, Item], Awaitable[Outcome]]
    ) -> list[Outcome | ModelError]:
        """Do the same work for each item, side by side.

        Each piece of work gets a context of its own to draw through. Its calls and losses are put together in
        the order of the items, whatever finishes first, so that equal runs have equal records.

        Returns:
            For each item what the work returned, or the `ModelError` that ended it.

        Raises:
            ModelError: All of it failed.
        """
        contexts = [copy.copy(self) for _ in items]
        for number, context in enumerate(contexts, start=1):
            context.calls, context.losses, context.notes = [], [], []
            context._part = f"{self._part}/{number}"  # noqa: SLF001 - a copy of this very object

        async def attempt(context: NodeContext, item: Item) -> Outcome | ModelError:
            try:
                return await work(context, item)
            except ModelError as error:
                return error

        try:
            outcomes = await asyncio.gather(*map(attempt, contexts, items))
        finally:
            for context in contexts:
                self.calls.extend(context.calls)
                self.losses.extend(context.losses)
                self.notes.extend(context.notes)
        failures = [outcome for outcome in outcomes if isinstance(outcome, ModelError)]
        if failures and len(failures) == len(outcomes):
            raise _worst(failures)
        return outcomes

    def publish_tests(self, texts: Iterable[str]) -> None:
        """Pass on these unit tests in place of those that came in."""
        self.tests = tuple(UnitTest(text=text, node=self.node) for text in texts)

    async def wants_json(self, component: ModelComponent) -> bool:
        """Whether the component's replies come as JSON: its own setting, or else what the model offers."""
        if component.structured is not None:
            return component.structured
        return await self._client.offers_json(component.model, component.sampling)

    def candidate(
        self,
        component: ModelComponent,
        draw: Draw,
        *,
        parents: Sequence[Candidate] = (),
        number: int | None = None,
    ) -> Candidate:
        """A new candidate of this node, made of a draw.

        Args:
            component: Whose model was asked.
            draw: What it said.
            parents: The candidates it was made from.
            number: What tells it from the node's other candidates; the index of the sample by default.
        """
        if draw.message is None:
            raise ValueError(f"sample {draw.index} failed and cannot become a candidate")
        return Candidate(
            id=f"{self.node}:{draw.index if number is None else number}",
            message=draw.message,
            node=self.node,
            model=draw.model or label(component.model),
            parents=parents.ids if isinstance(parents, Candidates) else tuple(parent.id for parent in parents),
            usage=draw.usage,
        )

    def answer(
        self,
        component: ModelComponent,
        draw: Draw,
        *,
        form: AnswerForm,
        parents: Sequence[Candidate] = (),
        number: int | None = None,
        instead: str = "it was dropped",
    ) -> Candidate | None:
        """A new candidate that answers the user, in the form that was asked for; otherwise as `candidate`.

        Args:
            component: Whose model was asked.
            draw: What it said.
            form: The form that was asked for.
            parents: The candidates it was made from.
            number: What tells it from the node's other candidates.
            instead: What is done if it is none; for the record.

        Returns:
            ``None``, with a loss on record, if the answer is empty or does not have the form.
        """
        made = self.candidate(component, draw, parents=parents, number=number)
        if is_empty(made.message):
            self.lose("empty", f"the model gave an empty answer; {instead}", sample=draw.index)
            return None
        fitted = made.message if form is FREE else form.fitted(made.message)
        if isinstance(fitted, str):
            self.lose(
                "form", f"the answer does not have the form asked for: {fitted}; {instead}", sample=draw.index
            )
            return None
        return made if fitted is made.message else replace(made, message=fitted)

    def note(self, text: str) -> None:
        """Record what is no loss, but worth knowing."""
        self.notes.append(text)

    def lose(self, kind: str, detail: str, *, sample: int | None = None) -> None:
        """Record that something did not come through, and what was done instead."""
        self.losses.append(Loss(node=self.node, kind=kind, detail=detail, sample=sample))

    def lose_to(self, error: ModelError, instead: str) -> None:
        """Record what a failed call cost, under the error's own kind, and what was done instead."""
        self.lose(error.kind, f"{error}; {instead}")

    def all_losses(self) -> list[Loss]:
        """Everything that was lost. Calls that were refused or cut off for one reason are one loss together."""
        losses = list(self.losses)
        for kind in _TOLD_TOGETHER:
            told = [loss for loss in losses if loss.kind == kind]
            missing = [draw for draw in self._missing if draw.error is not None and draw.error.kind == kind]
            if not told and not missing:
                continue
            detail = told[0].detail if told else str(missing[0].error)
            count = f"{len(missing)} calls: " if len(missing) > 1 else ""
            more = f" (and {len(told) - 1} more like it)" if len(told) > 1 else ""
            sample = missing[0].index if len(missing) == 1 else None
            place = losses.index(told[0]) if told else len(losses)
            together = Loss(node=self.node, kind=kind, detail=f"{count}{detail}{more}", sample=sample)
            losses = [*losses[:place], together, *(loss for loss in losses[place:] if loss.kind != kind)]
        return losses


def _worst(errors: Sequence[ModelError]) -> ModelError:
    """The error that says most: why a call failed, rather than why another one was not sent."""
    return next((error for error in errors if error.kind not in _TOLD_TOGETHER), errors[0])
