"""``Caller``: makes the calls: within limits and budgets, again where that may help, and counted."""

from __future__ import annotations

import asyncio
import copy
import json
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import NamedTuple

from langchain_core.runnables import RunnableConfig
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt

from archon_graph.models.asking import Reply, ask
from archon_graph.models.budget import Ledger, Reservation, reserve_from
from archon_graph.models.errors import BudgetError, ConfigurationError, ModelError
from archon_graph.models.faults import as_model_error, is_passing, is_refusal_of_key, retry_after, status_of
from archon_graph.models.opening import Opener
from archon_graph.models.policy import Policies, Treatment
from archon_graph.models.prices import Prices
from archon_graph.models.providers import Opened, secrets_of
from archon_graph.models.request import Draw, Request, Usage

# What a chat template puts around each message comes to fewer tokens than this.
_TOKENS_AROUND_A_MESSAGE = 32
_NO_SEVERAL = frozenset({400, 422})


@dataclass(slots=True)
class Tally:
    """What the attempts at a draw took so far, those that failed and those that were cut off included."""

    calls: int = 0
    unmetered: int = 0
    seconds: float = 0.0
    faults: list[str] = field(default_factory=list)

    def usage(self, *, free: bool) -> Usage:
        """What was taken in vain."""
        return Usage(
            calls=self.calls,
            unmetered_calls=self.unmetered,
            unpriced_calls=0 if free else self.unmetered,
            seconds=self.seconds,
        )


class _Sent(NamedTuple):
    """What one request brought."""

    indices: Sequence[int]
    """The samples that were asked for: those that the budget had room for."""
    replies: list[Reply]
    seconds: float


