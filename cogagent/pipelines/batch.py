"""Many questions, several at a time, answered in order; one that fails costs nothing else."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from typing import Any, NamedTuple, Protocol, TypeVar

from pydantic import ValidationError

from cogagent.errors import CogAgentError, InputError
from cogagent.types import (
    Answer,
    BatchAnswer,
    BatchFailure,
    BatchProgress,
    BatchQuestion,
    BatchReport,
    Problem,
    Record,
)

_AHEAD = 16
"""Questions taken for each that is asked: so far the others run ahead of a slow one."""
_LISTED = 20
"""Failures that a report lists."""

T = TypeVar("T")
R = TypeVar("R")
log = logging.getLogger(__name__)


class Asked(NamedTuple):
    """A question with its place in the batch, its id settled."""

    line: int
    question: BatchQuestion


Item = Asked | BatchAnswer
"""A question, or what has become of it already: a malformed line is an error from the start."""


class Executor(Protocol):
    """Does work on many things, several at a time."""

    def map(
        self, work: Callable[[T], Awaitable[R]], items: Iterable[T]
    ) -> AsyncGenerator[R, None]:
        """What comes of each of ``items``, in their order, each as soon as it is there.

        Items are taken as they are needed, a bounded number ahead of what was
        handed out. Closing the iterator cancels the work under way.

        Raises:
            Exception: Whatever ``work`` or ``items`` raise, after the results before it.
        """
        ...


class LoopExecutor:
    """Works on the running event loop, which waits for models and indexes on threads.

    Args:
        jobs: How many things are worked on at once, at least 1.
    """

    def __init__(self, jobs: int) -> None:
        self._jobs = jobs

    async def map(
        self, work: Callable[[T], Awaitable[R]], items: Iterable[T]
    ) -> AsyncGenerator[R, None]:
        """See :class:`Executor`; ``items`` are taken on one thread of their own."""
        room, turn = asyncio.Semaphore(self._jobs * _AHEAD), asyncio.Semaphore(self._jobs)
        queue: asyncio.Queue[asyncio.Task[R] | None] = asyncio.Queue()
        running: set[asyncio.Task[R]] = set()
        taking = ThreadPoolExecutor(1, thread_name_prefix="cogagent-questions")

        async def one(item: T) -> R:
            async with turn:
                return await work(item)

        async def feed() -> None:
            ended: Any = object()
            loop, rest = asyncio.get_running_loop(), iter(items)
            try:
                while True:
                    await room.acquire()
                    item = await loop.run_in_executor(taking, next, rest, ended)
                    if item is ended:
                        return
                    task = asyncio.create_task(one(item))
                    running.add(task)
                    queue.put_nowait(task)
            finally:
                queue.put_nowait(None)

        feeding = asyncio.create_task(feed())
        try:
            while (task := await queue.get()) is not None:
                result = await task
                running.discard(task)
                room.release()
                yield result
            await feeding
        finally:
            for left in (feeding, *running):
                left.cancel()
            await asyncio.gather(feeding, *running, return_exceptions=True)
            taking.shutdown(wait=False, cancel_futures=True)


class Intake:
    """Makes questions of what is asked, and sees to it that each has an id of its own."""

    def __init__(self) -> None:
        self._taken: set[str | int] = set()

    def number(self, items: Iterable[object]) -> Iterator[Item]:
        """Each of ``items`` as :meth:`take` makes it, counted from 1."""
        for line, item in enumerate(items, 1):
            yield self.take(line, item)

    def take(self, line: int, item: object) -> Item:
        """A question, or the error that it is.

        Args:
            line: Its place.
            item: A text, a mapping of :class:`BatchQuestion`'s fields, or one of these.
        """
        try:
            question = _question(item)
        except InputError as error:
            carried = _readable(item)
            if carried.get("id") in self._taken:
                del carried["id"]
            return self._refused(line, carried, error)
        key = f"#{line}" if question.id is None else question.id
        if key in self._taken:
            carried = _carried(question) | {"id": None}
            return self._refused(
                line,
                carried,
                InputError(
                    f"an earlier question has the id {key!r} already.",
                    remedy="Give each question an id of its own, or none.",
                ),
            )
        self._taken.add(key)
        return Asked(line, question.model_copy(update={"id": key}))

    def _refused(self, line: int, carried: Mapping[str, Any], error: InputError) -> BatchAnswer:
        if (key := carried.get("id")) is not None:
            self._taken.add(key)
        return BatchAnswer(line=line, error=problem(error), **({"id": None} | dict(carried)))


class Tally:
    """Counts what has become of the questions of a batch.

    Args:
        total: How many there are, if that is known.
    """

    def __init__(self, total: int | None = None) -> None:
        self._total = total
        self._started = time.monotonic()
        self._fresh = 0
        self._counts = dict.fromkeys(
            ("answered", "partial", "abstained", "budget_exhausted", "failed"), 0
        )
        self._failures: list[BatchFailure] = []

    def add(self, settled: BatchAnswer, *, kept: bool = False) -> None:
        """Count one; ``kept`` if an earlier run had settled it."""
        answer, error = settled.answer, settled.error
        outcome = "failed" if answer is None else answer.outcome
        self._counts[outcome] += 1
        self._fresh += not kept
        if outcome == "failed" and len(self._failures) < _LISTED:
            if error is None:
                error = Problem(code="failed", message=answer.stop_reason if answer else "")
            failure = BatchFailure(id=settled.id, line=settled.line, **error.model_dump())
            self._failures.append(failure)

    def start(self) -> None:
        """Measure the rate from here: what was kept is counted."""
        self._started = time.monotonic()

    def progress(self) -> BatchProgress:
        """How far the batch is."""
        done, rate = sum(self._counts.values()), self._rate()
        known = self._total is not None and rate > 0
        return BatchProgress(
            done=done,
            total=self._total,
            failed=self._counts["failed"],
            per_second=rate,
            seconds_left=max(0, (self._total or 0) - done) / rate if known else None,
        )

    def report(self) -> BatchReport:
        """What the batch did."""
        return BatchReport(
            questions=sum(self._counts.values()),
            failures=tuple(self._failures),
            kept=sum(self._counts.values()) - self._fresh,
            seconds=round(time.monotonic() - self._started, 3),
            per_second=round(self._rate(), 3),
            **self._counts,
        )

    def _rate(self) -> float:
        return self._fresh / max(time.monotonic() - self._started, 1e-6)


class Batch:
    """Answers questions, whatever they come from.

    Args:
        ask: Answers one.
        ready: Called before each; what it raises ends the batch.
        executor: Decides where, and how many at once.
    """

    def __init__(
        self,
        ask: Callable[[BatchQuestion], Awaitable[Answer]],
        ready: Callable[[BatchQuestion], Awaitable[None]],
        executor: Executor,
    ) -> None:
        self._ask = ask
        self._ready = ready
        self._executor = executor

    async def answers(
        self,
        items: Iterable[Item],
        tally: Tally,
        on_progress: Callable[[BatchProgress], None] | None = None,
    ) -> AsyncGenerator[BatchAnswer, None]:
        """What becomes of each of ``items``, in order, counted by ``tally``."""
        async with aclosing(self._executor.map(self._settle, items)) as settled:
            async for answer in settled:
                tally.add(answer)
                if on_progress is not None:
                    on_progress(tally.progress())
                yield answer

    async def _settle(self, item: Item) -> BatchAnswer:
        if isinstance(item, BatchAnswer):
            return item
        line, question = item
        await self._ready(question)
        answer: Answer | None = None
        error: Problem | None = None
        try:
            answer = await self._ask(question)
        except CogAgentError as failure:
            error = problem(failure)
        except Exception as failure:
            log.exception("question %s of a batch failed", question.id)
            error = Problem(code="error", message=f"{type(failure).__name__}: {failure}")
        return BatchAnswer(line=line, answer=answer, error=error, **_carried(question))


def problem(error: CogAgentError) -> Problem:
    """An error as data."""
    return Problem(code=error.code, message=error.message, remedy=error.remedy)


def explained(error: ValidationError, record: type[Record]) -> InputError:
    """What pydantic found wrong with the fields of a record, in a sentence."""
    said: dict[str, str] = {}
    unknown = False
    for entry in error.errors(include_url=False, include_input=False):
        place = ".".join(map(str, entry["loc"]))
        reason = entry["msg"].removeprefix("Value error, ")
        if entry["type"] == "missing":
            said[place] = f"the field `{place}` is missing"
        elif entry["type"] == "extra_forbidden":
            unknown = True
            said[place] = f"there is no field `{place[:100]}`"
        else:
            said[place] = f"`{place[:100]}`: {reason[:1].lower()}{reason[1:]}"
    remedy = f"Fields: {', '.join(record.model_fields)}. Carry anything else in `metadata`."
    return InputError(f"{'; '.join(list(said.values())[:3])}.", remedy=remedy if unknown else "")


def _question(item: object) -> BatchQuestion:
    if isinstance(item, BatchQuestion):
        return item
    fields = {"question": item} if isinstance(item, str) else item
    if not isinstance(fields, Mapping):
        raise InputError(
            f"a question is an object with the field `question`, not a {_kind(item)}.",
            remedy='Write {"question": "…"}.',
        )
    try:
        return BatchQuestion.model_validate(dict(fields))
    except ValidationError as error:
        raise explained(error, BatchQuestion) from error


def _carried(question: BatchQuestion) -> dict[str, Any]:
    """What an answer repeats of its question."""
    return {name: getattr(question, name) for name in _CARRIED}


def _readable(item: object) -> dict[str, Any]:
    """What can be carried of a question that is malformed."""
    found: dict[str, Any] = {}
    if isinstance(item, Mapping):
        for name in _CARRIED:
            if name in item:
                try:
                    one = BatchQuestion.model_validate({"question": "", name: item[name]})
                except ValidationError:
                    continue  # it is what makes the question malformed
                found[name] = getattr(one, name)
    return found


_CARRIED = ("id", "question", "choices", "metadata")


def _kind(item: object) -> str:
    return "null" if item is None else type(item).__name__
