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
"""Names the only column of a chart whose axis has no title."""


def charted(grid: Grid, box: Box, page: int) -> tuple[str, Words]:
    """The table of a chart, and where each of its words stands.

    Args:
        grid: Its boxes are fractions of a region.
        box: That region, on its page.
        page: Its number.

    Returns:
        Title and unit a line each, then header and rows with cells joined by `` | ``; a
        value that was measured is ``\u2248 37,500 \u00b1 300``. The boxes of a label are its
        own; those of a measured value are its mark's and the ticks' beside it.
    """
    writer = _Writer(box, page)
    for title in grid.title:
        writer.line([(title.text, title.boxes)])
    value_title = grid.value_title or Place("")
    named = any(column.text for column in grid.columns)
    said = [value_title] if named and value_title.text else []
    if grid.unit and grid.unit.casefold() not in value_title.text.casefold():
        said.append(Place(f"in {grid.unit}"))
    for one in said:
        writer.line([(one.text, one.boxes)])
    first = grid.row_title or Place("")
    alone = (value_title.text or _VALUES, value_title.boxes)
    writer.line(
        [(first.text, first.boxes), *(_said(column) for column in grid.columns)]
        if named
        else [(first.text, first.boxes), alone]
    )
    percent = grid.unit == "%"
    for at, row in enumerate(grid.rows):
        cells = (grid.cells.get((at, column)) for column in range(len(grid.columns)))
        writer.line([_said(row), *(_value(cell, percent=percent) for cell in cells)])
    return writer.text, writer.words()


def _said(header: Header) -> tuple[str, Sequence[Box]]:
    text = header.text
    if header.colour and text:
        text = f"{text} ({header.colour})"
    return text, [box for one in header.places for box in one.boxes]


def _value(cell: Cell | None, *, percent: bool) -> tuple[str, Sequence[Box]]:
    if cell is None:
        return "", ()
    if not cell.measured or cell.value is None:
        return _printed(cell), cell.place.boxes
    digits = _digits(cell.error)
    unit = "%" if percent else ""
    finer = digits + 1 if digits else 0
    text = f"{ABOUT} {cell.value:,.{digits}f}{unit} \u00b1 {cell.error:,.{finer}f}{unit}"
    return text, [*cell.place.boxes, *(box for tick in cell.ticks for box in tick.boxes)]


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

    def line(self, cells: Iterable[tuple[str, Sequence[Box]]]) -> None:
        """Add a line of cells; one without any words is left out."""
        shown = [(" ".join(text.replace("|", "/").split()), boxes) for text, boxes in cells]
        if not any(text for text, _ in shown):
            return
        self.text += "\n" if self.text else ""
        for at, (text, boxes) in enumerate(shown):
            self.text += " | " if at else ""
            start = len(self.text)
            self.text += text
            if text:
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
