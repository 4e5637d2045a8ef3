"""Reads spreadsheets: a sheet is a page, its blocks of cells are tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING

from cogagent.documents import pixels
from cogagent.documents.office.kinds import XLSX
from cogagent.documents.xlsx import regions
from cogagent.documents.xlsx.drawings import commented, drawn
from cogagent.documents.xlsx.parts import Parts, Sheet, Workbook, read_workbook
from cogagent.documents.xlsx.rows import read_outline, read_rows
from cogagent.errors import DocumentError
from cogagent.types import Element, Raster, Source

if TYPE_CHECKING:
    from cogagent.config import LimitSettings, ParseSettings


class XlsxLoader:
    """Reads XLSX, XLSM and their templates, as a reader sees their cells.

    Every visible sheet is a page with its name as heading. Cells show what
    their number format makes of them, a formula that was never worked out its
    own text. Hidden sheets, rows and columns are left out, but for rows that a
    filter or a folded outline hides. After the cells come the comments on them,
    then pictures, charts (as tables) and text boxes.

    Args:
        limits: ``unpacked_mb``, ``members`` and ``pixels`` count.
        parse: Not used; loaders are built alike.
    """

    media_types = (XLSX,)

    def __init__(self, limits: LimitSettings, parse: ParseSettings) -> None:  # noqa: ARG002
        self._limits = limits

    def load(self, source: Source) -> Iterator[Element]:
        """A ``page`` element a sheet, then its heading, tables, texts and pictures.

        Raises:
            CorruptDocumentError: If it is damaged or no workbook.
            LimitExceededError: If it unpacks to more than is allowed.
        """
        parts = self._parts(source)
        # Sheets are read twice; a second budget lets them be as large as any other part.
        again = self._parts(source)
        book = read_workbook(parts)
        order = 0
        for page, sheet in enumerate(book.sheets, start=1):
            opening = Element(kind="page", caption=book.title if page == 1 else "")
            for element in chain([opening], self._sheet(parts, again, sheet, book)):
                yield element.model_copy(update={"page": page, "order": order})
                order += 1

    def pixels(self, source: Source, elements: Sequence[Element]) -> Iterator[Raster | None]:
        """Pictures that stand on sheets."""
        parts = self._parts(source)
        for element in elements:
            try:
                data = parts.read(element.picture)
            except DocumentError:
                data = None
            yield pixels.seen(data, source.uri, self._limits)

    def _parts(self, source: Source) -> Parts:
        assert source.data is not None
        return Parts(source.data, source.uri, self._limits)

    def _sheet(
        self, parts: Parts, again: Parts, sheet: Sheet, book: Workbook
    ) -> Iterator[Element]:
        """What is on a sheet, under its name if there is anything."""
        content = self._content(parts, again, sheet, book)
        first = next(content, None)
        if first is None:
            return
        if sheet.name.strip():
            yield Element(kind="text", text=" ".join(sheet.name.split()), level=1)
        yield first
        yield from content

    def _content(
        self, parts: Parts, again: Parts, sheet: Sheet, book: Workbook
    ) -> Iterator[Element]:
        name = sheet.relation.target
        if sheet.relation.kind == "worksheet":
            outline = read_outline(again, name)
            yield from regions.elements(read_rows(parts, name, book, outline), outline)
            yield from commented(parts, name)
        yield from drawn(parts, name, self._limits)
