"""What can be had of a ZIP file whose directory is lost: its members, head by head."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator

from cogagent.documents.base import label
from cogagent.errors import PasswordRequiredError

_LOCAL = struct.Struct("<4s5H3L2H")
_MAGIC = b"PK\x03\x04"
_PIECE = 1 << 18
_ENCRYPTED, _SIZE_FOLLOWS, _UTF8 = 0x1, 0x8, 0x800
_STORED, _DEFLATED = 0, 8
_IN_64 = 0xFFFFFFFF


def directory_size(data: bytes) -> int:
    """Bytes that the directory of a ZIP file is said to have; 0 if there is none."""
    at = data.rfind(b"PK\x05\x06")
    if at < 0 or at + 22 > len(data):
        return 0
    size = int.from_bytes(data[at + 12 : at + 16], "little")
    if size == _IN_64 and (at := data.rfind(b"PK\x06\x06", 0, at)) >= 0:
        size = int.from_bytes(data[at + 40 : at + 48], "little")
    return min(size, len(data))


def members(data: bytes) -> Iterator[tuple[str, Callable[[], Iterator[bytes]]]]:
    """The name of each member and what gives its content piece by piece.

    The latter raises ``EOFError`` where the file ends too early, ``ValueError``
    or ``zlib.error`` for damage, ``NotImplementedError`` for a way of packing
    other than deflate, and :class:`PasswordRequiredError`.
    """
    at = data.find(_MAGIC)
    while 0 <= at <= len(data) - _LOCAL.size:
        _, _, flags, method, _, _, check, packed, _, length, extra = _LOCAL.unpack_from(data, at)
        start = at + _LOCAL.size + length + extra
        raw = data[at + _LOCAL.size : at + _LOCAL.size + length]
        follows = bool(flags & _SIZE_FOLLOWS) or packed == _IN_64
        end = data.find(_MAGIC, start) if follows else start + packed
        name = _name(raw, flags)
        at = data.find(_MAGIC, max(start, min(end, len(data)))) if end >= 0 else -1
        end = len(data) if end < 0 else end
        expected = None if follows else check

        def content(
            start: int = start,
            end: int = end,
            flags: int = flags,
            method: int = method,
            expected: int | None = expected,
            name: str = name,
        ) -> Iterator[bytes]:
            if flags & _ENCRYPTED:
                raise locked(name)
            return _content(data, start, end, method, expected)

        yield name, content


def locked(name: str) -> PasswordRequiredError:
    """The error that a member is encrypted."""
    return PasswordRequiredError(
        f"{label(name)} is encrypted.",
        remedy="Unpack the archive with its password, and ingest what was in it.",
    )


def _name(raw: bytes, flags: int) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("utf-8" if flags & _UTF8 else "cp437", "backslashreplace")


def _content(
    data: bytes, start: int, end: int, method: int, expected: int | None
) -> Iterator[bytes]:
    if method not in (_STORED, _DEFLATED):
        raise NotImplementedError(f"it is packed by method {method}")
    if end > len(data):
        raise EOFError("the file ends before it does")
    pieces = _pieces(data, start, end)
    check = 0
    for piece in pieces if method == _STORED else _inflated(pieces):
        check = zlib.crc32(piece, check)
        yield piece
    if expected is not None and check != expected:
        raise ValueError("its check sum is wrong")


def _pieces(data: bytes, start: int, end: int) -> Iterator[bytes]:
    for at in range(start, end, _PIECE):
        yield data[at : min(at + _PIECE, end)]


def _inflated(pieces: Iterator[bytes]) -> Iterator[bytes]:
    engine = zlib.decompressobj(-zlib.MAX_WBITS)
    for piece in pieces:
        waiting = piece
        while not engine.eof:
            out = engine.decompress(waiting, _PIECE)
            waiting = engine.unconsumed_tail
            if out:
                yield out
            if not waiting and len(out) < _PIECE:
                break
        if engine.eof:
            return
    raise EOFError("the file ends before it does")
