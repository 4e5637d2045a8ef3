"""Blocks of a flowing document as elements on pages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from cogagent.documents.office.align import Matches, align
from cogagent.documents.office.blocks import BREAK, SEEN_BREAK, Block, without_breaks
from cogagent.documents.office.layout import Layout, PlacedPicture, fold, spans_of
from cogagent.documents.text import paragraphs
from cogagent.geometry import FULL_PAGE, Box, make_box
from cogagent.types import Element, Words

_FEWEST = 0.3
"""Share of a block's words that must be found for the block to be taken as found."""
_BETWEEN = " | "
Entry = tuple[int, int, int, Box]
"""First character, end, page and box of a word."""


@dataclass(slots=True)
class _Piece:
    """A block, or the part of it that stands on one page."""

    block: Block
    text: str
    page: int | None
    entries: list[Entry]
    box: Box = FULL_PAGE


def by_breaks(blocks: Sequence[Block]) -> Iterator[Element]:
    """Elements on the pages that the page breaks in the document tell of, without places.

    Breaks that a word processor saw when it saved count, but for those that
    repeat one that the author set.
    """
    counter = _Counter()
    for block in blocks:
        for piece in counter.pieces(block):
            yield from _elements(piece)


def by_layout(blocks: Sequence[Block], layout: Layout) -> Iterator[Element]:
    """Elements on the pages of the converted document, their words with boxes."""
    found = [spelled(block) for block in blocks]
    ours = [fold(text[start:end]) for text, spans in found for start, end in spans]
    matches = align(ours, layout.words)
    placed: list[tuple[Block, str, list[Entry]]] = []
    at = 0
    for block, (text, spans) in zip(blocks, found, strict=True):
        entries = found_entries(text, spans, matches[at : at + len(spans)], layout)
        at += len(spans)
        if block.kind == "table":
            entries = with_merged(block, entries)
        placed.append((block, text, entries))
    pictures = _Pictures(layout.pictures)
    page = 1
    coming = _coming_pages(placed, len(layout.sizes))
    for (block, text, entries), until in zip(placed, coming, strict=True):
        if block.kind == "image":
            taken = pictures.take(block, page, max(until, page))
            page = taken.page if taken is not None else page
            box = taken.box if taken is not None else FULL_PAGE
            pieces = [_Piece(block, "", page, [], box)]
        else:
            pieces = _cut(block, text, entries)
        for piece in pieces:
            page = max(page, piece.page or page)
            piece.page = page
            yield from _elements(piece)


def with_pages(
    elements: Iterable[Element],
    sizes: Sequence[tuple[float, float] | None],
    title: str,
    total: int,
) -> Iterator[Element]:
    """The same elements, numbered, each page opened by a ``page`` element.

    Args:
        elements: In reading order, pages ascending.
        sizes: Of the pages; the last one holds for those that follow.
        title: Caption of the first page.
        total: Pages that there are at least.
    """
    order = opened = 0

    def opening(number: int) -> Element:
        size = sizes[min(number, len(sizes)) - 1] if sizes else None
        caption = title if number == 1 else ""
        return Element(kind="page", page=number, order=order, size=size, caption=caption)

    for element in elements:
        while opened < element.page:
            opened += 1
            yield opening(opened)
            order += 1
        yield element.model_copy(update={"order": order})
        order += 1
    while opened < max(total, 1):
        opened += 1
        yield opening(opened)
        order += 1


def _elements(piece: _Piece) -> Iterator[Element]:
    """The element of a piece; of a paragraph that is very long, several."""
    block, page = piece.block, piece.page or 1
    words = words_of(piece.entries)
    box = around(words, page) if words is not None else piece.box
    if block.kind == "image":
        yield Element(
            kind="image", page=page, box=box, caption=block.caption, unseen=True,
            picture=block.picture,
        )  # fmt: skip
    elif block.kind == "table":
        yield Element(
            kind="table", page=page, box=box, caption=block.caption, text=piece.text,
            cells=block.cells, header_rows=block.header_rows, words=words,
        )  # fmt: skip
    elif block.level is not None:
        yield Element(
            kind="text", page=page, box=box, level=block.level, text=piece.text, words=words
        )
    else:
        at = 0
        for part in paragraphs(piece.text, wrapped=False):
            at = piece.text.index(part, at)
            inside = words.slice(at, at + len(part)) if words is not None else None
            here = around(inside, page) if inside is not None and len(inside) else box
            yield Element(kind="text", page=page, box=here, text=part, words=inside)
            at += len(part)


def words_of(entries: list[Entry]) -> Words | None:
    """Entries as arrays; ``None`` if there are none."""
    if not entries:
        return None
    return Words(
        np.array([entry[:2] for entry in entries], np.int32),
        np.array([entry[2] for entry in entries], np.int32),
        np.array([entry[3] for entry in entries], np.float32),
    )


