"""An event loop on a thread of its own, so that blocking callers can use asynchronous code."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import CancelledError, wait
from functools import update_wrapper
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from cogagent.errors import InputError

_HEARTBEAT = 0.5
"""Seconds after which a waiting thread looks up."""
T = TypeVar("T")
P = ParamSpec("P")


class LoopThread:
    """An event loop on a thread of its own, started when first used."""

    def __init__(self) -> None:
        self._closed = False
        self._closing: asyncio.Task[None] | None = None
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
            # An interrupt that the system gives to another thread is only noticed by this
            # one when it wakes up.
            while not wait([future], timeout=_HEARTBEAT).done:
                pass
            return future.result()
        except CancelledError as error:
            raise InputError("the agent was closed meanwhile.") from error
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
            if threading.current_thread() is self._thread and self._loop is not None:
                # The collector may drop a half-read stream here; waiting would be for ever.
                self._closing = self._loop.create_task(closing())
            elif not self._closed:
                self.run(closing())

    def close(self) -> None:
        """Cancel what runs, then stop the loop and its thread."""
        with self._lock:
            self._closed = True
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        if loop is None or thread is None:
            return

        async def ending() -> None:
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(ending(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()

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


class Looped(Protocol):
    """What has a loop of its own."""

    _loop: LoopThread


S = TypeVar("S", bound=Looped)


def synced(
    method: Callable[Concatenate[S, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[S, P], T]:
    """The synchronous twin of a coroutine method whose name begins with ``a``.

    It takes the same arguments and waits, on the object's own loop.
    """

    def twin(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        result: T = self._loop.run(getattr(self, method.__name__)(*args, **kwargs))
        return result

    return _named(twin, method)


def iterated(
    method: Callable[Concatenate[S, P], AsyncIterator[T]],
) -> Callable[Concatenate[S, P], Iterator[T]]:
    """The synchronous twin of a method that gives an asynchronous iterator."""

    def twin(self: S, /, *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        return self._loop.iterate(getattr(self, method.__name__)(*args, **kwargs))

    return _named(twin, method)


def _named(
    twin: Callable[Concatenate[S, P], T], method: Callable[..., Any]
) -> Callable[Concatenate[S, P], T]:
    """The twin with the documentation of the method, as ``help`` shows it."""
    update_wrapper(twin, method)
    twin.__name__ = method.__name__.removeprefix("a")
    twin.__qualname__ = method.__qualname__.replace(method.__name__, twin.__name__)
    signature = inspect.signature(method)
    given = str(signature.return_annotation).removeprefix("Async")
    twin.__signature__ = signature.replace(return_annotation=given)  # type: ignore[attr-defined]
    return twin
