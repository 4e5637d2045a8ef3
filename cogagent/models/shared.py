"""Models that several users share: loaded with the first of them, closed with the last."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing

from cogagent.errors import ModelError
from cogagent.models.mllm import DEFAULTS, MLLM, Generated, Message, Options, Piece
from cogagent.models.wrapped import Wrapped


class SharedModels:
    """Lends models out by key and counts who has them; safe to use from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lent: dict[Hashable, _Lent] = {}

    def take(self, key: Hashable, make: Callable[[], MLLM]) -> MLLM:
        """A model for one user, who has to close it.

        Args:
            key: Users of equal keys share a model.
            make: Loads it, if nobody has it; others that want it wait.
        """
        with self._lock:
            lent = self._lent.setdefault(key, _Lent())
            lent.users += 1
        try:
            return _Lease(lent.loaded(make), lambda: self._given_back(key))
        except BaseException:
            self._given_back(key)
            raise

    def _given_back(self, key: Hashable) -> bool:
        """One user less; whether that was the last, and the model is forgotten."""
        with self._lock:
            lent = self._lent[key]
            lent.users -= 1
            if not lent.users:
                del self._lent[key]
            return not lent.users


def close_now(model: MLLM) -> None:
    """Close a model from a thread that is no event loop's, or is in the midst of one."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(lambda: asyncio.run(model.close())).result()


class _Lent:
    """A model, once it is loaded, and how many have or want it."""

    def __init__(self) -> None:
        self.users = 0
        self._model: MLLM | None = None
        self._loading = threading.Lock()

    def loaded(self, make: Callable[[], MLLM]) -> MLLM:
        with self._loading:
            if self._model is None:
                self._model = make()
            return self._model


class _Lease(Wrapped):
    """A shared model in the hands of one user; closing it leaves those of others open."""

    def __init__(self, model: MLLM, give_back: Callable[[], bool]) -> None:
        super().__init__(model)
        self._give_back = give_back
        self._turn = threading.Lock()
        self._closed = False

    async def generate(
        self, messages: Sequence[Message], options: Options = DEFAULTS
    ) -> Generated:
        """Write one text; see :class:`cogagent.models.mllm.MLLM`."""
        self._check_open()
        return await self._model.generate(messages, options)

    async def stream(
        self, messages: Sequence[Message], options: Options = DEFAULTS
    ) -> AsyncGenerator[Piece, None]:
        """Write one text, piece by piece; see :class:`cogagent.models.mllm.MLLM`."""
        self._check_open()
        async with aclosing(self._model.stream(messages, options)) as pieces:
            async for piece in pieces:
                yield piece

    async def close(self) -> None:
        """Give the model back; it is closed with the last who has it."""
        with self._turn:
            if self._closed:
                return
            self._closed = True
            last = self._give_back()
        if last:
            await self._model.close()

    def _check_open(self) -> None:
        if self._closed:
            raise ModelError(f"{self.name} was closed.", remedy="Ask the factory for it again.")
