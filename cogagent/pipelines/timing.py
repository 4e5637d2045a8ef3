"""Deadlines of a run."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from typing import TypeVar

T = TypeVar("T")


def left(deadline: float | None) -> float | None:
    """Seconds until ``deadline`` (``time.monotonic()``), 0 at least; ``None`` is no limit."""
    return None if deadline is None else max(deadline - time.monotonic(), 0.0)


async def timed(items: AsyncGenerator[T, None], deadline: float | None) -> AsyncGenerator[T, None]:
    """The items as they come, until the deadline.

    The wait for each is limited, not the time in which the caller uses it; the source
    is the caller's to close.

    Raises:
        TimeoutError: If the next does not come in time.
    """
    while True:
        try:
            async with asyncio.timeout(left(deadline)):
                item = await anext(items)
        except StopAsyncIteration:
            return
        yield item
