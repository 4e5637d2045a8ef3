"""Lets texts that are asked for at the same time be written together, in one thread.

The way of FastCache (arXiv 2503.08461), on one machine: reading prompts and writing
answers are queues of their own with bounds of their own. Prompts of like length are
read together as far as a budget of tokens goes; the answers under way go on, a token
for each, between one reading and the next, in as many rows as are allowed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from cogagent.errors import ModelError

_UNLIKE = 64
"""Tokens that prompts read together may differ by, however short they are."""


class MemoryShortError(ModelError):
    """The memory did not suffice; fewer at a time may."""


class Request(Protocol):
    """A text that is asked for.

    Attributes:
        length: Tokens of the prompt.
        kind: Only requests of one kind can be read together.
    """

    length: int
    kind: Hashable

    @property
    def cancelled(self) -> bool:
        """Nobody waits for it any more; told by any thread."""
        ...

    def fail(self, error: ModelError) -> None:
        """Tell whoever waits that there will be no text."""
        ...


class Batch(Protocol):
    """Texts that are being written together."""

    def __len__(self) -> int:
        """How many are not done."""
        ...

    def step(self) -> None:
        """Write the next token of each; those that are done or cancelled leave.

        Raises:
            ModelError: If the model fails.
        """
        ...

    def fail(self, error: ModelError) -> None:
        """Tell all who wait that there will be no text."""
        ...


Asked = TypeVar("Asked", bound=Request)
Under = TypeVar("Under", bound=Batch)
_Read = TypeVar("_Read", bound=Request, contravariant=True)


class Engine(Protocol[_Read, Under]):
    """What reads and writes; called from one thread."""

    def begin(self, requests: Sequence[_Read]) -> Under:
        """Read prompts and write the first token of each.

        Raises:
            MemoryShortError: If so many are too many.
            ModelError: If the model fails.
        """
        ...

    def join(self, first: Under, second: Under) -> Under | None:
        """Both as one batch; ``None`` where that cannot be, and they go on by themselves."""
        ...


@dataclass(eq=False)
class _Entry(Generic[Asked]):
    request: Asked
    since: float
    alone: bool = False
    """It was one of too many."""


class Batcher(Generic[Asked, Under]):
    """Runs an engine in a thread of its own.

    Args:
        engine: What reads and writes.
        size: Texts to write at the same time.
        tokens: Tokens of prompts to read at once, padding counted; a longer one is read alone.
        wait: Seconds to wait for company, when nothing is under way.
    """

    def __init__(self, engine: Engine[Asked, Under], size: int, tokens: int, wait: float) -> None:
        self._engine, self._size, self._tokens, self._wait = engine, size, tokens, wait
        self._changed = threading.Condition()
        self._waiting: list[_Entry[Asked]] = []
        self._running: list[Under] = []
        self._closing = False
        self._thread = threading.Thread(target=self._work, name="cogagent-model", daemon=True)
        self._thread.start()

    def submit(self, request: Asked) -> None:
        """Ask for a text, from any thread.

        Raises:
            ModelError: If the model was closed.
        """
        with self._changed:
            if self._closing:
                raise _closed()
            self._waiting.append(_Entry(request, time.monotonic()))
            self._changed.notify()

    def close(self) -> None:
        """End the thread after the current token; whoever still waits is told."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _work(self) -> None:
        try:
            while self._turn():
                pass
            self._end(_closed())
        except BaseException as error:
            # A fault of this program; nobody may wait for ever because of it.
            self._end(ModelError(f"the model's thread ended: {error!r}"))
            raise

    def _turn(self) -> bool:
        """Read some prompts, if any wait, and write a token of each text; whether to go on."""
        group = self._next()  # a local of this turn, lest it outlive its texts
        if group is None:
            return False
        try:
            if group:
                self._begin(group)
            self._step()
        except BaseException as error:
            for request in group:
                request.fail(ModelError(f"the model's thread ended: {error!r}"))
            raise
        return True

    def _next(self) -> list[Asked] | None:
        """Whose prompts to read now, perhaps nobody's; ``None`` to end."""
        with self._changed:
            while not self._closing:
                self._waiting = [entry for entry in self._waiting if not entry.request.cancelled]
                left = 0.0
                if not self._running and self._waiting and len(self._waiting) < self._size:
                    left = self._waiting[0].since + self._wait - time.monotonic()
                if self._running or (self._waiting and left <= 0):
                    return [entry.request for entry in self._group()]
                self._changed.wait(left or None)
        return None

    def _group(self) -> list[_Entry[Asked]]:
        """The oldest that waits, and those that may be read with it."""
        free = self._size - sum(map(len, self._running))
        if free <= 0 or not self._waiting:
            return []
        oldest = self._waiting[0]
        group = [oldest]
        nearest = sorted(
            self._waiting[1:],
            key=lambda entry: abs(entry.request.length - oldest.request.length),
        )
        for entry in nearest:
            if len(group) < free and self._fits(entry, group):
                group.append(entry)
        self._waiting = [entry for entry in self._waiting if entry not in group]
        return group

    def _fits(self, entry: _Entry[Asked], group: list[_Entry[Asked]]) -> bool:
        if entry.alone or group[0].alone or entry.request.kind != group[0].request.kind:
            return False
        lengths = [other.request.length for other in (entry, *group)]
        like = max(lengths) - min(lengths) <= max(_UNLIKE, min(lengths))
        return like and max(lengths) * len(lengths) <= self._tokens

    def _begin(self, group: list[Asked]) -> None:
        try:
            batch = self._engine.begin(group)
        except MemoryShortError as error:
            if len(group) == 1:
                group[0].fail(error)
                return
            with self._changed:
                self._waiting[:0] = [_Entry(request, 0.0, alone=True) for request in group]
            return
        except ModelError as error:
            for request in group:
                request.fail(error)
            return
        if not len(batch):
            return
        for place, other in enumerate(self._running):
            joined = self._join(other, batch)
            if joined is not None:
                self._running[place] = joined
                return
        self._running.append(batch)

    def _join(self, first: Under, second: Under) -> Under | None:
        try:
            return self._engine.join(first, second)
        except MemoryShortError:  # both are as they were, and smaller apart
            return None

    def _step(self) -> None:
        for batch in self._running:
            try:
                batch.step()
            except ModelError as error:
                batch.fail(error)
        self._running = [batch for batch in self._running if len(batch)]

    def _end(self, error: ModelError) -> None:
        with self._changed:
            self._closing = True
            waiting, self._waiting = self._waiting, []
        for entry in waiting:
            entry.request.fail(error)
        for batch in self._running:
            batch.fail(error)
        self._running = []


def _closed() -> ModelError:
    return ModelError("the model was closed.", remedy="Make it again.")
