"""The durable queue, as workers see it: take a job, keep it, settle its items, let go of it.

A worker holds a job by a lease that it renews. Each of its writes names it, and is
refused when the job is not its own any more, so that a worker that was thought
dead and is not cannot disturb the one that took over.
"""

from __future__ import annotations

import json
import random
import sqlite3
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple

from cogagent.indexes.catalogue import Catalogue
from cogagent.indexes.job_rows import (
    Job,
    JobItem,
    JobProgress,
    JobState,
    Task,
    counts_of,
    find,
    item_of,
    job_of,
    now,
    rows,
    task_of,
    tell,
)
from cogagent.indexes.jobs import KEPT_BYTES, end_cancelled
from cogagent.indexes.runs import quote
from cogagent.types import Problem

LEASE_SECONDS = 30.0
"""How long a worker that says nothing keeps a job."""
_FIRST_PAUSE, _LONGEST_PAUSE = 2.0, 300.0
"""Seconds before the second attempt, twice that before the third, and so on."""
_SPREAD = 0.75, 1.25
_MOST_PAUSE = _LONGEST_PAUSE * _SPREAD[1]
_IS_DUE = "(attempts = 0 OR due <= :now OR due > :latest)"
"""What was never tried, or given back, need not wait; nor what waits longer than anything
may: the clock was set back."""
_TOLD_ITEMS = 100
"""Failed items of which each has an event of its own."""

Orders = Literal["go on", "cancel", "lost"]


class LeaseLostError(Exception):
    """The job is another worker's by now, or over."""


class Claim(NamedTuple):
    """A job that a worker holds.

    Attributes:
        caller: Who submitted it, as JSON.
        body: What it was submitted with.
    """

    job: Job
    worker: str
    caller: str
    body: dict[str, Any]


class Outcome(NamedTuple):
    """What became of an item."""

    number: int
    error: Problem | None = None
    documents: frozenset[str] = frozenset()
    """Of the home, that the answer to a question quotes."""