class Caller:
    """Makes the calls to models: within limits and budgets, again where that may help, and counted."""

    def __init__(
        self, opener: Opener, policies: Policies, prices: Prices, ledgers: tuple[Ledger, ...] = ()
    ) -> None:
        self._opener = opener
        self.policies = policies
        """How models are treated."""
        self._prices = prices
        self.ledgers = ledgers
        """What every call is reserved from."""
        # Models that turned out to give one answer for a request, however many are asked for.
        self._one_by_one: set[str] = set()

    def within(self, ledger: Ledger) -> Caller:
        """The same caller, whose calls are reserved from this ledger too."""
        if ledger in self.ledgers:
            return self
        view = copy.copy(self)
        view.ledgers = (*self.ledgers, ledger)
        return view

    def without_fallbacks(self, spec: str) -> Caller:
        """The same caller, but that nobody stands in for this model."""
        view = copy.copy(self)
        view.policies = self.policies.without_fallbacks(spec)
        return view

    @property
    def deadline(self) -> float | None:
        """When the time of the first ledger is up, on the clock of ``time.monotonic``."""
        return min((ledger.deadline for ledger in self.ledgers if ledger.deadline is not None), default=None)

    def batches(self, opened: Opened, request: Request, indices: Sequence[int]) -> list[list[int]]:
        """The samples in groups, each of which is one request."""
        most = opened.samples_per_request
        if request.schema is not None and opened.json_mode == "with_structured_output":
            most = 1
        if opened.spec in self._one_by_one:
            most = 1
        return [list(indices[start : start + most]) for start in range(0, len(indices), most)]

    async def call(
        self, opened: Opened, request: Request, indices: Sequence[int], tally: Tally
    ) -> dict[int, Draw]:
        """Draw these samples with one request, and again after a fault that may pass.

        Model calls: one for each index, and as many again for each repeat.

        Args:
            opened: The model.
            request: What is asked.
            indices: The samples.
            tally: Where the attempts are counted, so that they are known even if this is cancelled.

        Returns:
            A draw for each index.

        Raises:
            ConfigurationError: A hard cap is set and the worst case of a call is not known.
        """
        wanted = list(indices)
        refused: dict[int, Draw] = {}

        def refuse(indices: Sequence[int], error: BudgetError) -> None:
            refused.update(self.failed(opened, indices, error, tally))
            del wanted[-len(indices) :]

        async def attempt() -> _Sent:
            return await self._send(opened, request, wanted, tally=tally, refuse=refuse)

        try:
            sent = await self._repeated(attempt, opened, request, tally)
        except ConfigurationError:
            raise
        except Exception as error:  # noqa: BLE001 - every provider has its own; each becomes ours here
            if is_refusal_of_key(error):
                self._opener.forget(request.model)
            if len(wanted) > 1 and status_of(error) in _NO_SEVERAL:
                return refused | await self._singly(opened, request, wanted, tally)
            return refused | self.failed(opened, wanted, self._as_model_error(error, opened), tally)
        draws = self._drawn(opened, sent, tally)
        left = [index for index in wanted if index not in draws]
        if left:
            draws |= await self._singly(opened, request, left, tally)
        return refused | draws

    async def _repeated(
        self, attempt: Callable[[], Awaitable[_Sent]], opened: Opened, request: Request, tally: Tally
    ) -> _Sent:
        """The attempt, and after a fault that may pass again, until there were as many as there may be."""
        treatment = self.policies.of(opened.spec)

        def worth_it(error: BaseException) -> bool:
            # Of an answer that is shown as it comes, a second beginning would follow the first.
            shown = request.stream is not None and request.stream.started
            return not shown and _worth_repeating(error, treatment)

        try:
            return await attempt()
        except Exception as error:
            if treatment.attempts == 1 or not worth_it(error):
                raise
            first = [error]

        async def next_attempt() -> _Sent:
            if first:
                raise first.pop()
            return await attempt()

        # Made only now, and told of the first failure by meeting it: tenacity leaves three dozen objects behind
        # that only the garbage collector can free, and most calls need none of it.
        again = AsyncRetrying(
            stop=stop_after_attempt(treatment.attempts),
            retry=retry_if_exception(worth_it),
            wait=lambda state: _wait(state, treatment),
            before_sleep=lambda state: tally.faults.append(str(self._as_model_error(_error(state), opened))),
            reraise=True,
        )
        sent: _Sent = await again(next_attempt)
        return sent

    def failed(self, opened: Opened, indices: Sequence[int], error: ModelError, tally: Tally) -> dict[int, Draw]:
        """Draws that an error takes the place of."""
        usage = tally.usage(free=self._is_free(opened.spec))
        return {
            index: Draw(index=index, error=error, usage=usage, model=opened.spec, faults=tuple(tally.faults))
            for index in indices
        }

    async def _singly(
        self, opened: Opened, request: Request, indices: Sequence[int], tally: Tally
    ) -> dict[int, Draw]:
        """What one request for several samples did not bring, a request for each; and so from now on."""
        self._one_by_one.add(opened.spec)
        tallies = [Tally(tally.calls, tally.unmetered, faults=list(tally.faults)) for _ in indices]
        parts = await asyncio.gather(
            *(self.call(opened, request, [index], each) for index, each in zip(indices, tallies, strict=True))
        )
        return {index: draw for part in parts for index, draw in part.items()}

    async def _send(
        self,
        opened: Opened,
        request: Request,
        wanted: Sequence[int],
        *,
        tally: Tally,
        refuse: Callable[[Sequence[int], BudgetError], None],
    ) -> _Sent:
        """One request, once it may pass; reserved before, booked after. What there is no room for is refused."""
        treatment = self.policies.of(opened.spec)
        async with AsyncExitStack() as stack:
            for lane in treatment.lanes:
                await stack.enter_async_context(lane.slot())
            await stack.enter_async_context(opened.turn())
            held, refusal = self._reserve(opened, request, len(wanted))
            indices = list(wanted[: held.calls])
            if refusal is not None:
                refuse(wanted[held.calls :], refusal)
            used = Usage(calls=len(indices), unmetered_calls=len(indices))
            tally.calls += 1
            # Waiting for the turn is not the call's time.
            started = time.perf_counter()
            try:
                replies = await _within(treatment.timeout, opened, request, indices)
                used = Usage.total(self._usage_of(opened.spec, reply) for reply in replies)
            except BaseException as error:
                if isinstance(error, Exception) and status_of(error) is not None:
                    # A provider that refuses a call with a status neither counts nor bills tokens for it.
                    used = Usage(calls=len(indices))
                else:
                    tally.unmetered += 1
                tally.seconds += (time.perf_counter() - started) / len(indices)
                raise
            finally:
                for ledger in self.ledgers:
                    ledger.settle(held, used)
        return _Sent(indices, replies, time.perf_counter() - started)

    def _drawn(self, opened: Opened, sent: _Sent, tally: Tally) -> dict[int, Draw]:
        # This attempt is in the tally too, but not in vain.
        before = Tally(tally.calls - 1, tally.unmetered, tally.seconds).usage(free=self._is_free(opened.spec))
        share = sent.seconds / max(1, len(sent.replies))
        return {
            index: Draw(
                index=index,
                message=reply.message,
                data=reply.data,
                usage=before + self._usage_of(opened.spec, reply, seconds=share),
                model=opened.spec,
                faults=tuple(tally.faults),
            )
            for index, reply in zip(sent.indices, sent.replies, strict=False)
        }

    def _usage_of(self, spec: str, reply: Reply, *, seconds: float = 0.0) -> Usage:
        usage = Usage.of(reply.message, seconds=seconds)
        money = 0.0 if self._is_free(spec) else self._prices.cost(spec, reply.message)
        if money is None:
            return usage
        return Usage(
            calls=usage.calls,
            prompt_tokens=usage.prompt_tokens,
            completion_tokens=usage.completion_tokens,
            reasoning_tokens=usage.reasoning_tokens,
            unmetered_calls=usage.unmetered_calls,
            money=money,
            seconds=seconds,
        )

    def _is_free(self, spec: str) -> bool:
        return self._prices.is_free(spec)

    def _as_model_error(self, error: Exception, opened: Opened) -> ModelError:
        return as_model_error(error, spec=opened.spec, secrets=secrets_of(opened.chat))

    def _reserve(self, opened: Opened, request: Request, samples: int) -> tuple[Reservation, BudgetError | None]:
        """Set aside what a request can take, for as many samples as there is room for.

        Returns:
            What was set aside, and why it is not for all of them, if it is not.

        Raises:
            BudgetError: There is room for none.
        """
        if not self.ledgers:
            return Reservation(calls=samples), None
        each = self._worst_case(opened, request)
        refusal: BudgetError | None = None
        for fewer in range(samples, 0, -1):
            held = Reservation(calls=fewer, tokens=fewer * each.tokens, money=fewer * each.money)
            try:
                reserve_from(self.ledgers, held, model=opened.spec)
            except BudgetError as error:
                refusal = error
            else:
                return held, refusal
        assert refusal is not None  # noqa: S101 - nobody asks for no samples
        raise refusal

    def _worst_case(self, opened: Opened, request: Request) -> Reservation:
        """What one sample can take.

        Raises:
            ConfigurationError: A cap on tokens or money is set, and there is no bound, or no price.
        """
        if not any(ledger.budget.caps_volume for ledger in self.ledgers):
            return Reservation()
        most = request.sampling.max_tokens or opened.max_tokens
        where = f"node {request.node!r}, model {opened.spec!r}" if request.node else f"model {opened.spec!r}"
        if most is None:
            raise ConfigurationError(
                f"{where}: a budget of tokens or money is a hard cap, and nothing bounds the length of this "
                f"model's answers; set max_tokens, or cap calls or seconds instead"
            )
        prompt = most_prompt_tokens(request)
        if not any(ledger.budget.money is not None for ledger in self.ledgers):
            return Reservation(tokens=prompt + most)
        money = self._prices.cost_of(opened.spec, prompt, most)
        if money is None:
            raise ConfigurationError(
                f"{where}: a budget of money is a hard cap, and the price of this model is not known; "
                f"give it: Client(prices={{{opened.spec!r}: {{'prompt': 1.0, 'completion': 2.0}}}}), in US "
                f"dollars for a million tokens, or cap calls, tokens or seconds instead"
            )
        return Reservation(tokens=prompt + most, money=money)


