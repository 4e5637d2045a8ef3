"""Events as they come, with the silences between them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, suppress
from typing import TypeVar

T = TypeVar("T")
_AHEAD = 4096
"""Events that wait for a slow reader before no more are made; an answer has fewer."""


async def following(events: AsyncIterator[T], heartbeat: float) -> AsyncGenerator[T | None, None]:
    """The same events, made in one task whoever reads them; it ends with this generator.

    Yields:
        An event; ``None`` where there was none for ``heartbeat`` seconds.
    """
    made: asyncio.Queue[T | None] = asyncio.Queue()
    room = asyncio.Semaphore(_AHEAD)

    async def make() -> None:
        try:
            async with aclosing(events) as closing:  # type: ignore[type-var] # it is a generator
                async for event in closing:
                    await room.acquire()
                    made.put_nowait(event)
        finally:
            made.put_nowait(None)

    task = asyncio.create_task(make())
    try:
        while True:
            try:
                async with asyncio.timeout(heartbeat):
                    event = await made.get()
            except TimeoutError:
                yield None
                continue
            if event is None:
                await task  # raises what it did
                return
            room.release()
            yield event
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
