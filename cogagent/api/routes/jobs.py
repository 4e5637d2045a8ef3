"""Jobs: work that was submitted, how far it is, what failed; and batches of questions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Annotated

from fastapi import Path, Query, Request, Response
from starlette.responses import StreamingResponse

from cogagent.api import etags, payloads, streaming
from cogagent.api.paging import Cursor, Limit, Page, number, page
from cogagent.api.routes.base import (
    IdempotencyKey,
    IfNoneMatch,
    LastEventId,
    Reader,
    gives,
    parts_of,
    router,
)
from cogagent.api.streaming import Frame
from cogagent.api.views import Name
from cogagent.indexes.jobs import ItemState, Job, JobEvent, JobItem

routes = router("jobs")

JobId = Annotated[str, Path(max_length=100, description="The job's id.")]
JSONL = ("application/jsonl", "application/x-ndjson")
_LINES = {
    kind: {
        "schema": {
            "type": "string",
            "description": "A BatchQuestion a line; pictures are data URIs.",
        }
    }
    for kind in JSONL
}
_BLOCK = 1 << 16


@routes.get("/jobs", responses=gives(Page[Job]))
def list_jobs(
    request: Request, session: Reader, after: Cursor = "", limit: Limit = 50
) -> Response:
    """The caller's jobs, the newest first."""
    desk = parts_of(request).jobs
    found = desk.jobs(session.caller, number("jobs", after), limit + 1)
    return etags.reply(page("jobs", found, limit, lambda one: str(one.number)))


@routes.get("/jobs/{job}", responses=gives(Job, tagged=True))
def show_job(
    request: Request,
    session: Reader,
    job: JobId,
    if_none_match: IfNoneMatch = None,  # noqa: ARG001 - read from the request
) -> Response:
    """A job: its state, how far it is, how many of its items failed."""
    return etags.tagged(request, parts_of(request).jobs.job(session.caller, job))


@routes.get("/jobs/{job}/items", responses=gives(Page[JobItem]))
def list_job_items(
    request: Request,
    session: Reader,
    job: JobId,
    state: Annotated[
        ItemState | None, Query(description="Only these; `failed` lists the failures.")
    ] = None,
    after: Cursor = "",
    limit: Limit = 50,
) -> Response:
    """The documents or questions of a job; those that failed say why."""
    behind = number("items", after)
    found = parts_of(request).jobs.items(session.caller, job, state, behind, limit + 1)
    return etags.reply(page("items", found, limit, lambda one: str(one.number)))


@routes.get("/jobs/{job}/events", responses=gives(JobEvent, media=streaming.MEDIA_TYPE))
async def follow_job(
    request: Request, session: Reader, job: JobId, last_event_id: LastEventId = None
) -> Response:
    """What happens to a job, until it is over; behind the event that `Last-Event-ID` names."""
    parts = parts_of(request)
    await asyncio.to_thread(parts.jobs.job, session.caller, job)
    events = parts.jobs.events(session.caller, job, int(last_event_id or 0))
    return streaming.frames_stream(
        _frames(events), parts.settings.heartbeat_seconds, parts.may(session.caller)
    )


@routes.post("/jobs/{job}/cancel", responses=gives(Job))
def cancel_job(request: Request, session: Reader, job: JobId) -> Response:
    """End a job; what was done stays, and one that is over stays as it is."""
    return etags.reply(parts_of(request).jobs.cancel(session.caller, job))


@routes.post("/jobs/{job}/retry", status_code=202, responses=gives(Job, 409, status=202))
def retry_job(request: Request, session: Reader, job: JobId) -> Response:
    """Try what failed once more, and nothing else."""
    return etags.reply(parts_of(request).jobs.retry(session.caller, job), 202)


@routes.post(
    "/batches",
    status_code=202,
    responses=gives(Job, 408, 409, 413, 415, status=202),
    openapi_extra={"requestBody": {"required": True, "content": _LINES}},
)
async def submit_batch(
    request: Request,
    session: Reader,
    collection: Annotated[
        Name, Query(description="For questions that name none; likewise what follows.")
    ] = "default",
    planner: Annotated[str | None, Query(max_length=100)] = None,
    strict: Annotated[bool, Query(description="As for a question.")] = False,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Answer many questions, a line of JSON each, by a job."""
    payloads.require_type(request, *JSONL)
    body = await request.body()
    job = await asyncio.to_thread(
        parts_of(request).jobs.submit_batch, session.caller, body, collection, planner, None,
        strict, idempotency_key,
    )  # fmt: skip
    return etags.reply(job, 202, {"Location": f"/v1/jobs/{job.id}"})


@routes.get(
    "/batches/{job}/answers",
    responses={
        200: {
            "description": "A BatchAnswer a line, in the order of the questions.",
            "content": {JSONL[0]: {"schema": {"type": "string"}}},
        }
    },
)
def fetch_answers(request: Request, session: Reader, job: JobId) -> Response:
    """The answers of a batch, as far as they are there."""
    lines = parts_of(request).jobs.answer_lines(session.caller, job)
    headers = {"Cache-Control": "no-store"}
    return StreamingResponse(_blocks(lines), headers=headers, media_type=JSONL[0])


async def _frames(events: AsyncIterator[JobEvent]) -> AsyncIterator[Frame]:
    async for event in events:
        yield Frame(event.number, event.type, event.model_dump_json())


def _blocks(lines: Iterator[bytes]) -> Iterator[bytes]:
    """The lines, many at a time."""
    block = bytearray()
    for line in lines:
        block += line
        if len(block) >= _BLOCK:
            yield bytes(block)
            block.clear()
    yield bytes(block)
