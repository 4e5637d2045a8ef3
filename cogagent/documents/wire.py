"""Messages between the program and its parser processes.

A frame is four bytes of length, big-endian, and a msgpack map with a ``type``.
Never pickle: a parser that a hostile file took over must not take over the
program, so what comes from it is only data, and is checked like any input.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import msgpack
import numpy as np
from pydantic import ValidationError

from cogagent.errors import DocumentError
from cogagent.types import Element, Failure, Raster, Source, Words

if TYPE_CHECKING:
    from collections.abc import Mapping

HEADER = struct.Struct(">I")
MAX_TEXT = 64 << 20
"""Bytes that a frame may have beside the pixels in it."""


class ProtocolError(Exception):
    """The other side sent something that no message looks like."""


def pack(message: Mapping[str, Any]) -> bytes:
    """A message as a frame."""
    body: bytes = msgpack.packb(message)
    return HEADER.pack(len(body)) + body


def unpack(body: bytes | bytearray) -> dict[str, Any]:
    """A frame's body as a message.

    Raises:
        ProtocolError: If it is none.
    """
    try:
        message = msgpack.unpackb(body)
    # msgpack has no common base class for what malformed bytes raise.
    except (ValueError, TypeError, msgpack.UnpackException, RecursionError) as error:
        raise ProtocolError(f"not msgpack: {error}") from error
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise ProtocolError("not a map with a type")
    return message


def from_element(element: Element) -> dict[str, Any]:
    """An element as a message; arrays travel as raw little-endian bytes."""
    message: dict[str, Any] = {
        "type": "element",
        "element": element.model_dump(exclude_defaults=True),
    }
    if element.words is not None:
        message["words"] = element.words.to_bytes()
    return message


def to_find(element: Element) -> Element:
    """As much of an element as a loader needs to find its pixels."""
    return Element(
        kind=element.kind, page=element.page, box=element.box, needs_ocr=element.needs_ocr,
        picture=element.picture,
    )  # fmt: skip


def to_element(message: Mapping[str, Any]) -> Element:
    """The element that :func:`from_element` made the message from.

    Raises:
        ProtocolError: If it does not describe a valid element.
    """
    try:
        fields = dict(message["element"])
        if "words" in message:
            fields["words"] = _words(message["words"], len(fields.get("text", "")))
        return Element.model_validate(fields)
    except (ValidationError, ValueError, TypeError, KeyError) as error:
        raise ProtocolError(f"not an element: {error}") from error


def _words(data: bytes, length: int) -> Words:
    words = Words.from_bytes(data)
    spans, boxes = words.spans, words.boxes
    if len(words) and not (
        spans.min() >= 0
        and spans.max() <= length
        and (spans[:, 0] <= spans[:, 1]).all()
        and words.pages.min() >= 1
        and ((boxes >= 0) & (boxes <= 1)).all()  # false for NaN as well
    ):
        raise ValueError("words outside of their text or page")
    return words


def from_raster(raster: Raster | None) -> dict[str, Any]:
    """A picture as a message; ``None`` is one that cannot be seen."""
    if raster is None:
        return {"type": "raster"}
    pixels = np.ascontiguousarray(raster.pixels, dtype=np.uint8)
    return {"type": "raster", "pixels": pixels.tobytes(), "shape": list(pixels.shape)}


def to_raster(message: Mapping[str, Any]) -> Raster | None:
    """The picture that :func:`from_raster` made the message from.

    Raises:
        ProtocolError: If it does not describe one.
    """
    if message.get("type") == "raster" and "pixels" not in message:
        return None
    try:
        height, width, channels = message["shape"]
        if channels != 3 or height < 1 or width < 1:
            raise ProtocolError(f"no picture has the shape {message['shape']}")
        # Copied, since an array over bytes is read-only, which torch does not take.
        pixels = np.frombuffer(message["pixels"], np.uint8).reshape(height, width, 3).copy()
    except (ValueError, TypeError, KeyError) as error:
        raise ProtocolError(f"not a picture: {error}") from error
    return Raster(pixels)


def from_member(member: Source | Failure) -> dict[str, Any]:
    """A file of an archive, or why there is none, as a message."""
    if isinstance(member, Failure):
        return {"type": "member", "failure": member.model_dump()}
    return {"type": "member", "uri": member.uri, "data": member.data}


def to_member(message: Mapping[str, Any]) -> Source | Failure:
    """What :func:`from_member` made the message from.

    Raises:
        ProtocolError: If it does not describe one.
    """
    try:
        if "failure" in message:
            return Failure.model_validate(message["failure"])
        if not isinstance(message["data"], bytes):
            raise ProtocolError("a file without bytes")
        return Source(uri=message["uri"], data=message["data"])
    except (ValidationError, KeyError) as error:
        raise ProtocolError(f"not a file of an archive: {error}") from error


def from_error(error: DocumentError) -> dict[str, Any]:
    """A failure as a message."""
    return {"type": "error", "error": error.to_dict()}


def to_error(message: Mapping[str, Any]) -> DocumentError:
    """The failure that :func:`from_error` made the message from.

    Raises:
        ProtocolError: If it does not describe one.
    """
    error = message.get("error")
    keys = ("code", "message", "uri", "stage", "remedy")
    if not isinstance(error, dict) or not all(isinstance(error.get(key), str) for key in keys):
        raise ProtocolError("not an error")
    return DocumentError.from_dict(error)
