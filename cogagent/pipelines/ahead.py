"""A generator that runs a little ahead of who uses it, in a thread of its own."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterable
from contextvars import copy_context
from typing import TypeVar

T = TypeVar("T")


def ahead(items: Iterable[T], count: int) -> Generator[T, None, None]:
    """The same items, up to ``count`` of them made before they are asked for.

    An exception while they are made is raised where they are used. Closing the
    generator ends the thread at its next item and waits for it.

    Args:
        items: Iterated over in another thread.
        count: How many may wait.
    """
    made: queue.Queue[tuple[T | None, BaseException | None, bool]] = queue.Queue(count)
    stopped = threading.Event()

    def make() -> None:
        try:
            for item in items:
                if stopped.is_set():
                    break
                made.put((item, None, False))
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that uses them
            made.put((None, error, True))
        else:
            made.put((None, None, True))
        finally:
            if isinstance(items, Generator):
                items.close()

    carried = copy_context()  # what it is part of
    thread = threading.Thread(target=carried.run, args=(make,), name="cogagent-ahead", daemon=True)
    thread.start()
    try:
        while True:
            item, error, last = made.get()
            if error is not None:
                raise error
            if last:
                return
            yield item  # type: ignore[misc]
    finally:
        stopped.set()
        while thread.is_alive():  # it may wait for room
            try:
                made.get(timeout=0.05)
            except queue.Empty:
                continue
        thread.join()
