"""How often somebody may come, and how many requests of theirs may be open at once."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cachetools import LRUCache

from cogagent.errors import RateLimitError

MOST_AT_ONCE = 1000
"""Connections; more are told to come again. A process may have few more open files. Nobody,
be it a key or an address, has more than half of them."""
_MINUTE = 60.0
_REMEMBERED = 65_536
"""Names whose buckets are kept; what was not heard of for longest is forgotten first."""


class AtOnce:
    """Bounds how many requests of each name are open; for one event loop.

    Args:
        most: Of one name.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._open: Counter[str] = Counter()

    @contextmanager
    def one(self, name: str) -> Iterator[None]:
        """One request, as long as it is open.

        Raises:
            RateLimitError: If it is one too many.
        """
        if self._open[name] >= self._most:
            raise RateLimitError(
                f"{self._most} requests of yours are open already.",
                remedy="Let some of them end first.",
                retry_after=1.0,
            )
        self._open[name] += 1
        try:
            yield
        finally:
            self._open[name] -= 1
            if not self._open[name]:
                del self._open[name]


class Rates:
    """Allows each name so many times a minute: that many at once, if it has been quiet.

    It keeps one time a name, at which its bucket would be full again (the
    generic cell rate algorithm). One object may be used from many threads.

    Args:
        per_minute: How many; 0 sets no limit.
        clock: Seconds that only grow.
    """

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._gap = _MINUTE / per_minute if per_minute else 0.0
        self._clock = clock
        self._full: LRUCache[str, float] = LRUCache(_REMEMBERED)
        self._guard = threading.Lock()

    def wait(self, name: str) -> float:
        """Seconds until it may come again; 0 if it may now. Nothing is counted."""
        with self._guard:
            return self._wait(name, self._clock())

    def take(self, name: str) -> None:
        """Count one.

        Raises:
            RateLimitError: If it is one too many; that one is not counted.
        """
        if not self._gap:
            return
        with self._guard:
            now = self._clock()
            wait = self._wait(name, now)
            if not wait:
                self._full[name] = max(self._full.get(name, now), now) + self._gap
        if wait:
            raise RateLimitError(
                f"more than {round(_MINUTE / self._gap)} a minute.",
                remedy=f"Try again in {wait:.0f} s." if wait >= 1 else "Try again in a moment.",
                retry_after=wait,
            )

    def give_back(self, name: str) -> None:
        """Count one less: it did not matter."""
        with self._guard:
            if name in self._full:
                self._full[name] -= self._gap

    def _wait(self, name: str, now: float) -> float:
        ahead = self._full.get(name, now) - now
        # The slack: sums of sixtieths are not exact.
        over = ahead + self._gap - _MINUTE
        return over if over > 1e-6 else 0.0
