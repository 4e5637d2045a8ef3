"""The durable queue, as those see it who submit jobs; workers see :mod:`.job_claims`.

A job is in the catalogue, and on the disk, before its submission is acknowledged, and
every change of its state is one transaction, so that a kill at any moment loses and
doubles nothing. After a loss of power, the last items that were done may be done again.
"""

from __future__ import annotations

import json
import math
import sqlite3
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cogagent.errors import ConflictError, NotFoundError, QueueFullError
from cogagent.indexes.catalogue import Catalogue
from cogagent.indexes.job_rows import (
    FINAL,
    ItemCounts,
    ItemState,
    Job,
    JobEvent,
    JobEventType,
    JobItem,
    JobKind,
    JobProgress,
    JobState,
    counts_of,
    find,
    item_of,
    job_of,
    now,
    rows,
    tell,
)

__all__ = [
    "FINAL", "ItemCounts", "ItemState", "Job", "JobEvent", "JobEventType", "JobItem", "JobKind",
    "JobProgress", "JobQueue", "JobState", "NewItem", "NewJob",
]  # fmt: skip
_UNFINISHED = "state IN ('queued', 'running')"
KEPT_BYTES = (
    "(SELECT coalesce(sum(i.bytes), 0) FROM job_items i WHERE i.job = jobs.id "
    "AND i.upload IS NOT NULL AND i.state <> 'done')"
)
"""Of a job: the uploaded files that are kept so that what failed can be retried."""
_LEAST_WAIT, _MOST_WAIT = 1.0, 120.0
"""Seconds that a caller is asked to wait where the queue is full."""
_SHARE = 0.75
"""Part of the queue that one API key may fill, so that others find room."""
_LAST = 20
"""Finished jobs by which it is estimated when there will be room."""


