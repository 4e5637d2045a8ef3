"""The events of an answer, made in one task whoever reads them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, suppress

from cogagent.types import Event


async def following(
    events: AsyncIterator[Event], heartbeat: float
) -> AsyncGenerator[Event | None, None]:
    """The same events; the run that makes them ends with this generator.

    Yields:
        An event; ``None`` where there was none for ``heartbeat`` seconds.
    """
    made: asyncio.Queue[Event | None] = asyncio.Queue()

    async def make() -> None:
        try:
            async with aclosing(events) as closing:  # type: ignore[type-var] # it is a generator
                async for event in closing:
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
            yield event
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
