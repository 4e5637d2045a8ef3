"""What begins and ends with the service: loaded models, workers, the door for MCP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from fastapi import FastAPI

from cogagent.api import mcp

if TYPE_CHECKING:
    from cogagent.api.parts import Parts


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Everything that runs beside the requests, for ``FastAPI(lifespan=…)``.

    The models are loaded while the first requests are taken already: until they are there,
    ``/readyz`` says so.
    """
    parts: Parts = app.state.parts
    parts.condition.begin()
    async with AsyncExitStack() as running:
        if parts.metrics is not None:
            running.enter_context(parts.metrics.watching())
        warming = asyncio.create_task(
            asyncio.to_thread(parts.condition.warm, parts.agent), name="warming"
        )
        running.push_async_callback(_ended, warming)
        if parts.settings.workers:
            await asyncio.to_thread(parts.workers.start)
            running.push_async_callback(asyncio.to_thread, parts.workers.stop)
        running.push_async_callback(asyncio.to_thread, parts.turns.close)
        running.callback(parts.jobs.close)
        running.push_async_callback(app.state.asks.runs.close)
        await running.enter_async_context(app.state.mcp.open())
        try:
            yield
        finally:
            parts.condition.end()


def open_mcp(app: FastAPI) -> None:
    """Let an application speak MCP, at ``/mcp``."""
    parts: Parts = app.state.parts
    app.state.mcp = mcp.Door(parts.settings.body_mb << 20)
    app.router.add_route(mcp.PATH, app.state.mcp, include_in_schema=False)


async def _ended(task: asyncio.Task[None]) -> None:
    """A thread cannot be cancelled: wait for it."""
    await asyncio.wait([task])