class Claims:
    """The jobs of one home, to work on.

    Args:
        catalogue: Where they are kept.
        attempts: How often a job is begun without getting on before it has failed.
        is_alive: Tells of a worker whether it lives; ``None`` if that is not known, and its
            lease has to tell.
        clock: Seconds since the epoch; tests put their own in.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        attempts: int,
        is_alive: Callable[[str], bool | None] = lambda _: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._catalogue = catalogue
        self._attempts = attempts
        self._is_alive = is_alive
        self._clock = clock

    # --- taking ------------------------------------------------------------

    def is_due(self) -> bool:
        """Whether there may be something to do; cheap, for asking often."""
        (found,) = (
            self._catalogue.reader()
            .execute(
                f"SELECT EXISTS (SELECT 1 FROM jobs WHERE state = 'queued' AND {_IS_DUE}) "
                "OR EXISTS (SELECT 1 FROM jobs WHERE state = 'running' AND lease < :now)",
                self._times(),
            )
            .fetchone()
        )
        return bool(found)

    def others_wait(self, owner: str) -> bool:
        """Whether somebody else has a job that could be begun now."""
        (found,) = (
            self._catalogue.reader()
            .execute(
                f"SELECT EXISTS (SELECT 1 FROM jobs WHERE state = 'queued' AND {_IS_DUE} "
                "AND owner <> :owner)",
                {**self._times(), "owner": owner},
            )
            .fetchone()
        )
        return bool(found)

    def claim(self, worker: str) -> Claim | None:
        """Take a job that is due: of the owner who has waited longest, the oldest.

        A job waits for those before it that write the same document, so that the
        last submitted is the last written.
        """
        self.reap()
        with self._catalogue.transaction() as connection:
            row = self._next(connection)
            if row is None:
                return None
            connection.execute(
                "UPDATE jobs SET state = 'running', worker = ?, lease = ?, started = ?, "
                "attempts = attempts + 1 WHERE id = ?",
                (worker, self._clock() + LEASE_SECONDS, now(), row["id"]),
            )
            tell(connection, row["id"], "started")
            taken = find(connection, row["id"])
            assert taken is not None
            job = job_of(connection, taken)
            return Claim(job, worker, taken["caller"], json.loads(taken["body"]))

    def _next(self, connection: sqlite3.Connection) -> sqlite3.Row | None:
        owners = connection.execute(
            f"SELECT w.owner FROM jobs w WHERE w.state = 'queued' AND {_IS_DUE} GROUP BY w.owner "
            "ORDER BY (SELECT max(started) FROM jobs o WHERE o.owner = w.owner) NULLS FIRST, "
            "min(w.number)",
            self._times(),
        ).fetchall()
        for (owner,) in owners:
            found = rows(
                connection,
                "SELECT * FROM jobs w WHERE w.owner = :owner AND w.state = 'queued' "
                f"AND {_IS_DUE} AND NOT EXISTS (SELECT 1 FROM job_items mine "
                "JOIN job_items theirs ON theirs.document = mine.document "
                "AND theirs.job <> mine.job AND theirs.state = 'queued' "
                "JOIN jobs j ON j.id = theirs.job AND j.state IN ('queued', 'running') "
                "AND j.number < w.number "
                "WHERE mine.job = w.id AND mine.state = 'queued' AND mine.document IS NOT NULL) "
                "ORDER BY w.number LIMIT 1",
                {**self._times(), "owner": owner},
            )
            if found:
                return found[0]
        return None

    def _times(self) -> dict[str, float]:
        now = self._clock()
        return {"now": now, "latest": now + _MOST_PAUSE}

    def reap(self, *, blame: bool = True) -> int:
        """Take the jobs of dead workers back, at once.

        Where it is not known whether one lives, its job is taken back when the lease has
        ended; a clock that is set forward ends no lease of one that does.

        Args:
            blame: Count it as an attempt that failed; not where the workers were ended.

        Returns:
            How many there were.
        """
        held = (
            self._catalogue.reader()
            .execute("SELECT id, worker, lease FROM jobs WHERE state = 'running'")
            .fetchall()
        )
        dead = [(job, worker) for job, worker, lease in held if self._is_dead(worker, lease)]
        for job, worker in dead:
            died = Problem(
                code="worker_crashed",
                message="the process that worked on it died, or said nothing for too long.",
            )
            try:
                if blame:
                    # Once more than else: the item that it died of may be known by then.
                    self.postpone(job, worker, died, more=1)
                else:
                    self.park(job, worker)
            except LeaseLostError:
                continue  # somebody else was faster
        return len(dead)

    def _is_dead(self, worker: str, lease: float) -> bool:
        alive = self._is_alive(worker)
        return lease < self._clock() if alive is None else not alive

    # --- holding -----------------------------------------------------------

    def orders(self, claim: Claim) -> Orders:
        """What is to become of a job; cheap, for asking often."""
        row = find(self._catalogue.reader(), claim.job.id)
        return _orders(row, claim)

    def beat(self, claim: Claim, progress: JobProgress | None) -> Orders:
        """Renew the lease, tell how far the job is, and hear what is to become of it."""
        with self._catalogue.transaction() as connection:
            row = find(connection, claim.job.id)
            ordered = _orders(row, claim)
            if row is None or ordered == "lost":
                return "lost"
            shown = None if progress is None else progress.model_dump_json()
            connection.execute(
                "UPDATE jobs SET lease = ?, progress = coalesce(?, progress) WHERE id = ?",
                (self._clock() + LEASE_SECONDS, shown, claim.job.id),
            )
            if shown is not None and shown != row["progress"]:
                tell(connection, claim.job.id, "progress")
            return ordered

    def tasks(self, claim: Claim) -> list[Task]:
        """The items that are not settled, in their order."""
        found = rows(
            self._catalogue.reader(),
            "SELECT * FROM job_items WHERE job = ? AND state = 'queued' ORDER BY number",
            (claim.job.id,),
        )
        return [task_of(row) for row in found]

    def begin_alone(self, claim: Claim, task: Task) -> int:
        """Note that an item is begun by itself: whoever dies over it died of it.

        Returns:
            How often that happened before.
        """
        with self._held(claim) as connection:
            connection.execute(
                "UPDATE job_items SET attempts = attempts + 1 WHERE job = ? AND number = ?",
                (claim.job.id, task.number),
            )
        return task.attempts

    def settle(self, claim: Claim, outcomes: Iterable[Outcome]) -> None:
        """Tell what became of items: the job has got on.

        Raises:
            LeaseLostError: If the job is another's; nothing was changed.
        """
        with self._held(claim) as connection:
            for number, error, documents in outcomes:
                changed = connection.execute(
                    "UPDATE job_items SET state = ?, error = ?, attempts = 0, withdrawn = 0 "
                    "WHERE job = ? AND number = ? AND state = 'queued'",
                    ("failed" if error else "done", error.model_dump_json() if error else None,
                     claim.job.id, number),
                ).rowcount  # fmt: skip
                if changed:
                    quote(connection, claim.job.id, number, documents)
                if changed and error is not None:
                    self._tell_failure(connection, claim.job.id, number)
            connection.execute(
                "UPDATE jobs SET attempts = 1, error = NULL WHERE id = ?", (claim.job.id,)
            )

    @staticmethod
    def _tell_failure(connection: sqlite3.Connection, job: str, number: int) -> None:
        if counts_of(connection, job).failed > _TOLD_ITEMS:
            return
        (row,) = rows(
            connection, "SELECT * FROM job_items WHERE job = ? AND number = ?", (job, number)
        )
        item: JobItem = item_of(row)
        tell(connection, job, "item", item=item, error=item.error)

    # --- letting go --------------------------------------------------------

    def finish(self, claim: Claim) -> JobState:
        """End a job whose items are settled, or that was cancelled.

        Raises:
            LeaseLostError: If the job is another's; nothing was changed.
        """
        with self._held(claim) as connection:
            counts = counts_of(connection, claim.job.id)
            if counts.queued:
                end_cancelled(connection, claim.job.id)
                return "cancelled"
            state: JobState = "done"
            if counts.failed or counts.cancelled:
                state = "partial" if counts.done else "failed"
            _end(connection, claim.job.id, state, None)
            return state

    def park(self, job: str, worker: str) -> None:
        """Give a job back for somebody else to go on with; it counts as no attempt.

        Raises:
            LeaseLostError: If the job is another's; nothing was changed.
        """
        with self._owned(job, worker) as (connection, row):
            if row["cancelling"]:
                end_cancelled(connection, job)
                return
            connection.execute(
                "UPDATE jobs SET state = 'queued', worker = NULL, lease = NULL, due = ?, "
                "attempts = max(attempts - 1, 0) WHERE id = ?",
                (self._clock(), job),
            )
            tell(connection, job, "queued")

    def postpone(
        self, job: str, worker: str, error: Problem, *, lasting: bool = False, more: int = 0
    ) -> None:
        """Give a job back whose attempt failed, to be tried later; the last one fails it.

        Args:
            job: Its id.
            worker: Who holds it.
            error: What happened.
            lasting: It would happen again.
            more: Attempts beyond those that the settings allow.

        Raises:
            LeaseLostError: If the job is another's; nothing was changed.
        """
        with self._owned(job, worker) as (connection, row):
            if row["cancelling"]:
                end_cancelled(connection, job)
                return
            if lasting or row["attempts"] >= self._attempts + more:
                self._fail(connection, job, error, row["attempts"], lasting=lasting)
                return
            pause = min(_FIRST_PAUSE * 2 ** (row["attempts"] - 1), _LONGEST_PAUSE)
            due = self._clock() + pause * random.uniform(*_SPREAD)  # noqa: S311 - no secret
            connection.execute(
                "UPDATE jobs SET state = 'queued', worker = NULL, lease = NULL, due = ?, "
                "error = ? WHERE id = ?",
                (due, error.model_dump_json(), job),
            )
            tell(connection, job, "waiting", error=error)

    @staticmethod
    def _fail(
        connection: sqlite3.Connection, job: str, error: Problem, attempts: int, *, lasting: bool
    ) -> None:
        if not lasting and attempts > 1:
            message = f"given up after {attempts} attempts: {error.message}"
            error = error.model_copy(update={"message": message})
        connection.execute(
            "UPDATE job_items SET state = 'failed', error = ? WHERE job = ? AND state = 'queued'",
            (error.model_dump_json(), job),
        )
        state: JobState = "partial" if counts_of(connection, job).done else "failed"
        _end(connection, job, state, error)

    # --- tidying -----------------------------------------------------------

    def needed_uploads(self, names: Collection[str], retry_since: str) -> dict[str, bool]:
        """Of uploaded files, whether their job needs them; those of no job are left out.

        Args:
            names: Of the files.
            retry_since: A job that ended after this needs those that failed: it may be
                retried. ISO 8601.
        """
        found = self._catalogue.reader().execute(
            "SELECT i.upload, i.state <> 'done' AND (j.finished IS NULL OR j.finished > ?) "
            "FROM job_items i JOIN jobs j ON j.id = i.job "
            "WHERE i.upload IN (SELECT value FROM json_each(?))",
            (retry_since, json.dumps(list(names))),
        )
        return {upload: bool(needed) for upload, needed in found}

    def release(self, retry_since: str) -> None:
        """Count the files no more of jobs that ended before then; see :meth:`needed_uploads`."""
        with self._catalogue.transaction() as connection:
            connection.execute(
                "UPDATE jobs SET bytes = 0 WHERE bytes > 0 AND finished <= ?", (retry_since,)
            )

    def forget(self, keep: int, before: str) -> Sequence[str]:
        """Forget finished jobs but for the newest, and those of late; their ids.

        Args:
            keep: How many.
            before: Those that ended after this stay in any case. ISO 8601.
        """
        with self._catalogue.transaction() as connection:
            gone = [
                job
                for (job,) in connection.execute(
                    "SELECT id FROM (SELECT id, finished FROM jobs WHERE finished IS NOT NULL "
                    "ORDER BY number DESC LIMIT -1 OFFSET ?) WHERE finished < ?",
                    (keep, before),
                )
            ]
            connection.executemany("DELETE FROM jobs WHERE id = ?", [(job,) for job in gone])
        return gone

    def withdrawn(self) -> dict[str, list[int]]:
        """Of batches that are over, the answers that quote what was deleted, still in the file."""
        found: dict[str, list[int]] = {}
        for job, number in self._catalogue.reader().execute(
            "SELECT i.job, i.number FROM job_items i JOIN jobs j ON j.id = i.job "
            "WHERE i.withdrawn = 1 AND j.finished IS NOT NULL ORDER BY i.job, i.number"
        ):
            found.setdefault(job, []).append(number)
        return found

    def scrubbed(self, job: str, numbers: Iterable[int]) -> None:
        """Note that answers are in the file no more."""
        with self._catalogue.transaction() as connection:
            connection.executemany(
                "UPDATE job_items SET withdrawn = 2 "
                "WHERE job = ? AND number = ? AND withdrawn = 1",
                [(job, number) for number in numbers],
            )

    def exists(self, job: str) -> bool:
        """Whether there is such a job."""
        return find(self._catalogue.reader(), job) is not None

    # --- inside ------------------------------------------------------------

    @contextmanager
    def _held(self, claim: Claim) -> Iterator[sqlite3.Connection]:
        with self._owned(claim.job.id, claim.worker) as (connection, _):
            yield connection

    @contextmanager
    def _owned(self, job: str, worker: str) -> Iterator[tuple[sqlite3.Connection, sqlite3.Row]]:
        """A transaction in which the job is this worker's."""
        with self._catalogue.transaction() as connection:
            row = find(connection, job)
            if row is None or (row["state"], row["worker"]) != ("running", worker):
                raise LeaseLostError(job)
            yield connection, row


def _orders(row: sqlite3.Row | None, claim: Claim) -> Orders:
    if row is None or (row["state"], row["worker"]) != ("running", claim.worker):
        return "lost"
    return "cancel" if row["cancelling"] else "go on"


def _end(connection: sqlite3.Connection, job: str, state: JobState, error: Problem | None) -> None:
    connection.execute(
        "UPDATE jobs SET state = ?, finished = ?, worker = NULL, lease = NULL, cancelling = 0, "
        f"bytes = {KEPT_BYTES}, progress = NULL, error = ? WHERE id = ?",
        (state, now(), error.model_dump_json() if error else None, job),
    )
    tell(connection, job, "finished", error=error)
