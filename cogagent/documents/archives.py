"""Archives: their members one at a time, each a source of its own; nothing touches the disk.

What an archive says of itself is not believed: sizes are counted while they are
read, names become printable and unique, and whatever is damaged costs no more
than it must.
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import re
import stat
import tarfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import IO, TYPE_CHECKING, Self, cast
from zipfile import BadZipFile, ZipFile, ZipInfo

from cogagent.documents import registry, ziprescue
from cogagent.documents.base import MEMBER, label
from cogagent.errors import (
    CorruptDocumentError,
    DocumentError,
    LimitExceededError,
)
from cogagent.types import Failure, Source

if TYPE_CHECKING:
    from cogagent.config import LimitSettings

ZIP, TAR = "application/zip", "application/x-tar"
GZIP, BZIP2, XZ = "application/gzip", "application/x-bzip2", "application/x-xz"
_KINDS = frozenset((ZIP, TAR, GZIP, BZIP2, XZ))
_MIB = 1 << 20
_PIECE = 1 << 18
_HEAD = 8192
_BLOCK = 512
"""Bytes of a TAR file's head."""
_LONGEST_NAME = 1000
"""Characters of a member's path; more than files may have."""
_DIRECTORY_BYTES = 4096
"""Of a ZIP file's directory that a member may take, on average, before it is read at all."""
_DAMAGED_HEADS = ("InvalidHeaderError", "TruncatedHeaderError")
"""By name, since tarfile has no public ones for them."""
_PACKED_SUFFIXES = ("gz", "bz2", "xz", "lzma", "z")
_AGAIN = "Download or copy it again."
_ENCRYPTED = 0x1
_UTF8 = 0x800
_DAMAGED = (
    BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError,
    NotImplementedError, RuntimeError, IndexError, OverflowError,
)  # fmt: skip
"""What the libraries raise over damaged archives; for a hostile one each has its own way."""

Member = tuple[str, Callable[[], Iterator[bytes]] | None]
"""Its name in the archive, and what gives its content; ``None`` if it is a link or device."""


def is_archive(media_type: str) -> bool:
    """Whether a kind of file is none to read, but has files in it."""
    return registry.base_type(media_type) in _KINDS


def unpack(source: Source, limits: LimitSettings) -> Iterator[Source | Failure]:
    """The files in an archive, in its order, archives in it unpacked in their place.

    ZIP, TAR and single files under gzip, bzip2 or xz, told by their bytes. A
    member's uri is that of the archive, ``!/`` and its path in it. Hidden files
    and folders, links and devices are left out, as they are in a folder on disk.
    A damaged member is a failure in its place; one more at the end says that an
    archive could not be read on, or that a limit was reached.

    Args:
        source: With ``data``. Members take over its metadata and principals, not its title.
        limits: ``file_mb`` for a member; ``unpacked_mb``, ``members`` and
            ``depth`` for all together.
    """
    assert source.data is not None
    unpacker = _Unpacker(source, limits)
    try:
        yield from unpacker.archive(source.data, source.uri, 0)
    except _StopError as stop:
        error = LimitExceededError(
            f"{label(source.uri)} {stop.what}; what was unpacked before is kept.",
            remedy=f"Raise the setting {stop.setting} if the archive is sound.",
        )
        yield _failure(error, source.uri)


class _StopError(Exception):
    """A limit on everything together is reached: nothing more is unpacked."""

    def __init__(self, what: str, setting: str) -> None:
        super().__init__(what)
        self.what, self.setting = what, setting


class _DamagedHeadError(tarfile.TarError):
    """A member's head is damaged; where the next one is cannot be told."""


class _TarInfo(tarfile.TarInfo):
    """A head that says so when it is damaged, which tarfile takes for the end."""

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> Self:
        """The next head of an archive."""
        try:
            return super().fromtarfile(archive)
        except tarfile.HeaderError as error:
            if type(error).__name__ in _DAMAGED_HEADS:
                raise _DamagedHeadError(str(error)) from error
            raise


class _Counted(io.RawIOBase):
    """A stream of which every byte counts, those that are skipped included."""

    def __init__(self, stream: IO[bytes], spend: Callable[[int], None]) -> None:
        super().__init__()
        self._stream, self._spend = stream, spend
        self.head = self._stream.read(_BLOCK)
        self._waiting = self.head

    def read(self, size: int = -1) -> bytes:
        """Up to ``size`` bytes, none at the end."""
        if self._waiting:
            piece, self._waiting = self._waiting, b""
        else:
            piece = self._stream.read(_PIECE if size < 0 else min(size, _PIECE))
        self._spend(len(piece))
        return piece


