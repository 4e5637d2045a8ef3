"""Answers as streams of server-sent events that outlive a lost connection for a while."""

from __future__ import annotations

import asyncio
import logging
import re
import secrets
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import aclosing, suppress
from typing import Any, NamedTuple, TypeVar

from fastapi import Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from cogagent.api.following import following
from cogagent.api.problems import RequestError
from cogagent.errors import CogAgentError, InputError, NotFoundError, error_of
from cogagent.types import DoneEvent, ErrorEvent, Event

log = logging.getLogger(__name__)
T = TypeVar("T")

MEDIA_TYPE = "text/event-stream"
_WEIGHT = re.compile(r"0(\.[0-9]{0,3})?|1(\.0{0,3})?")
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
"""The second keeps reverse proxies from collecting a stream."""
HEARTBEAT = b": still here\n\n"
_ASK_AGAIN = 3.0
"""Seconds after which it is asked again whether a reader may read."""
May = Callable[[], bool]


def _always() -> bool:
    return True


class Frame(NamedTuple):
    """An event as it is sent.

    Attributes:
        number: From 1, in their order.
        type: Its kind.
        data: JSON, in one line.
    """

    number: int
    type: str
    data: str

    def encoded(self) -> bytes:
        """As a server-sent event."""
        return f"event: {self.type}\nid: {self.number}\ndata: {self.data}\n\n".encode()


class Run:
    """An answer on its way, with all its events so far.

    It goes on while somebody reads it, and for some seconds after the last reader left.

    Args:
        owner: Whose it is.
        events: What happens in it.
        grace: Those seconds.
        forget: Called when it is over and can no longer be resumed.
    """

    def __init__(
        self,
        owner: str,
        events: AsyncIterator[Event],
        grace: float,
        forget: Callable[[Run], None],
    ) -> None:
        self.id = f"ask-{secrets.token_hex(12)}"
        self.owner = owner
        self.over = False
        self._grace = grace
        self._forget = forget
        self._frames: list[Frame] = []
        self._failed: CogAgentError | None = None
        self._news = asyncio.Event()
        self._readers = 0
        self._leaving: asyncio.TimerHandle | None = None
        self._task = asyncio.create_task(self._work(events), name=self.id)
        self._task.add_done_callback(self._end)

    def enter(self) -> None:
        """A reader comes."""
        self._readers += 1
        if self._leaving is not None:
            self._leaving.cancel()
            self._leaving = None

    def leave(self) -> None:
        """A reader is gone; after the last one the time runs."""
        self._readers -= 1
        if not self._readers:
            loop = asyncio.get_running_loop()
            self._leaving = loop.call_later(self._grace, self.cancel)

    def cancel(self) -> None:
        """End it, whoever reads; it cannot be resumed any more."""
        self._task.cancel()
        self._forget(self)

    async def closed(self) -> None:
        """End it and wait until it has."""
        self.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def begun(self, patience: float) -> None:
        """Wait for its first event, to tell of what cannot be done by an HTTP status.

        Args:
            patience: The most seconds to wait.

        Raises:
            CogAgentError: If it failed by then.
        """
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    while not self._frames and not self.over:
                        await self._news.wait()
        except asyncio.CancelledError:
            self.cancel()  # there will be no reader
            raise
        if self._failed is not None and len(self._frames) == 1:
            self.cancel()
            raise self._failed

    async def follow(self, after: int) -> AsyncIterator[Frame]:
        """The events behind number ``after``, until it is over."""
        while True:
            while after < len(self._frames):
                after += 1
                yield self._frames[after - 1]
            if self.over:
                return
            await self._news.wait()

    def require(self, after: int) -> None:
        """Refuse a reader who has seen what there was not.

        Raises:
            InputError: If there are fewer events.
        """
        if not 0 <= after <= len(self._frames):
            raise InputError(
                f"the stream has no event {after}.", remedy="Pass the last id that you received."
            )

    async def _work(self, events: AsyncIterator[Event]) -> None:
        try:
            async with aclosing(events) as closing:  # type: ignore[type-var] # it is a generator
                async for event in closing:
                    self._add(event)
        except CogAgentError as error:  # before the agent was asked
            self._add(ErrorEvent(code=error.code, message=str(error)))
            self._failed = error
        except Exception:
            log.exception("a run failed")
            self._add(ErrorEvent(code="internal", message="the service failed."))
        except asyncio.CancelledError:
            self._add(ErrorEvent(code="cancelled", message="the answer was cancelled."))
            raise

    def _end(self, _task: asyncio.Task[None]) -> None:
        self.over = True
        self._news.set()

    def _add(self, event: Event) -> None:
        if isinstance(event, ErrorEvent):
            self._failed = error_of(event.code, event.message)
        number = len(self._frames) + 1
        self._frames.append(Frame(number, event.type, event.model_dump_json()))
        news, self._news = self._news, asyncio.Event()
        news.set()


