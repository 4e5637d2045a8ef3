"""Words of a picture in rows, by where they stand alone: tables, prose, pages side by side."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cogagent.geometry import Box, from_pixels, in_pixels, make_box
from cogagent.types import Words
from cogagent.vision.kinds import is_number
from cogagent.vision.lines import around

_GUTTER = 1.5
"""Least white space between columns that are read apart, in line heights."""
_COLUMN_ROWS, _COLUMN_WIDTH, _COLUMN_TEXT = 5, 10.0, 0.6
"""Such a column has so many rows, half of them so many line heights wide, and this part of
them opens with a word: the numbers of a table belong to the labels at their left."""
_BAND_GAP = 1.0
"""Columns may begin below white space of so many line heights."""
_DEEPEST = 4
"""Columns within columns are looked for so often."""
_UPRIGHT = 1.5
_CELL_GAP = 1.1
"""Least white space between the cells of a row, in line heights."""
_LETTERS = 3
"""A cell between numbers that has fewer letters is a sign."""
_LONGEST = 80
"""Characters of a word that are looked at."""


@dataclass(frozen=True, eq=False)
class Print:
    """The words of a picture, in pixels.

    Attributes:
        texts: The words.
        boxes: Shape ``(n, 4)``: where each stands, in pixels.
        size: Width and height of the picture in pixels.
    """

    texts: tuple[str, ...]
    boxes: NDArray[np.float64]
    size: tuple[int, int]

    @staticmethod
    def of(text: str, words: Words, size: tuple[int, int]) -> Print:
        """The words of a text whose boxes are fractions of a picture of ``size``."""
        spans = words.spans.tolist()
        texts = tuple(text[start : min(end, start + _LONGEST)] for start, end in spans)
        return Print(texts, in_pixels(words.boxes, size), size)

    @cached_property
    def height(self) -> float:
        """Median height of the words, in pixels; 1 if there are none."""
        sides = np.minimum(
            self.boxes[:, 2] - self.boxes[:, 0], self.boxes[:, 3] - self.boxes[:, 1]
        )
        return max(float(np.median(sides)), 1.0) if len(sides) else 1.0

    @cached_property
    def numbers(self) -> NDArray[np.bool_]:
        """Shape ``(n,)``: which words are numbers."""
        return np.array([is_number(text) for text in self.texts], np.bool_)

    @cached_property
    def years(self) -> NDArray[np.bool_]:
        """Shape ``(n,)``: which are numbers that name a column or row more often than count."""
        return np.array([is_year(text) for text in self.texts], np.bool_)

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """Column by column, from above; each word is in one, but for upright lines."""
        wide, high = self.boxes[:, 2] - self.boxes[:, 0], self.boxes[:, 3] - self.boxes[:, 1]
        long = np.array(
            [len(text) > 2 for text in self.texts], np.bool_
        )  # a 1 is higher than wide
        flat = np.flatnonzero(~(long & (high > _UPRIGHT * wide)))
        columns = _columns(self, flat, _DEEPEST)
        return tuple(
            Row(self, number, tuple(row))
            for number, column in enumerate(columns)
            for row in _rows(self.boxes, column)
        )

    def is_label(self, word: int) -> bool:
        """Whether a word is one: no number, sign or single letter, as ``$`` is often read."""
        return not self.numbers[word] and sum(map(str.isalpha, self.texts[word])) > 1

    def is_sign(self, cell: Sequence[int]) -> bool:
        """Whether among numbers a cell is a sign that was misread, as ``SA`` for ``$``."""
        letters = sum(map(str.isalpha, "".join(self.texts[word] for word in cell)))
        return letters < _LETTERS and not self.numbers[list(cell)].any()

    def tells(self, word: int) -> bool:
        """Whether it is a word or number, and no sign beside one."""
        return bool(self.numbers[word]) or self.is_label(word)

    def place(self, edges: NDArray[np.floating]) -> Box:
        """Edges in pixels as a box in fractions of the picture."""
        return make_box(*from_pixels(edges, self.size)[0])


@dataclass(frozen=True, eq=False)
class Row:
    """Words that stand beside each other.

    Attributes:
        print: What they are words of.
        column: Which of the picture's columns it is in.
        words: Their numbers in ``print``, from left to right; at least one.
    """

    print: Print
    column: int
    words: tuple[int, ...]

    @cached_property
    def edges(self) -> NDArray[np.float64]:
        """The smallest box around it, in pixels, shape ``(4,)``."""
        return around(self.print.boxes[list(self.words)])

    @cached_property
    def values(self) -> tuple[int, ...]:
        """Its numbers that may be values: those behind its first word, and no years."""
        known = self.print
        labels = (at for at, word in enumerate(self.words) if known.is_label(word))
        first = next(labels, None)
        behind = self.words if first is None else self.words[first:]
        return tuple(word for word in behind if known.numbers[word] and not known.years[word])

    def cells(self) -> Iterator[tuple[int, ...]]:
        """Words that go on without a wide gap."""
        boxes, cell = self.print.boxes, [self.words[0]]
        gap = _CELL_GAP * self.print.height
        for before, after in itertools.pairwise(self.words):
            if boxes[after, 0] - boxes[before, 2] > gap:
                yield tuple(cell)
                cell = []
            cell.append(after)
        yield tuple(cell)


def is_year(text: str) -> bool:
    """Whether a word is a year, as headers of columns are."""
    bare = text.strip("()[],.:;*")
    return len(bare) == 4 and bare.isascii() and bare.isdigit() and bare[:2] in ("19", "20")


def _columns(known: Print, part: NDArray[np.intp], deepest: int) -> list[NDArray[np.intp]]:
    """The parts whose rows are read apart, from left to right and from above.

    Where no gutter runs through the whole, one is looked for below each white band, so
    that columns are found under a title that spans them.
    """
    if not len(part):
        return []
    sides = _sides(known, part) if deepest else None
    if sides:
        return [column for side in sides for column in _columns(known, side, deepest - 1)]
    columns, plain = list[NDArray[np.intp]](), list[NDArray[np.intp]]()
    for band in _bands(known, part) if deepest else ():
        if _sides(known, band):
            if plain:
                columns.append(np.concatenate(plain))
                plain = []
            columns += _columns(known, band, deepest - 1)
        else:
            plain.append(band)
    if not columns:
        return [part]
    return [*columns, np.concatenate(plain)] if plain else columns


def _bands(known: Print, part: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """What white space that runs across all of ``part`` sets apart."""
    order = part[np.argsort(known.boxes[part, 1], kind="stable")]
    reached = np.maximum.accumulate(known.boxes[order, 3])
    gaps = known.boxes[order[1:], 1] - reached[:-1]
    return np.split(order, np.flatnonzero(gaps > _BAND_GAP * known.height) + 1)


def _sides(
    known: Print, part: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.intp]] | None:
    """Left and right of the widest gutter that has a column at each side, if there is one."""
    order = part[np.argsort(known.boxes[part, 0], kind="stable")]
    reached = np.maximum.accumulate(known.boxes[order, 2])
    gaps = known.boxes[order[1:], 0] - reached[:-1]
    for place in np.argsort(-gaps, kind="stable"):
        if gaps[place] < _GUTTER * known.height:
            return None
        left, right = order[: place + 1], order[place + 1 :]
        if _is_column(known, left) and _is_column(known, right):
            return left, right
    return None


def _is_column(known: Print, part: NDArray[np.intp]) -> bool:
    rows = _rows(known.boxes, part)
    if len(rows) < _COLUMN_ROWS:
        return False
    widths = [known.boxes[row[-1], 2] - known.boxes[row[0], 0] for row in rows]
    opened = sum(known.is_label(row[0]) for row in rows)
    wide = float(np.median(widths)) >= _COLUMN_WIDTH * known.height
    return wide and opened >= _COLUMN_TEXT * len(rows)


def _rows(boxes: NDArray[np.float64], part: NDArray[np.intp]) -> list[list[int]]:
    """Row by row from above: a word joins the row that its middle is in."""
    rows: list[list[int]] = []
    bottom = -np.inf
    middles = boxes[part, 1] + boxes[part, 3]
    for index in part[np.argsort(middles, kind="stable")].tolist():
        middle = (boxes[index, 1] + boxes[index, 3]) / 2
        if rows and boxes[rows[-1][-1], 1] <= middle < bottom:
            rows[-1].append(index)
        else:
            rows.append([index])
            bottom = boxes[index, 3]
    return [sorted(row, key=lambda index: boxes[index, 0]) for row in rows]
