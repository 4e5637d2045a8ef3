"""Plain text: paragraphs, with form feeds as page breaks."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

from cogagent.documents.registry import utf16_order
from cogagent.types import Element, Source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cogagent.config import LimitSettings, ParseSettings

_MOST_CHARACTERS = 20_000
"""Of a paragraph; a longer one is cut between words."""
_WRAPPED = 45
"""A line longer than this is taken to go on in the next one."""
_BREAK = re.compile(r"\n[^\S\n]*\n\s*")
_BULLET = re.compile(r"(?:[-*+•·\u2013\u2014▪◦]|\(?\w{1,3}[.)])\s")
_CONTROL = dict.fromkeys((*range(9), 11, *range(14, 32), 127), " ") | {0xFEFF: None}
_SURROGATE = re.compile("[\ud800-\udfff]")
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w.:-]+)", re.IGNORECASE)
_SAMPLE = 1 << 16
_TELLING = 16
"""Bytes beyond ASCII from which on one single-byte charset can be told from another."""


class TextLoader:
    """Reads plain text in any common charset; its words have no boxes."""

    media_types = ("text/plain",)

    def __init__(self, limits: LimitSettings, parse: ParseSettings) -> None:
        del limits, parse  # nothing of it concerns plain text

    def load(self, source: Source) -> Iterator[Element]:
        """One ``page`` element a page and one ``text`` element a paragraph."""
        assert source.data is not None
        text = clean(decode(source.data, charset_of(source.media_type)))
        order = 0
        for number, page in enumerate(text.split("\f"), start=1):
            yield Element(kind="page", page=number, order=order)
            order += 1
            for paragraph in paragraphs(page):
                yield Element(kind="text", text=paragraph, page=number, order=order)
                order += 1


def paragraphs(text: str, *, wrapped: bool = True) -> Iterator[str]:
    """The paragraphs of a page, none of them huge.

    Args:
        text: Paragraphs with blank lines between them.
        wrapped: Join lines that look as if they were only wrapped.
    """
    for block in _BREAK.split(text):
        joined = _unwrap(block.strip()) if wrapped else block.strip("\n").rstrip()
        while len(joined) > _MOST_CHARACTERS:
            cut = joined.rfind(" ", _MOST_CHARACTERS // 2, _MOST_CHARACTERS)
            cut = cut if cut > 0 else _MOST_CHARACTERS
            yield joined[:cut].rstrip()
            joined = joined[cut:].lstrip()
        if joined:
            yield joined


def _unwrap(block: str) -> str:
    """Joins lines that were only wrapped; lists, verses and addresses keep theirs."""
    lines = [line.strip() for line in block.split("\n")]
    pieces = [lines[0]]
    for before, line in pairwise(lines):
        wrapped = len(before) > _WRAPPED and not _BULLET.match(line)
        pieces += [" " if wrapped else "\n", line]
    return "".join(pieces)


def charset_of(media_type: str | None) -> str | None:
    """The ``charset`` parameter of a media type."""
    found = _CHARSET.search(media_type or "")
    return found[1] if found else None


def clean(text: str) -> str:
    """Text fit to be stored: no control characters, lone surrogates or carriage returns."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").translate(_CONTROL)
    return _SURROGATE.sub("\ufffd", text)


def decode(data: bytes, declared: str | None = None) -> str:
    """Bytes as text: byte order mark, declared charset, UTF-8, UTF-16, then a guess.

    Never fails: what no charset explains is read as Windows-1252, Latin-1 where
    that has gaps.
    """
    for mark, charset in (
        (b"\xef\xbb\xbf", "utf-8"),
        (b"\xff\xfe\0\0", "utf-32-le"),
        (b"\0\0\xfe\xff", "utf-32-be"),
        (b"\xff\xfe", "utf-16-le"),
        (b"\xfe\xff", "utf-16-be"),
    ):
        if data.startswith(mark):
            return data[len(mark) :].decode(charset, "replace")
    for name in (declared, utf16_order(data), "utf-8"):
        if name and (text := _try(data, name)) is not None:
            return text
    guess = _guess(data)
    text = data.decode(guess, "replace") if guess == "utf-8" else _try(data, guess)
    return data.decode("latin-1") if text is None else text


def _try(data: bytes, charset: str) -> str | None:
    try:
        return data.decode(charset)
    except (UnicodeDecodeError, LookupError):  # LookupError: no such charset
        return None


def _guess(data: bytes) -> str:
    """A charset for bytes that are not valid UTF-8."""
    sample = data[:_SAMPLE]
    foreign = sum(byte >= 0x80 for byte in sample)
    # A few bad bytes in a file that is else UTF-8: multi-byte characters prevail.
    if foreign and sample.decode("utf-8", "replace").count("\ufffd") < 0.02 * foreign:
        return "utf-8"
    if foreign >= _TELLING:
        from charset_normalizer import from_bytes

        best = from_bytes(sample).best()
        if best is not None:
            return best.encoding
    return "cp1252"
