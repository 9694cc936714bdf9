"""Runs the chat model for a request: as often as answers are wanted, whole or in pieces."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from typing import Any, cast

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk

from archon_graph.embed.server.wire import Asked

# Pieces that may wait for a client that reads slowly, before the runs wait, too.
_WAITING = 64


def seed_of(seed: int, place: int) -> int:
    """The namespace of one of several answers: that of the first is the request's own.

    So asking for three gives the one that asking for one would have given, and two more.
    """
    if place == 0:
        return seed
    digest = hashlib.blake2b(f"{seed}:{place}".encode(), digest_size=4).digest()
    return int.from_bytes(digest)


async def whole(chat: BaseChatModel, asked: Asked, seed: int) -> list[AIMessage]:
    """The answers, in order; when one fails, the others are cut off.

    Args:
        chat: Who answers.
        asked: What is asked.
        seed: Namespace of the first answer.

    Raises:
        ArchonError: Whatever a run raises.
    """
    runs = [
        asyncio.ensure_future(chat.ainvoke(asked.messages, **asked.arguments, seed=seed_of(seed, place)))
        for place in range(asked.n)
    ]
    try:
        ended, _ = await asyncio.wait(runs, return_when=asyncio.FIRST_EXCEPTION)
        for run in ended:
            run.result()  # raises what one of them raised
        return [run.result() for run in runs]
    finally:
        await _end(runs)


async def pieces(
    chat: BaseChatModel, asked: Asked, seed: int, *, pause: float
) -> AsyncGenerator[tuple[int, AIMessageChunk | None] | None]:
    """The pieces of the answers as they come, each with its place; ``None`` as a piece ends an answer.

    Between two pieces, ``None`` comes whenever ``pause`` seconds have passed without one.

    Raises:
        ArchonError: Whatever a run raises; the others are cut off.
    """
    ready: asyncio.Queue[tuple[int, AIMessageChunk | Exception | None]] = asyncio.Queue(_WAITING)

    async def run(place: int) -> None:
        stream = chat.astream(asked.messages, **asked.arguments, seed=seed_of(seed, place))
        try:
            async with aclosing(cast("AsyncGenerator[AIMessageChunk]", stream)) as chunks:
                async for chunk in chunks:
                    await ready.put((place, chunk))
        except Exception as error:  # noqa: BLE001 - raised where the pieces are taken
            await ready.put((place, error))
        else:
            await ready.put((place, None))

    runs = [asyncio.ensure_future(run(place)) for place in range(asked.n)]
    left = asked.n
    try:
        while left:
            try:
                async with asyncio.timeout(pause):
                    place, piece = await ready.get()
            except TimeoutError:
                yield None
                continue
            if isinstance(piece, Exception):
                raise piece
            left -= piece is None
            yield place, piece
    finally:
        await _end(runs)


async def _end(runs: Iterable[asyncio.Future[Any]]) -> None:
    """Cut off what still runs, and wait until its calls have ended."""
    unfinished = [run for run in runs if not run.done()]
    for run in unfinished:
        run.cancel()
    if unfinished:
        await asyncio.wait(unfinished)
