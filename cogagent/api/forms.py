"""Uploaded forms, read piece by piece: files go straight to the disk, never into memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import NamedTuple, TypeVar

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from cogagent.api.jobs.uploads import Spooled, Uploads, Writing
from cogagent.api.payloads import require_type
from cogagent.api.problems import RequestError
from cogagent.errors import LimitExceededError

T = TypeVar("T")
MEDIA_TYPE = "multipart/form-data"
_PIECE = 1 << 18
"""Bytes that are handed to the disk's thread at once."""
_FIELDS = 100
_FIELD_BYTES = 1 << 20
"""Of all fields that are no files."""
_LONGEST_NAME = 1000


class FormFile(NamedTuple):
    """A file of a form.

    Attributes:
        name: As the client called it: anything.
        media_type: As the client says; ``None`` if it says nothing.
        spooled: Where it is now.
    """

    name: str
    media_type: str | None
    spooled: Spooled


class Form(NamedTuple):
    """What a form held.

    Attributes:
        files: In their order, whatever their fields are called.
        fields: The last value of each field.
    """

    files: list[FormFile]
    fields: Mapping[str, str]


async def read_form(
    request: Request, uploads: Uploads, most_files: int, take: Callable[[Form], T]
) -> T:
    """What is made of the form of a request; its files are then the caller's to submit.

    If that fails nothing of the form is left on the disk.

    Args:
        request: Its body has not been read.
        uploads: Where files go.
        most_files: How many there may be.
        take: Makes it, or raises what is wrong with the form; called on a thread.

    Raises:
        RequestError: If it is none, or too large.
        DiskFullError: If there is no space.
        StorageError: If a file cannot be written otherwise.
    """
    require_type(request, MEDIA_TYPE)
    _, options = parse_options_header(request.headers["content-type"])
    boundary = options.get(b"boundary", b"")
    if not boundary:
        raise _bad("it names no boundary")
    with ExitStack() as undo:
        receiving = _Receiving(boundary, uploads, most_files)
        undo.callback(receiving.discard)
        pending = bytearray()
        async for piece in request.stream():
            pending += piece
            if len(pending) >= _PIECE:
                await asyncio.to_thread(receiving.write, bytes(pending))
                pending.clear()
        taken = await asyncio.to_thread(lambda: take(receiving.finish(bytes(pending))))
        undo.pop_all()
    return taken


class _Receiving:
    """Takes a form apart; all of it runs on threads, one after the other."""

    def __init__(self, boundary: bytes, uploads: Uploads, most_files: int) -> None:
        self._uploads = uploads
        self._most_files = most_files
        self._files: list[FormFile] = []
        self._fields: dict[str, str] = {}
        self._count = self._field_bytes = 0
        self._over = False
        self._header, self._value = b"", b""
        self._headers: dict[bytes, bytes] = {}
        self._field, self._name = "", ""
        self._writing: Writing | None = None
        self._text = bytearray()
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._part_begin,
                    "on_header_field": self._header_field,
                    "on_header_value": self._header_value,
                    "on_header_end": self._header_end,
                    "on_headers_finished": self._headers_finished,
                    "on_part_data": self._part_data,
                    "on_part_end": self._part_end,
                    "on_end": self._end,
                },
            )
        except FormParserError as error:
            raise _bad(str(error)) from error

    def write(self, data: bytes) -> None:
        try:
            self._parser.write(data)
        except FormParserError as error:
            raise _bad(str(error)) from error

    def finish(self, data: bytes) -> Form:
        self.write(data)
        if not self._over:
            raise _bad("it breaks off")
        return Form(self._files, self._fields)

    def discard(self) -> None:
        """Undo: nothing of it is left on the disk."""
        if self._writing is not None:
            self._writing.__exit__(None, None, None)
        self._uploads.discard(*(file.spooled.name for file in self._files))

    def _part_begin(self) -> None:
        self._headers = {}
        self._header, self._value = b"", b""

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        self._headers[self._header.lower()] = self._value
        self._header, self._value = b"", b""

    def _headers_finished(self) -> None:
        kind, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        if kind != b"form-data" or b"name" not in options:
            raise _bad("a part of it has no name")
        self._field = _text(options[b"name"])[:_LONGEST_NAME]
        self._text = bytearray()
        if b"filename" not in options:
            self._count += 1
            if self._count > _FIELDS:
                raise RequestError(413, "too_many_fields", f"more than {_FIELDS} fields.")
            return
        if len(self._files) >= self._most_files:
            raise RequestError(
                413, "too_many_files", f"more than {self._most_files} files.",
                remedy="Send fewer at a time.",
            )  # fmt: skip
        self._name = _text(options[b"filename"])[:_LONGEST_NAME]
        self._writing = self._uploads.begin()

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if self._writing is not None:
            try:
                self._writing.write(data[start:end])
            except LimitExceededError as error:
                raise RequestError(
                    413, "content_too_large", error.message, remedy=error.remedy
                ) from error
            return
        self._field_bytes += end - start
        if self._field_bytes > _FIELD_BYTES:
            raise RequestError(413, "content_too_large", "the form's fields are too long.")
        self._text += data[start:end]

    def _part_end(self) -> None:
        if self._writing is None:
            self._fields[self._field] = _strict_text(bytes(self._text))
            return
        spooled = self._writing.finish()
        self._writing = None
        kind = _text(self._headers.get(b"content-type", b"")).strip()
        self._files.append(FormFile(self._name, kind or None, spooled))

    def _end(self) -> None:
        self._over = True


def _text(data: bytes) -> str:
    """A name as its client wrote it: UTF-8, or else what old browsers send."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _strict_text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise _bad("a field of it is no UTF-8") from error


def _bad(reason: str) -> RequestError:
    return RequestError(
        400, "bad_form", f"the form cannot be read: {reason}.",
        remedy="Send multipart/form-data as RFC 7578 has it.",
    )  # fmt: skip
