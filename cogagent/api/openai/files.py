"""Files: documents as OpenAI's clients upload, list and delete them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, BinaryIO
from urllib.parse import quote

from fastapi import Path, Query, Request, Response
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from cogagent.api.etags import reply
from cogagent.api.forms import MEDIA_TYPE, Form, read_form
from cogagent.api.jobs.naming import Upload
from cogagent.api.openai.base import failures, gives
from cogagent.api.openai.base import router as new_router
from cogagent.api.openai.filing import DEFAULT_PURPOSE, Cabinet, FileDeleted, FileList, FileObject
from cogagent.api.openai.refusals import unsupported
from cogagent.api.parts import Parts
from cogagent.api.routes.base import IdempotencyKey, Reader, Writer, parts_of
from cogagent.api.session import Session
from cogagent.errors import ConflictError

router = new_router()

_FILE = "file"
_LONGEST = 200
_BLOCK = 1 << 18
"""Bytes of a file that are in memory at a time."""
_FORM = {
    "type": "object",
    "required": [_FILE],
    "properties": {
        _FILE: {"type": "string", "format": "binary"},
        "purpose": {
            "type": "string",
            "description": "Kept with the file, and of no other effect.",
            "default": DEFAULT_PURPOSE,
        },
        "collection": {
            "type": "string",
            "description": "Where it goes; made if missing. `extra_body` in OpenAI's client.",
            "default": "default",
        },
    },
}

FileId = Annotated[str, Path(max_length=_LONGEST, description="The file's id: its document's.")]
Purpose = Annotated[str | None, Query(max_length=_LONGEST, description="Only of this one.")]


@router.post(
    "/files",
    responses=gives(FileObject, 408, 409, 413, 415),
    openapi_extra={"requestBody": {"required": True, "content": {MEDIA_TYPE: {"schema": _FORM}}}},
)
async def create_file(
    request: Request, session: Writer, idempotency_key: IdempotencyKey = None
) -> Response:
    """Upload a document. It can be asked about once its `status` is `processed`.

    The same bytes under the same name are the same file.
    """
    parts = parts_of(request)
    size = int(request.headers.get("content-length", 0))
    await asyncio.to_thread(parts.jobs.check_room, session.caller, size)
    collection, upload = await read_form(request, parts.jobs.uploads, 1, _upload)
    return reply(
        await asyncio.to_thread(_submit, parts, session, collection, upload, idempotency_key)
    )


@router.get("/files", responses=gives(FileList))
def list_files(
    request: Request,
    session: Reader,
    after: Annotated[
        str, Query(max_length=_LONGEST, description="Id of the last file of the page before.")
    ] = "",
    limit: Annotated[int, Query(ge=1, le=10_000, description="At most 1,000 are given.")] = 1000,
    purpose: Purpose = None,
    collection: Annotated[
        str | None, Query(max_length=_LONGEST, description="Only of this one.")
    ] = None,
) -> Response:
    """The files that the caller may read, in the order of their ids."""
    return reply(Cabinet(parts_of(request), session).page(after, limit, purpose, collection))


@router.get("/files/{file}", responses=gives(FileObject))
def retrieve_file(request: Request, session: Reader, file: FileId) -> Response:
    """One file: whether it has been read, and if not, why."""
    return reply(Cabinet(parts_of(request), session).get(file))


@router.delete("/files/{file}", responses=gives(FileDeleted, 409))
def delete_file(request: Request, session: Writer, file: FileId) -> Response:
    """Delete a file, with the traces and conversations that quote it."""
    Cabinet(parts_of(request), session).delete(file)
    return reply(FileDeleted(id=file))


@router.get(
    "/files/{file}/content",
    responses={
        200: {
            "description": "The bytes, to be saved and not shown.",
            "content": {
                "application/octet-stream": {"schema": {"type": "string", "format": "binary"}}
            },
        },
        **failures(),
    },
)
def download_file(request: Request, session: Reader, file: FileId) -> Response:
    """The bytes of a file, as they were uploaded."""
    name, found = Cabinet(parts_of(request), session).content(file)
    headers = {
        "Content-Length": str(os.fstat(found.fileno()).st_size),
        "Cache-Control": "no-store",
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
        "X-Content-Type-Options": "nosniff",
    }
    return _FileResponse(found, headers)


class _FileResponse(StreamingResponse):
    """The bytes of an open file, which is closed in any case; that may be deleted meanwhile."""

    media_type = "application/octet-stream"

    def __init__(self, file: BinaryIO, headers: Mapping[str, str]) -> None:
        self._file = file
        super().__init__(_blocks(file), headers=headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._file.close()


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    while block := file.read(_BLOCK):
        yield block


def _submit(
    parts: Parts, session: Session, collection: str, upload: Upload, key: str | None
) -> FileObject:
    """Hand a file over to a job; it is the job's then, or removed."""
    job = parts.jobs.submit_ingest(session.caller, collection, [upload], key)
    (item,) = parts.jobs.items(session.caller, job.id)
    found = None if item.document is None else Cabinet(parts, session).find(item.document)
    if found is None:  # it was uploaded under this key before, and deleted since
        raise ConflictError(
            "the file of this idempotency key was deleted.", remedy="Use a new key to upload it."
        )
    return found


def _upload(form: Form) -> tuple[str, Upload]:
    if not form.files:
        raise unsupported("there is no file in the form", _FILE)
    told: dict[str, Any] = {
        name: form.fields.get(name, default)
        for name, default in (("purpose", DEFAULT_PURPOSE), ("collection", "default"))
    }
    for name, value in told.items():
        if not 0 < len(value) <= _LONGEST or not value.isprintable():
            raise unsupported(f"it has to have 1 to {_LONGEST} printable characters", name)
    (file,) = form.files
    upload = Upload(
        file=file.spooled,
        name=file.name,
        media_type=file.media_type,
        metadata={"purpose": told["purpose"]},
    )
    return told["collection"], upload
