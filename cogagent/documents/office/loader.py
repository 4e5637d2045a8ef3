"""What loaders of DOCX and PPTX files share: the package, its pictures, its pages as PDF."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from cogagent.documents.base import label
from cogagent.documents.office import libreoffice
from cogagent.documents.office.package import OfficePackage
from cogagent.geometry import FULL_PAGE, Box
from cogagent.types import Element, Raster, Source

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cogagent.config import LimitSettings, ParseSettings
    from cogagent.documents.office.layout import Layout

_log = logging.getLogger(__name__)
_DEFAULT_TITLES = ("Word Document", "PowerPoint Presentation")
"""What programs write where the author wrote nothing."""


class OfficeLoader:
    """Base of the loaders; a subclass reads the elements and names the conversion.

    Args:
        limits: What one file may cost.
        parse: ``passwords``, and ``office`` for the conversion.
    """

    file_name = ""
    """What LibreOffice is told that the file is called."""
    target = ""
    """What it is told to make of it."""

    def __init__(self, limits: LimitSettings, parse: ParseSettings) -> None:
        self.limits, self.parse = limits, parse

    def pixels(self, source: Source, elements: Sequence[Element]) -> Iterator[Raster | None]:
        """The pictures in the document, cropped as it shows them.

        Raises:
            DocumentError: A subclass that says what is wrong with the file.
        """
        from cogagent.documents.office.pictures import rasters

        source, package = self.opened(source)

        def show(page: int) -> Raster | None:
            pdf = self._pdf(source, package)
            return None if pdf is None else self._shown(pdf, source, page, self.parse.picture_dpi)

        yield from rasters(package, elements, source.uri, self.limits, show)

    def render(self, source: Source, page: int, dpi: int, box: Box = FULL_PAGE) -> Raster:
        """A page, or a part of it, as LibreOffice lays it out.

        Raises:
            UnsupportedFormatError: LibreOffice is not there, or cannot convert it.
            DocumentError: Another subclass that says what is wrong with the file.
        """
        source, package = self.opened(source)
        if not self.parse.office:
            raise libreoffice.no_pages(source, self.parse)
        try:
            pdf = libreoffice.convert(
                source, package.write, self.file_name, self.target, self.limits
            )
        except libreoffice.ConversionError as error:
            raise libreoffice.no_pages(source, self.parse, str(error)) from error
        return self._shown(pdf, source, page, dpi, box)

    def opened(self, source: Source) -> tuple[Source, OfficePackage]:
        """The source without its password, and the package in it."""
        source = libreoffice.decrypted(source, self.parse)
        return source, OfficePackage(source.data or b"", source.uri, self.limits)

    def layout(self, source: Source, package: OfficePackage) -> Layout | None:
        """Where the words stand; ``None``, with a warning in the log, if nobody can tell."""
        from cogagent.documents.office.layout import read_layout

        pdf = self._pdf(source, package)
        if pdf is None:
            return None
        try:
            return read_layout(pdf)
        except ValueError as error:
            _log.warning("%s is read without rectangles: %s", label(source.uri), error)
            return None

    def _pdf(self, source: Source, package: OfficePackage) -> bytes | None:
        return libreoffice.convert_or_warn(
            source, package.write, self.file_name, self.target, self.limits, self.parse
        )

    def _shown(
        self, pdf: bytes, source: Source, page: int, dpi: int, box: Box = FULL_PAGE
    ) -> Raster:
        from cogagent.documents.pdf.loader import PdfLoader

        converted = Source(uri=source.uri, data=pdf)
        return PdfLoader(self.limits, self.parse).render(converted, page, dpi, box)


def title_of(package: Any) -> str:
    """The title in a package's properties, on one line; empty if there is none.

    Args:
        package: As python-docx and python-pptx open it.
    """
    # The libraries make up properties where a file has none; those are not asked for.
    if not any(
        relation.reltype.endswith("/core-properties")
        for relation in getattr(package, "rels", getattr(package, "_rels", {})).values()
    ):
        return ""
    properties = package.core_properties
    title = " ".join(str(properties.title or "").split())[:300]
    return "" if title in _DEFAULT_TITLES else title
