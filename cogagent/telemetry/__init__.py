"""What the program does at the moment, for whoever watches: traces, counts.

An :class:`Operation` is something that takes time: a question, a step of planning, a search,
a text of a model. It is begun and ended where it happens, once, and told to all who watch::

    with telemetry.child("embeddings", model=self.name, inputs=len(texts)):
        ...

Nobody watches unless the settings say so, and then all this costs nothing: the operation is
:data:`NOTHING`. The facts of an operation are numbers and names that the program chose. What
a person or a document said is told apart from them, by :meth:`Operation.say`.

Which operation is the present one is a context variable. It is not carried into threads of a
pool by itself (use ``contextvars.copy_context().run``), and a generator must not set it over
a ``yield``: whoever reads from it may do so in another context each time. There the operation
is passed by hand.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing, contextmanager
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Any, Literal, Protocol, TypeVar

from cogagent.errors import CogAgentError

Kind = Literal[
    "request", "job", "ask", "plan", "tool", "search", "chat", "embeddings", "answer",
    "ingest", "document", "see", "store",
]  # fmt: skip
"""What there is to watch. ``tool`` is a search within a question, ``search`` one by itself;
``document`` the reading of a source, ``see`` a look at a picture of it."""

CANCELLED = "cancelled"
"""Error of what nobody waited for any longer."""
INTERNAL = "internal"
"""Error of a kind that is not the program's own."""

T = TypeVar("T")
_current: ContextVar[Operation | None] = ContextVar("operation", default=None)


class Observer(Protocol):
    """Is told what happens; its methods are called on any thread, and must not raise."""

    def begin(self, operation: Operation, above: Any) -> Any:
        """An operation begins.

        Args:
            operation: What is known of it by now.
            above: What this method gave for the operation that it is part of; ``None`` if
                it is part of none.

        Returns:
            Anything; :meth:`end` gets it.
        """
        ...

    def end(self, operation: Operation, held: Any) -> None:
        """It is over."""
        ...


class Operation:
    """Something that is going on; made by :class:`Telemetry` or by another operation.

    As a context it is the present one until its end, which notes what was raised.

    Attributes:
        kind: What it is.
        facts: Numbers and names of the program's own.
        said: What a person or a document said; not for everybody to see.
        error: Code of what it failed of; empty while it has not.
        seconds: How long it took, once it is over.
        carrier: Headers that tell which trace of the caller's it belongs to.
    """

    __slots__ = (
        "_above", "_began", "_held", "_observers", "_over", "_token",
        "carrier", "error", "facts", "kind", "said", "seconds",
    )  # fmt: skip

    def __init__(
        self,
        kind: Kind,
        observers: tuple[Observer, ...],
        above: Operation | None,
        facts: dict[str, Any],
        carrier: Mapping[str, str] | None = None,
    ) -> None:
        self.kind: Kind = kind
        self.facts = facts
        self.said: dict[str, Any] = {}
        self.error = ""
        self.seconds = 0.0
        self.carrier = carrier
        self._observers = observers
        self._above = above
        self._over = False
        self._token: Token[Operation | None] | None = None
        self._began = time.perf_counter()
        held = above._held if above is not None else (None,) * len(observers)
        self._held: tuple[Any, ...] = tuple(
            observer.begin(self, one) for observer, one in zip(observers, held, strict=True)
        )

    @property
    def above(self) -> Operation | None:
        """What it is part of."""
        return self._above

    def child(self, kind: Kind, **facts: Any) -> Operation:
        """Begin a part of it."""
        return Operation(kind, self._observers, self, facts)

    def set(self, **facts: Any) -> None:
        """Tell more of it."""
        self.facts.update(facts)

    def say(self, **said: Any) -> None:
        """Tell what a person or a document said."""
        self.said.update(said)

    def fail(self, error: BaseException | str) -> None:
        """Note what it failed of: an error, or the code of one."""
        if isinstance(error, str):
            self.error = error
        elif isinstance(error, CogAgentError):
            self.error = error.code
        elif isinstance(error, asyncio.CancelledError | GeneratorExit | KeyboardInterrupt):
            self.error = CANCELLED
        else:
            self.error = INTERNAL

    def end(self) -> None:
        """It is over; to be told once, and again does nothing."""
        if self._over:
            return
        self._over = True
        self.seconds = time.perf_counter() - self._began
        for observer, held in zip(self._observers, self._held, strict=True):
            observer.end(self, held)

    def within(self, other: Operation) -> bool:
        """Whether it is another one, or part of it."""
        found: Operation | None = self
        while found is not None and found is not other:
            found = found._above
        return found is not None

    @contextmanager
    def current(self) -> Iterator[None]:
        """It is the present one for a while, and does not end."""
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)

    def __enter__(self) -> Operation:
        self._token = _current.set(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._token is not None:
            _current.reset(self._token)
        if error is not None:
            self.fail(error)
        self.end()


class _Nothing(Operation):
    """An operation that nobody watches."""

    __slots__ = ()

    def child(self, kind: Kind, **facts: Any) -> Operation:  # noqa: ARG002 - as its base has it
        return self

    def set(self, **facts: Any) -> None:
        """Tell nobody."""

    def say(self, **said: Any) -> None:
        """Tell nobody."""

    def fail(self, error: BaseException | str) -> None:
        """Tell nobody."""

    def end(self) -> None:
        """Tell nobody."""

    @contextmanager
    def current(self) -> Iterator[None]:
        yield

    def __enter__(self) -> Operation:
        return self

    def __exit__(self, *raised: object) -> None:
        """Tell nobody."""


NOTHING: Operation = _Nothing("job", (), None, {})
"""What is begun where nobody watches."""


class Telemetry:
    """Who watches an agent.

    Args:
        observers: The first ones.
    """

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers

    def watch(self, observer: Observer) -> None:
        """Tell one more of all that begins from now on; nothing happens if it is told already."""
        if observer not in self._observers:
            self._observers = (*self._observers, observer)

    def unwatch(self, observer: Observer) -> None:
        """Tell it no longer of what begins."""
        self._observers = tuple(one for one in self._observers if one is not observer)

    def begin(
        self, kind: Kind, carrier: Mapping[str, str] | None = None, **facts: Any
    ) -> Operation:
        """Begin an operation, as a part of the present one if that is of the same observers.

        Args:
            kind: What it is.
            carrier: Headers that tell which trace of the caller's it belongs to.
            facts: What is known of it.
        """
        observers = self._observers
        if not observers:
            return NOTHING
        above = _current.get()
        if above is not None and above._observers is not observers:
            above = None
        return Operation(kind, observers, above, facts, carrier)


def child(kind: Kind, **facts: Any) -> Operation:
    """Begin a part of the present operation; :data:`NOTHING` if there is none."""
    above = _current.get()
    return NOTHING if above is None else above.child(kind, **facts)


def under(operation: Operation) -> Operation:
    """The present operation if it is part of ``operation``, and else that."""
    present = _current.get()
    return present if present is not None and present.within(operation) else operation


async def watched(operation: Operation, items: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
    """The same items; the operation ends with them, and with what they raise."""
    try:
        async with aclosing(items) as open_items:
            async for item in open_items:
                yield item
    except BaseException as error:
        operation.fail(error)
        raise
    finally:
        operation.end()