class Runs:
    """The answers that are on their way.

    Args:
        grace: Seconds that each goes on without a reader.
    """

    def __init__(self, grace: float) -> None:
        self._grace = grace
        self._runs: dict[str, Run] = {}

    def start(self, owner: str, events: AsyncIterator[Event]) -> Run:
        """Begin one."""
        run = Run(owner, events, self._grace, self._forget)
        self._runs[run.id] = run
        return run

    def get(self, run: str, owner: str) -> Run:
        """One of an owner's, by its id.

        Raises:
            NotFoundError: If it is not there, or over for too long.
        """
        found = self._runs.get(run)
        if found is None or found.owner != owner:
            raise NotFoundError(
                f"there is no answer {run!r} on its way.", remedy="Ask again, or see the traces."
            )
        return found

    async def close(self) -> None:
        """End all of them."""
        for run in list(self._runs.values()):
            await run.closed()

    def _forget(self, run: Run) -> None:
        self._runs.pop(run.id, None)


class EventStream(StreamingResponse):
    """A run for one reader, from the event behind number ``after`` on.

    Args:
        run: What is read.
        after: The last event that the reader has.
        heartbeat: Longest silence, in seconds.
        headers: Further ones.
        may: Whether the reader may still read; asked every few seconds.
    """

    media_type = MEDIA_TYPE

    def __init__(
        self,
        run: Run,
        after: int,
        heartbeat: float,
        headers: Mapping[str, str] | None = None,
        may: May = _always,
    ) -> None:
        self._run = run
        told = _told(run.follow(after), heartbeat, may)
        super().__init__(told, headers={**HEADERS, **(headers or {})})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it; the run is told when the reader is gone."""
        self._run.enter()
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._run.leave()


def is_wanted(request: Request) -> bool:
    """Whether a caller names event streams in ``Accept``, and likes them no less than JSON."""
    weights = _weights(",".join(request.headers.getlist("accept")))
    wanted = weights.get(MEDIA_TYPE, 0.0)
    return wanted > 0 and wanted >= weights.get("application/json", 0.0)


def _weights(accept: str) -> dict[str, float]:
    """The media types of a header ``Accept``, and how much they are liked, 0 to 1."""
    found: dict[str, float] = {}
    for entry in accept.split(","):
        kind, *parameters = (part.strip().lower() for part in entry.split(";"))
        given = next((one[2:] for one in parameters if one.startswith("q=")), "1")
        found[kind] = float(given) if _WEIGHT.fullmatch(given) else 0.0
    return found


def frames_stream(
    frames: AsyncIterator[Frame], heartbeat: float, may: May = _always
) -> StreamingResponse:
    """A stream of events that somebody else keeps, such as those of a job.

    Args:
        frames: The events.
        heartbeat: Longest silence, in seconds.
        may: Whether the reader may still read; asked every few seconds.
    """
    told = _told(frames, heartbeat, may)
    return StreamingResponse(told, headers=HEADERS, media_type=MEDIA_TYPE)


async def done_only(answer: str) -> AsyncIterator[Frame]:
    """The events of an answer that was given before: its end alone."""
    yield Frame(1, DoneEvent.model_fields["type"].default, f'{{"type":"done","answer":{answer}}}')


async def until_gone(
    request: Request, waited_for: Coroutine[Any, Any, T], grace: float = 0.0
) -> T:
    """The result of what a client waits for, which is cancelled when the client is gone.

    Args:
        request: The client's; its body has been read.
        waited_for: The work.
        grace: Seconds that it may go on all the same.

    Raises:
        RequestError: If it was cancelled; nobody will read of it.
    """
    work, gone = asyncio.create_task(waited_for), asyncio.create_task(_gone(request))
    try:
        await asyncio.wait((work, gone), return_when=asyncio.FIRST_COMPLETED)
        if not work.done() and grace:
            await asyncio.wait((work,), timeout=grace)
        if work.done():
            return work.result()
        raise RequestError(408, "client_gone", "the client left before the answer.")
    finally:
        for task in (work, gone):
            if not task.done():
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _told(frames: AsyncIterator[Frame], heartbeat: float, may: May) -> AsyncIterator[bytes]:
    """The events as they are sent, until their reader may read no more."""
    asked = sent = time.monotonic()
    async with aclosing(following(frames, min(heartbeat, _ASK_AGAIN))) as closing:
        async for frame in closing:
            now = time.monotonic()
            if now - asked >= _ASK_AGAIN:
                asked = now
                if not await asyncio.to_thread(may):
                    return
            if frame is not None or now - sent >= heartbeat:
                sent = now
                yield HEARTBEAT if frame is None else frame.encoded()
