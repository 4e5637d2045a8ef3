"""PPTX: the slides of a presentation, with rectangles from their own geometry.

Every shape has its place in the file, so that citations point at the shape even
without LibreOffice. Where its lines run is settled by the program that shows it:
with LibreOffice installed (and ``parse.office`` on) words get their own
rectangles, and slides can be shown.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np

from cogagent.documents.base import label
from cogagent.documents.office import place as place
from cogagent.documents.office.align import Matches, align
from cogagent.documents.office.layout import fold
from cogagent.documents.office.loader import OfficeLoader, title_of
from cogagent.documents.office.place import Entry
from cogagent.errors import CorruptDocumentError, LimitExceededError
from cogagent.geometry import Box
from cogagent.types import Element, Source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cogagent.documents.office.blocks import Block
    from cogagent.documents.office.layout import Layout
    from cogagent.documents.office.package import OfficePackage
    from cogagent.documents.office.slides import Shape

_log = logging.getLogger(__name__)
_POINT = 12_700
"""EMUs in a point."""
_MAIN = (
    "application/vnd.ms-powerpoint.slideshow.macroEnabled.main+xml",
    "application/vnd.ms-powerpoint.template.macroEnabled.main+xml",
)
_NOTES = "Speaker notes"
"""Heading under which a slide's notes come; they stand nowhere on the slide."""
_SLACK = 0.02
"""Of the slide, by which words may stand out of their shape."""


class PptxLoader(OfficeLoader):
    """Reads PPTX files and their macro-enabled, show and template kinds; no macro is run.

    A slide is a page, hidden ones included; its title is a heading of level 1.
    Texts, tables, charts (as tables) and pictures follow in reading order, then
    the speaker's notes. Dates, footers and slide numbers are left out.

    Args:
        limits: What one file may cost.
        parse: ``passwords``, and ``office`` for the conversion.
    """

    media_types: tuple[str, ...] = (
        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    )
    file_name = "slides.pptx"
    target = 'pdf:impress_pdf_Export:{"ExportHiddenSlides":{"type":"boolean","value":"true"}}'

    def load(self, source: Source) -> Iterator[Element]:
        """The elements of a presentation, slide by slide.

        Raises:
            PasswordRequiredError: It is encrypted and no configured password fits.
            CorruptDocumentError: It is no PPTX file, or damaged.
            LimitExceededError: It has more slides, or unpacks to more, than allowed.
        """
        source, package = self.opened(source)
        part = _presentation(package, source.uri)
        links = [link.rId for link in _slide_links(part)]
        if len(links) > self.limits.pages:
            raise LimitExceededError(
                f"{label(source.uri)} has {len(links)} slides, "
                f"and {self.limits.pages} are allowed.",
                uri=source.uri,
                remedy="Raise limits.pages (COGAGENT_LIMITS__PAGES).",
            )
        if not links:
            raise CorruptDocumentError(f"{label(source.uri)} has no slides.", uri=source.uri)
        layout = self.layout(source, package)
        if layout is not None and len(layout.sizes) != len(links):
            _log.warning(
                "%s is read without rectangles of words: it has %d slides, and %d were drawn",
                label(source.uri), len(links), len(layout.sizes),
            )  # fmt: skip
            layout = None
        size = _size(part)
        order = 0
        for number, link in enumerate(links, start=1):
            found = list(_slide(part, link, number, size, layout, source.uri))
            title = (title_of(part.package) or _first_title(found)) if number == 1 else ""
            opening = Element(
                kind="page",
                page=number,
                size=(size[0] / _POINT, size[1] / _POINT),
                caption=title,
            )
            for element in (opening, *found):
                yield element.model_copy(update={"order": order})
                order += 1


def _first_title(elements: list[Element]) -> str:
    return next((element.text[:300] for element in elements if element.level == 1), "")


def _presentation(package: OfficePackage, uri: str) -> Any:
    """The main part as python-pptx opens it.

    Raises:
        CorruptDocumentError: Parts that every presentation has are missing.
    """
    from pptx.opc.package import PartFactory
    from pptx.package import Package
    from pptx.parts.presentation import PresentationPart

    for kind in _MAIN:  # the same presentation, but for macros
        PartFactory.part_type_for.setdefault(kind, PresentationPart)
    try:
        part = Package.open(package.lean()).presentation_part
    except (KeyError, ValueError) as error:
        raise CorruptDocumentError(
            f"{label(uri)} lacks a part of its package: {error}.", uri=uri
        ) from error
    if not isinstance(part, PresentationPart):
        raise CorruptDocumentError(
            f"{label(uri)} is no PPTX file, but {part.content_type}.", uri=uri
        )
    return part


