"""Opening a page of a PDF, and where its visible part lies."""

from __future__ import annotations

from typing import Any

import pypdfium2 as pdfium

from cogagent.geometry import PdfPage

UNREADABLE = (pdfium.PdfiumError, ValueError, ArithmeticError, IndexError)
"""What a page that pdfium or the layout cannot make sense of raises."""
_MAX_ANNOTATIONS = 2000


def open_page(document: Any, index: int) -> Any:
    """A page of a ``pypdfium2.PdfDocument``, with filled-in forms and notes as part of it."""
    page = document[index]
    kinds = (pdfium.raw.FPDF_ANNOT_WIDGET, pdfium.raw.FPDF_ANNOT_FREETEXT)
    if not any(kind in kinds for kind in _annotations(page)):
        return page
    done = pdfium.raw.FPDFPage_Flatten(page.raw, pdfium.raw.FLAT_NORMALDISPLAY)
    if done != pdfium.raw.FLATTEN_SUCCESS:
        return page
    # What was flattened in shows once the page is parsed again.
    page.close()
    return document[index]


def _annotations(page: Any) -> list[int]:
    """The subtypes of a page's annotations."""
    found = []
    for at in range(min(pdfium.raw.FPDFPage_GetAnnotCount(page.raw), _MAX_ANNOTATIONS)):
        annotation = pdfium.raw.FPDFPage_GetAnnot(page.raw, at)
        if annotation:
            found.append(pdfium.raw.FPDFAnnot_GetSubtype(annotation))
            pdfium.raw.FPDFPage_CloseAnnot(annotation)
    return found


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
