"""The package inside DOCX and PPTX files, made safe before any library reads it.

What is taken out is what a reader of the text never needs and a trap may be
laid with: links to anything outside of the file, fields that fetch, macros,
embedded programs, parts that are declared and missing. An XML part with a
document type is refused, since only there can entities be defined.
"""

from __future__ import annotations

import io
import posixpath
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote
from xml.parsers import expat
from zipfile import ZIP_STORED, ZipFile

from lxml import etree

from cogagent.documents.base import label
from cogagent.documents.zipped import open_zip
from cogagent.errors import CorruptDocumentError

if TYPE_CHECKING:
    from cogagent.config import LimitSettings

_XML = (".xml", ".rels", ".vml")
_PICTURES = (".png", ".jpg", ".jpeg", ".jfif", ".gif", ".bmp", ".dib", ".tif", ".tiff", ".emf",
             ".wmf", ".wdp")  # fmt: skip
_MOST_XML = 256 << 20
"""Bytes of one XML part; its tree takes several times as much."""
_TYPES = "[Content_Types].xml"
_STRICT = re.compile(rb"http://purl\.oclc\.org/ooxml/(\w+)/")
_TRANSITIONAL = rb"http://schemas.openxmlformats.org/\1/2006/"
_WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_VML, _OFFICE = "{urn:schemas-microsoft-com:vml}", "{urn:schemas-microsoft-com:office:office}"
_REACHING = (b"instrText", b"fldSimple", b"schemas-microsoft-com:vml")
"""Names that a part must have to reach outside by itself, not by a relationship."""
_FIELDS = re.compile(
    r"\s*(?:PAGE|NUMPAGES|SECTION|SECTIONPAGES|SEQ|REF|PAGEREF|NOTEREF|TOC|STYLEREF|HYPERLINK)\b"
)
"""Fields that fetch nothing; the shown result of any other stays, its instruction goes."""


class OfficePackage:
    """The parts of an OOXML file, read within the limits.

    Args:
        data: The whole file.
        uri: For messages.
        limits: ``unpacked_mb`` and ``members`` count.

    Raises:
        CorruptDocumentError: It is no such file, is damaged, or defines entities.
        LimitExceededError: It has too much in it.
        PasswordRequiredError: A part is encrypted.
    """

    def __init__(self, data: bytes, uri: str, limits: LimitSettings) -> None:
        self._uri = uri
        self._zip = open_zip(data, uri, limits)
        if _TYPES not in self._zip:
            raise CorruptDocumentError(
                f"{label(uri)} is no office document: it lacks '{_TYPES}'.", uri=uri
            )
        self._names = {name.lower(): name for name in self._zip.names}
        self._parts: dict[str, bytes] = {}
        with _typed_xml(uri):
            for name in self._zip.names:
                if name.lower().endswith(_XML):
                    self._parts[name] = self._cleaned(name)

    def __contains__(self, name: str) -> bool:
        return name in self._zip

    def picture(self, name: str) -> bytes | None:
        """The bytes of a picture by the name of its part; ``None`` if there is no such one.

        Raises:
            DocumentError: The part is damaged, or too much was unpacked.
        """
        return self._zip.read(name) if self._is_picture(name) else None

    def lean(self) -> io.BytesIO:
        """A package of the XML parts, in which pictures are there and empty."""
        packed = io.BytesIO()
        with ZipFile(packed, "w", ZIP_STORED) as archive:
            for name, data in self._all():
                archive.writestr(name, data)
        packed.seek(0)
        return packed

    def write(self, path: Path) -> None:
        """A package of the XML parts and pictures, as a file."""
        with ZipFile(path, "w", ZIP_STORED) as archive:
            for name, data in self._all():
                with archive.open(name, "w", force_zip64=True) as member:
                    member.write(data)
                    for piece in self._zip.pieces(name) if name not in self._parts else ():
                        member.write(piece)

    def _all(self) -> Iterator[tuple[str, bytes]]:
        for name in self._zip.names:
            if name in self._parts or self._is_picture(name):
                yield name, self._parts.get(name, b"")

    def _is_picture(self, name: str) -> bool:
        return name in self._zip and name.lower().endswith(_PICTURES)

    def _cleaned(self, name: str) -> bytes:
        data = self._zip.read(name, _MOST_XML)
        if self._has_doctype(data):
            raise CorruptDocumentError(
                f"'{name}' in {label(self._uri)} has a document type, "
                "which no office document needs and entities are smuggled in by.",
                uri=self._uri,
                remedy="Open it in the program it was made with and save it anew.",
            )
        data = _STRICT.sub(_TRANSITIONAL, data)
        if name.lower().endswith(".rels"):
            return self._inner_links(name, data)
        # A part that is not in UTF-8 may hide the names: it is read to be sure.
        if b"\0" in data or any(word in data for word in _REACHING):
            return _without_reach(data)
        return data

    @staticmethod
    def _has_doctype(data: bytes) -> bool:
        """Whether an XML part has a document type, told without going into it.

        Raises:
            expat.ExpatError: It is no XML that office programs write.
        """
        if not data.strip():
            return False
        parser = expat.ParserCreate()
        found: list[bool] = []

        def at_doctype(*_: object) -> None:
            found.append(True)
            raise _SeenError

        def at_root(*_: object) -> None:
            raise _SeenError

        parser.StartDoctypeDeclHandler, parser.StartElementHandler = at_doctype, at_root
        try:
            for at in range(0, len(data), 1 << 16):
                parser.Parse(data[at : at + (1 << 16)])
            parser.Parse(b"", True)
        except _SeenError:
            pass
        return bool(found)

    def _inner_links(self, name: str, data: bytes) -> bytes:
        """Relationships to parts that are kept, under the names that these really have."""
        root = _parsed(data)
        # "word/_rels/document.xml.rels" tells of "word/document.xml".
        folder = PurePosixPath(name).parent.parent
        for link in list(root):
            target = link.get("Target", "") if isinstance(link.tag, str) else ""
            found = None
            if link.get("TargetMode") != "External" and target:
                path = posixpath.normpath(posixpath.join("/", folder, unquote(target)))
                found = self._names.get(path.lstrip("/").lower())
            if found is None or not found.lower().endswith(_XML + _PICTURES):
                root.remove(link)
            else:
                link.set("Target", f"/{found}")
        return _written(root)


class _SeenError(Exception):
    """Enough of a part was read to know what it begins with."""


@contextmanager
def _typed_xml(uri: str) -> Iterator[None]:
    """Turns what XML parsers raise into an error of this package."""
    try:
        yield
    except (expat.ExpatError, etree.XMLSyntaxError) as error:
        raise CorruptDocumentError(
            f"{label(uri)} has a part that is not XML: {error}.", uri=uri
        ) from error


def _parsed(data: bytes) -> Any:
    return etree.fromstring(
        data, etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    )


def _written(root: Any) -> bytes:
    return bytes(etree.tostring(root, xml_declaration=True, encoding="UTF-8", standalone=True))


def _without_reach(data: bytes) -> bytes:
    """A part without fields and drawings that name a place outside of the file."""
    root = _parsed(data)
    for node in root.iter(f"{_WORD}instrText"):
        if not _FIELDS.match(node.text or ""):
            node.text = ""
    for node in root.iter(f"{_WORD}fldSimple"):
        if not _FIELDS.match(node.get(f"{_WORD}instr", "")):
            node.set(f"{_WORD}instr", "")
    for node in root.iter(f"{_VML}*"):
        for attribute in ("src", "href", f"{_OFFICE}href", f"{_OFFICE}althref"):
            node.attrib.pop(attribute, None)
    return _written(root)
