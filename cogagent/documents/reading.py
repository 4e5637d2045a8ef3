"""Bytes of a source, read once: what is hashed is what is parsed and kept."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cogagent.documents import registry
from cogagent.documents.base import label
from cogagent.errors import CorruptDocumentError, LimitExceededError, SourceUnreadableError

if TYPE_CHECKING:
    from cogagent.config import LimitSettings
    from cogagent.types import Source

_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class LoadedSource:
    """A source with its bytes in memory.

    Attributes:
        source: The source as given, ``data`` and ``media_type`` set.
        sha256: Hex digest of ``data``.
        media_type: Lower case, without parameters.
    """

    source: Source = field(repr=False)
    sha256: str
    media_type: str


def read(source: Source, limits: LimitSettings) -> LoadedSource:
    """Read, hash and recognise ``source``.

    Raises:
        SourceUnreadableError: If the file is missing, no regular file or not permitted.
        LimitExceededError: If it is larger than ``limits.file_mb``.
        CorruptDocumentError: If it is empty.
    """
    data = source.data if source.data is not None else _read_file(source, limits)
    check_size(len(data), source.uri, limits)
    media_type = registry.base_type(source.media_type or registry.detect(data, source.uri))
    return LoadedSource(
        # A type that was given stays, since it may name the charset.
        source=source.model_copy(
            update={"data": data, "media_type": source.media_type or media_type}
        ),
        sha256=hashlib.sha256(data).hexdigest(),
        media_type=media_type,
    )


def check_size(size: int, uri: str, limits: LimitSettings) -> None:
    """Refuse more bytes than ``limits.file_mb``, and none at all.

    Raises:
        LimitExceededError: If ``size`` is over the limit.
        CorruptDocumentError: If it is 0.
    """
    if size == 0:
        raise CorruptDocumentError(f"{label(uri)} is empty.", uri=uri, stage="read")
    if size > limits.file_mb * _MIB:
        raise LimitExceededError(
            f"{label(uri)} is larger than {limits.file_mb} MiB.",
            uri=uri,
            stage="read",
            remedy="Raise the setting limits.file_mb to read it.",
        )


def _read_file(source: Source, limits: LimitSettings) -> bytes:
    uri = source.uri  # what messages name; where ``path`` lies is nobody's business
    try:
        place = uri if source.path is None else source.path
        # O_NONBLOCK: opening a FIFO that nobody writes to would wait for ever.
        descriptor = os.open(place, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:  # noqa: PTH123 - from a descriptor
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise SourceUnreadableError(
                    f"{label(uri)} is not a regular file.", uri=uri, stage="read"
                )
            check_size(status.st_size, uri, limits)
            # One byte more than allowed tells a file that grew since from one that fits.
            return file.read(limits.file_mb * _MIB + 1)
    except (OSError, ValueError) as error:  # ValueError: a name with a NUL in it
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise SourceUnreadableError(
            f"{label(uri)} cannot be read: {reason}.",
            uri=uri,
            stage="read",
            remedy="Check that the file is there and may be read.",
        ) from error
