"""Opening a page of a PDF, and where its visible part lies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pypdfium2 as pdfium

from cogagent.geometry import PdfPage

if TYPE_CHECKING:
    from collections.abc import Iterator

UNREADABLE = (pdfium.PdfiumError, ValueError, ArithmeticError, IndexError)
"""What a page that pdfium or the layout cannot make sense of raises."""
_MAX_ANNOTATIONS = 2000


@dataclass(slots=True)
class OpenPage:
    """A page of a document; close it when it is done with.

    Attributes:
        shown: A ``pypdfium2.PdfPage`` with filled-in forms and notes as part of the page.
        original: The page as it stands in the file, its annotations apart; the same
            where it has none that are drawn.
    """

    shown: Any
    original: Any

    def close(self) -> None:
        """Release both."""
        self.shown.close()
        self.original.close()


def open_page(document: Any, index: int) -> OpenPage:
    """A page of a ``pypdfium2.PdfDocument``.

    Raises:
        pdfium.PdfiumError: If it cannot be read.
    """
    page = document[index]
    if not _has_drawn_annotations(page):
        return OpenPage(page, page)
    return OpenPage(_flattened(document, index) or page, page)


def _flattened(document: Any, index: int) -> Any | None:
    """A copy of the page with its annotations drawn on it, ``None`` if none is."""
    # In a document of its own, where it owns what it inherits from the tree of pages:
    # flattening would hide inherited fonts and pictures behind those of the annotations.
    alone = pdfium.PdfDocument.new()
    try:
        alone.import_pages(document, [index])
        page = alone[0]
    except pdfium.PdfiumError:
        return None
    done = pdfium.raw.FPDFPage_Flatten(page.raw, pdfium.raw.FLAT_NORMALDISPLAY)
    # What was flattened in shows once the page is parsed again.
    page.close()
    return alone[0] if done == pdfium.raw.FLATTEN_SUCCESS else None


def _has_drawn_annotations(page: Any) -> bool:
    """Whether a form field or a text typed onto the page is among its annotations."""
    kinds = (pdfium.raw.FPDF_ANNOT_WIDGET, pdfium.raw.FPDF_ANNOT_FREETEXT)
    return any(pdfium.raw.FPDFAnnot_GetSubtype(note) in kinds for note in each_annotation(page))


def each_annotation(page: Any) -> Iterator[Any]:
    """The annotations of a page as pdfium's handles, each valid until the next is asked for."""
    for at in range(min(pdfium.raw.FPDFPage_GetAnnotCount(page.raw), _MAX_ANNOTATIONS)):
        annotation = pdfium.raw.FPDFPage_GetAnnot(page.raw, at)
        if annotation:
            try:
                yield annotation
            finally:
                pdfium.raw.FPDFPage_CloseAnnot(annotation)


def page_frame(page: Any) -> PdfPage:
    """The visible box and rotation of ``page``, exactly as pdfium shows it.

    The boxes in the file may be inherited, reversed or outside of each other;
    asking where the corners of the shown page lie settles all of that.
    """
    grid = 1_000_000
    corners = [_corner(page, x, y, grid) for x, y in ((0, 0), (grid, grid))]
    (x0, y0), (x1, y1) = corners
    left, right, bottom, top = min(x0, x1), max(x0, x1), min(y0, y1), max(y0, y1)
    if not (right - left > 0 and top - bottom > 0):
        raise ValueError("the page has no area")
    return PdfPage(left, bottom, right, top, page.get_rotation())


def _corner(page: Any, x: int, y: int, grid: int) -> tuple[float, float]:
    px, py = pdfium.raw.c_double(), pdfium.raw.c_double()
    pdfium.raw.FPDF_DeviceToPage(page.raw, 0, 0, grid, grid, 0, x, y, px, py)
    # The answer comes with the rounding of single precision.
    return round(px.value, 3), round(py.value, 3)
