"""Jobs, their items and events as records, and how they stand in the catalogue."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

from pydantic import Field

from cogagent.types import Problem, Record

JobKind = Literal["ingest", "batch"]
JobState = Literal["queued", "running", "done", "partial", "failed", "cancelled"]
ItemState = Literal["queued", "done", "failed", "cancelled"]
JobEventType = Literal[
    "queued", "started", "progress", "item", "waiting", "cancelling", "finished"
]

FINAL: frozenset[JobState] = frozenset({"done", "partial", "failed", "cancelled"})
"""States in which nothing more happens to a job, unless its failures are retried."""
MOST_EVENTS = 500
"""Events that are kept of a job, the newest."""


class ItemCounts(Record):
    """How many items of a job are in which state."""

    total: int = 0
    queued: int = 0
    """Not settled yet."""
    done: int = 0
    failed: int = 0
    cancelled: int = 0


class JobProgress(Record):
    """How far a running job is, between two items."""

    stage: Literal["fetching", "text", "pictures", "questions"]
    done: int = 0
    """Documents, pictures or questions, of those at hand."""
    total: int | None = None
    pages: int = 0
    """Read since the worker took the job."""
    seconds_left: float | None = None
    uri: str = ""
    """What is being worked on."""


class Job(Record):
    """Work that was submitted, and what has become of it."""

    number: int = Field(default=0, exclude=True)
    """In the order of submission; lists go by it. Not told: it counts the jobs of others, too."""
    id: str
    kind: JobKind
    owner: str
    """Id of the API key that submitted it; empty for the machine's own user."""
    collection: str
    state: JobState
    """``partial``: over, and some of its items failed; ``failed``: none could be done."""
    cancelling: bool = False
    """It is to end, and a worker has still to notice."""
    items: ItemCounts
    bytes: int = 0
    """Uploaded, that wait for it, or are kept to retry what failed."""
    attempts: int = 0
    """How often it was begun since it last got on."""
    created: str
    """UTC, ISO 8601, like all times."""
    started: str | None = None
    """When a worker took it, for the last time."""
    finished: str | None = None
    due: str | None = None
    """Queued after a failed attempt: when it is tried again."""
    progress: JobProgress | None = None
    error: Problem | None = None
    """Why it failed, or why the last attempt did."""

    @property
    def is_final(self) -> bool:
        """Whether it is over."""
        return self.state in FINAL


class JobItem(Record):
    """One document, or one question, of a job."""

    number: int = Field(ge=1)
    uri: str
    """Of a question: its id."""
    document: str | None = None
    """Id that the document has, or will have."""
    state: ItemState
    error: Problem | None = None


class JobEvent(Record):
    """Something that happened to a job; numbered from 1, of the oldest some may be gone."""

    number: int = Field(ge=1)
    at: str
    type: JobEventType
    state: JobState
    items: ItemCounts
    progress: JobProgress | None = None
    item: JobItem | None = None
    """Of an event ``item``: one that failed."""
    error: Problem | None = None


class Task(NamedTuple):
    """An item as the worker needs it."""

    number: int
    uri: str
    document: str | None
    upload: str | None
    body: dict[str, Any]
    attempts: int
    retried: bool


def now() -> str:
    """The time as it is stored."""
    return datetime.now(UTC).isoformat()


def job_of(connection: sqlite3.Connection, row: sqlite3.Row) -> Job:
    """A row of ``jobs`` as a record."""
    waits = row["state"] == "queued" and row["attempts"] > 0
    return Job(
        number=row["number"],
        id=row["id"],
        kind=row["kind"],
        owner=row["owner"],
        collection=row["collection"],
        state=row["state"],
        cancelling=bool(row["cancelling"]) and row["state"] == "running",
        items=counts_of(connection, row["id"]),
        bytes=row["bytes"],
        attempts=row["attempts"],
        created=row["created"],
        started=row["started"],
        finished=row["finished"],
        due=datetime.fromtimestamp(row["due"], UTC).isoformat() if waits else None,
        progress=JobProgress.model_validate_json(row["progress"]) if row["progress"] else None,
        error=problem_of(row["error"]),
    )


def rows(
    connection: sqlite3.Connection,
    statement: str,
    values: tuple[object, ...] | Mapping[str, object],
) -> list[sqlite3.Row]:
    """What a statement finds, by the names of the columns."""
    cursor = connection.cursor()
    cursor.row_factory = sqlite3.Row
    return cursor.execute(statement, values).fetchall()


def find(connection: sqlite3.Connection, job: str) -> sqlite3.Row | None:
    """The row of a job, or ``None``."""
    return next(iter(rows(connection, "SELECT * FROM jobs WHERE id = ?", (job,))), None)


def counts_of(connection: sqlite3.Connection, job: str) -> ItemCounts:
    """How many items of a job are in which state."""
    found = dict(
        connection.execute(
            "SELECT state, count(*) FROM job_items WHERE job = ? GROUP BY state", (job,)
        )
    )
    return ItemCounts(total=sum(found.values()), **found)


def item_of(row: sqlite3.Row) -> JobItem:
    """A row of ``job_items`` as a record."""
    return JobItem(
        number=row["number"],
        uri=row["uri"],
        document=row["document"],
        state=row["state"],
        error=problem_of(row["error"]),
    )


def task_of(row: sqlite3.Row) -> Task:
    """A row of ``job_items`` as the worker needs it."""
    return Task(
        row["number"], row["uri"], row["document"], row["upload"], json.loads(row["body"]),
        row["attempts"], bool(row["retried"]),
    )  # fmt: skip


def problem_of(stored: str | None) -> Problem | None:
    """A stored error."""
    return None if stored is None else Problem.model_validate_json(stored)


def tell(
    connection: sqlite3.Connection,
    job: str,
    kind: JobEventType,
    *,
    item: JobItem | None = None,
    error: Problem | None = None,
) -> None:
    """Add an event to a job, within the transaction that made it happen."""
    row = find(connection, job)
    if row is None:
        return
    (last,) = connection.execute(
        "SELECT coalesce(max(number), 0) FROM job_events WHERE job = ?", (job,)
    ).fetchone()
    event = JobEvent(
        number=last + 1,
        at=now(),
        type=kind,
        state=row["state"],
        items=counts_of(connection, job),
        progress=JobProgress.model_validate_json(row["progress"]) if row["progress"] else None,
        item=item,
        error=error,
    )
    connection.execute(
        "INSERT INTO job_events VALUES (?, ?, ?, ?)",
        (job, event.number, event.at, event.model_dump_json()),
    )
    connection.execute(
        "DELETE FROM job_events WHERE job = ? AND number <= ?", (job, event.number - MOST_EVENTS)
    )
