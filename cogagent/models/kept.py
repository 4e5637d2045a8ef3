"""What was made before, kept in memory by the content that it was made of."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from cachetools import TTLCache

from cogagent.types import Raster

_Made = TypeVar("_Made")


class Kept(Generic[_Made]):
    """A cache of bounded size whose entries expire; safe to use from many threads.

    It lives in memory, so nothing of a deleted document outlives the process in it.

    Args:
        megabytes: Most that it holds; the longest unused goes first. 0 keeps nothing.
        seconds: How long an entry is kept.
        size: Bytes that an entry takes.
    """

    def __init__(self, megabytes: float, seconds: float, size: Callable[[_Made], float]) -> None:
        self._size = size
        self._entries: TTLCache[Hashable, _Made] = TTLCache(
            megabytes * 1e6, seconds, getsizeof=size
        )
        self._lock = threading.Lock()
        self._making: dict[Hashable, threading.Lock] = {}

    def find(self, key: Hashable) -> _Made | None:
        """The entry, if it is there and has not expired."""
        with self._lock:
            return self._entries.get(key)

    def keep(self, key: Hashable, made: _Made) -> None:
        """Keep an entry, unless it alone is larger than the cache."""
        if self._size(made) <= self._entries.maxsize:
            with self._lock:
                self._entries[key] = made

    def get(self, key: Hashable, make: Callable[[], _Made]) -> _Made:
        """The entry, made if need be; by one thread, for which others that want it wait."""
        with self._lock:
            turn = self._making.setdefault(key, threading.Lock())
        try:
            with turn:
                made = self.find(key)
                if made is None:
                    made = make()
                    self.keep(key, made)
                return made
        finally:
            with self._lock:
                self._making.pop(key, None)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._entries.clear()


def content_key(raster: Raster) -> bytes:
    """A hash of a picture's size and pixels."""
    digest = hashlib.sha256(repr(raster.pixels.shape).encode())
    digest.update(raster.pixels.tobytes())
    return digest.digest()
