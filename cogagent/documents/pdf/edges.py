"""Running heads and page numbers: lines that most pages have at their upper or lower edge.

Pages are yielded one by one, so what repeats has to be known before the first
is read: a sample of the pages is looked at in advance.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cogagent.documents.pdf.text import Piece

_SAMPLE = 12
_BAND = 0.12
"""Share of the page's height, at either edge, where running heads stand."""
_ROWS = 4
"""Lines of a running head, at most."""
_SAME = 3.0
"""How much the height of a running head varies, points."""
_LEAST = 3
"""Pages of a document in which a repeated line is a running head and no coincidence."""
_DIGITS = re.compile(r"\d{1,9}")


@dataclass(slots=True)
class _Mark:
    """A line of text at the edge of a page."""

    page: int
    numbers: list[int]
    distance: float
    """Of its baseline from the edge, points."""
    outermost: bool
    alone: bool
    """Nothing stands beside it."""


@dataclass(slots=True)
class _Pattern:
    """A running head: each number in it is a value, or a step from the page's own number."""

    values: list[int]
    counts: list[bool]
    distance: float

    def fits(self, mark: _Mark) -> bool:
        """Whether ``mark`` is this running head on its page."""
        near = abs(mark.distance - self.distance) <= _SAME
        if not near and not (any(self.counts) and mark.outermost):
            # A page's number may follow the last line of the text, wherever that ends.
            return False
        for value, counts, number in zip(self.values, self.counts, mark.numbers, strict=True):
            # An annex counts its pages anew: its numbers fall behind.
            lags = counts and (near or mark.alone) and number <= mark.page + 20
            if number != value + mark.page * counts and not lags:
                return False
        return True


def sample_pages(count: int) -> list[int]:
    """Indices of pages to look at: all of a short document, else pairs spread over it.

    Pairs, since left and right pages have heads of their own.
    """
    if count <= _SAMPLE:
        return list(range(count))
    pairs = _SAMPLE // 2
    starts = [round(k * (count - 2) / (pairs - 1)) for k in range(pairs)]
    return sorted({index for start in starts for index in (start, start + 1)})


class Edges:
    """The running heads of a document.

    Args:
        sample: Upright pieces and height of the sampled pages, by page number.
        body: Size of body text; what is larger is a title, even where it repeats.
    """

    def __init__(self, sample: Mapping[int, tuple[list[Piece], float]], body: float) -> None:
        groups: dict[tuple[int, str], list[_Mark]] = {}
        for page, (pieces, height) in sample.items():
            for side, row in _edge_rows(pieces, height):
                for piece in row.pieces:
                    if piece.size <= 1.2 * body:
                        key = side, _key(piece.text)
                        groups.setdefault(key, []).append(row.mark(piece, page))
        self._patterns: dict[tuple[int, str], _Pattern] = {}
        for key, marks in groups.items():
            pattern = _pattern(marks, sorted(sample)) if key[1] else None
            if pattern is not None:
                self._patterns[key] = pattern

    def without(self, pieces: list[Piece], page: int, height: float) -> list[Piece]:
        """``pieces`` of a page without its running heads."""
        if not self._patterns:
            return pieces
        dropped: set[int] = set()
        closed: set[int] = set()
        for side, row in _edge_rows(pieces, height):
            # Heads stand outside of everything else: the first other line ends them.
            if side in closed or not self._is_head(side, row, page):
                closed.add(side)
            else:
                dropped |= set(map(id, row.pieces))
        kept = [piece for piece in pieces if id(piece) not in dropped]
        # What a page says at all is no head of it.
        return kept or pieces

    def _is_head(self, side: int, row: _EdgeRow, page: int) -> bool:
        """One part of the row repeats; what stands beside it (the chapter's name) goes along."""
        if len(row.pieces) > 3 or any(len(piece.words) > 12 for piece in row.pieces):
            return False
        patterns = ((self._patterns.get((side, _key(p.text))), p) for p in row.pieces)
        return any(found and found.fits(row.mark(piece, page)) for found, piece in patterns)


@dataclass(slots=True)
class _EdgeRow:
    pieces: list[Piece]
    distance: float
    outermost: bool

    def mark(self, piece: Piece, page: int) -> _Mark:
        numbers = [int(digits) for digits in _DIGITS.findall(piece.text)]
        return _Mark(page, numbers, self.distance, self.outermost, len(self.pieces) == 1)


def _edge_rows(pieces: list[Piece], height: float) -> Iterator[tuple[int, _EdgeRow]]:
    """Rows from the upper edge (0) and the lower edge (1) inwards."""
    ordered = sorted(pieces, key=lambda p: p.base)
    for side, turned in ((0, ordered), (1, ordered[::-1])):
        rows: list[list[Piece]] = []
        for piece in turned:
            if rows and abs(rows[-1][0].base - piece.base) < 0.3 * piece.size:
                rows[-1].append(piece)
            elif len(rows) == _ROWS:
                break
            else:
                rows.append([piece])
        for at, row in enumerate(rows):
            distance = abs(height * side - row[0].base)
            if at == 0 or distance < _BAND * height:
                yield side, _EdgeRow(row, distance, at == 0)


def _key(text: str) -> str:
    """The text up to its numbers and the dashes around them."""
    return _DIGITS.sub("#", text.casefold()).strip(" -\u2013—|·•[]()")


def _pattern(marks: list[_Mark], sampled: list[int]) -> _Pattern | None:
    """The running head that lines of one wording are; ``None`` if they are none."""
    numbers: list[int] = []
    counts: list[bool] = []
    for slot in range(len(marks[0].numbers)):
        values = Counter(mark.numbers[slot] for mark in marks)
        steps = Counter(mark.numbers[slot] - mark.page for mark in marks)
        (value, same), (step, counted) = values.most_common(1)[0], steps.most_common(1)[0]
        if 3 * max(same, counted) < len(marks) or max(same, counted) < 2:
            # Numbers that do neither are what the page says: a date, an amount.
            return None
        counts.append(counted > same)
        numbers.append(step if counts[-1] else value)
    pattern = _Pattern(numbers, counts, float(np.median([mark.distance for mark in marks])))
    pages = {mark.page for mark in marks if pattern.fits(mark)}
    if len(pages) < 2 or (not any(counts) and len(sampled) < _LEAST):
        return None
    # Three numbers that count along are no coincidence, however many pages have none.
    return pattern if _most(pages, sampled) or (any(counts) and len(pages) > 2) else None


def _most(pages: set[int], sampled: list[int]) -> bool:
    """More than half of the pages, or most of the left or of the right ones."""
    if 2 * len(pages) > len(sampled):
        return True
    for odd in (0, 1):
        mine = [page for page in sampled if page % 2 == odd]
        found = sum(page in pages for page in mine)
        if found > 1 and found >= 0.6 * len(mine):
            return True
    return False
