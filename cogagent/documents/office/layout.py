"""Where the words and pictures of a converted document stand on its pages."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pypdfium2 as pdfium
from numpy.typing import NDArray

from cogagent.documents.pdf.chars import read_chars
from cogagent.documents.pdf.frame import UNREADABLE, page_frame
from cogagent.documents.pdf.objects import read_drawing
from cogagent.documents.pdf.text import find_words, normalise
from cogagent.geometry import Box, Boxes, PdfPage, from_pixels, make_box, turn

_ALONE = "\u2e80-\ua4cf\uf900-\ufaff\uff00-\uffef\U00020000-\U00031fff"
"""Scripts written without spaces, in which each character counts as a word."""
_WORD = re.compile(rf"[{_ALONE}]|[^\s{_ALONE}]+")
_UNSEEN = dict.fromkeys((0xAD, 0x200B, 0x200C, 0x200D, 0x200E, 0x200F, 0x2060, 0xFEFF))
_FALLBACK_SIZE = (612.0, 792.0)


@dataclass(frozen=True, slots=True)
class PlacedPicture:
    """A raster picture on a page; width and height in points."""

    page: int
    box: Box
    extent: tuple[float, float]


@dataclass(slots=True)
class Layout:
    """The pages of a PDF, their words in the order in which they were written.

    Attributes:
        sizes: Width and height of each page as shown, points.
        words: Folded, as :func:`fold` does.
        pages: Of each word, from 1.
        boxes: Of each word, shape ``(n, 4)``, page fractions.
        pictures: In page order.
    """

    sizes: list[tuple[float, float]] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    pages: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    boxes: Boxes = field(default_factory=lambda: np.zeros((0, 4), np.float32))
    pictures: list[PlacedPicture] = field(default_factory=list)


def read_layout(data: bytes) -> Layout:
    """Read a PDF that LibreOffice made; a page that cannot be read has no words.

    Raises:
        ValueError: It is no PDF, or has no pages.
    """
    try:
        document = pdfium.PdfDocument(data)
    except pdfium.PdfiumError as error:
        raise ValueError(f"no PDF: {error}") from error
    layout = Layout()
    pages: list[NDArray[np.int32]] = []
    boxes: list[NDArray[np.float32]] = []
    with contextlib.closing(document):
        if not len(document):
            raise ValueError("a PDF without pages")
        for number in range(1, len(document) + 1):
            try:
                with contextlib.closing(document[number - 1]) as page:
                    found = _read_page(page, number, layout)
            except UNREADABLE:
                layout.sizes.append(_FALLBACK_SIZE)
                continue
            boxes.append(found)
            pages.append(np.full(len(found), number, np.int32))
    if pages:
        layout.pages, layout.boxes = np.concatenate(pages), np.concatenate(boxes)
    return layout


def _read_page(page: Any, number: int, layout: Layout) -> NDArray[np.float32]:
    """The boxes of a page's words; the rest goes into ``layout``."""
    frame = page_frame(page)
    with contextlib.closing(page.get_textpage()) as text_page:
        words = find_words(read_chars(text_page, frame))
    pictures = read_drawing(page, frame).pictures
    points = np.array([[w.x0, w.y0, w.x1, w.y1] for w in words], np.float64).reshape(-1, 4)
    turns = np.array([word.turns % 4 for word in words], np.int64)
    boxes = np.clip(_fractions(points, turns, frame), 0.0, 1.0).astype(np.float32)
    folded = [fold(word.text) for word in words]
    kept = [at for at, word in enumerate(folded) if word]
    layout.sizes.append(frame.size)
    layout.words += [folded[at] for at in kept]
    for picture in pictures:
        x0, y0, x1, y1 = picture.box
        box = make_box(*from_pixels(np.array([picture.box]), frame.size)[0].tolist())
        layout.pictures.append(PlacedPicture(number, box, (x1 - x0, y1 - y0)))
    return boxes[kept]


def _fractions(
    points: NDArray[np.float64], turns: NDArray[np.int64], frame: PdfPage
) -> NDArray[np.float64]:
    """Boxes in points of a page turned for reading, as fractions of the page as shown."""
    boxes = points.copy()
    for quarter in range(4):
        at = turns == quarter
        if at.any():
            size = frame.size if quarter % 2 == 0 else frame.size[::-1]
            boxes[at] = turn(from_pixels(points[at], size), -90 * quarter)
    return boxes


def fold(word: str) -> str:
    """A word for comparison: compatibility forms spelled out, no case, no unseen signs."""
    return normalise(word.translate(_UNSEEN)).casefold()


def spans_of(text: str) -> list[tuple[int, int]]:
    """First character and end of each word of ``text``, cut as the words of pages are."""
    return [match.span() for match in _WORD.finditer(text) if fold(match[0])]
