"""DOCX: what a word processor's document says, and where that stands once it is laid out.

A DOCX file flows: where a page ends is settled by the program that shows it.
With LibreOffice installed (and ``parse.office`` on) the document is converted to
PDF, and every word gets its page and rectangle from there. Without it pages are
counted by the breaks that the file holds, every rectangle is the whole page, and
pages cannot be shown.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from cogagent.documents.base import label
from cogagent.documents.office.loader import OfficeLoader, title_of
from cogagent.errors import CorruptDocumentError
from cogagent.types import Element, Source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cogagent.documents.office.package import OfficePackage

_log = logging.getLogger(__name__)
_POINT = 12_700
"""EMUs in a point."""
_MAIN = (
    "application/vnd.ms-word.document.macroEnabled.main+xml",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.template.main+xml",
    "application/vnd.ms-word.template.macroEnabledTemplate.main+xml",
)


class DocxLoader(OfficeLoader):
    """Reads DOCX files and their macro-enabled and template kinds; macros are never run.

    Headings, paragraphs, list items with their numbers, tables, footnotes (after
    their paragraph), text boxes, charts (as tables) and pictures come in reading
    order; headers and footers are left out, tracked changes count as accepted.

    Args:
        limits: What one file may cost.
        parse: ``passwords``, and ``office`` for the conversion.
    """

    media_types: tuple[str, ...] = (
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    )
    file_name = "document.docx"
    target = "pdf:writer_pdf_Export"

    def load(self, source: Source) -> Iterator[Element]:
        """The elements of a document, laid out if LibreOffice is there.

        Raises:
            PasswordRequiredError: It is encrypted and no configured password fits.
            CorruptDocumentError: It is no DOCX file, or damaged.
            LimitExceededError: It unpacks to more than allowed.
        """
        from cogagent.documents.office import place as place
        from cogagent.documents.office.word import Story

        source, package = self.opened(source)
        document = _document(package, source.uri)
        story = Story(document)
        blocks = story.blocks()
        title = title_of(document.part.package) or story.title[:300]
        layout = self.layout(source, package)
        if layout is not None:
            found = place.by_layout(blocks, layout)
            yield from place.with_pages(found, layout.sizes, title, len(layout.sizes))
        else:
            yield from place.with_pages(place.by_breaks(blocks), _sizes(document), title, 1)


def _document(package: OfficePackage, uri: str) -> Any:
    """The document as python-docx opens it.

    Raises:
        CorruptDocumentError: Parts that every document has are missing.
    """
    from docx.opc.part import PartFactory
    from docx.package import Package
    from docx.parts.document import DocumentPart

    for kind in _MAIN:  # the same document, but for macros or for being a template
        PartFactory.part_type_for.setdefault(kind, DocumentPart)
    try:
        part = Package.open(package.lean()).main_document_part
    except (KeyError, ValueError) as error:
        raise CorruptDocumentError(
            f"{label(uri)} lacks a part of its package: {error}.", uri=uri
        ) from error
    if not isinstance(part, DocumentPart):
        raise CorruptDocumentError(
            f"{label(uri)} is no DOCX file, but {part.content_type}.", uri=uri
        )
    return part.document


def _sizes(document: Any) -> list[tuple[float, float] | None]:
    """The size of the pages in points, if all sections agree on it."""
    try:
        found = {
            (section.page_width / _POINT, section.page_height / _POINT)
            for section in document.sections
            if section.page_width and section.page_height
        }
    except ValueError as error:  # an odd number there is no reason to give the text up
        _log.info("the size of the pages cannot be read: %s", error)
        return [None]
    return [found.pop()] if len(found) == 1 else [None]
