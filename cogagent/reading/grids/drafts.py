"""What an answer over a grid is made of: places pointed at, and the working in words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Literal

from cogagent.grid import Cell, Grid, Header, Place
from cogagent.reading.grids.labels import Axis, axis_of, fold
from cogagent.reading.grids.numbers import decimals_of, rounded, unit_of, written
from cogagent.reading.question import stem, words

Operation = Literal[
    "lookup", "label", "list", "extreme", "rank", "count", "difference", "sum", "average",
    "ratio", "share", "change", "comparison", "trend",
]  # fmt: skip
Role = Literal["row", "column", "value", "axis", "unit", "title"]
CHANGES = frozenset(
    stem(word) for word in "change increase decrease growth decline difference".split()
)
"""Stems of what a row, or a whole grid, of changes is called."""
_MONEY = re.compile(
    r"[$\u20ac\u00a3\u00a5\u20b9]|\b(?:dollars?|euros?|pounds sterling|yen|rupees?|yuan|francs?"
    r"|crowns?|USD|EUR|GBP|JPY|INR|CNY|RMB|CHF)\b",
    re.IGNORECASE,
)
_EXACT = 10
"""Digits after the point that a sum of printed numbers keeps."""


@dataclass(frozen=True, slots=True)
class Pointed:
    """A place of the grid that an answer rests on, and as what."""

    role: Role
    place: Place


@dataclass(frozen=True, slots=True)
class Draft:
    """An answer before it is known how sure it is.

    Attributes:
        short: What was asked for.
        value: The number.
        operation: How it was found.
        steps: What it points at.
        said: The working in a sentence.
        sure: How sure it is that these cells were asked for, 0 to 1.
        error: Half the width of the interval that the value lies in.
        unit: Of the value.
    """

    short: str
    value: float | None
    operation: Operation
    steps: tuple[Pointed, ...]
    said: str
    sure: float
    error: float = 0.0
    unit: str = ""


class View:
    """A grid with its axes taken apart."""

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        self.rows = axis_of(grid.rows)
        self.columns = axis_of(grid.columns)

    @cached_property
    def known(self) -> frozenset[str]:
        """Stems of all that is written around the values."""
        texts = [*self.texts, self.grid.unit]
        return frozenset(fold(word.stem) for text in texts for word in words(text) if word.content)

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """All that is written around the values."""
        headers = [header.text for header in (*self.grid.rows, *self.grid.columns)]
        return (*self._titles, *(place.text for place in self.grid.notes), *headers)

    @property
    def _titles(self) -> list[str]:
        grid = self.grid
        titles = [place for place in (grid.row_title, grid.value_title) if place is not None]
        return [place.text for place in (*grid.title, *titles)]

    @cached_property
    def says_change(self) -> bool:
        """Whether its titles say that all values are changes."""
        return any(word.stem in CHANGES for text in self._titles for word in words(text))

    @cached_property
    def money(self) -> bool:
        """Whether something says that values are of money."""
        units = [header.unit for header in (*self.grid.rows, *self.grid.columns)]
        values = (cell.place.text for cell in self.grid.cells.values())
        texts = chain(self.texts, units, [self.grid.unit], values)
        return any(_MONEY.search(text) for text in texts)

    def axis(self, by_rows: bool) -> Axis:
        """The rows, or the columns."""
        return self.rows if by_rows else self.columns

    def cell(self, at: int, across: int, by_rows: bool) -> Cell | None:
        """The cell at a place of one axis and a place of the other."""
        return self.grid.cells.get((at, across) if by_rows else (across, at))

    def cells(self, at: int, across: Sequence[int], by_rows: bool) -> list[Cell]:
        """The cells at a place of one axis that hold numbers."""
        found = [self.cell(at, n, by_rows) for n in across]
        return [cell for cell in found if cell is not None and cell.value is not None]

    def unit(self, row: int, column: int) -> str:
        """The unit of a cell: the column's, else the row's, else the grid's."""
        cell = self.grid.cells.get((row, column))
        printed = unit_of(cell.place.text) if cell else ""
        header = self.grid.columns[column].unit or self.grid.rows[row].unit
        return printed if printed == "%" else header or self.grid.unit or printed

    def path(self, row: int, column: int) -> str:
        """The labels of a cell in words."""
        names = [self.grid.rows[row].text, self.grid.columns[column].text]
        return ", ".join(name for name in names if name)

    def pointed(self, row: int, column: int) -> list[Pointed]:
        """What a cell is found by, and the cell."""
        steps = [
            *(Pointed("row", place) for place in places_of(self.grid.rows[row])),
            *(Pointed("column", place) for place in places_of(self.grid.columns[column])),
        ]
        cell = self.grid.cells.get((row, column))
        if cell is not None:
            steps.append(Pointed("value", cell.place))
            steps += [Pointed("axis", tick) for tick in cell.ticks]
        return steps


def places_of(header: Header) -> tuple[Place, ...]:
    """Where a header stands; the last is its own label."""
    return header.places


def once(steps: Sequence[Pointed]) -> tuple[Pointed, ...]:
    """Steps in order, each once."""
    return tuple(dict.fromkeys(steps))


def cell_text(cell: Cell) -> str:
    """A cell as an answer says it: the print, or what was measured, to the digits it is worth."""
    if cell.place.text and not cell.measured and _agrees(cell):
        return cell.place.text
    return "" if cell.value is None else rounded(cell.value, cell.error)


def _agrees(cell: Cell) -> bool:
    """Whether the print is what the value is; a scan may have lost a point."""
    digits = re.sub(r"[^\d.]", "", cell.place.text.replace(",", "."), count=0)
    if cell.value is None or not any(char.isdigit() for char in digits):
        return True
    plain = {digits, digits.replace(".", ""), digits.replace(".", "", digits.count(".") - 1)}
    numbers = [float(text) for text in plain if re.fullmatch(r"\d+\.?\d*|\.\d+", text)]
    return not numbers or any(abs(n - abs(cell.value)) <= 1e-6 * n for n in numbers)


def cell_said(cell: Cell) -> str:
    """The same, with how exact it is."""
    if cell.measured and cell.value is not None:
        error = rounded(cell.error, cell.error / 2) if cell.error else "0"
        return f"about {cell_text(cell)} (read off the axis, \u00b1{error})"
    return cell_text(cell)


def in_brackets(cell: Cell) -> bool:
    """Whether a cell is printed in brackets, as accounts print what is taken away."""
    return (cell.value or 0.0) < 0 and cell.place.text.strip("$\u20ac\u00a3 ").startswith("(")


def plain(cell: Cell) -> str:
    """The number of a cell without its unit."""
    if cell.value is None:
        return cell.place.text
    if cell.measured:
        return rounded(cell.value, cell.error)
    return written(cell.value, decimals_of(cell.place.text))


def shown(value: float, cells: Sequence[Cell], more: int = 0) -> str:
    """A number worked out of cells, with as many decimals as they have, and ``more``."""
    if any(cell.measured for cell in cells):
        return rounded(value, max(cell.error for cell in cells))
    most = max((decimals_of(cell.place.text) for cell in cells), default=0)
    return written(round(value, _EXACT), most + more)
