"""Traces: how the caller's questions were answered, step by step."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import Depends, Path, Request, Response

from cogagent.api import etags, pictures, streaming
from cogagent.api.paging import Cursor, Limit, Page, page, pair
from cogagent.api.payloads import json_body, takes
from cogagent.api.pictures import PictureFormat, Side
from cogagent.api.routes.base import IfNoneMatch, Reader, gives, router
from cogagent.api.routes.evidence import EvidenceId, cropped
from cogagent.api.views import ReplayRequest
from cogagent.indexes.runs import TraceEntry
from cogagent.pipelines.recording import Trace
from cogagent.types import Answer

routes = router("traces")

TraceId = Annotated[str, Path(max_length=100, description="The trace's id: `trace` of an answer.")]


@routes.get("/traces", responses=gives(Page[TraceEntry]))
def list_traces(session: Reader, after: Cursor = "", limit: Limit = 50) -> Response:
    """The caller's traces, the newest first."""
    found = session.traces(limit + 1, pair("traces", after))
    return etags.reply(page("traces", found, limit, lambda one: f"{one.at} {one.id}"))


@routes.get("/traces/{trace}", responses=gives(Trace, tagged=True))
def show_trace(
    request: Request,
    session: Reader,
    trace: TraceId,
    if_none_match: IfNoneMatch = None,  # noqa: ARG001 - read from the request
) -> Response:
    """All that was asked of tools and models for an answer, and what came back."""
    return etags.tagged(request, session.trace(trace))


@routes.delete("/traces/{trace}", status_code=204)
def delete_trace(session: Reader, trace: TraceId) -> Response:
    """Delete a trace."""
    session.delete_trace(trace)
    return Response(status_code=204)


@routes.post(
    "/traces/{trace}/replay",
    responses=gives(Answer, 408, 413, 415),
    openapi_extra=takes(ReplayRequest),
)
async def replay_trace(
    request: Request,
    session: Reader,
    trace: TraceId,
    given: Annotated[ReplayRequest, Depends(json_body(ReplayRequest))],
) -> Response:
    """Answer the question of a trace again, its tools finding what they found then."""
    found = await asyncio.to_thread(session.trace, trace)
    answered = session.areplay(found, given.planner)
    return etags.reply(await streaming.until_gone(request, answered))


@routes.get(
    "/traces/{trace}/evidence/{evidence}/crop",
    responses=pictures.RESPONSES,
)
def crop_traced_evidence(
    request: Request,
    session: Reader,
    trace: TraceId,
    evidence: EvidenceId,
    side: Side = None,
    format: PictureFormat = "png",  # noqa: A002 - as callers write it
    if_none_match: IfNoneMatch = None,  # noqa: ARG001
) -> Response:
    """The place where evidence of an answer stands, cut from its page."""
    found = session.traced_evidence(trace, evidence)
    return cropped(request, session, found, side, format)
