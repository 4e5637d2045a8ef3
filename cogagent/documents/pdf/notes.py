"""What annotations say that the page does not show: comments, and values of form fields."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pypdfium2.raw as pdfium

from cogagent.documents.pdf.frame import each_annotation
from cogagent.geometry import make_box
from cogagent.types import Element, Words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from cogagent.geometry import Box, PdfPage

_COMMENTS = (
    pdfium.FPDF_ANNOT_TEXT, pdfium.FPDF_ANNOT_FREETEXT, pdfium.FPDF_ANNOT_LINE,
    pdfium.FPDF_ANNOT_SQUARE, pdfium.FPDF_ANNOT_CIRCLE, pdfium.FPDF_ANNOT_POLYGON,
    pdfium.FPDF_ANNOT_POLYLINE, pdfium.FPDF_ANNOT_HIGHLIGHT, pdfium.FPDF_ANNOT_UNDERLINE,
    pdfium.FPDF_ANNOT_SQUIGGLY, pdfium.FPDF_ANNOT_STRIKEOUT, pdfium.FPDF_ANNOT_STAMP,
    pdfium.FPDF_ANNOT_CARET, pdfium.FPDF_ANNOT_INK, pdfium.FPDF_ANNOT_FILEATTACHMENT,
)  # fmt: skip
"""What a viewer opens a comment of; a link's text is no comment, and a popup only shows one."""
_FIELDS = (
    pdfium.FPDF_FORMFIELD_TEXTFIELD, pdfium.FPDF_FORMFIELD_COMBOBOX,
    pdfium.FPDF_FORMFIELD_LISTBOX,
)  # fmt: skip
_UNSEEN = pdfium.FPDF_ANNOT_FLAG_HIDDEN | pdfium.FPDF_ANNOT_FLAG_NOVIEW
_PASSWORD = 1 << 13
"""The flag of a field whose value is not to be shown (PDF 32000-1, table 228)."""
_LONGEST = 1 << 20
"""Bytes of one annotation's text; a longer one is left out."""


class Note(NamedTuple):
    """A text that hangs on a place of a page.

    Attributes:
        text: On one line a paragraph.
        place: Left, bottom, right, top in points of the page's own space.
    """

    text: str
    place: tuple[float, float, float, float]


def read_notes(page: Any) -> Iterator[Note]:
    """Comments and field values of ``page``, a ``pypdfium2.PdfPage`` that is not flattened.

    Values of fields take a document whose forms are initialised.
    """
    for annotation in each_annotation(page):
        if pdfium.FPDFAnnot_GetFlags(annotation) & _UNSEEN:
            continue
        kind = pdfium.FPDFAnnot_GetSubtype(annotation)
        text = ""
        if kind in _COMMENTS:
            text = _string(pdfium.FPDFAnnot_GetStringValue, annotation, b"Contents")
        elif kind == pdfium.FPDF_ANNOT_WIDGET and page.formenv is not None:
            text = _value(page.formenv.raw, annotation)
        if text:
            rectangle = pdfium.FS_RECTF()
            pdfium.FPDFAnnot_GetRect(annotation, rectangle)
            r = rectangle
            yield Note(text, (r.left, r.bottom, r.right, r.top))


def note_elements(
    notes: Iterable[Note], shown: Iterable[Element], frame: PdfPage, number: int
) -> Iterator[Element]:
    """A ``text`` element for each note whose words are not on the page already.

    Args:
        notes: Of the page.
        shown: The elements of the page.
        frame: Where the page's visible part lies.
        number: Of the page, from 1.
    """
    known = _letters(" ".join(element.text for element in shown))
    for note in notes:
        if _letters(note.text) in known:
            continue
        (place,) = frame.to_fractions(np.array([note.place])).tolist()
        try:
            box = make_box(*place)
        except ValueError:  # its rectangle is no numbers
            continue
        yield Element(
            kind="text", text=note.text, page=number, box=box, words=_words(note.text, box, number)
        )


def _words(text: str, box: Box, number: int) -> Words:
    """The words of a note side by side in its place, which is where they are to be found."""
    spans, at = [], 0
    for word in text.split():
        start = text.index(word, at)
        at = start + len(word)
        spans.append((start, at))
    edges = box.x0 + box.width * np.array(spans, np.float64) / len(text)
    rows = [(left, box.y0, right, box.y1) for left, right in edges.tolist()]
    return Words(
        np.array(spans, np.int32),
        np.full(len(spans), number, np.int32),
        np.array(rows, np.float32),
    )


def _value(form: Any, annotation: Any) -> str:
    """The value of a field that holds a text."""
    if pdfium.FPDFAnnot_GetFormFieldType(form, annotation) not in _FIELDS:
        return ""
    if pdfium.FPDFAnnot_GetFormFieldFlags(form, annotation) & _PASSWORD:
        return ""
    return _string(pdfium.FPDFAnnot_GetFormFieldValue, form, annotation)


def _string(function: Callable[..., int], *arguments: Any) -> str:
    """What a function of pdfium writes as UTF-16, made printable."""
    size = min(function(*arguments, None, 0), _LONGEST)
    buffer = ctypes.create_string_buffer(size)
    if function(*arguments, ctypes.cast(buffer, ctypes.POINTER(pdfium.FPDF_WCHAR)), size) > size:
        return ""
    text = buffer.raw.decode("utf-16-le", "replace")
    lines = ("".join(c if c.isprintable() else " " for c in line) for line in text.splitlines())
    return "\n".join(" ".join(line.split()) for line in lines).strip()


def _letters(text: str) -> str:
    return "".join(text.split()).casefold()
