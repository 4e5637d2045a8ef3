"""EPUB: the sections of its spine in order, each read as the web page that it is."""

from __future__ import annotations

import logging
import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from cogagent.documents import pixels
from cogagent.documents.base import label
from cogagent.documents.html import Picture, read_page
from cogagent.documents.office.kinds import EPUB
from cogagent.documents.text import clean
from cogagent.documents.xmlparts import Node, XmlParts
from cogagent.errors import CorruptDocumentError, PasswordRequiredError
from cogagent.types import Element, Raster, Source

if TYPE_CHECKING:
    from cogagent.config import LimitSettings, ParseSettings

_log = logging.getLogger(__name__)

_CONTAINER, _ENCRYPTION = "META-INF/container.xml", "META-INF/encryption.xml"
_SCRAMBLED_FONTS = frozenset(
    ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")
)
"""Ways of encryption that hide fonts alone, with the key in the file."""
_PAGES = ("application/xhtml+xml", "text/html", "text/x-oeb1-document")
_LEAST_SIDE = 16
"""Pixels; what is smaller is an ornament."""
_MOST_PICTURE = 64 << 20
"""Bytes; a larger one is left out."""
_SMALL, _MOST_SMALL = 1 << 18, 64
"""Bytes and number of pictures that are kept for the next section."""
_SVG_IMAGE = re.compile(
    rb"<(?:\w{1,20}:)?image\b[^<>]*?\s(?:xlink:)?href\s*=\s*(?P<address>\"[^\"<>]*\"|'[^'<>]*')"
)


@dataclass(frozen=True, slots=True)
class _Book:
    """What a package document tells.

    Attributes:
        folder: That the addresses in it start from.
        spine: Name, media type and properties of each section.
    """

    title: str
    folder: str
    spine: list[tuple[str, str, frozenset[str]]]


class EpubLoader:
    """Reads EPUB 2 and 3; a section of the spine is a page.

    The table of contents is not repeated where it stands in the spine. A
    section that is missing or damaged costs itself alone; a book of none but
    such is an error.

    Args:
        limits: ``unpacked_mb``, ``members`` and ``pixels`` count.
        parse: Not used; loaders are built alike.
    """

    media_types = (EPUB,)

    def __init__(self, limits: LimitSettings, parse: ParseSettings) -> None:  # noqa: ARG002
        self._limits = limits

    def load(self, source: Source) -> Iterator[Element]:
        """A ``page`` element a section, then its headings, texts, tables and pictures.

        Raises:
            CorruptDocumentError: If it is damaged or no book.
            PasswordRequiredError: If its sections are encrypted.
            LimitExceededError: If it unpacks to more than is allowed.
        """
        assert source.data is not None
        parts = XmlParts(source.data, source.uri, self._limits)
        book = _read_book(parts)
        _refuse_encrypted(parts, book)
        pictures = _Pictures(parts)
        order = 0
        for page, (name, kind, properties) in enumerate(book.spine, start=1):
            opening = Element(kind="page", caption=book.title if page == 1 else "")
            found = iter(()) if "nav" in properties else self._section(pictures, name, kind)
            for element in chain([opening], found):
                yield element.model_copy(update={"page": page, "order": order})
                order += 1

    def pixels(self, source: Source, elements: Sequence[Element]) -> Iterator[Raster | None]:
        """Pictures of the sections, by the names of their members."""
        assert source.data is not None
        parts = XmlParts(source.data, source.uri, self._limits)
        pictures = _Pictures(parts)
        for element in elements:
            picture = pictures.find("", f"/{quote(element.picture)}")
            data = None if picture is None else picture.data
            yield pixels.seen(data, source.uri, self._limits)

    def _section(self, pictures: _Pictures, name: str, kind: str) -> Iterator[Element]:
        parts = pictures.parts
        if name not in parts:
            _log.info("%s lacks its section '%s'", label(parts.uri), name)
            return
        if kind.startswith("image/") and kind != "image/svg+xml":
            yield from self._picture(parts, name)
        elif kind in _PAGES or kind == "image/svg+xml":
            try:
                data = parts.read(name)
            except CorruptDocumentError as error:
                _log.info("a section is left out: %s", error)
                return
            folder = posixpath.dirname(name)
            page = _svg_as_images(data)
            yield from read_page(page, None, lambda a: pictures.find(folder, a), self._limits)[1]

    def _picture(self, parts: XmlParts, name: str) -> Iterator[Element]:
        """A section that is a picture, as in comics."""
        try:
            image = pixels.open_picture(parts.read(name), name, self._limits)
            size = pixels.shown_size(image, name)
        except CorruptDocumentError as error:
            _log.info("a picture is left out: %s", error)
            return
        if min(size) >= _LEAST_SIDE:
            yield Element(kind="image", size=size, unseen=True, picture=name)


