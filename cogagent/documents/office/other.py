"""Older and open office formats, by way of LibreOffice; and any that a password protects."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cogagent.documents import registry
from cogagent.documents.base import Pictured, Renderer, label
from cogagent.documents.office import kinds, libreoffice
from cogagent.documents.zipped import open_zip
from cogagent.errors import (
    CorruptDocumentError,
    PasswordRequiredError,
    UnsupportedFormatError,
)
from cogagent.geometry import FULL_PAGE, Box
from cogagent.types import Element, Raster, Source

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cogagent.config import LimitSettings, ParseSettings
    from cogagent.documents.base import Loader

_TO_DOCX = ("docx:MS Word 2007 XML", kinds.DOCX)
_TO_PPTX = ("pptx:Impress MS PowerPoint 2007 XML", kinds.PPTX)
_TO_XLSX = ("xlsx:Calc MS Excel 2007 XML", kinds.XLSX)
_WAYS = {
    kinds.DOC: ("doc", *_TO_DOCX),
    kinds.ODT: ("odt", *_TO_DOCX),
    kinds.RTF: ("rtf", *_TO_DOCX),
    kinds.PPT: ("ppt", *_TO_PPTX),
    kinds.ODP: ("odp", *_TO_PPTX),
    kinds.XLS: ("xls", *_TO_XLSX),
    kinds.ODS: ("ods", *_TO_XLSX),
}
"""Suffix, what LibreOffice makes of it, and what that is."""
_MANIFEST = "META-INF/manifest.xml"


class OtherOfficeLoader:
    """Reads DOC, PPT, XLS, ODT, ODP, ODS and RTF as the newer kind LibreOffice makes of them.

    So headings, tables and pictures are known as they are there. A file behind a
    password is decrypted and read as what it then is.

    Args:
        limits: What one file may cost.
        parse: ``passwords``; ``office`` has to be on, but for protected files.
    """

    media_types: tuple[str, ...] = (*_WAYS, kinds.PROTECTED)

    def __init__(self, limits: LimitSettings, parse: ParseSettings) -> None:
        self._limits, self._parse = limits, parse

    def load(self, source: Source) -> Iterator[Element]:
        """The elements of a document.

        Raises:
            UnsupportedFormatError: LibreOffice is needed and not there.
            PasswordRequiredError: It is encrypted and no configured password fits.
            CorruptDocumentError: It is damaged, or LibreOffice cannot read it.
        """
        loader, known = self._known(source)
        yield from loader.load(known)

    def pixels(self, source: Source, elements: Sequence[Element]) -> Iterator[Raster | None]:
        """The pictures in the document; errors are those of :meth:`load`."""
        loader, known = self._known(source)
        assert isinstance(loader, Pictured)
        yield from loader.pixels(known, elements)

    def render(self, source: Source, page: int, dpi: int, box: Box = FULL_PAGE) -> Raster:
        """A page of the document, or a part of it; errors are those of :meth:`load`."""
        loader, known = self._known(source)
        if not isinstance(loader, Renderer):
            raise UnsupportedFormatError(f"{label(source.uri)} cannot be shown.", uri=source.uri)
        return loader.render(known, page, dpi, box)

    def _known(self, source: Source) -> tuple[Loader, Source]:
        """The document as a kind with a loader of its own, and that loader."""
        source = libreoffice.decrypted(source, self._parse)
        data = source.data or b""
        kind = registry.detect(data, source.uri)
        if kind in _WAYS:
            data, kind = self._converted(source, kind)
        elif kind == kinds.PROTECTED:  # it only looked as if it were encrypted
            raise CorruptDocumentError(f"{label(source.uri)} is damaged.", uri=source.uri)
        known = source.model_copy(update={"data": data, "media_type": kind})
        return registry.loader_for(kind, self._limits, self._parse), known

    def _converted(self, source: Source, kind: str) -> tuple[bytes, str]:
        if not libreoffice.wanted(self._parse):
            raise UnsupportedFormatError(
                f"{label(source.uri)} ({kind}) is read by way of LibreOffice.",
                uri=source.uri,
                remedy=libreoffice.INSTALL if self._parse.office else "Switch parse.office on.",
            )
        data = source.data or b""
        if data.startswith(b"PK"):
            self._check_open_document(data, source.uri)
        suffix, target, made = _WAYS[kind]

        def write(path: Path) -> None:
            path.write_bytes(data)

        try:
            return libreoffice.convert(
                source, write, f"document.{suffix}", target, self._limits
            ), made
        except libreoffice.ConversionError as error:
            raise CorruptDocumentError(
                f"{label(source.uri)} cannot be converted: {error}.",
                uri=source.uri,
                remedy="Open it in LibreOffice by hand; if it opens, save it as DOCX or PPTX.",
            ) from error

    def _check_open_document(self, data: bytes, uri: str) -> None:
        """Unpack an ODF file within the limits before another program does without any.

        Raises:
            DocumentError: It is too large, damaged or encrypted.
        """
        archive = open_zip(data, uri, self._limits)
        for name in archive.names:
            for piece in archive.pieces(name):
                if name == _MANIFEST and b"encryption-data" in piece:
                    raise PasswordRequiredError(
                        f"{label(uri)} is encrypted.",
                        uri=uri,
                        remedy="Save it without a password.",
                    )
