"""Documents come in: as uploaded files, or as addresses where that is allowed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from fastapi import Request, Response

from cogagent.api import etags, payloads
from cogagent.api.forms import MEDIA_TYPE, Form, read_form
from cogagent.api.jobs.desk import JobDesk
from cogagent.api.jobs.naming import Upload
from cogagent.api.paths import CollectionName
from cogagent.api.routes.base import IdempotencyKey, Writer, gives, parts_of, router
from cogagent.api.session import Session
from cogagent.api.views import DocumentInfo, DocumentInfos, NewUrls, Submitted
from cogagent.errors import InputError

T = TypeVar("T")
routes = router("documents")

_FORM = {
    "schema": {
        "type": "object",
        "required": ["files"],
        "properties": {
            "files": {
                "type": "array",
                "minItems": 1,
                "items": {"type": "string", "format": "binary"},
            },
            "documents": {
                "type": "string",
                "contentMediaType": "application/json",
                "contentSchema": payloads.schema_of(DocumentInfos, "validation"),
                "description": "What is to be known of the files, in their order: JSON.",
            },
        },
    }
}


@routes.post(
    "/collections/{collection}/documents",
    status_code=202,
    responses=gives(Submitted, 408, 409, 413, 415, status=202),
    openapi_extra=payloads.takes(NewUrls, **{MEDIA_TYPE: _FORM}),
)
async def upload_documents(
    request: Request,
    session: Writer,
    collection: CollectionName,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Ingest documents into a collection, which is made if missing.

    They are read by a job: the response names it, and the ids that the documents have, or
    will have. Bytes that are there already under the same uri stay as they are. Without a
    uri of the caller's a file gets one from its bytes and its name.
    """
    session.require_collection(collection, "write")
    desk = parts_of(request).jobs
    size = int(request.headers.get("content-length", 0))
    await asyncio.to_thread(desk.check_room, session.caller, size)
    if payloads.media_type(request) == MEDIA_TYPE:
        most_files = parts_of(request).settings.upload_files
        uploads = await read_form(request, desk.uploads, most_files, _uploads)
    else:
        uploads = _addresses(await payloads.json_body(NewUrls)(request))
    found = await asyncio.to_thread(_submit, desk, session, collection, uploads, idempotency_key)
    return etags.reply(found, 202, {"Location": f"/v1/jobs/{found.job.id}"})


def _submit(
    desk: JobDesk, session: Session, collection: str, uploads: list[Upload], key: str | None
) -> Submitted:
    job = desk.submit_ingest(session.caller, collection, uploads, key)
    items = desk.items(session.caller, job.id, limit=len(uploads))
    return Submitted(job=job, documents=tuple(item.document or "" for item in items))


def _uploads(form: Form) -> list[Upload]:
    unknown = sorted(set(form.fields) - {"documents"})
    if unknown:
        raise InputError(
            f"the form has a field {unknown[0]!r}, which means nothing here.",
            remedy="Send files, and what is to be known of them in the field documents.",
        )
    plain = payloads.parsed(form.fields.get("documents", "[]").encode())
    infos = payloads.checked(DocumentInfos, plain).root
    return [
        Upload(
            file=file.spooled,
            name=file.name,
            media_type=info.media_type or file.media_type,
            **_told(info),
        )
        for file, info in _paired(form.files, infos)
    ]


def _addresses(given: NewUrls) -> list[Upload]:
    urls = list(given.urls) if given.url is None else [given.url, *given.urls]
    return [
        Upload(url=url, media_type=info.media_type, **_told(info))
        for url, info in _paired(urls, given.documents)
    ]


def _paired(given: Sequence[T], infos: Sequence[DocumentInfo]) -> list[tuple[T, DocumentInfo]]:
    if len(infos) > len(given):
        raise InputError("`documents` tells of more documents than there are.")
    missing = [DocumentInfo()] * (len(given) - len(infos))
    return list(zip(given, [*infos, *missing], strict=True))


def _told(info: DocumentInfo) -> Mapping[str, Any]:
    return {
        "uri": info.uri,
        "title": info.title,
        "metadata": info.metadata,
        "principals": info.principals,
    }
