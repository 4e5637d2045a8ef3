"""What all routes share: who calls, what may go wrong, how they are named."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Request, Response
from fastapi.routing import APIRoute

from cogagent.api.access import scoped
from cogagent.api.parts import Parts
from cogagent.api.payloads import schema_of
from cogagent.api.problems import MEDIA_TYPE, ProblemDocument
from cogagent.api.session import Session

Reader = Annotated[Session, Depends(scoped("read"))]
Writer = Annotated[Session, Depends(scoped("write"))]
Admin = Annotated[Session, Depends(scoped("admin"))]

IfNoneMatch = Annotated[
    str | None,
    Header(max_length=1000, description="The ETag that the caller has: 304 if it still holds."),
]
IfMatch = Annotated[
    str | None,
    Header(max_length=1000, description="The ETag that it must still have: 412 if it has not."),
]
IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1, max_length=200, pattern=r"^[\x21-\x7e]+$",
        description="A name of the caller's for this request: sent again with it, it is not "
        "carried out again but answered as before.",
    ),
]  # fmt: skip

LastEventId = Annotated[
    str | None,
    Header(max_length=12, pattern=r"^[0-9]*$", description="The last `id:` that was received."),
]

EVENT_STREAM = "text/event-stream"
_ALWAYS = (400, 401, 403, 404, 414, 422, 429, 500, 503)


class Route(APIRoute):
    """A route whose operation is named as its function is."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        options["operation_id"] = options.get("operation_id") or endpoint.__name__
        super().__init__(path, endpoint, **options)


def router(tag: str) -> APIRouter:
    """A router of the REST door."""
    return APIRouter(
        prefix="/v1",
        tags=[tag],
        route_class=Route,
        responses=problems(*_ALWAYS),
        default_response_class=Response,  # routes write their bodies themselves
    )


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What the OpenAPI document says of errors with these statuses."""
    schema = schema_of(ProblemDocument, "serialization")
    return {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {MEDIA_TYPE: {"schema": schema}},
        }
        for status in statuses
    }


def gives(
    model: Any,
    *failures: int,
    status: int = 200,
    media: str = "application/json",
    also: Mapping[str, Any] | None = None,
    tagged: bool = False,
) -> dict[int | str, dict[str, Any]]:
    """What the OpenAPI document says of a response, and of errors beyond the usual ones.

    Args:
        model: The type of what it holds; of a stream, of the data of each event.
        failures: Their statuses.
        status: Its own.
        media: Its media type.
        also: What it holds if the caller asks for other media types.
        tagged: It carries an ETag, and comes as 304 to who has it.
    """
    held = {media: model, **(also or {})}
    found: dict[int | str, dict[str, Any]] = {
        status: {
            "description": HTTPStatus(status).phrase,
            "content": {kind: {"schema": _held(kind, one)} for kind, one in held.items()},
        }
    }
    if tagged:
        found[304] = {"description": "What the caller has still holds."}
    return {**found, **problems(*failures)}


def _held(media: str, model: Any) -> dict[str, Any]:
    schema = schema_of(model, "serialization")
    if media != EVENT_STREAM:
        return schema
    data = {"type": "string", "contentMediaType": "application/json", "contentSchema": schema}
    text = {"type": "string"}
    return {
        "type": "object",
        "description": "One of its events.",
        "required": ["data"],
        "properties": {"event": text, "id": text, "data": data},
    }


def parts_of(request: Request) -> Parts:
    """Everything that requests share."""
    found: Parts = request.app.state.parts
    return found
