"""Which loader reads which bytes: kinds are told by content first, by name second.

A package outside adds a loader with an entry point in the group
``cogagent.loaders``; its name is the media type, its value a class built as
``SomeLoader(limits, parse)``::

    [project.entry-points."cogagent.loaders"]
    "application/x-mobipocket-ebook" = "my_package:MobiLoader"
"""

from __future__ import annotations

import mimetypes
import re
from contextlib import contextmanager
from functools import lru_cache
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import PurePath
from typing import TYPE_CHECKING, cast

from cogagent.documents import picture_kinds
from cogagent.documents.base import Loader, Pictured, Renderer, label
from cogagent.documents.office import kinds as office
from cogagent.errors import (
    CorruptDocumentError,
    DocumentError,
    LimitExceededError,
    UnsupportedFormatError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cogagent.config import LimitSettings, ParseSettings
    from cogagent.geometry import Box
    from cogagent.types import Element, Raster, Source

TEXT, MARKDOWN, HTML, PDF = "text/plain", "text/markdown", "text/html", "application/pdf"
CSV, TSV = "text/csv", "text/tab-separated-values"
UNKNOWN = "application/octet-stream"
WEB_PAGE = "application/vnd.cogagent.web-page"
"""HTML fetched from the web; named by who fetched it, never found in a file."""

_IMAGE = "cogagent.documents.image:ImageLoader"
_OFFICE = "cogagent.documents.office.other:OtherOfficeLoader"
_BUILT_IN = {
    PDF: "cogagent.documents.pdf.loader:PdfLoader",
    TEXT: "cogagent.documents.text:TextLoader",
    MARKDOWN: "cogagent.documents.markdown:MarkdownLoader",
    HTML: "cogagent.documents.html:HtmlLoader",
    WEB_PAGE: "cogagent.documents.webpage:WebPageLoader",
    CSV: "cogagent.documents.delimited:DelimitedLoader",
    TSV: "cogagent.documents.delimited:DelimitedLoader",
    office.XLSX: "cogagent.documents.xlsx.loader:XlsxLoader",
    office.EPUB: "cogagent.documents.epub:EpubLoader",
    office.DOCX: "cogagent.documents.office.docx:DocxLoader",
    office.PPTX: "cogagent.documents.office.pptx:PptxLoader",
    **dict.fromkeys(office.CONVERTED, _OFFICE),
    office.PROTECTED: _OFFICE,
    **dict.fromkeys(picture_kinds.MEDIA_TYPES, _IMAGE),
}
_ALIASES = {
    "application/x-pdf": PDF,
    "application/xhtml+xml": HTML,
    "text/x-markdown": MARKDOWN,
    "application/csv": CSV,
    "text/x-csv": CSV,
    "text/comma-separated-values": CSV,
    "text/tsv": TSV,
    "application/x-zip-compressed": "application/zip",
    "application/x-gzip": "application/gzip",
    "application/x-bzip": "application/x-bzip2",
    "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "image/tif": "image/tiff",
    "image/x-ms-bmp": "image/bmp",
    **office.ALIASES,
}
_SUFFIXES = dict.fromkeys((".md", ".markdown", ".mkd", ".mdown"), MARKDOWN) | dict.fromkeys(
    (".html", ".htm", ".xhtml"), HTML
)
_SUFFIXES |= {".csv": CSV, ".psv": CSV, ".tsv": TSV, ".tab": TSV}
_MAGIC = (
    (b"{\\rtf", "application/rtf"),
    (b"%!PS", "application/postscript"),
    (b"PK\x03\x04", "application/zip"),
    (b"PK\x05\x06", "application/zip"),
    (b"\x1f\x8b", "application/gzip"),
    (b"\xfd7zXZ\x00", "application/x-xz"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),
    (b"\x7fELF", "application/x-executable"),
    (b"SQLite format 3\x00", "application/vnd.sqlite3"),
)
_BZIP2 = (b"1AY&SY", b"\x17rE8P\x90")
"""What follows the block size; the second where nothing is packed."""
_USTAR = 257
_CONTAINERS = {"application/zip", "application/gzip", "application/x-ole-storage", UNKNOWN}
"""Kinds whose content tells only the wrapping; the name tells what is in it."""
_BOMS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
# What may stand before the first tag: white space, XML declaration, comments, doctype.
_HTML = re.compile(
    rb"\s*(?:<\?xml[^>]*>\s*|<!--.*?-->\s*)*"
    rb"<(?:(?P<page>!doctype\s+html|html)|head|body|title|meta|div|table|article|main|h1|p)\b[^<]*>",
    re.IGNORECASE | re.DOTALL,
)
_SVG = re.compile(
    rb"\s*(?:<\?xml[^>]*>\s*|<!--.*?-->\s*|<!doctype svg[^>]*>\s*)*<svg\b",
    re.IGNORECASE | re.DOTALL,
)
_PDF_OBJECT = re.compile(rb"(?:\A|[\r\n])\s*\d+ \d+ obj\b")
_HEAD = 8192


def base_type(media_type: str) -> str:
    """A media type in lower case, without parameters, under its usual name."""
    plain = media_type.partition(";")[0].strip().lower()
    return _ALIASES.get(plain, plain)


def detect(data: bytes, name: str = "") -> str:
    """The media type of ``data``, ``application/octet-stream`` when nothing tells it.

    Args:
        data: The whole content, or its first 8 KiB.
        name: File name or uri; decides between kinds of text, and for containers.
    """
    head = data[:_HEAD]
    found = _by_magic(head) or _by_name(head, name)
    if found is None:
        found = _text_kind(head, name) if looks_like_text(head) else UNKNOWN
    if found == "application/zip":
        found = office.in_zip(data, name) or found
    elif found == "application/x-ole-storage":
        found = office.in_ole(data, name) or found
    if found in _CONTAINERS or found == TEXT:
        named, packed = mimetypes.guess_type(PurePath(name).name)
        # Of "x.json.gz" the name tells what will be there once it is unpacked.
        named = base_type("" if named is None or packed else named)
        if named in plug_ins() or (named and found in _CONTAINERS and named not in _BUILT_IN):
            return named
    return found


def _by_magic(head: bytes) -> str | None:
    for magic, media_type in _MAGIC:
        if head.startswith(magic):
            return media_type
    if head[:3] == b"BZh" and head[4:10] in _BZIP2:
        return "application/x-bzip2"
    if head[_USTAR:].startswith(b"ustar"):
        return "application/x-tar"
    picture = picture_kinds.told_by_content(head)
    if picture is not None:
        return picture.media_type
    return PDF if b"%PDF-" in head[:1024] else None


def _by_name(head: bytes, name: str) -> str | None:
    """Kinds that do not tell themselves, where their name does and their bytes agree."""
    if PurePath(name).suffix.lower() == ".pdf" and _PDF_OBJECT.search(head):
        return PDF  # its first line is lost
    picture = picture_kinds.told_by_name(name, head)
    return None if picture is None else picture.media_type


def _text_kind(head: bytes, name: str) -> str:
    plain = head.replace(b"\0", b"")
    for bom in _BOMS:
        plain = plain.removeprefix(bom)
    if _SVG.match(plain):
        return "image/svg+xml"
    named = _SUFFIXES.get(PurePath(name).suffix.lower(), TEXT)
    tag = _HTML.match(plain)
    # Markdown may open with a tag, but not with that of a whole page.
    return HTML if tag and (named != MARKDOWN or tag["page"]) else named


def looks_like_text(head: bytes) -> bool:
    """Whether bytes are text in some charset: no NULs but UTF-16's, few control characters."""
    if head.startswith(_BOMS):
        return True
    if utf16_order(head):
        return True
    if b"\0" in head:
        return False
    control = sum(
        head.count(bytes([code])) for code in range(32) if code not in b"\t\n\v\r\f\b\x1b"
    )
    return control <= 1 + len(head) // 50


def utf16_order(head: bytes) -> str | None:
    """``utf-16-le`` or ``utf-16-be`` if every other byte tends to be NUL, else ``None``."""
    even, odd = head[0:_HEAD:2], head[1:_HEAD:2]
    if len(odd) < 2:
        return None
    if odd.count(0) > 0.4 * len(odd) and even.count(0) < 0.05 * len(even):
        return "utf-16-le"
    if even.count(0) > 0.4 * len(even) and odd.count(0) < 0.05 * len(odd):
        return "utf-16-be"
    return None


@lru_cache(maxsize=1)
def plug_ins() -> dict[str, str]:
    """Loaders of other packages: media type to ``module:class``."""
    found = entry_points(group="cogagent.loaders")
    return {base_type(point.name): point.value for point in found}


def supported() -> list[str]:
    """The media types that some loader reads, sorted."""
    return sorted((_BUILT_IN.keys() | plug_ins().keys()) - {WEB_PAGE})


def is_plain_text(media_type: str) -> bool:
    """Whether a kind is read in this process; every other needs a parser process."""
    kind = base_type(media_type)
    return kind in (TEXT, MARKDOWN) and kind not in plug_ins()


def place_of(media_type: str) -> str:
    """Where the loader of a media type is, as ``module:class``; imports nothing.

    Raises:
        UnsupportedFormatError: If there is none; the message lists what is supported.
    """
    kind = base_type(media_type)
    place = plug_ins().get(kind) or _BUILT_IN.get(kind)
    if place is None:
        raise UnsupportedFormatError(
            f"there is no loader for {kind}.",
            remedy=f"Supported are: {', '.join(supported())}.",
        )
    return place


def loader_for(media_type: str, limits: LimitSettings, parse: ParseSettings) -> Loader:
    """The loader of a media type; one of another package goes before a built-in one.

    Raises:
        UnsupportedFormatError: If there is none; the message lists what is supported.
    """
    module, _, name = place_of(media_type).partition(":")
    return cast("Loader", getattr(import_module(module), name)(limits, parse))


def load(
    source: Source, media_type: str, limits: LimitSettings, parse: ParseSettings
) -> Iterator[Element]:
    """The elements of ``source``, in this process; every failure is a ``DocumentError``.

    Raises:
        DocumentError: A subclass that says what is wrong; its ``uri`` is the source's.
    """
    with _typed_errors(source, media_type, limits):
        for element in loader_for(media_type, limits, parse).load(source):
            _check_page(element.page, source.uri, limits)
            yield element


def pixels(
    source: Source,
    media_type: str,
    elements: Sequence[Element],
    limits: LimitSettings,
    parse: ParseSettings,
) -> Iterator[Raster | None]:
    """The pixels of unseen elements, in this process; see :class:`Pictured`.

    Raises:
        UnsupportedFormatError: If documents of this kind have no pictures.
        DocumentError: Another subclass that says what is wrong.
    """
    with _typed_errors(source, media_type, limits):
        loader = loader_for(media_type, limits, parse)
        if not isinstance(loader, Pictured):
            raise UnsupportedFormatError(f"a document of type {media_type} has no pictures.")
        yield from loader.pixels(source, elements)


def render(
    source: Source,
    media_type: str,
    page: int,
    dpi: int,
    limits: LimitSettings,
    parse: ParseSettings,
    box: Box | None = None,
) -> Raster:
    """A page, or a part of it, as pixels, in this process; every failure is a ``DocumentError``.

    Raises:
        UnsupportedFormatError: If documents of this kind have no pages to look at.
        DocumentError: Another subclass that says what is wrong.
    """
    with _typed_errors(source, media_type, limits):
        loader = loader_for(media_type, limits, parse)
        if not isinstance(loader, Renderer):
            raise UnsupportedFormatError(f"a document of type {media_type} cannot be shown.")
        return loader.render(source, page, dpi, *([box] if box is not None else []))


@contextmanager
def _typed_errors(source: Source, media_type: str, limits: LimitSettings) -> Iterator[None]:
    """Turns whatever a loader raises into a ``DocumentError`` with the source's uri."""
    try:
        yield
    except DocumentError as error:
        error.uri = source.uri
        raise
    except MemoryError as error:
        raise LimitExceededError(
            f"{label(source.uri)} needs more memory than {limits.parse_memory_mb} MiB.",
            uri=source.uri,
            remedy="Raise the setting limits.parse_memory_mb if the file is sound.",
        ) from error
    except RecursionError as error:
        raise CorruptDocumentError(
            f"{label(source.uri)} is nested too deeply.", uri=source.uri
        ) from error
    except Exception as error:
        # A loader is the one place where any error of any library may come up.
        raise CorruptDocumentError(
            f"{label(source.uri)} cannot be read as {media_type}: "
            f"{type(error).__name__}: {str(error)[:500]}",
            uri=source.uri,
        ) from error


def _check_page(page: int, uri: str, limits: LimitSettings) -> None:
    if page > limits.pages:
        raise LimitExceededError(
            f"{label(uri)} has more than {limits.pages} pages.",
            uri=uri,
            remedy="Raise the setting limits.pages to read it.",
        )
