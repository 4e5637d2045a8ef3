"""ZIP files whose every claim is doubted: what they say they hold is counted while unpacking."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cogagent.documents.base import label
from cogagent.errors import (
    CorruptDocumentError,
    DocumentError,
    LimitExceededError,
    PasswordRequiredError,
)

if TYPE_CHECKING:
    from zipfile import ZipFile, ZipInfo

    from cogagent.config import LimitSettings

_MIB = 1 << 20
_PIECE = 1 << 18
_ENCRYPTED = 0x1
_SIZE_FOLLOWS = 0x8
_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_END_64 = 56 + 20  # the ZIP64 end record and its locator
_LONGEST_COMMENT = 1 << 16
_MOST_NAMES = 10_000


def open_zip(data: bytes, uri: str, limits: LimitSettings) -> Zipped:
    """Open a ZIP file that is held in memory; nothing is unpacked yet.

    Args:
        data: The whole file.
        uri: For messages.
        limits: ``unpacked_mb`` and ``members`` count.

    Raises:
        CorruptDocumentError: If it is no ZIP file, is cut off, or names a member twice.
        LimitExceededError: If it has too many members, or says itself that it is too large.
    """
    return Zipped(data, uri, limits)


class Zipped:
    """The members of a ZIP file; built by :func:`open_zip`.

    All reads of one object draw on one budget of ``limits.unpacked_mb``, so that
    no order of reading unpacks more than that.

    Attributes:
        names: The members in the order of the directory, folders left out.
    """

    def __init__(self, data: bytes, uri: str, limits: LimitSettings) -> None:
        self._uri, self._limits = uri, limits
        self._left = limits.unpacked_mb * _MIB
        _refuse_many(data, uri, limits)
        with _typed(uri):
            self._zip = _opened(data)
        # Not info.is_dir(): up to Python 3.11.4 it fails on a member without a name.
        infos = [info for info in self._zip.infolist() if not info.filename.endswith("/")]
        self._infos = {info.filename: info for info in infos}
        if len(self._infos) < len(infos):
            # Two parts of one name: what one program checks is not what another shows.
            raise CorruptDocumentError(f"{label(uri)} names a member twice.", uri=uri)
        if sum(info.file_size for info in infos) > self._left:
            raise self._too_large()
        self.names = list(self._infos)

    def __contains__(self, name: str) -> bool:
        return name in self._infos

    def size(self, name: str) -> int:
        """What the directory says a member has, in bytes; a claim to be checked by reading.

        Raises:
            CorruptDocumentError: If there is no such member.
        """
        return self._info(name).file_size

    def read(self, name: str, most: int | None = None) -> bytes:
        """A member as a whole.

        Args:
            name: One of ``names``.
            most: Bytes; more than that are refused. Only the budget counts if ``None``.

        Raises:
            CorruptDocumentError: If there is no such member, or it is damaged.
            PasswordRequiredError: If it is encrypted.
            LimitExceededError: If it is larger than ``most``, or than what is left to unpack.
        """
        pieces, size = [], 0
        for piece in self.pieces(name):
            size += len(piece)
            if most is not None and size > most:
                raise LimitExceededError(
                    f"'{name}' in {label(self._uri)} is larger than {most / _MIB:.3g} MiB.",
                    uri=self._uri,
                )
            pieces.append(piece)
        return b"".join(pieces)

    def pieces(self, name: str) -> Iterator[bytes]:
        """A member piece by piece, none over 256 KiB; errors are those of :meth:`read`."""
        info = self._info(name)
        if info.flag_bits & _ENCRYPTED:
            raise PasswordRequiredError(
                f"'{name}' in {label(self._uri)} is encrypted.",
                uri=self._uri,
                remedy="Save it without a password.",
            )
        with _typed(self._uri), self._zip.open(info) as member:
            while piece := member.read(_PIECE):
                self._left -= len(piece)
                if self._left < 0:
                    raise self._too_large()
                yield piece

    def _info(self, name: str) -> ZipInfo:
        info = self._infos.get(name)
        if info is None:
            raise CorruptDocumentError(f"{label(self._uri)} lacks '{name}'.", uri=self._uri)
        return info

    def _too_large(self) -> DocumentError:
        return LimitExceededError(
            f"{label(self._uri)} unpacks to more than {self._limits.unpacked_mb} MiB.",
            uri=self._uri,
            remedy="Raise the setting limits.unpacked_mb if the file is sound.",
        )


def member_names(data: bytes) -> list[str]:
    """Names of a ZIP file's members, as far as they can be told; never fails.

    From the directory, or, where that is cut off or not in ``data``, from the
    heads of the members one after the other.

    Args:
        data: The whole file or its beginning.
    """
    found = _directory(data)
    names: list[str] = []
    if found is not None:
        at, end = found
        while len(names) < _MOST_NAMES and at + _CENTRAL.size <= end:
            fields = _CENTRAL.unpack_from(data, at)
            if fields[0] != b"PK\x01\x02":
                break
            start = at + _CENTRAL.size
            names.append(_name(data[start : start + fields[10]], fields[3]))
            at = start + fields[10] + fields[11] + fields[12]
        return names
    at = 0
    while len(names) < _MOST_NAMES and 0 <= at <= len(data) - _LOCAL.size:
        magic, _, flags, _, _, _, _, packed, _, name, extra = _LOCAL.unpack_from(data, at)
        if magic != b"PK\x03\x04":
            break
        start = at + _LOCAL.size
        names.append(_name(data[start : start + name], flags))
        at = start + name + extra
        at = data.find(b"PK\x03\x04", at) if flags & _SIZE_FOLLOWS else at + packed
    return names


def _name(raw: bytes, flags: int) -> str:
    return raw.decode("utf-8" if flags & 0x800 else "cp437", "replace")


def _directory(data: bytes) -> tuple[int, int] | None:
    """Where the directory of all members begins and ends; ``None`` if there is none."""
    end = data.rfind(b"PK\x05\x06", max(0, len(data) - _END.size - _LONGEST_COMMENT))
    if end < 0 or end + _END.size > len(data):
        return None
    size = _END.unpack_from(data, end)[5]
    if end >= _END_64 and data[end - 20 : end - 16] == b"PK\x06\x07":
        end -= _END_64
        if data[end : end + 4] != b"PK\x06\x06":
            return None
        size = struct.unpack_from("<Q", data, end + 40)[0]
    return (end - size, end) if size <= end else None


def _refuse_many(data: bytes, uri: str, limits: LimitSettings) -> None:
    """Count the members before zipfile makes an object of each."""
    found = _directory(data)
    if found is None:
        cut = data.startswith(b"PK\x03\x04")
        raise CorruptDocumentError(
            f"{label(uri)} is cut off: the ZIP file has no directory."
            if cut
            else f"{label(uri)} is no ZIP file.",
            uri=uri,
        )
    at, end = found
    count = 0
    while at + _CENTRAL.size <= end:
        count += 1
        if count > limits.members:
            raise LimitExceededError(
                f"{label(uri)} has more than {limits.members} members.",
                uri=uri,
                remedy="Raise the setting limits.members if the file is sound.",
            )
        fields = _CENTRAL.unpack_from(data, at)
        at += _CENTRAL.size + fields[10] + fields[11] + fields[12]


def _opened(data: bytes) -> ZipFile:
    from zipfile import ZipFile

    return ZipFile(io.BytesIO(data))


@contextmanager
def _typed(uri: str) -> Iterator[None]:
    """Turns what zipfile and its decompressors raise into errors of this package."""
    import lzma
    from zipfile import BadZipFile

    try:
        yield
    except NotImplementedError as error:
        raise CorruptDocumentError(
            f"{label(uri)} is packed in a way that is not supported: {error}.", uri=uri
        ) from error
    except (
        BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError, struct.error,
    ) as error:  # fmt: skip
        raise CorruptDocumentError(
            f"{label(uri)} is a damaged ZIP file: {error}.", uri=uri
        ) from error
    except RuntimeError as error:  # zipfile's word for a member that wants a password
        raise PasswordRequiredError(
            f"{label(uri)} is encrypted.", uri=uri, remedy="Save it without a password."
        ) from error
