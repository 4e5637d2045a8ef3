"""One PDF page to its elements: what is text, what is table, what is picture."""

from __future__ import annotations

import contextlib
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from cogagent.documents.pdf.captions import Captions
from cogagent.documents.pdf.chars import Chars, read_chars
from cogagent.documents.pdf.edges import Edges, sample_pages
from cogagent.documents.pdf.figures import Region, find_regions
from cogagent.documents.pdf.flow import Item, Paragraph, join_columns
from cogagent.documents.pdf.frame import UNREADABLE, OpenPage, open_page, page_frame
from cogagent.documents.pdf.layout import (
    find_blocks,
    heading_level,
    reading_order,
    rejoin_pieces,
    split_paragraphs,
)
from cogagent.documents.pdf.notes import note_elements, read_notes
from cogagent.documents.pdf.objects import Drawing, read_drawing
from cogagent.documents.pdf.tables import find_tables
from cogagent.documents.pdf.text import (
    Piece,
    Spelled,
    Word,
    find_pieces,
    find_words,
    spell_lines,
)
from cogagent.geometry import (
    FULL_PAGE,
    Box,
    PdfPage,
    from_pixels,
    make_box,
    to_pixels,
    turn,
    turn_points,
)
from cogagent.types import Element, Raster, Words

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cogagent.config import LimitSettings, ParseSettings
    from cogagent.documents.pdf.table import Table

_MAX_KEPT = 20_000
"""Characters of a page that are kept from looking ahead to reading it."""
_DOUBT = 0.3
"""Share of letters nobody knows from which on a text layer is not trusted."""
_FEW = 80
"""Characters; a page with fewer may have its text in its pixels."""
_MAX_SIDE = 16_000
"""Longest side of a raster in pixels; what image libraries take without complaint."""


class PageReader:
    """Reads the pages of one document in turn, remembering what spans pages."""

    def __init__(self, limits: LimitSettings, parse: ParseSettings) -> None:
        self.limits = limits
        self.parse = parse
        self.hyphenated: set[str] = set()
        self.seen_pictures: set[tuple[int, ...]] = set()
        self.size_votes: dict[float, int] = {}
        self.edges = Edges({}, 0.0)
        self._ahead: dict[int, Chars] = {}

    def look_ahead(self, document: Any, pages: int) -> None:
        """Learn from a sample of the pages what stands at the edges of most of them."""
        sample: dict[int, tuple[list[Piece], float]] = {}
        words: list[Word] = []
        for index in sample_pages(pages) if pages > 1 else []:
            # A page that cannot be read says so in its turn.
            with contextlib.suppress(*UNREADABLE):
                with contextlib.closing(open_page(document, index)) as page:
                    frame = page_frame(page.shown)
                    chars = _read_chars(page.shown, frame)
                if len(chars) <= _MAX_KEPT:
                    self._ahead[index + 1] = chars
                upright = [word for word in find_words(chars) if word.turns == 0]
                sample[index + 1] = find_pieces(upright), frame.size[1]
                words += upright
        self.edges = Edges(sample, self.body_size(words))

    def read(self, opened: OpenPage, number: int) -> list[Element]:
        """The elements of a page, those of its notes last."""
        frame = page_frame(opened.shown)
        elements = self._drawn(opened.shown, frame, number)
        notes = read_notes(opened.original)
        return [*elements, *note_elements(notes, elements, frame, number)]

    def _drawn(self, page: Any, frame: PdfPage, number: int) -> list[Element]:
        """The elements of what is drawn on ``page`` (a ``pypdfium2.PdfPage``)."""
        chars = self._ahead.pop(number, None) or _read_chars(page, frame)
        drawing = read_drawing(page, frame)
        scanned = is_scanned(chars, drawing, frame.size)
        opening = Element(
            kind="page",
            page=number,
            size=frame.size,
            needs_ocr=scanned,
            unseen=scanned,
        )
        if scanned:
            if not self._worth_keeping(chars):
                return [opening]
            nothing = np.zeros((0, 4))
            drawing = Drawing(nothing, nothing, nothing, nothing)
        layout = _PageLayout(self, frame, number, drawing)
        return [opening, *layout.elements(find_words(chars))]

    def _worth_keeping(self, chars: Chars) -> bool:
        """Whether the text layer of a page that is read from its pixels is kept beside that.

        A few odd letters are often what OCR does not know, and without OCR the layer is
        all there is.
        """
        few = len(chars) < _FEW and chars.doubtful > _DOUBT
        return not self.parse.ocr or (few and _are_letters(chars))

    def body_size(self, words: list[Word]) -> float:
        """The font size of body text, voted for by the letters of all pages so far."""
        for word in words:
            size = round(word.size * 2) / 2
            self.size_votes[size] = self.size_votes.get(size, 0) + len(word.text)
        return max(self.size_votes, key=self.size_votes.__getitem__, default=10.0)

    def pixels(self, page: Any, elements: Sequence[Element]) -> Iterator[Raster]:
        """The pixels of elements of ``page``, cut from one rendering of it."""
        frame = page_frame(page)
        scanned = any(element.needs_ocr for element in elements)
        whole = self.render(page, frame, self.parse.ocr_dpi if scanned else self.parse.picture_dpi)
        for element in elements:
            yield whole if element.kind == "page" else whole.part(element.box)

    def render(self, page: Any, frame: PdfPage, dpi: int, box: Box = FULL_PAGE) -> Raster:
        """The pixels of ``page``, or a part of it, as shown.

        At a lower resolution where the limits ask for it: a small part may have a higher
        one than its page.
        """
        width, height = (max(side, 1.0) for side in frame.size)
        part = max(width * box.width, 1.0), max(height * box.height, 1.0)
        scale = min(
            dpi / 72, math.sqrt(self.limits.pixels / (part[0] * part[1])), _MAX_SIDE / max(part)
        )
        whole = math.ceil(width * scale), math.ceil(height * scale)
        left, top, right, bottom = to_pixels(box, whole)
        # The library rounds each side's points up to pixels.
        sides = (left, whole[1] - bottom, whole[0] - right, top)
        crop = tuple(max(side - 0.5, 0.0) / scale for side in sides)
        with contextlib.closing(page.render(scale=scale, crop=crop, rev_byteorder=True)) as bitmap:
            pixels = np.array(bitmap.to_numpy()[:, :, :3], np.uint8)
        return Raster(pixels)