def _slide_links(part: Any) -> list[Any]:
    found = part.presentation.element.sldIdLst
    return [] if found is None else list(found.sldId_lst)


def _size(part: Any) -> tuple[int, int]:
    """Width and height of the slides, EMU; the usual one if the file does not say."""
    width, height = part.presentation.slide_width, part.presentation.slide_height
    return (int(width), int(height)) if width and height else (9_144_000, 6_858_000)


def _slide(
    part: Any, link: str, number: int, size: tuple[int, int], layout: Layout | None, uri: str
) -> Iterator[Element]:
    """What stands on a slide, and its notes; nothing, with a warning, if it is not there."""
    from cogagent.documents.office.slides import notes_of, read_shapes

    try:
        slide = part.related_slide(link)
    except (KeyError, AttributeError) as error:
        _log.warning("%s: slide %d cannot be read: %r", label(uri), number, error)
        return
    drawn = _Drawn(layout, number) if layout is not None else None
    for shape in read_shapes(slide, size):
        yield from _elements(shape, number, drawn)
    notes = notes_of(slide)
    if notes:
        yield Element(kind="text", text=_NOTES, level=2, page=number)
        for text in notes:
            yield Element(kind="text", text=text, page=number)


def _elements(shape: Shape, page: int, drawn: _Drawn | None) -> Iterator[Element]:
    for block in shape.blocks:
        if block.kind == "image":
            yield Element(
                kind="image", page=page, box=shape.box, caption=block.caption, unseen=True,
                picture=block.picture,
            )  # fmt: skip
        elif block.kind == "table":
            entries = _table_entries(block, shape, page, drawn) if shape.cell_boxes else []
            yield Element(
                kind="table", page=page, box=shape.box, caption=block.caption,
                text=place.table_text(block), cells=block.cells, header_rows=block.header_rows,
                words=place.words_of(entries),
            )  # fmt: skip
        else:
            text, _ = place.spelled(block)
            entries = drawn.find(block, shape.box) if drawn is not None else []
            whole = [(0, len(text), page, shape.box)]
            yield Element(
                kind="text", text=text, page=page, box=shape.box, level=block.level,
                words=place.words_of(entries or whole),
            )  # fmt: skip


def _table_entries(block: Block, shape: Shape, page: int, drawn: _Drawn | None) -> list[Entry]:
    """The words of a table; a cell that was not found as drawn stands where its grid is."""
    found = drawn.find(block, shape.box, stretched=True) if drawn is not None else []
    entries: list[Entry] = []
    at = 0
    for row, column, start, cell in place.cells_of(block):
        here = []
        while at < len(found) and found[at][0] < start + len(cell):
            here.append(found[at])
            at += 1
        if cell and block.fresh[row][column] and not here:
            box = shape.cell_boxes[row][min(column, len(shape.cell_boxes[row]) - 1)]
            here = [(start, start + len(cell), page, box)]
        entries += here
    return place.with_merged(block, entries)


class _Drawn:
    """The words of a slide as LibreOffice drew it, each given out once."""

    def __init__(self, layout: Layout, page: int) -> None:
        self._layout = layout
        self._left = np.flatnonzero(layout.pages == page)

    def find(self, block: Block, box: Box, *, stretched: bool = False) -> list[Entry]:
        """The words of a block that stand in ``box``, or, overflowing it, elsewhere.

        Args:
            block: A paragraph or a table.
            box: Of its shape.
            stretched: It may reach further down than its box.
        """
        text, spans = place.spelled(block)
        ours = [fold(text[start:end]) for start, end in spans]
        boxes = self._layout.boxes[self._left]
        middles = (boxes[:, :2] + boxes[:, 2:]) / 2
        low = np.array([box.x0, box.y0]) - _SLACK
        high = np.array([box.x1, 1.0 if stretched else box.y1]) + _SLACK
        inside = ((middles >= low) & (middles <= high)).all(axis=1)
        places = self._left[inside].tolist()
        matches = self._matches(ours, places)
        if (matches[:, 0] < 0).any():
            anywhere = self._left.tolist()
            more = self._matches(ours, anywhere)
            if (more[:, 0] >= 0).sum() > (matches[:, 0] >= 0).sum():
                places, matches = anywhere, more
        entries = place.found_entries(text, spans, matches, self._layout, places)
        if entries:
            hits = matches[matches[:, 0] >= 0].tolist()
            taken = [places[at] for first, last in hits for at in range(first, last)]
            self._left = np.setdiff1d(self._left, taken)
        return entries

    def _matches(self, ours: list[str], places: list[int]) -> Matches:
        return align(ours, [self._layout.words[at] for at in places])