class _Unpacker:
    """Unpacks one archive, and those in it, under limits for all together."""

    def __init__(self, source: Source, limits: LimitSettings) -> None:
        self._source, self._limits = source, limits
        self._members = 0
        self._unpacked = 0  # bytes of members
        self._streamed = 0  # bytes out of decompressors, members or not
        self._taken: set[str] = set()
        self._same: Counter[str] = Counter()

    def archive(self, data: bytes, uri: str, depth: int) -> Iterator[Source | Failure]:
        """The members of an archive, and how it ends if that is not well."""
        # Not the kind that was told: an office document is unpacked too when it is given as ZIP.
        is_zip = data.startswith((b"PK\x03\x04", b"PK\x05\x06"))
        kind = ZIP if is_zip else registry.detect(data[:_HEAD])
        members = self._zip(data, uri) if is_zip else self._packed(data, uri, kind)
        try:
            for name, content in members:
                self._count()
                if content is not None and not name.endswith("/") and not _is_hidden(name):
                    yield from self._member(self._place(uri, name), content, depth)
        except DocumentError as error:
            yield _failure(error, uri)
        except _DAMAGED as error:
            yield _failure(_damage(uri, error), uri)

    def _member(
        self, uri: str, content: Callable[[], Iterator[bytes]], depth: int
    ) -> Iterator[Source | Failure]:
        try:
            data = self._read(content(), uri)
        except DocumentError as error:
            yield _failure(error, uri)
            return
        except _DAMAGED as error:
            yield _failure(_damage(uri, error), uri)
            return
        if not is_archive(registry.detect(data, uri)):
            yield Source(
                uri=uri,
                data=data,
                metadata=self._source.metadata,
                principals=self._source.principals,
            )
        elif depth < self._limits.depth:
            yield from self.archive(data, uri, depth + 1)
        else:
            too_deep = LimitExceededError(
                f"{label(uri)} is an archive within {depth + 1} others, and is not unpacked.",
                remedy="Raise the setting limits.depth to unpack it.",
            )
            yield _failure(too_deep, uri)

    def _read(self, pieces: Iterator[bytes], uri: str) -> bytes:
        kept, size = [], 0
        for piece in pieces:
            size += len(piece)
            self._unpacked = self._spend(self._unpacked, len(piece))
            if size > self._limits.file_mb * _MIB:
                raise LimitExceededError(
                    f"{label(uri)} is larger than {self._limits.file_mb} MiB.",
                    remedy="Raise the setting limits.file_mb to read it.",
                )
            kept.append(piece)
        return b"".join(kept)

    def _stream(self, size: int) -> None:
        self._streamed = self._spend(self._streamed, size)

    def _spend(self, before: int, size: int) -> int:
        if before + size > self._limits.unpacked_mb * _MIB:
            raise _StopError(
                f"unpacks to more than {self._limits.unpacked_mb} MiB", "limits.unpacked_mb"
            )
        return before + size

    def _count(self) -> None:
        self._members += 1
        if self._members > self._limits.members:
            raise _StopError(f"has more than {self._limits.members} members", "limits.members")

    def _place(self, archive: str, name: str) -> str:
        """A uri for a member that is printable, and its alone."""
        parts = [part for part in re.split(r"[/\\]", name) if part not in ("", ".")]
        path = "/".join("__" if part == ".." else _printable(part) for part in parts)
        if len(path) > _LONGEST_NAME:
            mark = hashlib.sha256(path.encode()).hexdigest()[:16]
            path = f"{path[: _LONGEST_NAME // 2]}~{mark}~{path[-_LONGEST_NAME // 2 :]}"
        uri = first = f"{archive}{MEMBER}{path or 'unnamed'}"
        stem, dot, suffix = first.rpartition(".")
        if not dot or "/" in suffix:
            stem, dot, suffix = first, "", ""
        while uri in self._taken:
            self._same[first] += 1
            uri = f"{stem} ({self._same[first] + 1}){dot}{suffix}"
        self._taken.add(uri)
        return uri

    # --- kinds of archives -----------------------------------------------------

    def _zip(self, data: bytes, uri: str) -> Iterator[Member]:
        if ziprescue.directory_size(data) > self._limits.members * _DIRECTORY_BYTES:
            # An object for each entry would be made before the first could be counted.
            raise _StopError(f"has more than {self._limits.members} members", "limits.members")
        try:
            archive = ZipFile(io.BytesIO(data))
        except _DAMAGED as error:
            yield from ziprescue.members(data)
            raise CorruptDocumentError(
                f"{label(uri)} has no directory that can be read ({_reason(error)}); "
                "what was found without one is kept.",
                remedy=_AGAIN,
            ) from error
        with archive:
            for info in archive.infolist():
                is_file = stat.S_IFMT(info.external_attr >> 16) in (0, stat.S_IFREG)
                yield _zip_name(info), partial(_unzipped, archive, info) if is_file else None

    def _packed(self, data: bytes, uri: str, kind: str) -> Iterator[Member]:
        """A TAR file, packed or not, or a file that is packed alone."""
        stream = _Counted(_unpacking(data, kind), self._stream)
        if _is_tar(stream.head):
            yield from _tar(stream)
        elif kind not in (GZIP, BZIP2, XZ):
            if len(data) < _BLOCK or len(data) % _BLOCK or stream.head.strip(b"\0"):
                raise CorruptDocumentError(
                    f"{label(uri)} is no archive of a kind that is read.",
                    remedy="ZIP, TAR, gzip, bzip2 and xz are.",
                )
        else:
            path = uri.rpartition("/")[2]
            stem, _, suffix = path.rpartition(".")
            plain = stem if suffix.lower() in _PACKED_SUFFIXES else path
            yield plain or "content", partial(_pieces, stream)