def most_prompt_tokens(request: Request) -> int:
    """A number of tokens that sending the request cannot exceed, whatever the tokenizer.

    No tokenizer in use makes more than one token of a byte. An image is counted by the bytes it is sent in, which
    is far more than providers count.
    """
    size = len(json.dumps(request.schema)) if request.schema is not None else 0
    for message in request.messages:
        content = message.content
        size += len((content if isinstance(content, str) else json.dumps(content, default=str)).encode())
        size += len(json.dumps(message.additional_kwargs, default=str)) if message.additional_kwargs else 0
        size += len(json.dumps(getattr(message, "tool_calls", None) or "", default=str))
    size += len(json.dumps(list(request.tools), default=str).encode()) if request.tools else 0
    return size + _TOKENS_AROUND_A_MESSAGE * (len(request.messages) + 1)


async def _within(
    timeout: float | None,  # noqa: ASYNC109 - named in the error, which asyncio's own leaves blank
    opened: Opened,
    request: Request,
    indices: Sequence[int],
) -> list[Reply]:
    first, last = indices[0], indices[-1]
    config = RunnableConfig(
        run_name=f"{request.node or opened.spec}{request.part}:{first}" + (f"-{last}" if last != first else ""),
        metadata={"archon_node": request.node, "archon_sample": first, "archon_samples": len(indices)},
        # LangGraph's word for a call whose tokens are no part of `stream_mode="messages"`.
        tags=["nostream"] if request.hidden else [],
    )
    if timeout is None:
        return await ask(opened, request, indices, config)
    limit = asyncio.timeout(timeout)
    try:
        async with limit:
            return await ask(opened, request, indices, config)
    except TimeoutError as error:
        if limit.expired():
            raise TimeoutError(f"no whole answer within {timeout:g} seconds") from error
        raise


def _error(state: RetryCallState) -> Exception:
    error = state.outcome.exception() if state.outcome is not None else None
    return error if isinstance(error, Exception) else RuntimeError("no error")


def _worth_repeating(error: BaseException, treatment: Treatment) -> bool:
    asked = retry_after(error)
    too_long = asked is not None and asked > treatment.longest_wait
    return isinstance(error, Exception) and is_passing(error) and not too_long


def _wait(state: RetryCallState, treatment: Treatment) -> float:
    """Seconds until the next attempt: what the provider asks for, or more each time, and jittered."""
    asked = retry_after(_error(state))
    if asked is None:
        most = min(treatment.longest_wait, treatment.first_wait * 2 ** (state.attempt_number - 1))
        return random.uniform(most / 2, most)  # noqa: S311 - spread, not secrecy
    # Every call of the model has to wait, this one among them.
    for lane in treatment.lanes:
        lane.pause(asked)
    return 0.0
