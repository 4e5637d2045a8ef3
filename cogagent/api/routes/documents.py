"""Documents: what was ingested, its parts, its pages as pictures."""

from __future__ import annotations

from itertools import islice
from typing import Annotated

from fastapi import Path, Query, Request, Response

from cogagent.api import etags, pictures
from cogagent.api.paging import Cursor, Limit, Page, cursor, number, page, position
from cogagent.api.paths import CollectionName
from cogagent.api.pictures import BoxText, PictureFormat, Side
from cogagent.api.routes.base import (
    IfMatch,
    IfNoneMatch,
    Reader,
    Writer,
    gives,
    parts_of,
    problems,
    router,
)
from cogagent.api.routes.evidence import cropped
from cogagent.api.session import Session
from cogagent.types import Document, Element, Evidence

routes = router("documents")

DocumentId = Annotated[str, Path(max_length=200, description="The document's id.")]
PageNumber = Annotated[int, Path(ge=1, le=1_000_000, description="From 1.")]
Dpi = Annotated[
    int, Query(ge=18, le=600, description="Of a page; a picture comes in its own pixels.")
]


@routes.get(
    "/collections/{collection}/documents",
    responses=gives(Page[Document], tagged=True),
)
def list_documents(
    request: Request,
    session: Reader,
    collection: CollectionName,
    after: Cursor = "",
    limit: Limit = 50,
    if_none_match: IfNoneMatch = None,  # noqa: ARG001 - read from the request
) -> Response:
    """The documents of a collection that the caller may see, by uri."""
    found = session.documents(collection, position("documents", after), limit + 1)
    return etags.tagged(request, page("documents", found, limit, lambda one: one.uri))


@routes.get("/documents/{document}", responses=gives(Document, tagged=True))
def show_document(
    request: Request,
    session: Reader,
    document: DocumentId,
    if_none_match: IfNoneMatch = None,  # noqa: ARG001
) -> Response:
    """One document."""
    return etags.tagged(request, session.document(document))


@routes.delete("/documents/{document}", status_code=204, responses=problems(409, 412))
def delete_document(
    request: Request,
    session: Writer,
    document: DocumentId,
    if_match: IfMatch = None,  # noqa: ARG001
) -> Response:
    """Delete a document, with the traces, conversations and answers that quote it.

    What the caller has uploaded to replace it, and waits, is called off.
    """
    etags.require_match(request, session.document(document))
    parts_of(request).jobs.delete_document(session.caller, document)
    return Response(status_code=204)


@routes.post("/documents/{document}/disable", responses=gives(Document, 412))
def disable_document(
    request: Request,
    session: Writer,
    document: DocumentId,
    if_match: IfMatch = None,  # noqa: ARG001
) -> Response:
    """Leave a document out of searches without forgetting it."""
    return _set_enabled(request, session, document, enabled=False)


@routes.post("/documents/{document}/enable", responses=gives(Document, 412))
def enable_document(
    request: Request,
    session: Writer,
    document: DocumentId,
    if_match: IfMatch = None,  # noqa: ARG001
) -> Response:
    """Take a disabled document into searches again."""
    return _set_enabled(request, session, document, enabled=True)


@routes.get("/documents/{document}/elements", responses=gives(Page[Element]))
def list_elements(
    session: Reader, document: DocumentId, after: Cursor = "", limit: Limit = 50
) -> Response:
    """What was found in a document, in reading order."""
    return etags.reply(_elements(session, document, after, limit, "elements"))


@routes.get("/documents/{document}/pages", responses=gives(Page[Element]))
def list_pages(
    session: Reader, document: DocumentId, after: Cursor = "", limit: Limit = 50
) -> Response:
    """The pages of a document that has any, each with its size."""
    return etags.reply(_elements(session, document, after, limit, "pages"))


@routes.get(
    "/documents/{document}/pages/{number}/picture",
    responses=pictures.RESPONSES,
)
def show_page(
    request: Request,
    session: Reader,
    document: DocumentId,
    number: PageNumber,
    dpi: Dpi = 150,
    box: BoxText = None,
    side: Side = None,
    format: PictureFormat = "png",  # noqa: A002 - as callers write it
    if_none_match: IfNoneMatch = None,  # noqa: ARG001
) -> Response:
    """A page as a picture, or a rectangle of it drawn anew."""
    found = session.document(document)
    region = pictures.box_of(box)
    made_from = (found.content, number, dpi, region)
    return pictures.shown(
        request, made_from, format, side, lambda: session.page(document, number, dpi, region)
    )


@routes.get("/documents/{document}/pages/{number}/crop", responses=pictures.RESPONSES)
def crop_page(
    request: Request,
    session: Reader,
    document: DocumentId,
    number: PageNumber,
    box: BoxText = None,
    side: Side = None,
    format: PictureFormat = "png",  # noqa: A002
    if_none_match: IfNoneMatch = None,  # noqa: ARG001
) -> Response:
    """A place on a page with all that there is to be seen in it, and a little around it.

    This is how the places of evidence and citations are cut: small places are drawn larger.
    """
    found = session.document(document)
    place = Evidence(
        id="",
        document_id=found.id,
        uri=found.uri,
        title=found.title,
        media_type=found.media_type,
        page=number,
        box=pictures.box_of(box),
        modality="image",
        text="",
        score=0.0,
    )
    return cropped(request, session, place, side, format)


def _set_enabled(request: Request, session: Session, document: str, *, enabled: bool) -> Response:
    etags.require_match(request, session.document(document))
    return etags.reply(session.set_enabled(document, enabled))


def _elements(session: Session, document: str, after: str, limit: int, kind: str) -> Page[Element]:
    """Elements behind a cursor, which counts them: they have no id of their own."""
    start = number(kind, after)
    found = session.elements(document)
    wanted = found if kind == "elements" else (one for one in found if one.kind == "page")
    shown = list(islice(wanted, start, start + limit + 1))
    more = cursor(kind, str(start + limit)) if len(shown) > limit else None
    return Page(items=tuple(shown[:limit]), next=more)