def _unpacking(data: bytes, kind: str) -> IO[bytes]:
    raw = io.BytesIO(data)
    match kind:
        case "application/gzip":
            return cast("IO[bytes]", gzip.GzipFile(fileobj=raw))
        case "application/x-bzip2":
            return bz2.BZ2File(raw)
        case "application/x-xz":
            return lzma.LZMAFile(raw)
    return raw


def _unzipped(archive: ZipFile, info: ZipInfo) -> Iterator[bytes]:
    if info.flag_bits & _ENCRYPTED:
        raise ziprescue.locked(info.filename)
    with archive.open(info) as stream:
        yield from _pieces(stream)


def _tar(stream: _Counted) -> Iterator[Member]:
    with tarfile.open(
        fileobj=stream, mode="r|", tarinfo=_TarInfo, encoding="utf-8", errors="surrogateescape"
    ) as archive:
        while (info := archive.next()) is not None:
            yield info.name, partial(_untarred, archive, info) if info.isreg() else None


def _untarred(archive: tarfile.TarFile, info: tarfile.TarInfo) -> Iterator[bytes]:
    stream = archive.extractfile(info)
    assert stream is not None, "only regular files are asked for"
    return _pieces(stream)


def _pieces(stream: IO[bytes] | _Counted) -> Iterator[bytes]:
    while piece := stream.read(_PIECE):
        yield piece


def _is_tar(head: bytes) -> bool:
    """By the check sum in its first head, since old ones have no magic."""
    try:
        tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


def _zip_name(info: ZipInfo) -> str:
    """A member's name; many programs write UTF-8 without saying so."""
    name = info.orig_filename
    if not info.flag_bits & _UTF8:
        with suppress(UnicodeError):
            return name.encode("cp437").decode("utf-8")
    return name


def _is_hidden(name: str) -> bool:
    parts = re.split(r"[/\\]", name)
    return any(part == "__MACOSX" or (part.startswith(".") and part.strip(".")) for part in parts)


def _printable(part: str) -> str:
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in part
    )


def _damage(uri: str, error: Exception) -> CorruptDocumentError:
    return CorruptDocumentError(f"{label(uri)} is damaged: {_reason(error)}.", remedy=_AGAIN)


def _reason(error: Exception) -> str:
    shown = "".join(char for char in str(error)[:200] if char.isprintable()).rstrip(".")
    return shown or type(error).__name__


def _failure(error: DocumentError, uri: str) -> Failure:
    return Failure(
        uri=uri, error=error.message, stage="unpack", code=error.code, remedy=error.remedy
    )