def _read_chars(page: Any, frame: PdfPage) -> Chars:
    with contextlib.closing(page.get_textpage()) as text_page:
        return read_chars(text_page, frame)


def is_scanned(chars: Chars, drawing: Drawing, size: tuple[float, float]) -> bool:
    """Whether the text of the page is in its pixels, or its text layer is garbage."""
    count = len(chars)
    if not looks_like_text(chars):
        return True
    if count >= _FEW:
        return False
    area = size[0] * size[1]
    covered = sum((p.box[2] - p.box[0]) * (p.box[3] - p.box[1]) for p in drawing.pictures) / area
    # Glyphs drawn as outlines are hundreds of small shapes.
    shapes = drawing.shapes
    small = (shapes[:, 3] - shapes[:, 1] < 0.03 * size[1]) & (
        shapes[:, 2] - shapes[:, 0] < 0.06 * size[0]
    )
    return covered > 0.5 or int(small.sum()) > 300


def looks_like_text(chars: Chars) -> bool:
    """Whether a text layer reads as text, and not as glyph numbers or noise."""
    if chars.doubtful > _DOUBT:
        return False
    if len(chars) < 20 or not chars.hidden.mean() > 0.5:
        return True
    return _are_letters(chars)


def _are_letters(chars: Chars) -> bool:
    letters = sum(chr(code).isalnum() for code in chars.codes.tolist())
    return letters > 0.6 * len(chars)


