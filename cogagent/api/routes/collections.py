"""Collections: named sets of documents."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request, Response

from cogagent.api import etags
from cogagent.api.paging import Cursor, Limit, Page, page_of
from cogagent.api.paths import CollectionName
from cogagent.api.payloads import json_body, takes
from cogagent.api.routes.base import (
    IfMatch,
    IfNoneMatch,
    Reader,
    Writer,
    gives,
    problems,
    router,
)
from cogagent.api.views import NewCollection
from cogagent.types import Collection, Failure

routes = router("collections")


@routes.get("/collections", responses=gives(Page[Collection], tagged=True))
def list_collections(
    request: Request,
    session: Reader,
    after: Cursor = "",
    limit: Limit = 50,
    if_none_match: IfNoneMatch = None,  # noqa: ARG001 - read from the request
) -> Response:
    """The collections that the caller may use, by name."""
    found = sorted(session.collections(), key=lambda one: one.name)
    return etags.tagged(request, page_of("collections", found, after, limit, lambda one: one.name))


@routes.post(
    "/collections",
    status_code=201,
    responses=gives(Collection, 413, 415, status=201),
    openapi_extra=takes(NewCollection),
)
def create_collection(
    session: Writer, given: Annotated[NewCollection, Depends(json_body(NewCollection))]
) -> Response:
    """Make a collection; one that is there stays as it is."""
    return etags.reply(session.create_collection(given.name), 201)


@routes.get("/collections/{collection}", responses=gives(Collection, tagged=True))
def show_collection(
    request: Request,
    session: Reader,
    collection: CollectionName,
    if_none_match: IfNoneMatch = None,  # noqa: ARG001
) -> Response:
    """A collection with how much of it the caller sees."""
    return etags.tagged(request, session.collection(collection))


@routes.delete("/collections/{collection}", status_code=204, responses=problems(412))
def delete_collection(
    request: Request,
    session: Writer,
    collection: CollectionName,
    if_match: IfMatch = None,  # noqa: ARG001
) -> Response:
    """Delete a collection with all its documents."""
    etags.require_match(request, session.collection(collection))
    session.delete_collection(collection)
    return Response(status_code=204)


@routes.get("/collections/{collection}/failures", responses=gives(Page[Failure]))
def list_failures(
    session: Reader, collection: CollectionName, after: Cursor = "", limit: Limit = 50
) -> Response:
    """Sources that could not be ingested, and why."""
    found = sorted(session.failures(collection), key=lambda one: one.uri)
    return etags.reply(page_of("failures", found, after, limit, lambda one: one.uri))
