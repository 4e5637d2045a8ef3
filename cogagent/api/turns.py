"""Who waits for what: questions, searches, pictures and texts each have a line of their own.

Decoding pictures, embedding texts and fetching have threads of their own too, so that
nothing else waits for them. What runs on a thread cannot be stopped: it comes in small
pieces, and a piece that has not begun is not begun once its task is cancelled.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Literal, TypeVar

from cogagent.api.turnstile import Turnstile

T = TypeVar("T")
Line = Literal["asks", "searches", "pictures", "texts"]
Work = Literal["pictures", "texts", "fetches"]

_SEARCHES_WAITING = 256
_PICTURES = 2
"""Pictures that are decoded at once; each may be hundreds of MiB."""
_PICTURES_WAITING = 16
_TEXTS_WAITING = 64
_THREADS: dict[Work, int] = {"pictures": _PICTURES, "texts": 1, "fetches": 4}


class Turns:
    """The lines of a service, and their threads.

    Args:
        asks: Where questions wait.
        searches: How many searches there may be at once.
    """

    def __init__(self, asks: Turnstile, searches: int) -> None:
        self.asks = asks
        self.searches = Turnstile(searches, _SEARCHES_WAITING, "searches")
        self.pictures = Turnstile(_PICTURES, _PICTURES_WAITING, "requests with pictures")
        self.texts = Turnstile(1, _TEXTS_WAITING, "requests for vectors")
        self._threads: dict[Work, ThreadPoolExecutor] = {}

    def line(self, line: Line) -> Turnstile:
        """One by its name."""
        found: Turnstile = getattr(self, line)
        return found

    async def run(self, work: Work, call: Callable[..., T], *args: Any) -> T:
        """A blocking call on the threads of its kind."""
        threads = self._threads.get(work)
        if threads is None:
            threads = self._threads[work] = ThreadPoolExecutor(_THREADS[work], f"service-{work}")
        return await asyncio.get_running_loop().run_in_executor(threads, partial(call, *args))

    def close(self) -> None:
        """Wait for the pieces that run; the others are given up. It may be used again."""
        ended, self._threads = self._threads, {}
        for threads in ended.values():
            threads.shutdown(wait=True, cancel_futures=True)