class _PageLayout:
    """The layout of one page, from words to elements."""

    def __init__(self, reader: PageReader, frame: PdfPage, number: int, drawing: Drawing) -> None:
        self.reader = reader
        self.frame = frame
        self.number = number
        self.drawing = drawing

    def elements(self, words: list[Word]) -> list[Element]:
        """All elements but the page's own, in reading order."""
        for word in words:
            if "-" in word.text[1:-1]:
                self.reader.hyphenated.add(word.text.strip(".,;:!?()[]\"'").lower())
        straight = [w for w in words if w.turns < 4]
        body = self.reader.body_size(straight)
        turns = [0, *(t for t in (1, 2, 3) if any(w.turns == t for w in straight))]
        pieces = {t: find_pieces([w for w in straight if w.turns == t]) for t in turns}
        pieces[0] = self.reader.edges.without(pieces[0], self.number, self.frame.size[1])
        upright = pieces[0]
        regions, pieces = find_regions(
            pieces,
            self.drawing,
            self.frame.size,
            body,
            self.reader.seen_pictures,
            self._shown,
            lambda without: [
                table.box
                for table in find_tables(
                    [p for p in upright if id(p) not in without], self.drawing
                ).found
            ],
        )
        tables = {t: find_tables(pieces[t], self._turned_drawing(t)) for t in turns}
        main = max(turns, key=lambda t: sum(len(p.words) for p in pieces[t]))
        found: list[Element] = []
        for t in sorted(turns, key=lambda t: t != main):
            mine = regions if t == 0 else []
            found += self._direction(tables[t].rest, tables[t].found, mine, body, t)
        skewed = [w for w in words if w.turns >= 4]
        if skewed:
            found.append(self._text(spell_lines([skewed], set()), None))
        return found

    def _turned_drawing(self, turns: int) -> Drawing:
        if not turns:
            return self.drawing
        whole = self.drawing
        parts = (whole.rules, whole.boxes, whole.frames, whole.shapes)
        size = self.frame.size
        rules, boxes, frames, shapes = (turn_points(part, size, 90 * turns) for part in parts)
        return Drawing(rules, boxes, frames, shapes)

    def _shown(self, piece: Piece, turns: int) -> tuple[float, float, float, float]:
        """Where a piece of a direction stands on the page as shown."""
        if not turns:
            return piece.x0, piece.y0, piece.x1, piece.y1
        box = np.array([[piece.x0, piece.y0, piece.x1, piece.y1]])
        x0, y0, x1, y1 = turn_points(box, self._turned_size(turns), -90 * turns)[0].tolist()
        return x0, y0, x1, y1

    def _turned_size(self, turns: int) -> tuple[float, float]:
        """Size of the page turned clockwise."""
        width, height = self.frame.size
        return (height, width) if turns % 2 else (width, height)

    def _direction(
        self, pieces: list[Piece], tables: list[Table], regions: list[Region], body: float, t: int
    ) -> list[Element]:
        """Elements of everything that runs in one direction."""
        blocks = find_blocks(rejoin_pieces(pieces))
        items = [Item(b.x0, b.y0, b.x1, b.y1, block=b) for b in blocks]
        items += [Item(*table.box, table=table) for table in tables]
        items += [Item(*region.box, region=region) for region in regions]
        height = self.frame.size[1 - t % 2]
        ordered = reading_order(items, height, max(6.0, 0.7 * body))
        paragraphs: list[Paragraph | Item] = []
        for item in ordered:
            if item.block is None:
                paragraphs.append(item)
                continue
            paragraphs += [
                Paragraph(lines, heading_level(lines, body), item)
                for lines in split_paragraphs(item.block)
            ]
        texts = [p for p in paragraphs if isinstance(p, Paragraph)]
        captions = Captions(texts, self.reader.hyphenated)
        result = []
        for entry in join_columns(paragraphs):
            if isinstance(entry, Paragraph):
                text = spell_lines((line.words for line in entry.lines), self.reader.hyphenated)
                result.append(self._text(text, entry.level))
            elif entry.table is not None:
                result.append(self._table(entry.table, captions))
            elif entry.region is not None:
                result.append(self._region(entry.region, captions))
        return [element for element in result if element.text or element.kind != "text"]

    def _text(self, spelled: Spelled, level: int | None) -> Element:
        words = self._words(spelled)
        return Element(
            kind="text", text=spelled.text, page=self.number, box=_around(words), level=level,
            words=words,
        )  # fmt: skip

    def _table(self, table: Table, captions: Captions) -> Element:
        spelled = table.spelled()
        words = self._words(spelled)
        return Element(
            kind="table", text=spelled.text, page=self.number, box=_around(words), words=words,
            cells=tuple(tuple(row) for row in table.cells()), header_rows=table.header_rows,
            caption=captions.near(table.box, "table") or table.title,
        )  # fmt: skip

    def _region(self, region: Region, captions: Captions) -> Element:
        spelled = spell_lines([piece.words for piece in region.pieces], set())
        x0, y0, x1, y1 = from_pixels(np.array([region.box]), self.frame.size)[0].tolist()
        return Element(
            kind=region.kind, text=spelled.text, page=self.number, unseen=True,
            box=make_box(x0, y0, x1, y1),
            words=self._words(spelled),
            caption=captions.at(region.anchor) or captions.near(region.box, "figure"),
        )  # fmt: skip

    def _words(self, spelled: Spelled) -> Words:
        """Words with boxes as fractions of the page as shown."""
        count = len(spelled.spans)
        boxes = np.array(spelled.boxes, np.float64).reshape(-1, 4)
        turns = np.array(spelled.turns, np.int64) % 4
        for t in range(4):
            at = turns == t
            if at.any():
                boxes[at] = turn(from_pixels(boxes[at], self._turned_size(t)), -90 * t)
        return Words(
            np.array(spelled.spans, np.int32).reshape(-1, 2),
            np.full(count, self.number, np.int32),
            np.clip(boxes, 0.0, 1.0).astype(np.float32),
        )


def _around(words: Words) -> Box:
    if not len(words):
        return FULL_PAGE
    lows, highs = words.boxes[:, :2].min(axis=0), words.boxes[:, 2:].max(axis=0)
    return make_box(float(lows[0]), float(lows[1]), float(highs[0]), float(highs[1]))
