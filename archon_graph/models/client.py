"""``Client``: the one door to language models.

Everything in this package that wants an answer from a model goes through ``Client.draw``. What a component
asks for is a request and the indices of the samples it wants; how they are had is decided below this line, and no
component notices:

    draw -> recorded? (cache) -> under way? (in_flight) -> asked for: budget, limits, repeats (calling)
         -> another model, if all that failed (fallbacks)
"""

from __future__ import annotations

import asyncio
import copy
import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import SecretStr

from archon_graph.models.budget import Budget, Ledger
from archon_graph.models.cache import ResponseCache, Tape, identify, open_cache
from archon_graph.models.calling import Caller, Tally
from archon_graph.models.cutting import cut_off, run_until
from archon_graph.models.errors import (
    BudgetError,
    ConfigurationError,
    ModelError,
    StragglerError,
    TapeMissError,
)
from archon_graph.models.gate import Gate
from archon_graph.models.keys import Keys
from archon_graph.models.opening import Opener
from archon_graph.models.policy import ModelPolicy, Policies
from archon_graph.models.prices import Price, Prices
from archon_graph.models.providers import Opened, label
from archon_graph.models.recording import NOWHERE, Record
from archon_graph.models.request import Draw, ModelLike, Request, Sampling


class Client:
    """Draws samples from models. Safe to share between threads, event loops and runs.

    Args:
        cache: Where answers are kept and looked for: the path of a SQLite file, of a tape (``.jsonl``,
            ``.jsonl.gz``), or one that is open. Nothing is kept by default.
        replay: ``"strict"`` to answer from the cache alone: no model is opened or called.
        policies: How models are treated, by spec, by provider, or for all (``"*"``).
        budget: The most that may be spent through this client, or a ledger that it shares with others.
        prices: US dollars for a million tokens, by spec or provider, over those that are known.
        keys: API keys by provider, over those of the environment.
        env_file: A ``.env`` file that keys are looked for in after the environment.

    Raises:
        ConfigurationError: The cache, a policy, the prices or the keys cannot be used.
    """

    def __init__(
        self,
        *,
        cache: ResponseCache | Tape | str | Path | None = None,
        replay: Literal["strict"] | None = None,
        policies: Mapping[str, ModelPolicy | Mapping[str, Any]] | None = None,
        budget: Budget | Ledger | None = None,
        prices: Prices | Mapping[str, Price | Mapping[str, float]] | None = None,
        keys: Mapping[str, SecretStr | str] | None = None,
        env_file: str | Path | None = None,
    ) -> None:
        if replay not in (None, "strict"):
            raise ConfigurationError(f"replay must be 'strict' or None, got {replay!r}")
        if replay is not None and cache is None:
            raise ConfigurationError("replay='strict' needs a cache or a tape to replay from: give cache=PATH")
        if replay is not None and isinstance(cache, str | Path) and not Path(cache).exists():
            raise ConfigurationError(f"there is nothing to replay: {cache} does not exist")
        self.cache = open_cache(cache) if isinstance(cache, str | Path) else cache
        """Where answers are kept; ``None`` if nowhere."""
        self._strict = replay == "strict"
        self.prices = prices if isinstance(prices, Prices) else Prices(prices)
        """What models cost."""
        self._policies = dict(policies or {})
        self._opener = Opener(Keys(keys, env_file=env_file))
        self._caller = Caller(self._opener, Policies(policies), self.prices)
        if budget is not None:
            self._caller = self._caller.within(budget if isinstance(budget, Ledger) else Ledger(budget))
        self._facts: dict[str, bool] = {}

    @property
    def policies(self) -> dict[str, ModelPolicy | Mapping[str, Any]]:
        """How models are treated, as it was given; a copy, to make another client with."""
        return dict(self._policies)

    @property
    def is_replay(self) -> bool:
        """Whether it answers from the cache alone."""
        return self._strict

    @property
    def has_budget(self) -> bool:
        """Whether its calls are paid from a budget of its own, or from one that it shares."""
        return bool(self._caller.ledgers)

    def within(self, budget: Budget | Ledger) -> Client:
        """The same client, whose calls are paid from this budget, too."""
        return self._with(self._caller.within(budget if isinstance(budget, Ledger) else Ledger(budget)))

    def close(self) -> None:
        """Close the cache, once everything is written."""
        if isinstance(self.cache, ResponseCache):
            self.cache.close()

    async def draw(self, request: Request, indices: Sequence[int], *, gate: Gate | None = None) -> list[Draw]:
        """Draw the samples with these indices, concurrently.

        Model calls: one for each index that is neither recorded nor under way elsewhere, and one more for each
        repeat of a call that failed for a passing reason.

        Args:
            request: What is asked.
            indices: The samples.
            gate: Is told of each answer as it comes, and may cut off the rest.

        Returns:
            One draw for each index, in the order asked for. A call that failed is a draw with its ``error``;
            the other draws are unharmed.

        Raises:
            ConfigurationError: The model cannot be opened; nothing was sent.
            TapeMissError: A strict replay does not have one of the samples.
        """
        identity = identify(request) if self.cache is not None else None
        if identity is None and self._strict:
            raise TapeMissError(
                f"{label(request.model)} is an instance without a name, of which no answer is ever recorded; "
                f"give it one: register_model('my-model', chat)"
            )
        if identity is None or self.cache is None:
            draws = await self._ask(_Job(request, gate, NOWHERE), indices)
        else:
            record = Record(self.cache, identity, request.replicate)
            draws = await self._draw_recorded(_Job(request, gate, record), indices)
        return [draws[index] for index in indices]

    async def offers_json(self, model: ModelLike, sampling: Sampling) -> bool:
        """Whether the model can be held to a JSON schema.

        Raises:
            ConfigurationError: The model cannot be opened.
            TapeMissError: A strict replay knows nothing of this model.
        """
        identity = identify(Request(model=model, messages=(), sampling=sampling)) if self.cache else None
        if identity is not None and self.cache is not None:
            known = self._facts.get(identity.model)
            if known is None:
                known = self.cache.fact(identity)
            if known is not None:
                self._facts[identity.model] = known
                return known
        if self._strict:
            raise TapeMissError(f"nothing of {label(model)} is on the tape; record a run with this model first")
        offers = (await self._opener.open(model, sampling)).json_mode is not None
        if identity is not None and isinstance(self.cache, ResponseCache):
            self.cache.note_fact(identity, offers_json=offers)
            self._facts[identity.model] = offers
        return offers

    def check(self, models: Iterable[ModelLike]) -> None:
        """See that every model can be opened, before the first call is paid.

        What was found good is not looked at again, so that this may precede every question. A strict replay
        opens none, and needs none.

        Raises:
            ConfigurationError: One or more cannot; all of them are named.
        """
        if not self._strict:
            self._opener.check(models)

    async def _draw_recorded(self, job: _Job, indices: Sequence[int]) -> dict[int, Draw]:
        """Take what is recorded, wait for what is under way, and ask for the rest."""
        record = job.record
        draws: dict[int, Draw] = {}
        while missing := [index for index in indices if index not in draws]:
            draws |= job.announce(record.find(missing))
            missing = [index for index in missing if index not in draws]
            if missing and self._strict:
                raise TapeMissError(record.nearest(missing[0]))
            theirs = record.claim(missing)
            mine = [index for index in missing if index not in theirs]
            try:
                # Between the look and the claim, another may have brought it.
                draws |= job.announce(record.find(mine))
                asked = [index for index in mine if index not in draws]
                if asked:
                    draws |= await self._ask(job, asked)
            finally:
                record.give_up(mine)
            draws |= job.announce(await self._await(job, theirs))
        return draws

    async def _await(self, job: _Job, theirs: Mapping[int, Future[Draw | None]]) -> dict[int, Draw]:
        """What equal calls of others bring; a sample of which the other gave up is missing in it."""
        if not theirs:
            return {}
        # They count as running, so that cancelling a wait does not cancel what others wait for, too.
        waits = {index: asyncio.wrap_future(future) for index, future in theirs.items()}
        cut = await run_until(list(waits.values()), job.gate, self._caller.deadline)
        draws = {}
        for index, wait in waits.items():
            if wait.cancelled():
                draws[index] = Draw(index=index, error=cut_off(cut or "", label(job.request.model), job.gate))
            elif (draw := wait.result()) is not None:
                message = None if draw.message is None else draw.message.model_copy()
                # It was paid for by the other one; what it cost is the same to all.
                draws[index] = replace(draw, index=index, message=message, cached=True)
        return draws if cut is not None else await self._fall_back(label(job.request.model), job, draws)

    async def _ask(self, job: _Job, indices: Sequence[int]) -> dict[int, Draw]:
        """Ask the model, and where it failed those that stand in for it."""
        if job.gate is not None and job.gate.reason is not None:
            error = cut_off(job.gate.reason, label(job.request.model), job.gate)
            return {index: Draw(index=index, error=error) for index in indices}
        opened = await self._opener.open(job.request.model, job.request.sampling)
        batches = self._caller.batches(opened, job.request, indices)
        tallies = [Tally() for _ in batches]
        calls = [
            asyncio.ensure_future(self._call(opened, job, batch, tally))
            for batch, tally in zip(batches, tallies, strict=True)
        ]
        cut = await run_until(calls, job.gate, self._caller.deadline)
        draws: dict[int, Draw] = {}
        for call, batch, tally in zip(calls, batches, tallies, strict=True):
            if call.cancelled():
                draws |= self._caller.failed(opened, batch, cut_off(cut or "", opened.spec, job.gate), tally)
            else:
                draws |= call.result()
        return draws if cut is not None else await self._fall_back(opened.spec, job, draws)

    async def _call(self, opened: Opened, job: _Job, batch: Sequence[int], tally: Tally) -> dict[int, Draw]:
        draws = await self._caller.call(opened, job.request, batch, tally)
        return job.announce(await job.record.commit(draws))

    async def _fall_back(self, spec: str, job: _Job, draws: dict[int, Draw]) -> dict[int, Draw]:
        """Ask other models for what this one failed to bring; each answer is recorded as that other model's."""
        for other in self._caller.policies.of(spec).fallbacks:
            failed = [index for index, draw in draws.items() if _calls_for_another(draw.error)]
            if not failed or (job.request.stream is not None and job.request.stream.started):
                break
            client = self._with(self._caller.without_fallbacks(other))
            for draw in await client.draw(replace(job.request, model=other), failed, gate=job.gate):
                before = draws[draw.index]
                draws[draw.index] = replace(
                    draw,
                    # What failed was paid now, even where the answer was not.
                    cached=before.cached and draw.cached,
                    usage=before.usage + draw.usage,
                    faults=(*before.faults, str(before.error), *draw.faults),
                )
        return draws

    def _with(self, caller: Caller) -> Client:
        view = copy.copy(self)
        view._caller = caller  # noqa: SLF001 - a copy of this very object
        return view


class _Job(NamedTuple):
    """What is to be drawn, for whom, and where it is kept."""

    request: Request
    gate: Gate | None
    record: Record

    def announce(self, draws: dict[int, Draw]) -> dict[int, Draw]:
        """Tell the gate of the answers among them."""
        if self.gate is not None:
            for draw in draws.values():
                if draw.message is not None:
                    self.gate.arrived(draw)
        return draws


def _calls_for_another(error: ModelError | None) -> bool:
    return error is not None and not isinstance(error, BudgetError | StragglerError)


_default: Client | None = None
_default_lock = threading.Lock()


def default_client() -> Client:
    """The client of this process, made at first use; it keeps no answers."""
    global _default  # noqa: PLW0603 - one per process is the point
    with _default_lock:
        if _default is None:
            _default = Client()
        return _default