def around(words: Words, page: int) -> Box:
    """The box around those of the words that stand on a page."""
    boxes = words.boxes[words.pages == page]
    if not len(boxes):
        return FULL_PAGE
    return make_box(*boxes[:, :2].min(axis=0).tolist(), *boxes[:, 2:].max(axis=0).tolist())


# --- pages by breaks -------------------------------------------------------


class _Counter:
    def __init__(self) -> None:
        self._page = 1
        self._fresh = True
        """Nothing has been written on this page yet."""

    def pieces(self, block: Block) -> Iterator[_Piece]:
        if block.kind == "image":
            self._fresh = False
            yield _Piece(block, "", self._page, [])
        elif block.kind == "table":
            yield from self._rows(block)
        elif block.level is not None:
            yield from self._heading(block)
        else:
            for text in self._parts(block.text):
                yield _Piece(block, text, self._page, [])

    def _heading(self, block: Block) -> Iterator[_Piece]:
        """A heading stays whole, on the page of its first words."""
        page = None
        for _ in self._parts(block.text):
            page = page or self._page
        if page is not None:
            yield _Piece(block, " ".join(without_breaks(block.text).split()), page, [])

    def _parts(self, text: str) -> Iterator[str]:
        """The stretches between the breaks; the page is that of the one just given."""
        start = 0
        for at, sign in enumerate(text):
            if sign in (BREAK, SEEN_BREAK):
                yield from self._written(text[start:at])
                self._turn(sign)
                start = at + 1
        yield from self._written(text[start:])

    def _written(self, text: str) -> Iterator[str]:
        if text.strip():
            self._fresh = False
            yield text.strip()

    def _turn(self, sign: str) -> None:
        if sign == BREAK or not self._fresh:
            self._page += 1
            self._fresh = True

    def _rows(self, block: Block) -> Iterator[_Piece]:
        pages = []
        for found in block.row_breaks:
            for sign in found:
                self._turn(sign)
            self._fresh = False
            pages.append(self._page)
        for first, end in _runs(pages):
            part = _rows_of(block, first, end)
            yield _Piece(part, table_text(part), pages[first], [])


# --- pages by layout -------------------------------------------------------


def spelled(block: Block) -> tuple[str, list[tuple[int, int]]]:
    """A block's text, and where its words are; of merged cells only the first's."""
    if block.kind == "image":
        return "", []
    if block.kind == "text":
        text = without_breaks(block.text)
        text = " ".join(text.split()) if block.level is not None else text
        return text, spans_of(text)
    spans = []
    for row, column, at, cell in cells_of(block):
        if block.fresh[row][column]:
            spans += [(at + start, at + end) for start, end in spans_of(cell)]
    return table_text(block), spans


def table_text(block: Block) -> str:
    """A table's cells as text, a line a row."""
    return "\n".join(_BETWEEN.join(row) for row in block.cells)


def cells_of(block: Block) -> Iterator[tuple[int, int, int, str]]:
    """Row, column, first character in the table's text, and text of each cell."""
    at = 0
    for row, cells in enumerate(block.cells):
        for column, cell in enumerate(cells):
            yield row, column, at, cell
            # A row ends with a line break in place of what stands between cells.
            at += len(cell) + (len(_BETWEEN) if column + 1 < len(cells) else 1)


def found_entries(
    text: str,
    spans: list[tuple[int, int]],
    matches: Matches,
    layout: Layout,
    places: Sequence[int] | None = None,
) -> list[Entry]:
    """The words that were found, if they are not too few.

    A word that was not found shares the place of the one before it, or of the
    first one, unless it stands in another cell.

    Args:
        text: They stand in.
        spans: Of the words.
        matches: Of the words, as :func:`align` gives them.
        layout: They were found in.
        places: What the matches count: indices of the layout's words; all of them if ``None``.
    """
    if not spans or (matches[:, 0] >= 0).mean() < _FEWEST:
        return []
    entries: list[Entry] = []
    lead: tuple[int, int] | None = None
    for (start, end), (first, last) in zip(spans, matches.tolist(), strict=True):
        if first < 0:
            if entries and _joined(text, entries[-1][1], start):
                before = entries[-1]
                entries[-1] = (before[0], end, before[2], before[3])
            elif not entries and (lead is None or _joined(text, lead[1], start)):
                lead = (lead[0] if lead else start, end)
            continue
        begin = lead[0] if lead and not entries and _joined(text, lead[1], start) else start
        for found in range(first, last):
            at = found if places is None else places[found]
            place = Box(*layout.boxes[at].tolist())
            entries.append((begin, end, int(layout.pages[at]), place))
    return entries


def _joined(text: str, end: int, start: int) -> bool:
    """Whether nothing but blanks stands between two words; rows and cells part them."""
    return text[end:start].strip(" ") == ""


