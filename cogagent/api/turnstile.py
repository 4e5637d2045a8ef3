"""So many questions at once; some wait for their turn, more are told to come again."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from cogagent.errors import QueueFullError

_MEMORY = 0.2
"""Weight of the last question in the mean time of a question."""


class Turnstile:
    """Lets a number of tasks of one event loop work at once.

    Those that wait are let in by turns: one of each owner, and again from the first owner;
    those of one owner in the order they came. No owner takes more than half of the places to
    wait in, but the machine's own user, whose name is empty.

    Args:
        at_once: How many work.
        waiting: How many wait; more are refused.
        what: What they are, in messages.
    """

    def __init__(self, at_once: int, waiting: int, what: str = "questions") -> None:
        self._at_once = at_once
        self._most = at_once + waiting
        self._share = max(1, waiting // 2)
        self._what = what
        self._inside = 0
        self._there = 0
        self._lines: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        self._seconds = 1.0
        self.refused = 0
        """How many were refused so far."""

    @property
    def inside(self) -> int:
        """How many work at present."""
        return self._inside

    @property
    def waiting(self) -> int:
        """How many wait at present."""
        return self._there - self._inside

    def require_room(self, owner: str = "") -> None:
        """Refuse one more if it could not even wait.

        Args:
            owner: Whose it is.

        Raises:
            QueueFullError: With the seconds after which there should be room.
        """
        if self._there >= self._most:
            raise self._full(f"{self._there} {self._what} are being answered or wait for it.")
        mine = len(self._lines.get(owner, ()))
        if owner and mine >= self._share and not self._is_free():
            raise self._full(f"{mine} {self._what} of this API key wait already.")

    @asynccontextmanager
    async def turn(self, owner: str = "", *, again: bool = False) -> AsyncIterator[None]:
        """One task's turn.

        Args:
            owner: Whose it is.
            again: It comes back with more of the same: it is not refused, and waits.

        Raises:
            QueueFullError: As :meth:`require_room`.
        """
        if not again:
            self.require_room(owner)
        self._there += 1
        try:
            await self._enter(owner)
            try:
                started = time.monotonic()
                yield
                took = time.monotonic() - started
                self._seconds += _MEMORY * (took - self._seconds)
            finally:
                self._leave()
        finally:
            self._there -= 1

    async def _enter(self, owner: str) -> None:
        if self._is_free():
            self._inside += 1
            return
        called = asyncio.get_running_loop().create_future()
        self._lines.setdefault(owner, deque()).append(called)
        try:
            await called
        except asyncio.CancelledError:
            if called.cancelled():
                self._step_out(owner, called)
            else:  # it was called at the same moment: the next one goes
                self._leave()
            raise

    def _is_free(self) -> bool:
        return self._inside < self._at_once and not self._lines

    def _leave(self) -> None:
        """Let in who is next."""
        self._inside -= 1
        while self._lines and self._inside < self._at_once:
            owner, line = self._lines.popitem(last=False)
            called = line.popleft()
            if line:
                self._lines[owner] = line  # behind the other owners
            if not called.done():
                self._inside += 1
                called.set_result(None)

    def _step_out(self, owner: str, called: asyncio.Future[None]) -> None:
        line = self._lines.get(owner, deque())
        with suppress(ValueError):  # its turn came when it had been cancelled already
            line.remove(called)
        if not line:
            self._lines.pop(owner, None)

    def _full(self, message: str) -> QueueFullError:
        self.refused += 1
        wait = self._seconds * self._there / max(1, self._at_once) / 2
        return QueueFullError(message, remedy="Ask again later.", retry_after=max(1.0, wait))
