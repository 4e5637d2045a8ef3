"""An event loop on a thread of its own, so that blocking callers can use asynchronous code."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from typing import Any, TypeVar

from cogagent.errors import InputError

T = TypeVar("T")


class LoopThread:
    """An event loop on a thread of its own, started when first used."""

    def __init__(self) -> None:
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run ``work`` to its end; an interrupt cancels it."""
        try:
            loop = self._running()
        except InputError:
            work.close()
            raise
        future = asyncio.run_coroutine_threadsafe(work, loop)
        try:
            return future.result()
        finally:
            future.cancel()

    def iterate(self, items: AsyncIterator[T]) -> Iterator[T]:
        """The items as they come; leaving early closes the source."""
        ended = object()

        async def following() -> Any:
            return await anext(items, ended)

        async def closing() -> None:
            close = getattr(items, "aclose", None)
            if close is not None:
                await close()

        try:
            while (item := self.run(following())) is not ended:
                yield item
        finally:
            self.run(closing())

    def close(self) -> None:
        """Stop the loop and its thread."""
        with self._lock:
            self._closed = True
            if self._loop is not None and self._thread is not None:
                self._loop.call_soon_threadsafe(self._loop.stop)
                self._thread.join()
                self._loop.close()
            self._loop = self._thread = None

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._closed:
                raise InputError("the agent is closed.", remedy="Make a new one.")
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=self._loop.run_forever, name="cogagent-loop", daemon=True
                )
                self._thread.start()
            return self._loop
