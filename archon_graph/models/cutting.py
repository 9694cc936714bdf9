"""Runs calls to their end, or until they are cut off: a budget's time is up, or enough others have answered."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from archon_graph.models.errors import BudgetError, ModelError, StragglerError
from archon_graph.models.gate import Gate


async def run_until(calls: Sequence[asyncio.Future[Any]], gate: Gate | None, deadline: float | None) -> str | None:
    """Run calls to their end, or until the gate is closed or the deadline reached, on ``time.monotonic``'s clock.

    Those that are cut off are cancelled, and have ended when this returns; so they have if it raises.

    Returns:
        Why some were cut off; ``None`` if all came to their end.

    Raises:
        Exception: What the first call to raise anything raised.
    """
    try:
        if gate is None and deadline is None:
            await asyncio.gather(*calls)
            return None
        return await _until(calls, gate, deadline)
    except BaseException:
        # Nobody is left to read the others: they end too, before this does.
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        raise


def cut_off(reason: str, spec: str, gate: Gate | None) -> ModelError:
    """The error of a call that was cut off."""
    kind = StragglerError if gate is not None and gate.reason is not None else BudgetError
    return kind(f"{spec} was cut off: {reason}", model=spec)


async def _until(calls: Sequence[asyncio.Future[Any]], gate: Gate | None, deadline: float | None) -> str | None:
    """Wait for the calls; cancel those still under way once the gate is closed or the deadline is reached."""
    closed = gate.closed() if gate is not None else None
    pending = set(calls)
    reason = None
    try:
        while pending:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            waiting = pending if closed is None else {*pending, closed}
            done, _ = await asyncio.wait(waiting, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            pending -= done
            for call in done - {closed}:
                call.result()
            if closed is not None and closed in done and gate is not None:
                reason = gate.reason or "the gate was closed"
            elif not done:
                reason = "the time of the budget is up"
            if reason is not None:
                break
    finally:
        if gate is not None and closed is not None:
            gate.forget(closed)
    if not pending:
        return None
    for call in pending:
        call.cancel()
    for outcome in await asyncio.gather(*pending, return_exceptions=True):
        if isinstance(outcome, Exception):
            raise outcome
    return reason
