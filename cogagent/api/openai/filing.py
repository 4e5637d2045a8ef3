"""Documents, and uploads that are none yet, as files of OpenAI's clients."""

from __future__ import annotations

from datetime import datetime
from typing import BinaryIO, Literal

from cogagent.api.openai.replies import filename_of
from cogagent.api.parts import Parts
from cogagent.api.session import Session
from cogagent.documents.base import MEMBER
from cogagent.errors import NotFoundError
from cogagent.indexes.uploaded import Uploaded
from cogagent.types import Document, Record

DEFAULT_PURPOSE = "user_data"
_MOST = 1000
_AT_ONCE = 100


class FileInfo(Record):
    """What only this service knows of a file."""

    collection: str
    uri: str
    pages: int | None = None
    """None before it is read, and of an archive, whose files are documents of their own."""
    job: str | None = None
    """The job that read it or is to read it, if it was uploaded and the job is remembered."""


class FileObject(Record):
    """A file."""

    id: str
    """The id of its document."""
    object: Literal["file"] = "file"
    bytes: int
    """0 where the service keeps no originals."""
    created_at: int
    """When it was last uploaded, in seconds since 1970; 0 if that is not remembered."""
    filename: str
    purpose: str
    status: Literal["uploaded", "processed", "error"]
    """`uploaded`: it is still to be read."""
    status_details: str | None = None
    """Why it could not be read."""
    cogagent: FileInfo


class FileList(Record):
    """A part of all files."""

    object: Literal["list"] = "list"
    data: tuple[FileObject, ...]
    first_id: str | None
    last_id: str | None
    """For `after`."""
    has_more: bool


class FileDeleted(Record):
    """That a file is gone."""

    id: str
    object: Literal["file"] = "file"
    deleted: Literal[True] = True


class Cabinet:
    """The files of one caller. All of it reads the disk and belongs on threads.

    Args:
        parts: Of the service.
        session: The caller's.
    """

    def __init__(self, parts: Parts, session: Session) -> None:
        self._session = session
        self._jobs = parts.jobs
        self._log = parts.uploaded(session.caller)

    def page(
        self, after: str, limit: int, purpose: str | None, collection: str | None
    ) -> FileList:
        """The files behind an id, which need not be there any more."""
        wanted = min(limit, _MOST)
        found: list[FileObject] = []
        while len(found) <= wanted:
            ids = self._log.ids(after, _AT_ONCE, collection)
            documents = self._session.some_documents(ids)
            uploads = self._log.some(ids)
            for after in ids:
                file = self._file(documents.get(after), uploads.get(after))
                if file is not None and purpose in (None, file.purpose):
                    found.append(file)
            if len(ids) < _AT_ONCE:
                break
        shown = tuple(found[:wanted])
        return FileList(
            data=shown,
            first_id=shown[0].id if shown else None,
            last_id=shown[-1].id if shown else None,
            has_more=len(found) > wanted,
        )

    def get(self, file: str) -> FileObject:
        """One file.

        Raises:
            NotFoundError: If it is not there.
        """
        found = self.find(file)
        if found is None:
            raise no_file(file)
        return found

    def find(self, file: str) -> FileObject | None:
        """One file; ``None`` if it is not there."""
        return self._file(self._document(file), self._log.find(file))

    def _file(self, document: Document | None, upload: Uploaded | None) -> FileObject | None:
        if document is not None:
            return self._of_document(document, upload)
        if upload is None or (upload.state == "done" and not self._members(upload, 1)):
            return None  # it was deleted since
        return self._of_upload(upload)

    def delete(self, file: str) -> None:
        """Delete a file, be it read, waiting or failed; of an archive, all that came in it.

        Raises:
            NotFoundError: If it is not there.
            ConflictError: If it is just being read.
        """
        self.get(file)
        document, upload = self._document(file), self._log.find(file)
        if upload is not None and upload.state == "queued":
            self._jobs.call_off(self._session.caller, file)
        if document is not None:
            self._session.delete_document(file)
        elif upload is not None:
            while members := self._members(upload):
                for member in members:
                    self._session.delete_document(member.id)
        self._log.forget(file)

    def content(self, file: str) -> tuple[str, BinaryIO]:
        """A file's name, and its bytes as a file that the caller closes.

        Raises:
            NotFoundError: If it is not there, or its bytes are not kept.
        """
        found = self.get(file)
        if self._document(file) is not None:
            return found.filename, self._session.original(file)
        upload = self._log.find(file)
        try:
            if upload is not None and upload.upload is not None:
                return found.filename, self._jobs.uploads.path(upload.upload).open("rb")
        except FileNotFoundError:
            pass  # it is kept only while the job may need it
        raise NotFoundError(f"the bytes of the file {file!r} are not kept.")

    def _document(self, file: str) -> Document | None:
        try:
            return self._session.document(file)
        except NotFoundError:
            return None

    def _members(self, upload: Uploaded, most: int = _AT_ONCE) -> list[Document]:
        """What came in an archive, as far as the caller sees it."""
        beginning = upload.uri + MEMBER
        try:
            found = self._session.documents(upload.collection, beginning, most)
        except NotFoundError:  # the whole collection is gone
            return []
        return [one for one in found if one.uri.startswith(beginning)]

    def _of_document(self, document: Document, upload: Uploaded | None) -> FileObject:
        waits = upload is not None and upload.state == "queued"
        came = document.added if upload is None else upload.created
        return FileObject(
            id=document.id,
            bytes=self._session.size_of(document) or 0,
            created_at=0 if came is None else _seconds(came),
            filename=filename_of(document.uri, document.title),
            purpose=str(document.metadata.get("purpose", DEFAULT_PURPOSE)),
            status="uploaded" if waits else "processed",
            cogagent=FileInfo(
                collection=document.collection,
                uri=document.uri,
                pages=document.pages,
                job=None if upload is None else upload.job,
            ),
        )

    def _of_upload(self, upload: Uploaded) -> FileObject:
        states = {"queued": "uploaded", "done": "processed"}
        error = upload.error
        details = None
        if upload.state == "cancelled":
            details = "It was cancelled."
        elif upload.state == "failed":
            details = f"{error.message} {error.remedy}".strip() if error else "It failed."
        return FileObject.model_validate(
            {
                "id": upload.document,
                "bytes": self._uploaded_size(upload),
                "created_at": _seconds(upload.created),
                "filename": filename_of(upload.uri, ""),
                "purpose": str(upload.told.get("metadata", {}).get("purpose", DEFAULT_PURPOSE)),
                "status": states.get(upload.state, "error"),
                "status_details": details,
                "cogagent": FileInfo(collection=upload.collection, uri=upload.uri, job=upload.job),
            }
        )

    def _uploaded_size(self, upload: Uploaded) -> int:
        if upload.upload is None:
            return 0
        try:
            return self._jobs.uploads.path(upload.upload).stat().st_size
        except FileNotFoundError:
            return 0


def no_file(file: str) -> NotFoundError:
    """What is said of a file that is not there, or not to be seen."""
    return NotFoundError(f"there is no file {file!r}.", remedy="See the list of files.")


def _seconds(time: str) -> int:
    return int(datetime.fromisoformat(time).timestamp())