@dataclass(frozen=True, slots=True)
class NewItem:
    """An item of a job to be.

    Attributes:
        uri: Of the document, or the id of the question.
        document: Id that the document will have.
        upload: Name of the uploaded file.
        bytes: Of that file.
        body: What else the worker needs.
        number: Its place among the items; by default behind the one before.
    """

    uri: str
    document: str | None = None
    upload: str | None = None
    body: Mapping[str, Any] | None = None
    bytes: int = 0
    number: int | None = None


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to be.

    Attributes:
        caller: Who submits it, as JSON.
        bytes: That were uploaded for it.
        idempotency: The caller's key for the request: the same one again is the same job.
        request: Hash of the request.
    """

    kind: JobKind
    owner: str
    caller: str
    collection: str
    items: Sequence[NewItem]
    body: Mapping[str, Any]
    bytes: int = 0
    idempotency: str | None = None
    request: str = ""
    id: str = ""


def new_id() -> str:
    """The id of a job to be."""
    return f"job-{uuid.uuid4().hex[:20]}"


class JobQueue:
    """The jobs of one home.

    Args:
        catalogue: Where they are kept.
        most: Jobs that may wait or run.
        most_bytes: Uploaded bytes that may wait.
        workers: Who work on them, to estimate when there will be room.
        discard: Removes uploaded files of failed items, which are kept only while there is room.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        most: int,
        most_bytes: int,
        workers: int = 1,
        discard: Callable[..., None] = lambda *_: None,
    ) -> None:
        self._catalogue = catalogue
        self._most = most
        self._most_bytes = most_bytes
        self._workers = max(workers, 1)
        self._discard = discard

    # --- submitting --------------------------------------------------------

    def submit(self, new: NewJob) -> tuple[Job, bool]:
        """Queue a job.

        Returns:
            The job, and whether it is new: with an idempotency key that its owner used
            before, it is the job of then.

        Raises:
            ConflictError: If the key was used for another request.
            QueueFullError: If there is no room.
            DiskFullError: If there is no space.
        """
        with self._catalogue.transaction(lasting=True) as connection:
            if (earlier := self._earlier(connection, new)) is not None:
                return earlier, False
            self._check_room(connection, new.owner, new.bytes)
            job = new.id or new_id()
            connection.execute(
                "INSERT INTO jobs (id, kind, owner, caller, collection, state, body, bytes, "
                "created, due, idempotency, request) "
                "VALUES (?, ?, ?, ?, ?, 'queued', ?, ?, ?, ?, ?, ?)",
                (job, new.kind, new.owner, new.caller, new.collection, json.dumps(dict(new.body)),
                 new.bytes, now(), time.time(), new.idempotency, new.request),
            )  # fmt: skip
            connection.executemany(
                "INSERT INTO job_items (job, number, state, uri, document, upload, body, bytes) "
                "VALUES (?, ?, 'queued', ?, ?, ?, ?, ?)",
                [
                    (job, item.number or place, item.uri, item.document, item.upload,
                     json.dumps(dict(item.body or {})), item.bytes)
                    for place, item in enumerate(new.items, 1)
                ],
            )  # fmt: skip
            tell(connection, job, "queued")
            dropped = self._make_room(connection)
            made = job_of(connection, _there(find(connection, job), job))
        self._discard(*dropped)
        return made, True

    def earlier(self, owner: str, idempotency: str | None, request: str) -> Job | None:
        """The job that was submitted with this key before, if any.

        Raises:
            ConflictError: If the key was used for another request.
        """
        asked = NewJob("ingest", owner, "", "", (), {}, 0, idempotency, request)
        return self._earlier(self._catalogue.reader(), asked)

    def check_room(self, owner: str, more: int = 0) -> None:
        """Refuse work that the queue has no room for, before it is uploaded.

        Args:
            owner: Whose it would be.
            more: Bytes that it would bring.

        Raises:
            QueueFullError: If there is no room.
        """
        self._check_room(self._catalogue.reader(), owner, more)

    # --- looking -----------------------------------------------------------

    def get(self, job: str) -> Job:
        """A job by id.

        Raises:
            NotFoundError: If there is none.
        """
        connection = self._catalogue.reader()
        return job_of(connection, _there(find(connection, job), job))

    def newest(self, owner: str | None, after: int = 0, limit: int = 50) -> list[Job]:
        """Jobs, the newest first.

        Args:
            owner: Whose; ``None`` for all.
            after: Number of the job that the last list ended with; 0 for none.
            limit: How many.
        """
        connection = self._catalogue.reader()
        whose, values = ("1", ()) if owner is None else ("owner = ?", (owner,))
        found = rows(
            connection,
            f"SELECT * FROM jobs WHERE {whose} "
            "AND (? = 0 OR number < ?) "
            "ORDER BY number DESC LIMIT ?",
            (*values, after, after, limit),
        )
        return [job_of(connection, row) for row in found]

    def items(
        self, job: str, state: ItemState | None = None, after: int = 0, limit: int = 100
    ) -> list[JobItem]:
        """The items of a job in their order, those in one state or all."""
        among, values = ("", ()) if state is None else ("AND state = ? ", (state,))
        found = rows(
            self._catalogue.reader(),
            f"SELECT * FROM job_items WHERE job = ? {among}AND number > ? ORDER BY number LIMIT ?",
            (job, *values, after, limit),
        )
        return [item_of(row) for row in found]

    def events(self, job: str, after: int = 0, limit: int = 100) -> list[JobEvent]:
        """What happened to a job after the event of that number."""
        found = self._catalogue.reader().execute(
            "SELECT body FROM job_events WHERE job = ? AND number > ? ORDER BY number LIMIT ?",
            (job, after, limit),
        )
        return [JobEvent.model_validate_json(body) for (body,) in found]

    def body(self, job: str) -> dict[str, Any]:
        """What a job was submitted with."""
        row = _there(find(self._catalogue.reader(), job), job)
        found: dict[str, Any] = json.loads(row["body"])
        return found

    def withdrawn(self, job: str) -> set[int]:
        """The questions of a batch whose answers quote what has been deleted."""
        found = self._catalogue.reader().execute(
            "SELECT number FROM job_items WHERE job = ? AND withdrawn > 0", (job,)
        )
        return {number for (number,) in found}

    def quoted(self, job: str) -> dict[int, set[str]]:
        """Of each question of a batch, the home's documents that its answer quotes."""
        found: dict[int, set[str]] = {}
        for item, document in self._catalogue.reader().execute(
            "SELECT item, document FROM item_documents WHERE job = ?", (job,)
        ):
            found.setdefault(item, set()).add(document)
        return found

    # --- steering ----------------------------------------------------------

    def cancel(self, job: str) -> Job:
        """End a job: at once if it waits, soon if a worker is at it; one that is over stays.

        What was done stays done.

        Raises:
            NotFoundError: If there is none.
        """
        with self._catalogue.transaction(lasting=True) as connection:
            row = _there(find(connection, job), job)
            if row["state"] == "queued":
                end_cancelled(connection, job)
            elif row["state"] == "running" and not row["cancelling"]:
                connection.execute("UPDATE jobs SET cancelling = 1 WHERE id = ?", (job,))
                tell(connection, job, "cancelling")
            return job_of(connection, _there(find(connection, job), job))

    def call_off(self, document: str, owner: str | None) -> None:
        """Cancel what waits to write a document; its uploaded files go.

        Args:
            document: Its id.
            owner: Whose jobs; ``None`` for everybody's.

        Raises:
            ConflictError: If a worker is at it; nothing was cancelled.
        """
        with self._catalogue.transaction() as connection:
            found = rows(
                connection,
                "SELECT i.job, i.number, i.upload, j.state FROM job_items i "
                "JOIN jobs j ON j.id = i.job WHERE i.document = :document "
                f"AND i.state = 'queued' AND j.{_UNFINISHED} "
                "AND (:owner IS NULL OR j.owner = :owner)",
                {"document": document, "owner": owner},
            )
            for row in found:
                if row["state"] == "running":
                    raise ConflictError(
                        f"the document {document!r} is being read.",
                        remedy=f"Cancel the job {row['job']}, or wait until it is over.",
                    )
            for row in found:
                connection.execute(
                    "UPDATE job_items SET state = 'cancelled', bytes = 0 "
                    "WHERE job = ? AND number = ?",
                    (row["job"], row["number"]),
                )
            for job in {row["job"] for row in found}:
                if counts_of(connection, job).queued:
                    tell(connection, job, "progress")
                else:
                    end_cancelled(connection, job)
        self._discard(*(row["upload"] for row in found if row["upload"]))

    def retry(self, job: str, uploads_there: set[str]) -> Job:
        """Queue the items of a job once more that failed or were cancelled, and no others.

        Args:
            job: Its id.
            uploads_there: Names of the uploaded files that are still kept.

        Raises:
            NotFoundError: If there is no such job.
            ConflictError: If it is not over, has no failures, or their files are gone.
            QueueFullError: If there is no room.
        """
        with self._catalogue.transaction(lasting=True) as connection:
            row = _there(find(connection, job), job)
            if row["state"] not in FINAL:
                raise ConflictError(f"the job {job} is not over.", remedy="Wait, or cancel it.")
            failed = rows(
                connection,
                "SELECT number, upload FROM job_items WHERE job = ? "
                "AND state IN ('failed', 'cancelled')",
                (job,),
            )
            again = [r["number"] for r in failed if r["upload"] in {None, *uploads_there}]
            if not failed:
                raise ConflictError(f"nothing of the job {job} failed.")
            if not again:
                raise ConflictError(
                    f"the files of the job {job} that failed are kept no longer.",
                    remedy="Upload them again.",
                )
            self._check_room(connection, row["owner"], 0)
            connection.executemany(
                "UPDATE job_items SET state = 'queued', error = NULL, attempts = 0, retried = 1 "
                "WHERE job = ? AND number = ?",
                [(job, number) for number in again],
            )
            connection.execute(
                "UPDATE jobs SET state = 'queued', due = ?, attempts = 0, cancelling = 0, "
                f"finished = NULL, error = NULL, progress = NULL, bytes = {KEPT_BYTES} "
                "WHERE id = ?",
                (time.time(), job),
            )
            tell(connection, job, "queued")
            return job_of(connection, _there(find(connection, job), job))

    # --- inside ------------------------------------------------------------

    def _earlier(self, connection: sqlite3.Connection, new: NewJob) -> Job | None:
        if new.idempotency is None:
            return None
        found = rows(
            connection,
            "SELECT * FROM jobs WHERE owner = ? AND idempotency = ?",
            (new.owner, new.idempotency),
        )
        if not found:
            return None
        if found[0]["request"] != new.request:
            raise ConflictError(
                "this idempotency key was used for another request.",
                remedy="Use a new key for each request.",
            )
        return job_of(connection, found[0])

    def _check_room(self, connection: sqlite3.Connection, owner: str, more: int) -> None:
        jobs, held = _waiting(connection)
        there = jobs < self._most and (held + more <= self._most_bytes or not held)
        if there and not (owner and self._has_its_share(connection, owner, more)):
            return
        raise QueueFullError(
            f"{jobs} jobs with {held >> 20} MiB wait already."
            if not there
            else f"this API key fills its part of the queue, {_SHARE:.0%}.",
            remedy="Try again later.",
            retry_after=self._until_room(connection),
        )

    def _has_its_share(self, connection: sqlite3.Connection, owner: str, more: int) -> bool:
        jobs, held = _waiting(connection, owner)
        too_big = held > 0 and held + more > _SHARE * self._most_bytes
        return jobs >= math.ceil(_SHARE * self._most) or too_big

    def _make_room(self, connection: sqlite3.Connection) -> list[str]:
        """Give up the files of what failed, the oldest first, as far as others need the room.

        Returns:
            Their names.
        """
        (held,) = connection.execute("SELECT coalesce(sum(bytes), 0) FROM jobs").fetchone()
        names: list[str] = []
        for job, size in connection.execute(
            f"SELECT id, bytes FROM jobs WHERE NOT {_UNFINISHED} AND bytes > 0 ORDER BY number"
        ).fetchall():
            if held <= self._most_bytes:
                break
            held -= size
            connection.execute("UPDATE jobs SET bytes = 0 WHERE id = ?", (job,))
            names += [
                name
                for (name,) in connection.execute(
                    "SELECT upload FROM job_items WHERE job = ? AND state <> 'done' "
                    "AND upload IS NOT NULL",
                    (job,),
                )
            ]
        return names

    def _until_room(self, connection: sqlite3.Connection) -> float:
        """Seconds until a job will be over, as the last ones went."""
        (mean,) = connection.execute(
            "SELECT avg(seconds) FROM (SELECT (julianday(finished) - julianday(started)) * 86400 "
            "AS seconds FROM jobs WHERE finished IS NOT NULL AND started IS NOT NULL "
            "ORDER BY number DESC LIMIT ?)",
            (_LAST,),
        ).fetchone()
        return min(max((mean or 0.0) / self._workers, _LEAST_WAIT), _MOST_WAIT)