def with_merged(block: Block, entries: list[Entry]) -> list[Entry]:
    """The words of a table, with those of cells that a merged cell was filled out into."""
    found: dict[tuple[int, int], list[Entry]] = {}
    at = 0
    result: list[Entry] = []
    for row, column, start, cell in cells_of(block):
        end = start + len(cell)
        here: list[Entry] = []
        while at < len(entries) and entries[at][0] < end:
            here.append(entries[at])
            at += 1
        if not block.fresh[row][column] and cell:
            beside = found.get((row, column - 1)) if column else None
            same = column > 0 and block.cells[row][column - 1] == cell
            origin = beside if same else found.get((row - 1, column))
            here = [(start, end, *entry[2:]) for entry in origin or []]
        found[row, column] = here
        found.pop((row - 2, column), None)
        result += here
    return result


def _cut(block: Block, text: str, entries: list[Entry]) -> list[_Piece]:
    """A block in parts by page, as the pages of a PDF would give it."""
    if not text.strip():
        return []
    if not entries:
        return [_Piece(block, text, None, [])]
    if block.kind == "table":
        return _cut_table(block, entries)
    if block.level is not None:
        return [_Piece(block, text, entries[0][2], entries)]
    pieces, start, first = [], 0, 0
    page = entries[0][2]
    for at, entry in enumerate(entries):
        if entry[2] > page and entry[0] > start:
            pieces.append(_part(block, text, page, entries[first:at], start, entry[0]))
            start, first, page = entry[0], at, entry[2]
    pieces.append(_part(block, text, page, entries[first:], start, len(text)))
    return pieces


def _part(
    block: Block, text: str, page: int, entries: list[Entry], start: int, end: int
) -> _Piece:
    part = text[start:end].rstrip()
    moved = [
        (max(entry[0] - start, 0), min(entry[1] - start, len(part)), *entry[2:])
        for entry in entries
    ]
    return _Piece(block, part, page, [entry for entry in moved if entry[0] < entry[1]])


def _cut_table(block: Block, entries: list[Entry]) -> list[_Piece]:
    starts = [at for _, column, at, _ in cells_of(block) if column == 0]
    pages: list[int] = []
    by_row: list[list[Entry]] = [[] for _ in starts]
    row = 0
    for entry in entries:
        while row + 1 < len(starts) and entry[0] >= starts[row + 1]:
            row += 1
        by_row[row].append(entry)
    for found in by_row:
        before = pages[-1] if pages else entries[0][2]
        pages.append(max([before, *(entry[2] for entry in found[:1])]))
    pieces = []
    for first, end in _runs(pages):
        part = _rows_of(block, first, end)
        # Rows that were put before these, as a header is, stand on another page.
        added = len(part.cells) - (end - first)
        places = [at for _, column, at, _ in cells_of(part) if column == 0]
        moved = [
            (entry[0] + shift, entry[1] + shift, *entry[2:])
            for at in range(first, end)
            for shift in (places[added + at - first] - starts[at],)
            for entry in by_row[at]
        ]
        pieces.append(_Piece(part, table_text(part), pages[first], moved))
    return pieces


def _runs(pages: list[int]) -> Iterator[tuple[int, int]]:
    """First and end of each run of equal pages."""
    first = 0
    for at in range(1, len(pages) + 1):
        if at == len(pages) or pages[at] != pages[first]:
            yield first, at
            first = at


def _rows_of(block: Block, first: int, end: int) -> Block:
    """Some rows of a table, under its header if that stands on a page before."""
    if first == 0 and end == len(block.cells):
        return block
    head = slice(0, block.header_rows if first >= block.header_rows else 0)
    return replace(
        block,
        cells=block.cells[head] + block.cells[first:end],
        fresh=block.fresh[head] + block.fresh[first:end],
        row_breaks=block.row_breaks[head] + block.row_breaks[first:end],
        header_rows=min(block.header_rows, end) if first == 0 else len(block.cells[head]),
    )


def _coming_pages(placed: list[tuple[Block, str, list[Entry]]], last: int) -> list[int]:
    """For each block the page on which the next found text stands."""
    pages: list[int] = []
    page = last
    for _, _, entries in reversed(placed):
        pages.append(page)
        page = entries[0][2] if entries else page
    return pages[::-1]


class _Pictures:
    """Hands out the pictures on the pages by their size, in order."""

    def __init__(self, pictures: list[PlacedPicture]) -> None:
        self._left = list(pictures)

    def take(self, block: Block, first: int, last: int) -> PlacedPicture | None:
        if block.extent is None:
            return None
        for at, picture in enumerate(self._left):
            if first <= picture.page <= last and all(
                abs(shown - wanted) <= 2.0 + 0.03 * wanted
                for shown, wanted in zip(picture.extent, block.extent, strict=True)
            ):
                return self._left.pop(at)
        return None
