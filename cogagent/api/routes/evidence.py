"""Evidence: what searches found, and the places that it stands at as pictures."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Request, Response

from cogagent.api import etags, pictures
from cogagent.api.pictures import PictureFormat, Side
from cogagent.api.routes.base import IfNoneMatch, Reader, gives, router
from cogagent.api.session import Session
from cogagent.indexes.writing import is_own
from cogagent.types import Evidence

routes = router("evidence")

EvidenceId = Annotated[str, Path(max_length=200, description="Id of the evidence.")]


@routes.get("/evidence/{evidence}", responses=gives(Evidence, tagged=True))
def show_evidence(
    request: Request,
    session: Reader,
    evidence: EvidenceId,
    if_none_match: IfNoneMatch = None,  # noqa: ARG001 - read from the request
) -> Response:
    """A passage, table or picture that a search found."""
    return etags.tagged(request, session.evidence(evidence))


@routes.get("/evidence/{evidence}/crop", responses=pictures.RESPONSES)
def crop_evidence(
    request: Request,
    session: Reader,
    evidence: EvidenceId,
    side: Side = None,
    format: PictureFormat = "png",  # noqa: A002 - as callers write it
    if_none_match: IfNoneMatch = None,  # noqa: ARG001
) -> Response:
    """The place where it stands, cut from its page."""
    return cropped(request, session, session.evidence(evidence), side, format)


def cropped(
    request: Request,
    session: Session,
    found: Evidence,
    side: int | None,
    form: PictureFormat,
) -> Response:
    """The crop of evidence of any origin."""
    own = is_own(found.document_id)
    content = session.document(found.document_id).content if own else found.document_id
    made_from = (content, found.page, found.box)
    return pictures.shown(request, made_from, form, side, lambda: session.crop(found))
