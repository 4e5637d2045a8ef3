"""Search, and questions: whole answers and streams."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path, Request, Response

from cogagent.api import etags, streaming
from cogagent.api.asks import Asks
from cogagent.api.payloads import json_body, takes
from cogagent.api.routes.base import (
    IdempotencyKey,
    LastEventId,
    Reader,
    gives,
    parts_of,
    router,
)
from cogagent.api.streaming import EventStream
from cogagent.api.views import AskRequest, SearchRequest, SearchResult
from cogagent.types import Answer, Event

routes = router("asking")

AskId = Annotated[str, Path(max_length=100, description="The stream's id, from its `Location`.")]


def asks_of(request: Request) -> Asks:
    """The questions at this door."""
    found: Asks = request.app.state.asks
    return found


@routes.post(
    "/search",
    responses=gives(SearchResult, 408, 413, 415),
    openapi_extra=takes(SearchRequest),
)
async def search(
    request: Request,
    session: Reader,
    given: Annotated[SearchRequest, Depends(json_body(SearchRequest))],
) -> Response:
    """The best pieces of evidence for words or a picture, best first; no answer is written."""
    searched = session.asearch(
        given.query, given.k, given.modality, given.image, given.collection, given.filters
    )
    found = await streaming.until_gone(request, searched)
    return etags.reply(SearchResult(items=tuple(found)))


@routes.post(
    "/ask",
    responses=gives(Answer, 408, 409, 413, 415, also={streaming.MEDIA_TYPE: Event}),
    openapi_extra=takes(AskRequest),
)
async def ask(
    request: Request,
    session: Reader,
    given: Annotated[AskRequest, Depends(json_body(AskRequest))],
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Answer a question from a collection, with citations.

    With `stream: true`, or `Accept: text/event-stream`, the events come as they happen. A
    stream that was cut can be taken up again at the address in its header `Location`, with
    `Last-Event-ID`, within the seconds of the setting `service.resume_seconds`. When the
    client is gone for longer, the answer is given up.
    """
    asks = asks_of(request)
    streams = given.stream or streaming.is_wanted(request)
    if idempotency_key is not None:
        earlier = await asks.earlier(session, idempotency_key, given)
        if earlier is not None and streams:
            return streaming.frames_stream(streaming.done_only(earlier.decode()), 1.0)
        if earlier is not None:
            return _answer(earlier)
    settings = parts_of(request).settings
    if not streams:
        # Under a key it can be asked for again: the work is not lost.
        grace = 0.0 if idempotency_key is None else settings.resume_seconds
        answered = asks.ask(session, given, idempotency_key)
        return _answer(await streaming.until_gone(request, answered, grace))
    run = asks.runs.start(session.caller.owner, asks.stream(session, given, idempotency_key))
    await run.begun(settings.heartbeat_seconds)
    return EventStream(
        run, 0, settings.heartbeat_seconds, {"Location": f"/v1/asks/{run.id}/events"},
        parts_of(request).may(session.caller),
    )  # fmt: skip


@routes.get("/asks/{ask}/events", responses=gives(Event, media=streaming.MEDIA_TYPE))
async def resume_ask(
    request: Request,
    session: Reader,
    ask: AskId,
    last_event_id: LastEventId = None,
) -> Response:
    """Go on reading an answer's events, behind the one that `Last-Event-ID` names."""
    run = asks_of(request).runs.get(ask, session.caller.owner)
    after = int(last_event_id or 0)
    run.require(after)
    parts = parts_of(request)
    may = parts.may(session.caller)
    return EventStream(run, after, parts.settings.heartbeat_seconds, may=may)


@routes.delete("/asks/{ask}", status_code=204)
async def cancel_ask(request: Request, session: Reader, ask: AskId) -> Response:
    """Give up an answer that is on its way."""
    asks_of(request).runs.get(ask, session.caller.owner).cancel()
    return Response(status_code=204)


def _answer(body: bytes) -> Response:
    return Response(body, headers={"Cache-Control": "no-store"}, media_type="application/json")
