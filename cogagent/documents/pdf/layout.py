"""Line pieces to blocks, blocks to reading order, blocks to paragraphs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np

from cogagent.documents.pdf.text import Piece, make_piece, same_line

if TYPE_CHECKING:
    from collections.abc import Sequence

_BULLET = re.compile(r"^[•▪▫●○■□◦‣\u2043➢✓·∙*\u2013—-]$|^[•▪●■◦‣➢✓]")
_MARKER = re.compile(
    r"^(\(?(\d{1,3}|[a-zA-Z]|[ivxlc]{1,5})[.)]|\[\d{1,3}\]|\d{1,2}(\.\d{1,2}){1,3}\.?|[*†‡§])$"
)
_LABEL = re.compile(r"^(item|part|note|section|appendix|chapter|exhibit)\s+\w{1,4}[.:]?$", re.I)
_END = re.compile(r"[.!?:;]['\"”\u2019)\]]*$")
_NUMBERED = re.compile(r"^(?:\d{1,2}(?:\.\d{1,2})*\.?|[A-Z]\.|[IVX]{1,5}\.)\s+[A-Z]")


class Placed(Protocol):
    """Anything that takes up a rectangle."""

    x0: float
    y0: float
    x1: float
    y1: float


P = TypeVar("P", bound=Placed)


@dataclass(slots=True, eq=False)
class Block:
    """Lines that stand under each other in one column."""

    lines: list[Piece]
    x0: float
    y0: float
    x1: float
    y1: float

    def add(self, line: Piece) -> None:
        """Append a line below."""
        self.lines.append(line)
        self.x0, self.x1 = min(self.x0, line.x0), max(self.x1, line.x1)
        self.y0, self.y1 = min(self.y0, line.y0), max(self.y1, line.y1)


def is_marker(text: str) -> bool:
    """A bullet, number or label that opens a list item."""
    return bool(_BULLET.match(text) or _MARKER.match(text) or _LABEL.match(text))


def _opens_item(left: str, right: str) -> bool:
    """``left`` is the marker of the item or the number of the heading ``right``."""
    return is_marker(left) or (bool(re.fullmatch(r"\d{1,2}", left)) and right[0].isupper())


def rejoin_pieces(pieces: list[Piece]) -> list[Piece]:
    """Undo gaps inside lines of prose: wide justification, tabs after list markers."""
    pieces = sorted(pieces, key=lambda p: (p.base, p.x0))
    result: list[Piece] = []
    for piece in pieces:
        mate = None
        for other in reversed(result):
            if other.base < piece.base - 2 * piece.size:
                break
            if not same_line(other, piece):
                continue
            left, right = (other, piece) if other.x0 <= piece.x0 else (piece, other)
            gap = right.x0 - left.x1
            em = max(left.size, right.size)
            marker = (
                _opens_item(left.text, right.text)
                and gap < 6 * em
                and not _between(left, right, pieces)
            )
            close = -0.5 * em < gap < 2.5 * em and _crossed(left, right, pieces)
            if marker or close:
                mate = other
                break
        if mate is None:
            result.append(piece)
        else:
            words = sorted(mate.words + piece.words, key=lambda w: w.x0)
            result[result.index(mate)] = make_piece(words)
    return result


def _between(left: Piece, right: Piece, pieces: list[Piece]) -> bool:
    return any(
        p is not left and p is not right and left.x1 <= p.x0 < right.x0 and same_line(left, p)
        for p in pieces
    )


def _crossed(left: Piece, right: Piece, pieces: list[Piece]) -> bool:
    """Lines close above or below run through the gap, so it is no column gap."""
    reach = 4 * max(left.size, right.size)
    middle = (left.x1 + right.x0) / 2
    near = [p for p in pieces if 0 < abs(p.base - left.base) < reach]
    crossing = sum(p.x0 < middle - left.size and p.x1 > middle + left.size for p in near)
    beside = sum(p.x1 <= right.x0 or p.x0 >= left.x1 for p in near)
    return crossing > 0 and 2 * crossing >= beside


def find_blocks(pieces: list[Piece]) -> list[Block]:
    """Stack pieces into blocks by nearness, overlap and size."""
    ordered = sorted(pieces, key=lambda p: (p.base, p.x0))
    blocks: list[Block] = []
    active: list[Block] = []
    for at, piece in enumerate(ordered):
        active = [b for b in active if piece.base - b.lines[-1].base < 3 * piece.size + 20]
        above = [b for b in active if _continues(b.lines[-1], piece)]
        # A line over two columns, or two columns under a line, starts afresh.
        lasts = [b.lines[-1] for b in above]
        forked = len(above) == 1 and _has_mate(ordered, at, lasts[0])
        if len(above) == 1 and not forked:
            above[0].add(piece)
            continue
        block = Block([piece], piece.x0, piece.y0, piece.x1, piece.y1)
        blocks.append(block)
        active.append(block)
    return blocks


def _continues(last: Piece, piece: Piece) -> bool:
    small, large = min(last.size, piece.size), max(last.size, piece.size)
    drop = piece.base - last.base
    if drop < 0.4 * small or drop > 2.2 * large or small < 0.72 * large:
        return False
    shared = min(last.x1, piece.x1) - max(last.x0, piece.x0)
    return shared > 0.3 * min(last.x1 - last.x0, piece.x1 - piece.x0)


def _has_mate(ordered: list[Piece], at: int, last: Piece) -> bool:
    """Another piece on the line of ``ordered[at]`` also stands under ``last``."""
    piece = ordered[at]
    for step in (-1, 1):
        other = at + step
        while 0 <= other < len(ordered) and abs(ordered[other].base - piece.base) < piece.size:
            mate = ordered[other]
            if same_line(piece, mate) and _continues(last, mate):
                return True
            other += step
    return False


# --- reading order ------------------------------------------------------------


def reading_order(items: Sequence[P], height: float, gutter: float) -> list[P]:
    """Items column by column, top to bottom.

    Args:
        items: Blocks, tables and figures of a page.
        height: Height of the page; single lines at its edges (running heads,
            page numbers) never join the columns beside them.
        gutter: Narrowest gap between columns.
    """
    if len(items) < 2:
        return list(items)
    bands = _bands(items)
    if len(bands) == 1:
        columns = _columns(items, gutter)
        if len(columns) == 1:
            return sorted(items, key=lambda i: (i.y0, i.x0))
        return [item for column in columns for item in reading_order(column, height, gutter)]
    result: list[P] = []
    for group in _column_groups(bands, height, gutter):
        joined = [item for band in group for item in band]
        columns = _columns(joined, gutter)
        parts = columns if len(columns) > 1 else group
        for part in parts:
            result += reading_order(part, height, gutter) if len(part) < len(items) else part
    return result


def _bands(items: Sequence[P]) -> list[list[P]]:
    """Groups of items that no horizontal white line parts."""
    bands: list[list[P]] = []
    bottom = -1e9
    for item in sorted(items, key=lambda i: i.y0):
        if bands and item.y0 < bottom - 0.2 * min(item.y1 - item.y0, 10):
            bands[-1].append(item)
        else:
            bands.append([item])
        bottom = max(bottom, item.y1) if len(bands[-1]) > 1 else item.y1
    return bands


def _columns(items: Sequence[P], gutter: float) -> list[list[P]]:
    columns: list[list[P]] = []
    right = -1e9
    for item in sorted(items, key=lambda i: i.x0):
        if columns and item.x0 < right + gutter:
            columns[-1].append(item)
        else:
            columns.append([item])
        right = max(right, item.x1)
    return columns


def _column_groups(bands: list[list[P]], height: float, gutter: float) -> list[list[list[P]]]:
    """Runs of bands that share a gutter, around bands that have columns themselves."""
    groups: list[list[list[P]]] = []
    shared: list[tuple[float, float]] = []
    for band in bands:
        free = _free(band)
        both = _meet(shared, free, gutter) if groups else []
        split = len(_columns(band, gutter)) > 1
        if groups and both and not _at_edge(band, height) and not _at_edge(groups[-1][0], height):
            candidate = [*groups[-1], band]
            columns = _columns([i for b in candidate for i in b], gutter)
            if len(columns) > 1 and (
                split or any(len(_columns(b, gutter)) > 1 for b in groups[-1])
            ):
                groups[-1], shared = candidate, both
                continue
        groups.append([band])
        shared = free
    return groups


def _free(band: Sequence[Placed]) -> list[tuple[float, float]]:
    """What of the x axis the band leaves empty."""
    free: list[tuple[float, float]] = []
    right = -1e6
    for item in sorted(band, key=lambda i: i.x0):
        if item.x0 > right:
            free.append((right, item.x0))
        right = max(right, item.x1)
    return [*free, (right, 1e6)]


def _meet(
    one: list[tuple[float, float]], two: list[tuple[float, float]], least: float
) -> list[tuple[float, float]]:
    found = [(max(a[0], b[0]), min(a[1], b[1])) for a in one for b in two]
    inner = [(a, b) for a, b in found if b - a >= least]
    # The margins left and right of everything are no gutter.
    return inner if len(inner) > 2 else []


def _at_edge(band: Sequence[Placed], height: float) -> bool:
    top, bottom = min(i.y0 for i in band), max(i.y1 for i in band)
    return bottom - top < 0.03 * height and (bottom < 0.09 * height or top > 0.91 * height)


# --- paragraphs ---------------------------------------------------------------


def split_paragraphs(block: Block) -> list[list[Piece]]:
    """The paragraphs, headings and list items of a block, each as its lines."""
    lines = block.lines
    if len(lines) == 1:
        return [lines]
    drops = np.diff([line.base for line in lines])
    leading = float(np.median(drops))
    hanging = _is_hanging(block)
    groups = [[lines[0]]]
    for at in range(1, len(lines)):
        last, line = lines[at - 1], lines[at]
        gap = float(drops[at - 1])
        wide = gap > 1.22 * leading + 0.5 if len(lines) > 2 else gap > 1.75 * line.size
        if wide or _breaks(last, line, block, hanging):
            groups.append([line])
        else:
            groups[-1].append(line)
    return groups


def _is_hanging(block: Block) -> bool:
    """More lines are indented than stand at the left edge, as in a list of references."""
    if len(block.lines) < 3:
        return False
    em = block.lines[0].size
    outer = sum(line.x0 < block.x0 + 0.6 * em for line in block.lines)
    return outer < len(block.lines) - outer


def _breaks(last: Piece, line: Piece, block: Block, hanging: bool) -> bool:
    """Whether ``line`` opens a paragraph after ``last``."""
    em = max(last.size, line.size)
    first = line.words[0].text
    if _is_tabbed(last) or _is_tabbed(line):
        return True
    if min(last.size, line.size) < 0.88 * em and not _small_rest(last, line):
        return True
    ended = bool(_END.search(last.words[-1].text))
    space = block.x1 - last.x1
    fits = line.words[0].x1 - line.words[0].x0 + 0.6 * em < space
    if last.bold != line.bold and fits:
        return True
    if _BULLET.match(first) and len(line.words) > 1:
        return True
    if is_marker(first) and (ended or fits) and line.x0 <= last.x0 + em:
        return True
    shift = line.x0 - last.x0
    if hanging:
        return shift < -0.7 * em and not _centred(last, line)
    if shift > 0.7 * em and not _centred(last, line) and (ended or first[0].isupper()):
        return line.x0 > block.x0 + 0.7 * em and last.x0 < block.x0 + 0.7 * em
    return fits and (ended or space > 0.4 * (block.x1 - block.x0)) and not first[0].islower()


def _is_tabbed(line: Piece) -> bool:
    """A wide gap within the line, as between an entry of the contents and its page."""
    pairs = zip(line.words[1:], line.words[2:], strict=False)
    return any(b.x0 - a.x1 > 3 * line.size for a, b in pairs)


def _small_rest(last: Piece, line: Piece) -> bool:
    """One of the two lines is a mere mark or symbol, whose size says nothing."""
    return min(len(last.text), len(line.text)) < 3


def _centred(last: Piece, line: Piece) -> bool:
    return abs((last.x0 + last.x1) - (line.x0 + line.x1)) < last.size


def heading_level(lines: list[Piece], body: float) -> int | None:
    """Heading level of a paragraph of ``lines``, given the size of body text."""
    text = " ".join(line.text for line in lines)
    letters = [c for c in text if c.isalpha()]
    if len(lines) > 3 or len(text) > 160 or len(letters) < 3 or text.endswith((".", ",", ";")):
        return None
    size = max(line.size for line in lines)
    bold = all(line.bold for line in lines)
    if text[0].islower() or len(letters) < 0.5 * len(text.replace(" ", "")):
        return None
    if size >= 1.6 * body:
        return 1
    if size >= 1.22 * body:
        return 2
    if size >= 1.08 * body or (bold and size >= 0.95 * body):
        return 3
    upper = sum(c.isupper() for c in letters)
    if len(lines) == 1 and upper > 0.9 * len(letters) and len(letters) > 4 and len(text) < 90:
        return 3
    if bold and _NUMBERED.match(text):
        return 3
    return None