def _read_book(parts: XmlParts) -> _Book:
    name = _package(parts)
    root = parts.root(name)
    folder = posixpath.dirname(name)
    items: dict[str, tuple[str, str, frozenset[str]]] = {}
    for node in root.iterfind("{*}manifest/{*}item"):
        target = _resolved(folder, node.get("href", ""))
        kind = node.get("media-type", "").strip().lower()
        words = frozenset((node.get("properties") or "").split())
        if target is not None:
            items[node.get("id", "")] = target, kind, words
    references = [node.get("idref", "") for node in root.iterfind("{*}spine/{*}itemref")]
    spine = [items[reference] for reference in references if reference in items]
    if not any(name in parts for name, _, _ in spine):
        raise CorruptDocumentError(f"{label(parts.uri)} has no section to read.", uri=parts.uri)
    return _Book(_title(root), folder, spine)


def _package(parts: XmlParts) -> str:
    """The name of the package document, by the container or else by its ending."""
    root = parts.find(_CONTAINER)
    if root is not None:
        for node in root.iterfind("{*}rootfiles/{*}rootfile"):
            name = node.get("full-path", "")
            if name in parts:
                return str(name)
    for name in parts.names:
        if name.lower().endswith(".opf"):
            return name
    raise CorruptDocumentError(
        f"{label(parts.uri)} is no book: it has no package document.", uri=parts.uri
    )


def _title(root: Node) -> str:
    for node in root.iterfind("{*}metadata//{http://purl.org/dc/elements/1.1/}title"):
        title = " ".join(clean("".join(node.itertext())).split())
        if title:
            return title
    return ""


def _refuse_encrypted(parts: XmlParts, book: _Book) -> None:
    root = parts.find(_ENCRYPTION)
    if root is None:
        return
    sections = {name.casefold() for name, _, _ in book.spine}
    for node in root.iter("{*}EncryptedData"):
        method = node.find("{*}EncryptionMethod")
        way = "" if method is None else method.get("Algorithm", "")
        for reference in node.iter("{*}CipherReference"):
            target = _resolved("", reference.get("URI", ""))
            if way not in _SCRAMBLED_FONTS and target and target.casefold() in sections:
                raise PasswordRequiredError(
                    f"{label(parts.uri)} is protected against copying (DRM).",
                    uri=parts.uri,
                    remedy="Ask who sold it for a file without protection.",
                )


def _resolved(folder: str, address: str) -> str | None:
    """The member that an address inside the book means; ``None`` for any other address."""
    path = address.partition("#")[0].strip()
    if not path or re.match(r"[a-zA-Z][\w+.-]*:|//", path):
        return None
    return posixpath.normpath(posixpath.join("/", folder, unquote(path))).lstrip("/")


class _Pictures:
    """The pictures of a book by their addresses; small ones are kept, as they come again."""

    def __init__(self, parts: XmlParts) -> None:
        self.parts = parts
        self._small: dict[str, Picture] = {}

    def find(self, folder: str, address: str) -> Picture | None:
        """The picture that a section in ``folder`` means; ``None`` if the book has none."""
        name = _resolved(folder, address)
        if name is None or name not in self.parts or self.parts.size(name) > _MOST_PICTURE:
            return None
        if name in self._small:
            return self._small[name]
        try:
            picture = Picture(name, self.parts.read(name))
        except (CorruptDocumentError, PasswordRequiredError) as error:
            _log.info("a picture is left out: %s", error)
            return None
        if len(picture.data) <= _SMALL and len(self._small) < _MOST_SMALL:
            self._small[name] = picture
        return picture


def _svg_as_images(data: bytes) -> bytes:
    """A page in which drawings that only frame a picture, as covers do, are that picture."""
    pieces, at = [], 0
    while (start := data.find(b"<svg", at)) >= 0 and (end := data.find(b"</svg>", start)) >= 0:
        image = _SVG_IMAGE.search(data, start, end)
        pieces.append(data[at:start])
        at = end + len(b"</svg>")
        pieces.append(data[start:at] if image is None else b"<img src=%b/>" % image["address"])
    return b"".join([*pieces, data[at:]])
