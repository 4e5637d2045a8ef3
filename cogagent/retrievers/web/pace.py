"""How often a host is asked: at intervals, and not while it wants to be left alone."""

from __future__ import annotations

import asyncio
import threading
import time
from email.utils import parsedate_to_datetime

from cogagent.errors import WebError
from cogagent.retrievers.web.guard import shown

LONGEST_BLOCK = 900.0
"""Seconds that a host may shut this program out for with one answer."""
_UNTOLD = 2.0
"""Seconds to wait where a busy host does not say how long."""
_HOSTS = 1000


class Pace:
    """Turns at hosts; shared by all searches, safe to use from many threads.

    Args:
        interval: Seconds between two requests to one host.
    """

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._next: dict[str, float] = {}
        self._blocked: dict[str, float] = {}
        self._lock = threading.Lock()

    async def turn(self, host: str, most: float, interval: float = 0.0) -> None:
        """Waits for a turn at ``host``.

        Args:
            host: Or any name of what is asked.
            most: Seconds to wait for it.
            interval: That the host asks for, if it is longer than the usual one.

        Raises:
            WebError: If the turn would come later.
        """
        with self._lock:
            now = time.monotonic()
            at = max(now, self._next.get(host, 0.0), self._blocked.get(host, 0.0))
            if at - now > most:
                raise WebError(f"{shown(host)} is not asked again for {at - now:.0f} seconds.")
            self._next[host] = at + max(self._interval, interval)
            self._forget(now)
        await asyncio.sleep(at - now)

    def block(self, host: str, seconds: float) -> None:
        """Leaves a host alone for a while."""
        with self._lock:
            until = time.monotonic() + min(seconds, LONGEST_BLOCK)
            self._blocked[host] = max(self._blocked.get(host, 0.0), until)

    def _forget(self, now: float) -> None:
        for times in (self._next, self._blocked):
            if len(times) > _HOSTS:
                for host in [host for host, at in times.items() if at <= now]:
                    del times[host]


def retry_after(value: str | None) -> float:
    """The seconds that a ``Retry-After`` header asks for, as a number or as a date."""
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError, IndexError):
        return _UNTOLD