def end_cancelled(connection: sqlite3.Connection, job: str) -> None:
    """Put an end to a job that is to be cancelled and that nobody works on."""
    connection.execute(
        "UPDATE job_items SET state = 'cancelled' WHERE job = ? AND state = 'queued'", (job,)
    )
    connection.execute(
        "UPDATE jobs SET state = 'cancelled', finished = ?, worker = NULL, lease = NULL, "
        f"cancelling = 0, bytes = {KEPT_BYTES}, progress = NULL WHERE id = ?",
        (now(), job),
    )
    tell(connection, job, "finished")


def _waiting(connection: sqlite3.Connection, owner: str | None = None) -> tuple[int, int]:
    jobs, held = connection.execute(
        f"SELECT count(*), coalesce(sum(bytes), 0) FROM jobs WHERE {_UNFINISHED} "
        "AND coalesce(owner = ?, 1)",
        (owner,),
    ).fetchone()
    return int(jobs), int(held)


def _there(row: sqlite3.Row | None, job: str) -> sqlite3.Row:
    if row is None:
        raise no_job(job)
    return row


def no_job(job: str) -> NotFoundError:
    """What is said of a job that is not there, or not to be seen."""
    return NotFoundError(f"there is no job {job!r}.", remedy="See the list of jobs.")
