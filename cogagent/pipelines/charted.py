"""A chart that was understood, as a table in words: what readers, models and checks know.

Like DePlot (Liu et al. 2023, arXiv 2212.10505), which translates a plot to a table for a
language model; here every label and value also keeps its place on the page.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np

from cogagent.geometry import Box, make_box, place
from cogagent.grid import Cell, Grid, Header, Place
from cogagent.reading.values import number
from cogagent.types import Words

_NUMBER = re.compile(r"\d(?:[\d\s.,'\u2019]{0,24}\d)?")
ABOUT = "\u2248"
"""Before a value that was read off an axis; behind it stands how sure that is."""
_VALUES = "value"
"""Names the only column of a chart whose axis has no title; it stands nowhere in the chart."""
NO_LABEL = "\u2013"
"""Stands for a label that was not read."""
_Part = tuple[str, Sequence[Box]]
"""Words of a cell, and where they stand."""


def charted(grid: Grid, box: Box, page: int) -> tuple[str, Words]:
    """The table of a chart, and where each of its words stands.

    Args:
        grid: Its boxes are fractions of a region.
        box: That region, on its page.
        page: Its number.

    Returns:
        Title and unit a line each, then one line of header and the rows that hold values,
        with cells joined by `` | ``. A label that was not read is a dash. A value that was
        measured is ``\u2248 37,500 \u00b1 300``: the mark's boxes belong to its first half,
        those of the ticks beside it to how sure it is. The colour behind the name of a series
        has no place.
    """
    writer = _Writer(box, page)
    for title in grid.title:
        writer.line([_at(title)])
    value_title = grid.value_title or Place("")
    named = any(column.text for column in grid.columns)
    said = [value_title] if named and value_title.text else []
    if grid.unit and grid.unit.casefold() not in value_title.text.casefold():
        said.append(Place(f"in {grid.unit}"))
    for one in said:
        writer.line([_at(one)])
    first = grid.row_title or Place("")
    alone = [(value_title.text or _VALUES, value_title.boxes)]
    writer.line([_at(first), *(map(_said, grid.columns) if named else [alone])])
    percent = grid.unit == "%"
    for at, row in enumerate(grid.rows):
        cells = [grid.cells.get((at, column)) for column in range(len(grid.columns))]
        if any(cell is not None for cell in cells):
            writer.line([_said(row), *(_value(cell, percent=percent) for cell in cells)])
    return writer.text, writer.words()


def _at(place: Place) -> list[_Part]:
    return [(place.text, place.boxes)]


def _said(header: Header) -> list[_Part]:
    boxes = [box for one in header.places for box in one.boxes]
    if not header.text.strip():
        return [(NO_LABEL, boxes)]
    colour = [(f"({header.colour})", ())] if header.colour else []
    return [(header.text, boxes), *colour]


def _value(cell: Cell | None, *, percent: bool) -> list[_Part]:
    if cell is None:
        return []
    if not cell.measured or cell.value is None:
        return [(_printed(cell), cell.place.boxes)]
    digits = _digits(cell.error)
    unit = "%" if percent else ""
    finer = digits + 1 if digits else 0
    ticks = [box for tick in cell.ticks for box in tick.boxes]
    return [
        (f"{ABOUT} {cell.value:,.{digits}f}{unit}", cell.place.boxes),
        (f"\u00b1 {cell.error:,.{finer}f}{unit}", ticks),
    ]


def _printed(cell: Cell) -> str:
    """A value as it was printed, but for what sets its thousands apart: that is a comma."""
    text = cell.place.text
    if cell.value is None or number(text) == cell.value:
        return text
    digits = _NUMBER.search(text)
    if digits is None:
        return text
    decimals = len(digits[0].rpartition(".")[2]) if "." in digits[0] else 0
    before = text[: digits.start()].rstrip("-\u2212\u2013+(")
    return f"{before}{cell.value:,.{decimals}f}{text[digits.end() :].lstrip(')')}"


def _digits(error: float) -> int:
    """Decimals of a value of which no more is known."""
    return 0 if error >= 1 or error <= 0 else min(int(np.ceil(-np.log10(error))), 6)


class _Writer:
    """Joins cells to lines and remembers where each stands."""

    def __init__(self, box: Box, page: int) -> None:
        self._outer, self._page = box, page
        self._spans: list[tuple[int, int]] = []
        self._boxes: list[Box] = []
        self.text = ""

    def line(self, cells: Iterable[Sequence[_Part]]) -> None:
        """Add a line of cells, each of parts with a blank between; none without any words."""
        shown = [
            [(" ".join(text.replace("|", "/").split()), boxes) for text, boxes in cell]
            for cell in cells
        ]
        if not any(text for cell in shown for text, _ in cell):
            return
        self.text += "\n" if self.text else ""
        for at, cell in enumerate(shown):
            self.text += " | " if at else ""
            for nth, (text, boxes) in enumerate(part for part in cell if part[0]):
                self.text += " " if nth else ""
                start = len(self.text)
                self.text += text
                self._spans += [(start, len(self.text))] * len(boxes)
                self._boxes += boxes

    def words(self) -> Words:
        """The boxes of all cells, on the page."""
        inner = np.array(self._boxes, np.float32).reshape(-1, 4)
        placed = [tuple(make_box(*box)) for box in place(inner, self._outer).tolist()]
        return Words(
            np.array(self._spans, np.int32).reshape(-1, 2),
            np.full(len(placed), self._page, np.int32),
            np.array(placed, np.float32).reshape(-1, 4),
        )
