"""So many questions at once; some wait for their turn, more are told to come again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from cogagent.errors import QueueFullError

_MEMORY = 0.2
"""Weight of the last question in the mean time of a question."""


class Turnstile:
    """Lets a number of tasks of one event loop work at once, in the order they came.

    Args:
        at_once: How many work.
        waiting: How many wait; more are refused.
    """

    def __init__(self, at_once: int, waiting: int) -> None:
        self._at_once = at_once
        self._most = at_once + waiting
        self._turns = asyncio.Semaphore(at_once)
        self._there = 0
        self._seconds = 1.0

    def require_room(self) -> None:
        """Refuse one more if it could not even wait.

        Raises:
            QueueFullError: With the seconds after which there should be room.
        """
        if self._there >= self._most:
            raise QueueFullError(
                f"{self._there} questions are being answered or wait for it.",
                remedy="Ask again later.",
                retry_after=max(1.0, self._seconds * self._there / self._at_once / 2),
            )

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """One task's turn.

        Raises:
            QueueFullError: As :meth:`require_room`.
        """
        self.require_room()
        self._there += 1
        try:
            async with self._turns:
                started = time.monotonic()
                yield
                took = time.monotonic() - started
                self._seconds += _MEMORY * (took - self._seconds)
        finally:
            self._there -= 1
